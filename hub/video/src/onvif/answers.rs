//! What the answers of a device and of its media services say, as far as the house wants to know it. All of it is the
//! camera's own claim; texts are cleaned of what a page could be fooled with, and counts are bounded.
//! Deliberately lenient about what is missing: a camera without a serial number is still a camera.

use super::date;
use super::xml::Element;
use crate::frame::VideoCodec;
use crate::network::mac;
use crate::session::clean;

pub(super) const DEVICE: &str = "http://www.onvif.org/ver10/device/wsdl";
pub(super) const MEDIA: &str = "http://www.onvif.org/ver10/media/wsdl";
pub(super) const MEDIA2: &str = "http://www.onvif.org/ver20/media/wsdl";
const SCHEMA: &str = "http://www.onvif.org/ver10/schema";
/// Types of the schema stand in elements of the service's namespace and of the schema's own.
const ANY: &[&str] = &[DEVICE, MEDIA, MEDIA2, SCHEMA];

const MOST_PROFILES: usize = 256;
const MOST_SERVICES: usize = 64;
const MOST_INTERFACES: usize = 16;

/// Who made it (GetDeviceInformation).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Information {
    pub maker: String,
    pub model: String,
    pub firmware: String,
    pub serial: String,
    pub hardware: String,
}

impl Information {
    /// The day on which the firmware was built, where its version tells: `V5.5.82 build 190909` (Hikvision),
    /// `2.800.0000000.29.R, Build Date 2021-06-01` (Dahua). Year, month, day.
    pub fn firmware_built(&self) -> Option<(u16, u8, u8)> {
        let lower = self.firmware.to_ascii_lowercase();
        let after = lower.get(lower.find("build")? + "build".len()..)?;
        let digits: String = after
            .trim_start_matches(|c: char| !c.is_ascii_digit())
            .chars()
            .take_while(|c| c.is_ascii_digit() || matches!(c, '-' | '.' | '/'))
            .filter(char::is_ascii_digit)
            .collect();
        let number = |range: std::ops::Range<usize>| digits.get(range)?.parse::<i64>().ok();
        let (year, month, day) = match digits.len() {
            6 => (2000 + number(0..2)?, number(2..4)?, number(4..6)?),
            8 => (number(0..4)?, number(4..6)?, number(6..8)?),
            _ => return None,
        };
        // ONVIF is of 2008.
        date::days(year, month, day).filter(|_| year >= 2008)?;
        Some((u16::try_from(year).ok()?, u8::try_from(month).ok()?, u8::try_from(day).ok()?))
    }
}

pub(super) fn information(answer: &Element) -> Information {
    let text = |name| answer.text_at(ANY, &[name]).map(|text| clean(text, &[])).unwrap_or_default();
    Information {
        maker: text("Manufacturer"),
        model: text("Model"),
        firmware: text("FirmwareVersion"),
        serial: text("SerialNumber"),
        hardware: text("HardwareId"),
    }
}

/// The camera's clock in milliseconds since 1970, by the UTC that it says.
pub(super) fn clock(answer: &Element) -> Option<i64> {
    let utc = answer.at(ANY, &["SystemDateAndTime", "UTCDateTime"])?;
    let number = |path: &[&str]| utc.text_at(ANY, path)?.parse::<i64>().ok();
    date::millis(
        (number(&["Date", "Year"])?, number(&["Date", "Month"])?, number(&["Date", "Day"])?),
        (number(&["Time", "Hour"])?, number(&["Time", "Minute"])?, number(&["Time", "Second"])?),
    )
}

/// Where the media services are: of GetServices, or of GetCapabilities for cameras from before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Services {
    pub(super) media: Option<String>,
    pub(super) media2: Option<String>,
}

pub(super) fn services(answer: &Element) -> Services {
    let mut found = Services::default();
    for service in answer.all(ANY, "Service").take(MOST_SERVICES) {
        let at = service.text_at(ANY, &["XAddr"]).map(str::to_owned);
        match service.text_at(ANY, &["Namespace"]).map(|space| space.trim_end_matches('/')) {
            Some(MEDIA) => found.media = found.media.or(at),
            Some(MEDIA2) => found.media2 = found.media2.or(at),
            _ => {}
        }
    }
    found
}

pub(super) fn capabilities(answer: &Element) -> Services {
    let media = answer.text_at(ANY, &["Capabilities", "Media", "XAddr"]).map(str::to_owned);
    Services { media, media2: None }
}

