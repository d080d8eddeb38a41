//! The two keyboards that a Russian home types on: what the same keys give in the other layout, and which keys lie in a
//! row or a column. People "hide" «пароль» as `gfhjkm`, and guessers know.

/// Rows of keys from the top; each key as (Latin, Cyrillic). The same column is the same finger's.
const ROWS: [(&str, &str); 4] = [
    ("1234567890-=", "1234567890-="),
    ("qwertyuiop[]", "йцукенгшщзхъ"),
    ("asdfghjkl;'", "фывапролджэ"),
    ("zxcvbnm,./", "ячсмитьбю."),
];

/// Shortest run of neighbouring keys in one direction that counts as a walk: three are in too many words.
const WALK_MIN: usize = 4;

/// Lower-case text as it would have come out with the Latin layout switched on.
pub(super) fn in_latin(text: &str) -> String {
    text.chars().map(|c| if c == 'ё' { '`' } else { other(c, |row| (row.1, row.0)) }).collect()
}

/// Lower-case text as it would have come out with the Russian layout switched on.
pub(super) fn in_cyrillic(text: &str) -> String {
    text.chars().map(|c| if c == '`' { 'ё' } else { other(c, |row| (row.0, row.1)) }).collect()
}

fn other(c: char, from_to: impl Fn(&(&'static str, &'static str)) -> (&'static str, &'static str)) -> char {
    for row in &ROWS {
        let (from, to) = from_to(row);
        if let Some(at) = from.chars().position(|key| key == c) {
            return to.chars().nth(at).unwrap_or(c);
        }
    }
    c
}

fn place(c: char) -> Option<(i32, i32)> {
    ROWS.iter().zip(0..).find_map(|(row, y)| {
        let x = row.0.chars().position(|key| key == c).or_else(|| row.1.chars().position(|key| key == c))?;
        Some((i32::try_from(x).ok()?, y))
    })
}

/// How many characters from the start are a walk over neighbouring keys without a turn; 0 if fewer than four.
pub(super) fn walk(text: &[char]) -> usize {
    let step = |pair: &[char]| match pair {
        [a, b] => {
            let ((ax, ay), (bx, by)) = (place(*a)?, place(*b)?);
            let (dx, dy) = (bx - ax, by - ay);
            ((dx.abs() == 1 && dy == 0) || (dx == 0 && dy.abs() == 1)).then_some((dx, dy))
        }
        _ => None,
    };
    let mut steps = text.windows(2).map(step);
    let Some(Some(direction)) = steps.next() else { return 0 };
    let length = 2 + steps.take_while(|step| *step == Some(direction)).count();
    if length >= WALK_MIN { length } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_keys_in_the_other_layout() {
        assert_eq!(in_latin("пароль"), "gfhjkm");
        assert_eq!(in_latin("йцукен123"), "qwerty123");
        assert_eq!(in_cyrillic("ghbdtn"), "привет");
        assert_eq!(in_cyrillic("k.,jdm"), "любовь");
        assert_eq!(in_latin("🙂"), "🙂");
    }

    #[test]
    fn rows_and_columns_are_walks_and_words_are_not() {
        let length_of = |text: &str| walk(&text.chars().collect::<Vec<_>>());
        for (text, length) in [
            ("qwerty", 6),
            ("ytrewq", 6),
            ("йцукен", 6),
            ("фывапролдж", 10),
            ("1qaz2wsx", 4),
            ("zaq1", 4),
            ("asdfgjkl", 5),
            ("567890", 6),
            ("were", 0),
            ("tree", 0),
            ("qwe", 0),
            ("", 0),
            ("q", 0),
            ("дом", 0),
        ] {
            assert_eq!(length_of(text), length, "{text}");
        }
    }
}
