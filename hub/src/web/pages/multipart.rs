//! A form with a file (RFC 7578): the fields as text, and one file. Only what browsers send is understood: no nesting,
//! no transfer encodings, no names from the file's own headers. The bytes are a stranger's: everything is bounded.

/// What a form with a file held.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Name and text, in order.
    pub fields: Vec<(String, String)>,
    /// The first file.
    pub file: Option<Vec<u8>>,
}

/// RFC 2046 5.1.1: at most 70 characters.
const LONGEST_BOUNDARY: usize = 70;

/// The lines over one part.
const LONGEST_HEAD: usize = 2048;

/// A field that is not a file.
const LONGEST_FIELD: usize = 16 * 1024;

/// The boundary in a content type, if it is this one.
pub fn boundary(content_type: &str) -> Option<&str> {
    let mut parts = content_type.split(';');
    if !parts.next()?.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parts.find_map(|part| {
        let (name, value) = part.trim().split_once('=')?;
        name.eq_ignore_ascii_case("boundary").then(|| value.trim_matches('"'))
    })?;
    (!boundary.is_empty() && boundary.len() <= LONGEST_BOUNDARY && boundary.is_ascii()).then_some(boundary)
}

/// Reads a body. `None` is one that no browser sends.
pub fn read(body: &[u8], boundary: &str, most_parts: usize) -> Option<Parts> {
    let opening = format!("--{boundary}");
    let delimiter = format!("\r\n--{boundary}");
    let mut rest = body.strip_prefix(opening.as_bytes())?;
    let mut parts = Parts::default();
    let mut count = 0;
    loop {
        if rest.starts_with(b"--") {
            return Some(parts);
        }
        count += 1;
        if count > most_parts {
            return None;
        }
        rest = rest.strip_prefix(b"\r\n")?;
        // An empty head would begin with the blank line at once; a browser always names the field.
        let head_end = find(rest.get(..rest.len().min(LONGEST_HEAD))?, b"\r\n\r\n")?;
        let head = std::str::from_utf8(rest.get(..head_end)?).ok()?;
        rest = rest.get(head_end + 4..)?;
        let end = find(rest, delimiter.as_bytes())?;
        let value = rest.get(..end)?;
        rest = rest.get(end + delimiter.len()..)?;
        let (name, is_file) = disposition(head)?;
        if is_file {
            if parts.file.is_none() && !value.is_empty() {
                parts.file = Some(value.to_vec());
            }
        } else if value.len() <= LONGEST_FIELD {
            parts.fields.push((name, std::str::from_utf8(value).ok()?.to_owned()));
        } else {
            return None;
        }
    }
}

/// The field's name, and whether it is a file. The file's own name is not read: nobody needs it.
fn disposition(head: &str) -> Option<(String, bool)> {
    let line = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then(|| value.trim())
    })?;
    let rest = line.strip_prefix("form-data")?;
    let name = rest.split_once("name=\"")?.1.split('"').next()?;
    // `filename="` holds `name="` too: ours stands before it.
    let is_file = rest.contains("filename=\"") || rest.contains("filename*=");
    Some((name.to_owned(), is_file))
}

fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    while let Some(at) = hay.get(from..)?.iter().position(|byte| *byte == first) {
        let at = from + at;
        if hay.get(at..)?.starts_with(needle) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn body(file: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(b"--xyz\r\nContent-Disposition: form-data; name=\"t1\"\r\n\r\n12,5\r\n");
        out.extend_from_slice(
            b"--xyz\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n",
        );
        out.extend_from_slice(file);
        out.extend_from_slice(b"\r\n--xyz--\r\n");
        out
    }

    #[test]
    fn what_a_browser_sends_is_read() {
        let file = [0, 255, b'\r', b'\n', b'-', b'-', b'x'];
        let parts = read(&body(&file), "xyz", 10).unwrap();
        assert_eq!(parts.fields, [("t1".to_owned(), "12,5".to_owned())]);
        assert_eq!(parts.file.as_deref(), Some(&file[..]));
        assert_eq!(read(&body(b""), "xyz", 10).unwrap().file, None, "no file was chosen");
        assert_eq!(read(&body(b"x"), "xyz", 1), None, "more parts than the form has");
        assert_eq!(read(&body(b"x"), "other", 10), None);
    }

    #[test]
    fn the_boundary_is_found_and_bounded() {
        assert_eq!(boundary("multipart/form-data; boundary=----abc"), Some("----abc"));
        assert_eq!(boundary("Multipart/Form-Data; charset=x; boundary=\"a b\""), Some("a b"));
        assert_eq!(boundary("multipart/form-data"), None);
        assert_eq!(boundary(&format!("multipart/form-data; boundary={}", "a".repeat(71))), None);
        assert_eq!(boundary("application/json; boundary=a"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600), cut in 0usize..300) {
            let _ = read(&bytes, "xyz", 10);
            let mut whole = body(&bytes);
            let holds_boundary = find(&bytes, b"\r\n--xyz").is_some();
            let read_back = read(&whole, "xyz", 10);
            if !holds_boundary {
                prop_assert_eq!(read_back.and_then(|parts| parts.file).unwrap_or_default(), bytes);
            }
            whole.truncate(cut);
            let _ = read(&whole, "xyz", 10);
        }
    }
}