/// A profile that has video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    pub token: String,
    pub name: String,
    /// The sensor it shows: a recorder and a camera with two lenses have several.
    pub source: String,
    /// `None`: one that the house does not know.
    pub codec: Option<VideoCodec>,
    pub width: u16,
    pub height: u16,
    /// Frames a second, in thousandths.
    pub millihz: Option<u32>,
    pub bits_per_second: Option<u64>,
}

impl Profile {
    pub fn pixels(&self) -> u32 {
        u32::from(self.width) * u32::from(self.height)
    }
}

pub(super) fn profiles(answer: &Element) -> Vec<Profile> {
    answer.all(ANY, "Profiles").take(MOST_PROFILES).filter_map(profile).collect()
}

fn profile(element: &Element) -> Option<Profile> {
    let token = element.attribute("token").filter(|token| !token.is_empty() && token.len() <= 256)?;
    // Media 2 has its configurations in an element of their own, and names them without the word.
    let (source, encoder) = match element.child(ANY, "Configurations") {
        Some(within) => (within.child(ANY, "VideoSource"), within.child(ANY, "VideoEncoder")),
        None => (element.child(ANY, "VideoSourceConfiguration"), element.child(ANY, "VideoEncoderConfiguration")),
    };
    let encoder = encoder?;
    let number = |path: &[&str]| encoder.text_at(ANY, path)?.parse::<f64>().ok().filter(|n| n.is_finite() && *n > 0.0);
    let size = |name| encoder.text_at(ANY, &["Resolution", name])?.parse::<u16>().ok();
    let codec = match encoder.text_at(ANY, &["Encoding"]).unwrap_or_default().to_ascii_uppercase().as_str() {
        "H264" => Some(VideoCodec::H264),
        "H265" | "HEVC" => Some(VideoCodec::H265),
        "JPEG" => Some(VideoCodec::Jpeg),
        _ => None,
    };
    Some(Profile {
        token: token.to_owned(),
        name: element.text_at(ANY, &["Name"]).map(|name| clean(name, &[])).unwrap_or_default(),
        source: source
            .and_then(|source| source.text_at(ANY, &["SourceToken"]))
            .filter(|token| token.len() <= 256)
            .unwrap_or_default()
            .to_owned(),
        codec,
        width: size("Width").unwrap_or(0),
        height: size("Height").unwrap_or(0),
        // As casts saturate, a camera that says a million is one that says a million.
        millihz: number(&["RateControl", "FrameRateLimit"]).map(|hz| (hz.min(1000.0) * 1000.0) as u32),
        bits_per_second: number(&["RateControl", "BitrateLimit"]).map(|kbps| kbps.min(1e9) as u64 * 1000),
    })
}

/// The main and the small stream of each sensor, in the camera's order: the most pixels, and the most of those that have
/// at most a quarter of them, else the fewest. Among equals H.264, which every browser plays.
pub(super) fn chosen(profiles: &[Profile]) -> Vec<(Profile, Option<Profile>)> {
    let mut sources: Vec<&str> = Vec::new();
    for profile in profiles {
        if !sources.contains(&profile.source.as_str()) {
            sources.push(&profile.source);
        }
    }
    let ease = |profile: &Profile| match profile.codec {
        Some(VideoCodec::H264) => 3,
        Some(VideoCodec::H265) => 2,
        Some(VideoCodec::Jpeg) => 1,
        None => 0,
    };
    let known = |profile: &&Profile| profile.codec.is_some();
    sources
        .into_iter()
        .filter_map(|source| {
            let of_source: Vec<&Profile> = profiles.iter().filter(|p| p.source == source).filter(known).collect();
            // The first of the best: cameras list their main stream first.
            let main = of_source.iter().rev().max_by_key(|p| (p.pixels(), ease(p)))?;
            let smaller: Vec<&&Profile> = of_source.iter().filter(|p| p.pixels() < main.pixels()).collect();
            let quarter = smaller.iter().filter(|p| p.pixels() <= main.pixels() / 4);
            let sub = quarter
                .max_by_key(|p| (p.pixels(), ease(p)))
                .or_else(|| smaller.iter().min_by_key(|p| (p.pixels(), 3 - ease(p))));
            Some(((*main).clone(), sub.map(|sub| (**sub).clone())))
        })
        .collect()
}

/// The address in an answer of GetStreamUri or GetSnapshotUri, of either media service.
pub(super) fn uri(answer: &Element) -> Option<&str> {
    answer.text_at(ANY, &["MediaUri", "Uri"]).or_else(|| answer.text_at(ANY, &["Uri"])).filter(|uri| uri.len() <= 2048)
}

