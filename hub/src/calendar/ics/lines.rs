//! Content lines (RFC 5545 3.1): unfolding, names, parameters, values; and the same way back. Lenient with what other
//! programs write, strict in size. It knows no property by name.

/// The longest line after unfolding, in bytes; what is longer is cut.
const MAX_LINE: usize = 64 << 10;
/// Lines of a calendar, after unfolding.
pub const MAX_LINES: usize = 400_000;
const MAX_PARAMETERS: usize = 16;

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Line {
    /// Upper case.
    pub name: String,
    /// Names in upper case, values without their quotes.
    pub parameters: Vec<(String, String)>,
    /// As it stands.
    pub value: String,
}

impl Line {
    /// A parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The lines of a text. Those that are none are passed over.
pub fn lines(text: &str) -> impl Iterator<Item = Line> + '_ {
    Unfolded { rest: text.trim_start_matches('\u{feff}') }.take(MAX_LINES).filter_map(|line| read(&line))
}

struct Unfolded<'a> {
    rest: &'a str,
}

impl Unfolded<'_> {
    fn physical(&mut self) -> Option<&str> {
        if self.rest.is_empty() {
            return None;
        }
        // A few programs end lines with CR alone.
        let end = self.rest.find(['\n', '\r']).unwrap_or(self.rest.len());
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix(['\n', '\r'])).unwrap_or(rest);
        Some(line)
    }
}

impl Iterator for Unfolded<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut line = self.physical()?.to_owned();
        cut(&mut line);
        while self.rest.starts_with([' ', '\t']) {
            let more = self.physical()?;
            if line.len() < MAX_LINE {
                line.push_str(more.get(1..).unwrap_or_default());
                cut(&mut line);
            }
        }
        Some(line)
    }
}

fn cut(line: &mut String) {
    if line.len() > MAX_LINE {
        let mut at = MAX_LINE;
        while !line.is_char_boundary(at) {
            at -= 1;
        }
        line.truncate(at);
    }
}

fn read(line: &str) -> Option<Line> {
    let end = line.find([':', ';'])?;
    let (name, mut rest) = line.split_at(end);
    // Apple groups properties with a dot: `item1.SUMMARY`.
    let name = name.rsplit('.').next().unwrap_or(name).trim();
    if name.is_empty() || name.len() > 64 || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return None;
    }
    let mut parameters = Vec::new();
    while let Some(after) = rest.strip_prefix(';') {
        let equals = after.find(['=', ':', ';'])?;
        let (key, after) = after.split_at(equals);
        let Some(after) = after.strip_prefix('=') else {
            // A parameter without a value: passed over.
            rest = after;
            continue;
        };
        let (value, after) = value_of_parameter(after)?;
        if parameters.len() < MAX_PARAMETERS {
            parameters.push((key.trim().to_ascii_uppercase(), value));
        }
        rest = after;
    }
    let value = rest.strip_prefix(':')?;
    Some(Line { name: name.to_ascii_uppercase(), parameters, value: value.to_owned() })
}

/// A value up to `;` or `:`, quoted or not; of a list the whole list.
fn value_of_parameter(text: &str) -> Option<(String, &str)> {
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            ';' | ':' if !quoted => {
                let (value, rest) = text.split_at(at);
                return Some((value.trim().trim_matches('"').to_owned(), rest));
            }
            _ => {}
        }
    }
    None
}

/// A text value without its escapes (3.3.11).
pub fn unescaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n' | 'N') => text.push('\n'),
                Some(other) => text.push(other),
                None => {}
            },
            other => text.push(other),
        }
    }
    text
}

/// A stranger's text, made fit for a screen: no control characters but ends of lines, no bidirectional overrides, capped.
pub fn tame(text: &str, most: usize, ends: bool) -> String {
    let hidden =
        |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    let shown = text.replace("\r\n", "\n");
    let shown = shown.chars().map(|c| if c.is_control() && !(ends && c == '\n') { ' ' } else { c });
    let tamed: String = shown.filter(|c| !hidden(*c)).take(most).collect();
    tamed.trim().to_owned()
}

/// A text value with its escapes.
pub fn escaped(text: &str) -> String {
    let mut value = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\\' | ';' | ',' => {
                value.push('\\');
                value.push(c);
            }
            '\n' => value.push_str("\\n"),
            c if c.is_control() => {}
            c => value.push(c),
        }
    }
    value
}

/// Writes a line, folded at 75 bytes without tearing a character apart.
pub fn push(out: &mut String, line: &str) {
    let mut room = 75;
    for c in line.chars() {
        if c.len_utf8() > room {
            out.push_str("\r\n ");
            room = 74;
        }
        room -= c.len_utf8();
        out.push(c);
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_unfolded_and_taken_apart() {
        let text = "\u{feff}SUMMARY;LANGUAGE=ru;X-A=\"a:b;c\":Вода\\, свет\r\n  и\r\n\tгаз\r\nitem1.URL:x\nNONSENSE\n;:\nA;B:c\rD:e";
        let found: Vec<Line> = lines(text).collect();
        assert_eq!(found[0].name, "SUMMARY");
        assert_eq!(found[0].parameter("X-A"), Some("a:b;c"));
        assert_eq!(unescaped(&found[0].value), "Вода, свет игаз");
        assert_eq!(found[1..].iter().map(|line| line.name.as_str()).collect::<Vec<_>>(), ["URL", "A", "D"]);
    }

    #[test]
    fn a_line_is_folded_within_75_bytes() {
        let mut out = String::new();
        push(&mut out, &format!("SUMMARY:{}", "ё".repeat(200)));
        assert!(out.split("\r\n").all(|line| line.len() <= 75), "{out}");
        let back: Vec<Line> = lines(&out).collect();
        assert_eq!(back[0].value, "ё".repeat(200));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read(text in "\\PC{0,40}[\r\n \t;:=\",\\\\]{0,8}\\PC{0,40}") {
            for line in lines(&text) {
                let _ = unescaped(&line.value);
            }
        }

        #[test]
        fn a_text_comes_back(text in "[^\\x00-\\x09\\x0b-\\x1f\\x7f-\\x9f]{0,300}") {
            let mut out = String::new();
            push(&mut out, &format!("DESCRIPTION:{}", escaped(&text)));
            let back = lines(&out).next().map(|line| unescaped(&line.value));
            prop_assert_eq!(back, Some(text));
        }
    }
}
