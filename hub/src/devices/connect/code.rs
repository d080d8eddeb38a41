//! The QR code of a device: who it is, the token that proves that somebody stands before it, the topics that it wishes for,
//! where it takes an access. The text is read here within bounds; a picture of it is looked through. What of its wishes is
//! granted is decided elsewhere.
//!
//! `domovoi://device?v=1&serial=…&token=…&model=…&name=…&publish=…&subscribe=…&setup=…`, each value encoded as in a form
//! (WHATWG URL, 5.1); `publish` and `subscribe` come once for each filter, `setup` only where the device has such a page.

use std::io::Cursor;

use domovoi_vault::Secret;
use image::{ImageFormat, ImageReader, Limits};
use url::Url;

/// What a QR code of the largest size holds is less than three kilobytes (ISO/IEC 18004, table 7).
const MAX_TEXT: usize = 3000;

/// The longest serial number, name and topic, in bytes.
const MAX_SERIAL: usize = 64;
const MAX_WORDS: usize = 128;
const MAX_FILTER: usize = 256;

/// How many topic filters of each kind.
const MAX_FILTERS: usize = 16;

/// A token of 128 bits has 22 letters at the least (base64), so a shorter one can be guessed.
const LEAST_TOKEN: usize = 22;

/// The largest picture: what a phone takes.
const MAX_PICTURE: usize = 8 << 20;
const LONGEST_SIDE: u32 = 12_000;
const DECODER_MEMORY: u64 = 128 * 1024 * 1024;

/// The sides, in pixels, to which a picture is made smaller before it is looked through: a large one is full of noise.
const LOOKED_AT: [u32; 3] = [800, 1600, 400];

/// What a device's code says.
#[derive(Debug, Clone)]
pub struct DeviceCode {
    /// Its own number.
    pub serial: String,
    /// Known to the device, and to who can read the code.
    pub token: Secret<String>,
    pub model: Option<String>,
    pub name: Option<String>,
    /// What it wishes to publish and to hear.
    pub publish: Vec<String>,
    pub subscribe: Vec<String>,
    /// Where it takes its access.
    pub setup: Option<Url>,
}

/// Why a code is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Something else is written in it.
    #[error("this is no code of a device: it begins with domovoi://device?")]
    Foreign,
    /// It is of a time to come.
    #[error("the code is of version «{0}»: this hub reads version 1; update it")]
    Version(String),
    /// Something that is needed is not there, or is not right.
    #[error("the code is damaged: {0}")]
    Damaged(&'static str),
    /// The token would be guessed.
    #[error("the token has fewer than {LEAST_TOKEN} letters: it could be guessed")]
    Weak,
    /// Not a picture that can be read.
    #[error("the file is no picture (JPEG or PNG, up to 8 MB)")]
    NoPicture,
    /// A picture without a code.
    #[error("there is no readable QR code in the picture: hold the camera straight and near, with enough light")]
    NotFound,
}

/// Whether a text may be a serial number: part of topics and of a user name.
pub fn is_serial(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !text.is_empty() && text.len() <= MAX_SERIAL && text.bytes().all(plain)
}

/// A token as it was typed.
pub fn token(text: &str) -> Result<Secret<String>, CodeError> {
    let text = text.trim();
    if text.len() > MAX_WORDS || text.chars().any(|letter| letter.is_control() || letter.is_whitespace()) {
        return Err(CodeError::Damaged("the token"));
    }
    if text.len() < LEAST_TOKEN { Err(CodeError::Weak) } else { Ok(Secret::new(text.to_owned())) }
}

