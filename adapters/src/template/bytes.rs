//! Texts as bytes in templates: Base64, hexadecimal, `pack` and `unpack` as Python's `struct` has them for one number,
//! and what a URL may carry. Deliberately no hashes: what is to be kept secret does not go through a template.

use minijinja::value::Value;
use minijinja::{Environment, Error};

use super::filters::{Args, named, priced, print, undefined, wrong};
use super::numbers::float;

type Answer = Result<Value, Error>;

pub(super) fn furnish(environment: &mut Environment<'static>) {
    macro_rules! both {
        ($($name:literal $function:expr),* $(,)?) => {$(
            environment.add_filter($name, priced($function));
            environment.add_function($name, priced($function));
        )*};
    }
    both!(
        "base64_encode" encode, "base64_decode" decode, "from_hex" from_hex, "pack" pack, "unpack" unpack,
        "urlencode" urlencode, "ord" ord,
    );
}

fn ord(args: Args) -> Answer {
    let [value] = named(args, ["value"])?;
    let first = value.as_str().and_then(|text| text.chars().next());
    first.map(|c| Value::from(u32::from(c))).ok_or_else(|| wrong("ord: this is no character"))
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// RFC 4648 §4.
fn encode(args: Args) -> Answer {
    let [value] = named(args, ["value"])?;
    let text = print(&value)?;
    let bytes = value.as_bytes().unwrap_or(text.as_bytes());
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let number = three.iter().fold(0u32, |number, byte| number << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = usize::try_from(number >> (18 - 6 * place) & 63).ok().and_then(|at| DIGITS.get(at));
            out.push(if place <= three.len() { digit.map_or('=', |digit| char::from(*digit)) } else { '=' });
        }
    }
    Ok(Value::from(out))
}

/// As a text, or as bytes where the encoding is none.
fn decode(args: Args) -> Answer {
    let [value, encoding] = named(args, ["value", "encoding"])?;
    if value.is_undefined() {
        return Err(undefined("base64_decode"));
    }
    let text = print(&value)?;
    let (mut out, mut number, mut bits) = (Vec::with_capacity(text.len()), 0u32, 0);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=') {
        let digit = DIGITS.iter().position(|digit| *digit == byte).and_then(|digit| u32::try_from(digit).ok());
        number = number << 6 | digit.ok_or_else(|| wrong("base64_decode: this is no Base64"))?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.extend(u8::try_from(number >> bits & 255));
        }
    }
    if encoding.is_none() {
        return Ok(Value::from_bytes(out));
    }
    String::from_utf8(out).map(Value::from).map_err(|_| wrong("base64_decode: this is no text"))
}

fn from_hex(args: Args) -> Answer {
    let [value] = named(args, ["value"])?;
    if value.is_undefined() {
        return Err(undefined("from_hex"));
    }
    let digits: Vec<u8> = print(&value)?.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let pair = |pair: &[u8]| {
        let text = std::str::from_utf8(pair).ok().filter(|text| text.len() == 2)?;
        u8::from_str_radix(text, 16).ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let bytes: Option<Vec<u8>> = digits.chunks(2).map(pair).collect();
    bytes.map(Value::from_bytes).ok_or_else(|| wrong("from_hex: these are no pairs of hexadecimal digits"))
}

/// The order of the bytes and the letter of one number: `>h`.
fn format(value: &Value) -> Result<(bool, char, usize), Error> {
    let text = value.as_str().unwrap_or_default();
    let (big, letter) = match text.strip_prefix(['>', '!']) {
        Some(rest) => (true, rest),
        None => (false, text.trim_start_matches(['<', '=', '@'])),
    };
    let size = match letter {
        "b" | "B" | "?" => 1,
        "h" | "H" => 2,
        "i" | "I" | "l" | "L" | "f" => 4,
        "q" | "Q" | "d" => 8,
        _ => return Err(wrong("only one number is packed at a time: b, B, h, H, i, I, l, L, q, Q, f, d")),
    };
    Ok((big, letter.chars().next().unwrap_or('b'), size))
}

fn pack(args: Args) -> Answer {
    let [value, text] = named(args, ["value", "format_string"])?;
    let (big, letter, size) = format(&text)?;
    let number = float(&value).ok_or_else(|| wrong("pack: this is no number"))?;
    let mut bytes: Vec<u8> = match letter {
        'f' => (number as f32).to_be_bytes().to_vec(),
        'd' => number.to_be_bytes().to_vec(),
        _ => {
            let whole = value.as_i64().map_or(number as i128, i128::from);
            let bits = u32::try_from(8 * size).unwrap_or(8);
            let (low, high) = if letter.is_ascii_lowercase() {
                (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1)
            } else {
                (0, (1i128 << bits) - 1)
            };
            if !(low..=high).contains(&whole) {
                return Err(wrong("pack: the number does not fit"));
            }
            whole.to_be_bytes().get(16 - size..).unwrap_or_default().to_vec()
        }
    };
    if !big {
        bytes.reverse();
    }
    Ok(Value::from_bytes(bytes))
}

fn unpack(args: Args) -> Answer {
    let [value, text, offset] = named(args, ["value", "format_string", "offset"])?;
    let (big, letter, size) = format(&text)?;
    let offset = offset.as_usize().unwrap_or(0);
    let bytes = value.as_bytes().and_then(|bytes| bytes.get(offset..)?.get(..size)).map(<[u8]>::to_vec);
    // Home Assistant says nothing where there are too few.
    let Some(mut bytes) = bytes else { return Ok(Value::from(())) };
    if !big {
        bytes.reverse();
    }
    let whole = bytes.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    Ok(match letter {
        'f' => Value::from(f32::from_bits(u32::try_from(whole).unwrap_or(0))),
        'd' => Value::from(f64::from_bits(whole)),
        '?' => Value::from(whole != 0),
        letter if letter.is_ascii_lowercase() => {
            let shift = 64 - 8 * u32::try_from(size).unwrap_or(8);
            Value::from((whole << shift).cast_signed() >> shift)
        }
        _ => Value::from(whole),
    })
}

/// RFC 3986 §2.3, as Python's `urlencode` and Jinja's filter: a dictionary becomes pairs.
fn urlencode(args: Args) -> Answer {
    fn quoted(text: &str, out: &mut String, slash: bool) {
        for byte in text.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
                b'/' if slash => out.push('/'),
                _ => out.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    let [value] = named(args, ["value"])?;
    if value.is_undefined() {
        return Err(undefined("urlencode"));
    }
    let mut out = String::new();
    if value.kind() != minijinja::value::ValueKind::Map {
        quoted(&print(&value)?, &mut out, true);
        return Ok(Value::from(out));
    }
    for key in value.try_iter()? {
        if !out.is_empty() {
            out.push('&');
        }
        quoted(&print(&key)?, &mut out, false);
        out.push('=');
        quoted(&print(&value.get_item(&key)?)?, &mut out, false);
    }
    Ok(Value::from(out))
}