/// A network interface of the camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    pub name: String,
    pub mac: [u8; 6],
    /// Of IPv4, by hand or by DHCP.
    pub addresses: Vec<std::net::IpAddr>,
}

pub(super) fn interfaces(answer: &Element) -> Vec<Interface> {
    answer
        .all(ANY, "NetworkInterfaces")
        .take(MOST_INTERFACES)
        .filter_map(|interface| {
            let info = interface.child(ANY, "Info")?;
            let mac = mac(info.text_at(ANY, &["HwAddress"])?)?;
            let config = interface.at(ANY, &["IPv4", "Config"]);
            let addresses = config.into_iter().flat_map(|config| &config.children).take(32);
            let addresses = addresses.filter_map(|given| given.text_at(ANY, &["Address"])?.parse().ok()).collect();
            Some(Interface {
                name: info.text_at(ANY, &["Name"]).map(|name| clean(name, &[])).unwrap_or_default(),
                mac,
                addresses,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::xml;
    use super::*;

    #[test]
    fn the_age_of_firmware_is_read_where_it_stands() {
        let built =
            |firmware: &str| Information { firmware: firmware.to_owned(), ..Information::default() }.firmware_built();
        assert_eq!(built("V5.5.82 build 190909"), Some((2019, 9, 9)));
        assert_eq!(built("2.800.0000000.29.R, Build Date 2021-06-01"), Some((2021, 6, 1)));
        for none in ["", "1.2.3", "build", "build 7", "build 991399", "Build 19000101", "v3.0.0.494_20010501"] {
            assert_eq!(built(none), None, "{none}");
        }
    }

    fn some(source: &str, token: &str, codec: VideoCodec, width: u16, height: u16) -> Profile {
        Profile {
            token: token.to_owned(),
            name: String::new(),
            source: source.to_owned(),
            codec: Some(codec),
            width,
            height,
            millihz: None,
            bits_per_second: None,
        }
    }

    #[test]
    fn main_and_small_streams_are_found_for_each_sensor() {
        use VideoCodec::{H264, H265, Jpeg};
        let names = |profiles: &[Profile]| -> Vec<(String, Option<String>)> {
            chosen(profiles).into_iter().map(|(main, sub)| (main.token, sub.map(|sub| sub.token))).collect()
        };
        let pair = |main: &str, sub: Option<&str>| (main.to_owned(), sub.map(str::to_owned));
        let usual = [
            some("s", "third", H264, 320, 240),
            some("s", "main", H265, 2560, 1440),
            some("s", "sub", H264, 640, 360),
            some("s", "jpeg", Jpeg, 640, 360),
        ];
        assert_eq!(names(&usual), [pair("main", Some("sub"))]);
        let two = [some("a", "1", H264, 1920, 1080), some("b", "2", H264, 640, 480), some("a", "3", H264, 1280, 720)];
        assert_eq!(names(&two), [pair("1", Some("3")), pair("2", None)]);
        let same = [some("s", "first", H264, 1920, 1080), some("s", "second", H264, 1920, 1080)];
        assert_eq!(names(&same), [pair("first", None)]);
        let unknown = Profile { codec: None, ..some("s", "x", H264, 4000, 3000) };
        assert_eq!(names(&[unknown, some("s", "known", H264, 640, 480)]), [pair("known", None)]);
        assert_eq!(names(&[]), []);
    }

    proptest! {
        #[test]
        fn no_answer_breaks_the_readers(name in "[A-Za-z]{1,12}", values in proptest::collection::vec("\\PC{0,12}", 6)) {
            let part = |name: &str, index: usize| format!("<{name} token=\"{0}\">{0}</{name}>", xml::escaped(&values[index]));
            let inner = ["Year", "Width", "Encoding", "XAddr", "Namespace", "HwAddress"]
                .iter().enumerate().map(|(i, name)| part(name, i)).collect::<String>();
            let text = format!(
                "<r xmlns='{SCHEMA}'><SystemDateAndTime><UTCDateTime><Date>{inner}</Date></UTCDateTime></SystemDateAndTime>\
                 <Service>{inner}</Service><Profiles token='p'><VideoEncoderConfiguration>{inner}<Resolution>{inner}\
                 </Resolution></VideoEncoderConfiguration></Profiles><NetworkInterfaces><Info>{inner}</Info>\
                 </NetworkInterfaces><{name}>{inner}</{name}></r>"
            );
            let read = xml::read(text.as_bytes()).unwrap();
            let _ = (clock(&read), services(&read), capabilities(&read), interfaces(&read), information(&read), uri(&read));
            let _ = chosen(&profiles(&read));
        }
    }
}