impl DeviceCode {
    /// Reads the text of a code.
    pub fn read(text: &str) -> Result<Self, CodeError> {
        let text = text.trim();
        if text.len() > MAX_TEXT {
            return Err(CodeError::Foreign);
        }
        let (scheme, rest) = text.split_once(':').ok_or(CodeError::Foreign)?;
        // Scanners write schemes and hosts in capitals, where a code was made small by that (RFC 3986, 3.1).
        let rest = rest.strip_prefix("//").ok_or(CodeError::Foreign)?;
        let (host, query) = rest.split_once('?').ok_or(CodeError::Foreign)?;
        if !scheme.eq_ignore_ascii_case("domovoi") || !host.trim_end_matches('/').eq_ignore_ascii_case("device") {
            return Err(CodeError::Foreign);
        }
        let mut once: [Option<String>; 6] = Default::default();
        let (mut publish, mut subscribe) = (Vec::new(), Vec::new());
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            let keys = ["v", "serial", "token", "model", "name", "setup"];
            match keys.iter().position(|known| *known == key) {
                Some(at) => {
                    let place = once.get_mut(at).ok_or(CodeError::Damaged("a field"))?;
                    if place.replace(value).is_some() {
                        return Err(CodeError::Damaged("a field stands twice"));
                    }
                }
                None if key == "publish" => publish.push(filter(value)?),
                None if key == "subscribe" => subscribe.push(filter(value)?),
                // What a later device may say besides.
                None => {}
            }
        }
        if publish.len() > MAX_FILTERS || subscribe.len() > MAX_FILTERS {
            return Err(CodeError::Damaged("too many topics"));
        }
        let [version, serial, secret, model, name, setup] = once;
        match version.as_deref() {
            Some("1") => {}
            Some(other) => return Err(CodeError::Version(other.chars().take(8).collect())),
            None => return Err(CodeError::Damaged("the version is missing")),
        }
        let serial = serial.filter(|serial| is_serial(serial)).ok_or(CodeError::Damaged("the serial number"))?;
        let token = token(&secret.ok_or(CodeError::Damaged("the token is missing"))?)?;
        let setup = match setup.filter(|setup| !setup.is_empty()) {
            Some(text) => Some(Url::parse(&text).map_err(|_| CodeError::Damaged("the address of its set-up page"))?),
            None => None,
        };
        Ok(DeviceCode { serial, token, model: words(model), name: words(name), publish, subscribe, setup })
    }

    /// Finds the code in a photo, and gives its text. CPU-bound: call it in a blocking task.
    pub fn text_in_picture(bytes: &[u8]) -> Result<String, CodeError> {
        if bytes.len() > MAX_PICTURE {
            return Err(CodeError::NoPicture);
        }
        let format = image::guess_format(bytes).map_err(|_| CodeError::NoPicture)?;
        if !matches!(format, ImageFormat::Jpeg | ImageFormat::Png) {
            return Err(CodeError::NoPicture);
        }
        let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
        let mut limits = Limits::default();
        limits.max_image_width = Some(LONGEST_SIDE);
        limits.max_image_height = Some(LONGEST_SIDE);
        limits.max_alloc = Some(DECODER_MEMORY);
        reader.limits(limits);
        let picture = reader.decode().map_err(|_| CodeError::NoPicture)?;
        let mut last = CodeError::NotFound;
        for side in LOOKED_AT {
            let looked_at = match picture.width().max(picture.height()) > side {
                true => picture.thumbnail(side, side).into_luma8(),
                false => picture.to_luma8(),
            };
            let (width, height) = (looked_at.width() as usize, looked_at.height() as usize);
            let grey = |x: usize, y: usize| {
                let at = u32::try_from(x).ok().zip(u32::try_from(y).ok());
                at.and_then(|(x, y)| looked_at.get_pixel_checked(x, y)).map_or(255, |pixel| pixel.0[0])
            };
            let mut prepared = rqrr::PreparedImage::prepare_from_greyscale(width, height, grey);
            for grid in prepared.detect_grids().into_iter().take(16) {
                let Ok((_, text)) = grid.decode() else { continue };
                match Self::read(&text) {
                    Ok(_) => return Ok(text),
                    Err(why) => last = why,
                }
            }
        }
        Err(last)
    }
}

fn filter(text: String) -> Result<String, CodeError> {
    let right = text.len() <= MAX_FILTER && domovoi_broker::check_filter(&text, 32).is_ok();
    if right { Ok(text) } else { Err(CodeError::Damaged("a topic")) }
}

