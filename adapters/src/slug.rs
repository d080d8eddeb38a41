//! Names of people's making as words that a program can carry: `Living Room/Temp-1` → `living_room_temp_1`.

/// `Living Room/Temp-1` → `living_room_temp_1`; letters of any alphabet stay.
pub(crate) fn slug(text: &str) -> String {
    slug_with(text, "_")
}

/// With another separator.
pub(crate) fn slug_with(text: &str, separator: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_alphanumeric() {
            out.extend(c.to_lowercase());
        } else if !out.is_empty() && !out.ends_with(separator) {
            out.push_str(separator);
        }
    }
    let kept = out.strip_suffix(separator).map_or(out.len(), str::len);
    out.truncate(kept);
    out
}
