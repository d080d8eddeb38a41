//! What the files of the archive are called: `CAMERA/DAY/SEGMENT.segment` in hex digits and figures, here and in a store
//! elsewhere. A name tells nobody what a camera is called; when something was recorded the file's own times tell anyway. It
//! looks at no folder.

use std::path::{Path, PathBuf};

use domovoi_model::{Date, Id, Timestamp};

/// As the archive's files end.
pub const EXTENSION: &str = "segment";

/// A camera's folder within the archive.
pub fn camera_folder(camera: Id) -> String {
    hex(camera)
}

/// A camera's day: everything in it is sealed under keys of that day.
pub fn day_folder(camera: Id, day: Date) -> PathBuf {
    PathBuf::from(hex(camera)).join(digits(day))
}

/// A segment's file.
pub fn segment_file(camera: Id, day: Date, segment: Id) -> PathBuf {
    day_folder(camera, day).join(format!("{}.{EXTENSION}", hex(segment)))
}

/// The same as the key of an object in a store, below a prefix.
pub fn object_key(prefix: &str, camera: Id, day: Date, segment: Id) -> String {
    let key = format!("{}/{}/{}.{EXTENSION}", hex(camera), digits(day), hex(segment));
    if prefix.is_empty() { key } else { format!("{prefix}/{key}") }
}

/// What a path within the archive, or the key of an object without its prefix, says; `None` if it is none of ours.
pub fn parse(path: &str) -> Option<(Id, Date, Id)> {
    let mut parts = path.split('/');
    let (camera, day, file) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let segment = file.strip_suffix(EXTENSION)?.strip_suffix('.')?;
    Some((unhex(camera)?, undigits(day)?, unhex(segment)?))
}

/// Which segment a file is, by its name alone.
pub fn segment_of(path: &Path) -> Option<Id> {
    let name = path.file_name()?.to_str()?;
    unhex(name.strip_suffix(EXTENSION)?.strip_suffix('.')?)
}

/// Whose a segment's file is, by the folder in which its day's folder is.
pub fn camera_of(path: &Path) -> Option<Id> {
    unhex(path.parent()?.parent()?.file_name()?.to_str()?)
}

/// When a segment began, as its id says it: its first 48 bits. What the row says counts; the clock may have been mended.
pub fn began(segment: Id) -> Timestamp {
    let [a, b, c, d, e, f, ..] = segment.0;
    Timestamp(i64::from_be_bytes([0, 0, a, b, c, d, e, f]))
}

fn hex(id: Id) -> String {
    id.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Id> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| if byte.is_ascii_uppercase() { None } else { char::from(byte).to_digit(16) };
    let bytes = pairs.iter().map(|[high, low]| u8::try_from(digit(*high)? << 4 | digit(*low)?).ok());
    let bytes: Vec<u8> = bytes.collect::<Option<_>>()?;
    let id = <[u8; 16]>::try_from(bytes).ok()?;
    rest.is_empty().then_some(Id(id))
}

fn digits(day: Date) -> String {
    format!("{:04}{:02}{:02}", day.year(), day.month(), day.day())
}

fn undigits(text: &str) -> Option<Date> {
    if text.len() != 8 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = text.split_at_checked(4)?;
    let (month, day) = rest.split_at_checked(2)?;
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_as_they_are_drawn() {
        let (camera, segment) = (Id([0xab; 16]), Id([0x01; 16]));
        let day = Date::new(2026, 11, 2).unwrap();
        let path = segment_file(camera, day, segment);
        let wanted = format!("{}/20261102/{}.segment", "ab".repeat(16), "01".repeat(16));
        assert_eq!(path.to_str(), Some(wanted.as_str()));
        assert_eq!(object_key("", camera, day, segment), wanted);
        assert_eq!(object_key("home/cameras", camera, day, segment), format!("home/cameras/{wanted}"));
        assert!(path.starts_with(day_folder(camera, day)) && path.starts_with(camera_folder(camera)));
        for bad in [
            String::new(),
            wanted.to_uppercase(),
            wanted.replace("20261102", "20261302"),
            wanted.replace("20261102", "2026-11-2"),
            wanted.replace(".segment", ".mp4"),
            wanted.replace(".segment", "segment"),
            format!("/{wanted}"),
            format!("{wanted}/x"),
            wanted.replacen("ab", "a", 1),
            wanted.replacen("ab", "ж", 1),
        ] {
            assert_eq!(parse(&bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_name_reads_back(camera in any::<[u8; 16]>(), segment in any::<[u8; 16]>(), day in 0i64..60_000) {
            let day = Date::new(1970, 1, 1).unwrap().plus_days(day).unwrap();
            let (camera, segment) = (Id(camera), Id(segment));
            prop_assert_eq!(parse(segment_file(camera, day, segment).to_str().unwrap()), Some((camera, day, segment)));
        }

        #[test]
        fn any_text_is_no_panic(text in any::<String>()) {
            let _ = parse(&text);
        }

        #[test]
        fn names_of_one_camera_sort_by_time(one in 0i64..1 << 47, other in 0i64..1 << 47) {
            let [one, other] = [one, other].map(|at| domovoi_store::new_segment_id(Timestamp(at)).unwrap());
            let (earlier, later) = if began(one) < began(other) { (one, other) } else { (other, one) };
            prop_assert!(began(earlier) == began(later) || hex(earlier) < hex(later));
        }
    }
}