/// What people read: short, and without control characters.
fn words(text: Option<String>) -> Option<String> {
    let text: String = text?.chars().filter(|letter| !letter.is_control()).take(MAX_WORDS / 2).collect();
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "domovoi://device?v=1&serial=ESP-7C9EBD4A5B6C&token=00112233445566778899aabbccddeeff&model=lamp\
        &name=%D0%9B%D0%B0%D0%BC%D0%BF%D0%B0%20%D1%83%20%D0%BE%D0%BA%D0%BD%D0%B0&publish=esp%2Flamp%2F%23\
        &publish=homeassistant%2Fdevice%2Flamp%2Fconfig&subscribe=esp%2Flamp%2F%23&setup=http%3A%2F%2F10.0.0.9%2Fsetup";

    #[test]
    fn a_code_is_read() {
        let code = DeviceCode::read(CODE).unwrap();
        assert_eq!((code.serial.as_str(), code.name.as_deref()), ("ESP-7C9EBD4A5B6C", Some("Лампа у окна")));
        assert_eq!(code.publish, ["esp/lamp/#", "homeassistant/device/lamp/config"]);
        assert_eq!(code.setup.unwrap().as_str(), "http://10.0.0.9/setup");
        assert_eq!(code.token.expose().len(), 32);
        assert!(DeviceCode::read(&CODE.replace("domovoi://device", "DOMOVOI://DEVICE")).is_ok());
        assert!(!format!("{:?}", DeviceCode::read(CODE)).contains("00112233"));
    }

    #[test]
    fn what_is_no_code_says_why() {
        let says = |text: &str| DeviceCode::read(text).map(drop).unwrap_err();
        for foreign in ["", "https://example.org/?v=1", "domovoi:device?v=1", "domovoi://person?v=1", "WIFI:S:x;P:y;;"]
        {
            assert_eq!(says(foreign), CodeError::Foreign, "{foreign}");
        }
        assert_eq!(says(&CODE.replace("v=1", "v=2")), CodeError::Version("2".into()));
        assert_eq!(says(&CODE.replace("00112233445566778899aabbccddeeff", "12345678")), CodeError::Weak);
        for (from, to) in [
            ("v=1&", ""),
            ("serial=ESP-7C9EBD4A5B6C", "serial=a%2Fb"),
            ("serial=ESP-7C9EBD4A5B6C&", ""),
            ("token=", "tokn="),
            ("model=lamp", "serial=x"),
            ("publish=esp%2Flamp%2F%23", "publish=a%23"),
            ("http%3A%2F%2F10.0.0.9%2Fsetup", "nowhere"),
        ] {
            assert!(matches!(says(&CODE.replacen(from, to, 1)), CodeError::Damaged(_)), "{from} → {to}");
        }
        assert!(matches!(says(&format!("{CODE}{}", "&publish=a".repeat(20))), CodeError::Damaged(_)));
        assert_eq!(says(&format!("{CODE}&x={}", "a".repeat(MAX_TEXT))), CodeError::Foreign);
    }

    #[test]
    fn a_code_is_found_in_a_photo_of_it() {
        let drawn = qrcode::QrCode::new(CODE).unwrap();
        let (side, module, edge) = (u32::try_from(drawn.width()).unwrap(), 6, 60);
        let picture = image::GrayImage::from_fn(side * module + 2 * edge, side * module + 2 * edge, |x, y| {
            let at = |place: u32| place.checked_sub(edge).map(|place| place / module).filter(|place| *place < side);
            let dark = at(x).zip(at(y)).is_some_and(|(x, y)| drawn[(x as usize, y as usize)] == qrcode::Color::Dark);
            image::Luma([if dark { 30 } else { 220 }])
        });
        let mut png = Cursor::new(Vec::new());
        picture.write_to(&mut png, ImageFormat::Png).unwrap();
        assert_eq!(DeviceCode::text_in_picture(png.get_ref()).unwrap(), CODE);
        let mut blank = Cursor::new(Vec::new());
        image::GrayImage::from_pixel(200, 200, image::Luma([200])).write_to(&mut blank, ImageFormat::Png).unwrap();
        assert_eq!(DeviceCode::text_in_picture(blank.get_ref()), Err(CodeError::NotFound));
        assert_eq!(DeviceCode::text_in_picture(b"GIF89a"), Err(CodeError::NoPicture));
        assert_eq!(DeviceCode::text_in_picture(&png.get_ref()[..40]), Err(CodeError::NoPicture));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_no_panic(text in "\\PC{0,200}", tail in "((publish|setup|token|v|serial)=[a-z0-9%/#+:&=]{0,20}&?){0,12}") {
            let _ = DeviceCode::read(&text);
            let _ = DeviceCode::read(&format!("domovoi://device?{tail}"));
        }

        #[test]
        fn any_bytes_are_no_panic(tail in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
            bytes.extend(tail);
            let _ = DeviceCode::text_in_picture(&bytes);
        }
    }
}
