//! The contrast of every pair of text and ground, in every set of colours, computed from the style sheet itself (WCAG 2.2,
//! 1.4.3 and 1.4.11).

use std::collections::BTreeMap;

const CSS: &str = include_str!("../../../../assets/domovoi.css");

/// Text on its ground: 4.5 to 1.
const TEXT: [(&str, &str); 14] = [
    ("text", "ground"),
    ("text", "card"),
    ("soft", "ground"),
    ("soft", "card"),
    ("accent", "ground"),
    ("accent", "card"),
    ("on-accent", "accent"),
    ("on-accent-soft", "accent-soft"),
    ("on-warn-soft", "warn-soft"),
    ("on-bad-soft", "bad-soft"),
    ("bad", "ground"),
    ("bad", "card"),
    ("good", "card"),
    ("good", "ground"),
];

/// The edges of fields and the ring of the focus: 3 to 1.
const EDGES: [(&str, &str); 5] =
    [("edge", "card"), ("edge", "ground"), ("focus", "ground"), ("focus", "card"), ("bad", "bad-soft")];

/// The sets of colours: the selector, and its tokens.
fn sets() -> Vec<(String, BTreeMap<String, [u8; 3]>)> {
    let mut sets = Vec::new();
    for block in CSS.split('{').zip(CSS.split('{').skip(1)) {
        let selector = block.0.rsplit(['}', '\n']).next().unwrap().trim().to_owned();
        let mut tokens = BTreeMap::new();
        for line in block.1.split('}').next().unwrap().lines() {
            if let Some((name, value)) = line.trim().strip_prefix("--").and_then(|line| line.split_once(": #")) {
                let value = value.trim_end_matches(';');
                let byte = |at: usize| u8::from_str_radix(&value[at..at + 2], 16).unwrap();
                tokens.insert(name.to_owned(), [byte(0), byte(2), byte(4)]);
            }
        }
        if tokens.contains_key("ground") {
            sets.push((selector, tokens));
        }
    }
    sets
}

fn luminance(colour: [u8; 3]) -> f64 {
    let linear = |value: u8| {
        let value = f64::from(value) / 255.0;
        if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(colour[0]) + 0.7152 * linear(colour[1]) + 0.0722 * linear(colour[2])
}

fn contrast(one: [u8; 3], other: [u8; 3]) -> f64 {
    let (a, b) = (luminance(one), luminance(other));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn text_can_be_read_in_every_set_of_colours() {
    let sets = sets();
    assert_eq!(sets.len(), 6, "light, dark twice, contrast, more contrast twice");
    assert!((contrast([0, 0, 0], [255, 255, 255]) - 21.0).abs() < 0.01);
    let mut wrong = Vec::new();
    for (selector, tokens) in &sets {
        for (pairs, least) in [(TEXT.as_slice(), 4.5), (EDGES.as_slice(), 3.0)] {
            for (one, other) in pairs {
                let ratio = contrast(tokens[*one], tokens[*other]);
                if ratio < least {
                    wrong.push(format!("{selector}: {one} on {other} is {ratio:.2}"));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}
