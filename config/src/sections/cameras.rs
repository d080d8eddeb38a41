//! `[cameras]`: where recordings lie and how much room they get, how patient the house is with a camera, where one may be,
//! and which stores elsewhere take recordings. What is different from camera to camera is not here but in the store.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::{Host, Url};

use crate::mistake::Wrong;
use crate::reader::Section;
use crate::scalar;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

const MB: u64 = 1_000_000;
const TB: u64 = 1_000_000_000_000;

const MAX_PLACES: usize = 8;

const SPOOL_FULL: [(&str, SpoolFull); 2] = [("oldest_goes", SpoolFull::OldestGoes), ("pause", SpoolFull::Pause)];

/// A camera's address is one of a home network unless the owner says otherwise (RFC 1918, RFC 4193).
const HOME_NETWORKS: [&str; 4] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];

/// Cameras and recordings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CamerasSection {
    /// The archive's folder.
    pub folder: PathBuf,
    /// So many bytes of its disk are left free, at least.
    pub free_space_floor: u64,
    /// How much a power cut may cost.
    pub sync_every: Duration,
    /// How long a file is.
    pub segment: Duration,
    /// How long a part of a file is, where the camera's key frames are further apart.
    pub fragment: Duration,
    /// How patient the house is.
    pub patience: Patience,
    /// How many bytes a camera may send without one frame or answer among them.
    pub byte_budget: u64,
    /// How many bytes it may send in a second, for longer than a few of them.
    pub bytes_per_second: u64,
    /// How many cameras there may be.
    pub max_cameras: u32,
    /// How much memory may be taken by what came before an event, of all cameras together.
    pub pre_roll_memory: u64,
    /// How much of the disk a camera gets that has no quota of its own.
    pub quota: u64,
    /// How many days its recordings are kept.
    pub keep_days: u32,
    /// Whether cameras are looked for in the home's network.
    pub discovery: bool,
    /// Where a camera may be.
    pub allow: Vec<Network>,
    /// Stores elsewhere.
    pub places: Vec<CameraPlace>,
}

/// How long the house waits for a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For each answer until the stream begins.
    pub step: Duration,
    /// For the next frame.
    pub frame: Duration,
    /// For the first one that a picture can begin with.
    pub key_frame: Duration,
}

/// A store that speaks the protocol of Amazon S3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameraPlace {
    /// Cameras refer to it.
    pub name: String,
    /// Its address.
    pub endpoint: Url,
    /// Where in it.
    pub bucket: String,
    /// Below what in the bucket; empty: nothing.
    pub prefix: String,
    /// What the signature is made for.
    pub region: String,
    /// As whom.
    pub access_key: String,
    /// The name in the vault under which that one's key is kept.
    pub key_secret: String,
    /// Whether the bucket stands in the path, and not before the host.
    pub path_style: bool,
    /// A PEM file of the authority to trust instead of the usual ones.
    pub ca_file: Option<PathBuf>,
    /// How much may wait on this machine while it is away.
    pub spool: u64,
    /// What becomes of recordings when no more may wait.
    pub when_full: SpoolFull,
}

/// What becomes of recordings for a store that is away when no more may wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SpoolFull {
    /// The oldest that wait are given up for the newest.
    #[default]
    OldestGoes,
    /// Nothing new is recorded for it.
    Pause,
}

/// A network: its addresses begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    bits: u8,
}

impl Network {
    /// `192.168.0.0/16`, or one address.
    pub fn parse(text: &str) -> Option<Network> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) if !bits.starts_with('+') => (address, Some(bits.parse::<u8>().ok()?)),
            Some(_) => return None,
            None => (text, None),
        };
        let first: IpAddr = address.parse().ok()?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Network { first, bits })
    }

    /// Whether an address is in it. IPv4 within IPv6 (`::ffff:10.0.0.1`) is IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4() && self.masked(address) == self.masked(self.first)
    }

    /// Its first address, and how many of its bits count.
    pub fn parts(&self) -> (IpAddr, u8) {
        (self.first, self.bits)
    }

    /// Its first address, by which it is spelled.
    fn spelled(&self) -> Network {
        let kept = self.masked(self.first);
        let first = match self.first {
            IpAddr::V4(_) => IpAddr::V4(u32::try_from(kept >> 96).unwrap_or(0).into()),
            IpAddr::V6(_) => IpAddr::V6(kept.into()),
        };
        Network { first, bits: self.bits }
    }

    /// The bits that count, at the front of 128.
    fn masked(&self, address: IpAddr) -> u128 {
        let bits = match address {
            IpAddr::V4(v4) => u128::from(u32::from(v4)) << 96,
            IpAddr::V6(v6) => u128::from(v6),
        };
        bits & u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0)
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

pub(crate) fn read(mut section: Section<'_>, data_dir: &Path) -> CamerasSection {
    let keep_at = section.place_of("keep");
    let keep = section.take_duration("keep", DAY..=3650 * DAY).unwrap_or(30 * DAY);
    if !keep.as_secs().is_multiple_of(DAY.as_secs()) {
        let wrong = Wrong::new(format!("recordings are kept for whole days, not for {}", scalar::show_duration(keep)));
        section.wrong_at(keep_at, "keep", wrong.hint("write for example \"30 d\""));
    }
    let mut patience = |key, range, default| section.take_duration(key, range).unwrap_or(default);
    let patience = Patience {
        connect: patience("connect_timeout", SECOND..=MINUTE, 10 * SECOND),
        step: patience("step_timeout", SECOND..=MINUTE, 10 * SECOND),
        frame: patience("frame_timeout", 2 * SECOND..=2 * MINUTE, 40 * SECOND),
        key_frame: patience("key_frame_timeout", 5 * SECOND..=2 * MINUTE, 40 * SECOND),
    };
    let allow = section.take_list("allow", 0..=64, |item| item.parsed(network));
    let defaults = || HOME_NETWORKS.iter().filter_map(|text| Network::parse(text)).collect();
    let cameras = CamerasSection {
        folder: section.take_path("folder", data_dir).unwrap_or_else(|| data_dir.join("cameras")),
        free_space_floor: section.take_size("free_space_floor", 100 * MB..=100 * TB).unwrap_or(1 << 30),
        sync_every: section.take_duration("sync_every", SECOND..=30 * SECOND).unwrap_or(5 * SECOND),
        segment: section.take_duration("segment", MINUTE..=5 * MINUTE).unwrap_or(2 * MINUTE),
        fragment: section.take_duration("fragment", SECOND / 2..=5 * SECOND).unwrap_or(2 * SECOND),
        patience,
        byte_budget: section.take_size("byte_budget", 1 << 20..=64 << 20).unwrap_or(6 << 20),
        bytes_per_second: section.take_size("bytes_per_second", MB..=200 * MB).unwrap_or(16 * MB),
        max_cameras: section
            .take_int("max_cameras", 0..=64)
            .and_then(|cameras| u32::try_from(cameras).ok())
            .unwrap_or(16),
        pre_roll_memory: section.take_size("pre_roll_memory", 0..=4 << 30).unwrap_or(64 << 20),
        quota: section.take_size("quota", 100 * MB..=100 * TB).unwrap_or(32_000 * MB),
        keep_days: u32::try_from(keep.as_secs() / DAY.as_secs()).unwrap_or(u32::MAX),
        discovery: section.take_bool("discovery").unwrap_or(true),
        allow: allow.unwrap_or_else(defaults),
        places: read_places(&mut section),
    };
    section.finish();
    cameras
}

fn read_places(section: &mut Section<'_>) -> Vec<CameraPlace> {
    let mut names: Vec<(String, usize)> = Vec::new();
    let mut places = Vec::new();
    for mut table in section.take_tables("place", MAX_PLACES) {
        let line = table.line();
        let name_at = table.place_of("name");
        let (name, place) = read_place(&mut table);
        if let Some(name) = name {
            if let Some((_, first)) = names.iter().find(|(other, _)| *other == name) {
                let wrong = Wrong::new(format!("{} is already the place at line {first}", scalar::quoted(&name)));
                table.wrong_at(name_at, "name", wrong.hint("give each place a name of its own"));
            }
            names.push((name, line));
        }
        table.finish();
        places.extend(place);
    }
    places
}

/// Its name, as soon as that is right, and itself, if everything is.
fn read_place(table: &mut Section<'_>) -> (Option<String>, Option<CameraPlace>) {
    table.must_have("name", "\"nas\"");
    table.must_have("endpoint", "\"https://nas.lan:9000\"");
    table.must_have("bucket", "\"cameras\"");
    table.must_have("access_key", "\"domovoi\"");
    table.must_have("key_secret", "\"cameras_nas\"");
    let base_dir = table.base_dir();
    let ca_at = table.place_of("ca_file");
    let name = table.take_parsed("name", place_name);
    let endpoint = table.take_parsed("endpoint", endpoint);
    let bucket = table.take_parsed("bucket", bucket);
    let prefix = table.take_parsed("prefix", prefix);
    let region = table.take_parsed("region", region);
    let access_key = table.take_string("access_key", 128);
    let key_secret = table.take_parsed("key_secret", scalar::name);
    let path_style = table.take_bool("path_style");
    let ca_file = table.take_path("ca_file", base_dir);
    let spool = table.take_size("spool", 64 * MB..=10 * TB);
    let when_full = table.take_enum("when_full", &SPOOL_FULL);
    if ca_at.is_some() && endpoint.as_ref().is_some_and(|endpoint| endpoint.scheme() == "http") {
        table.wrong_at(ca_at, "ca_file", Wrong::new("has no effect without TLS").hint("write https in `endpoint`"));
    }
    let place = (|| {
        Some(CameraPlace {
            name: name.clone()?,
            endpoint: endpoint?,
            bucket: bucket?,
            prefix: prefix.unwrap_or_default(),
            region: region.unwrap_or_else(|| "us-east-1".to_owned()),
            access_key: access_key?,
            key_secret: key_secret?,
            path_style: path_style.unwrap_or(true),
            ca_file,
            spool: spool.unwrap_or(2000 * MB),
            when_full: when_full.unwrap_or_default(),
        })
    })();
    (name, place)
}

pub(crate) fn network(text: &str) -> Result<Network, Wrong> {
    let example = "write for example \"192.168.0.0/16\" or \"192.168.1.20\"";
    let network = Network::parse(text)
        .ok_or_else(|| Wrong::new(format!("{} is not a network", scalar::quoted(text))).hint(example))?;
    let spelled = network.spelled();
    if spelled != network {
        let wrong = Wrong::new(format!("{network} has bits behind the first {}", network.bits));
        return Err(wrong.hint(format!("write \"{spelled}\", or the address without `/`")));
    }
    Ok(network)
}

fn place_name(text: &str) -> Result<String, Wrong> {
    match scalar::name(text)?.as_str() {
        "local" => Err(Wrong::new("\"local\" is the folder of this machine").hint("choose another name")),
        name => Ok(name.to_owned()),
    }
}

/// What goes there is sealed, and a request is signed without the key in it: so a store in the home may do without TLS,
/// where only the signer's name and the sizes can be seen. A name is refused all the same: who answers for it is unknown.
fn endpoint(text: &str) -> Result<Url, Wrong> {
    let plain = Url::parse(text).ok().filter(|url| url.scheme() == "http");
    let at_home = plain.as_ref().and_then(Url::host).is_some_and(|host| match host {
        Host::Ipv4(ip) => is_of_a_home(ip.into()),
        Host::Ipv6(ip) => is_of_a_home(ip.into()),
        Host::Domain(_) => false,
    });
    let url = match plain {
        // The same checks as for any other address.
        Some(_) if at_home => {
            scalar::url(&text.replacen("http://", "https://", 1))?;
            Url::parse(text).map_err(|error| Wrong::new(format!("is not a web address: {error}")))?
        }
        Some(_) => {
            return Err(Wrong::new("plain http is for an address of the home")
                .hint("write https, or for example \"http://192.168.1.5:9000\""));
        }
        None => scalar::url(text)?,
    };
    if url.query().is_some() || !matches!(url.path(), "" | "/") {
        return Err(
            Wrong::new("an endpoint has neither a path nor a query").hint("write them into `bucket` and `prefix`")
        );
    }
    Ok(url)
}

fn is_of_a_home(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
        || HOME_NETWORKS.iter().filter_map(|text| Network::parse(text)).any(|network| network.contains(ip))
}

/// The rules of Amazon S3 for general purpose buckets, which the others keep too.
fn bucket(text: &str) -> Result<String, Wrong> {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    let ends = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = text.as_bytes();
    let right = (3..=63).contains(&bytes.len())
        && bytes.iter().all(|b| fits(*b))
        && ends(bytes.first())
        && ends(bytes.last())
        && !text.contains("..");
    if right {
        return Ok(text.to_owned());
    }
    let wrong = Wrong::new(format!("{} is not the name of a bucket", scalar::quoted(text)));
    Err(wrong.hint("3 to 63 of a-z, 0-9, `-` and `.`, like \"cameras\""))
}

fn prefix(text: &str) -> Result<String, Wrong> {
    let part = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    if text.len() <= 200 && text.split('/').all(part) {
        return Ok(text.to_owned());
    }
    let wrong = Wrong::new(format!("{} is not a path in a bucket", scalar::quoted(text)));
    Err(wrong.hint("write for example \"home/cameras\""))
}

fn region(text: &str) -> Result<String, Wrong> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if (1..=64).contains(&text.len()) && text.bytes().all(fits) {
        return Ok(text.to_owned());
    }
    let wrong = Wrong::new(format!("{} is not the name of a region", scalar::quoted(text)));
    Err(wrong.hint("write for example \"us-east-1\"; most stores of one's own take any"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_knows_its_addresses() {
        let has = |network: &str, address: &str| Network::parse(network).unwrap().contains(address.parse().unwrap());
        assert!(has("192.168.0.0/16", "192.168.255.1") && !has("192.168.0.0/16", "192.169.0.1"));
        assert!(has("10.0.0.0/8", "::ffff:10.9.8.7") && !has("10.0.0.0/8", "fd00::1"));
        assert!(has("fc00::/7", "fd12::1") && !has("fc00::/7", "fe80::1"));
        assert!(has("0.0.0.0/0", "8.8.8.8") && !has("0.0.0.0/0", "::1"));
        assert!(has("192.168.1.20", "192.168.1.20") && !has("192.168.1.20", "192.168.1.21"));
        assert!(has("::/0", "2001:db8::1"));
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "fd00::/129", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/8/8", "lan"] {
            assert!(Network::parse(bad).is_none(), "{bad}");
        }
        assert_eq!(Network::parse("fd12:3::1/16").unwrap().spelled().to_string(), "fd12::/16");
        assert_eq!(Network::parse("10.1.2.3/0").unwrap().spelled().to_string(), "0.0.0.0/0");
    }

    #[test]
    fn a_store_is_reached_by_tls_or_at_home() {
        for good in ["https://s3.example", "http://192.168.1.5:9000", "http://127.0.0.1:9000/", "http://[fd00::5]:9000"]
        {
            assert!(endpoint(good).is_ok(), "{good}");
        }
        for bad in [
            "http://8.8.8.8",
            "http://nas.lan:9000",
            "ftp://10.0.0.1",
            "https://u:hunter2@s3.example",
            "http://u:hunter2@10.0.0.1",
            "https://s3.example/bucket",
            "https://s3.example?x",
            "",
        ] {
            let wrong = endpoint(bad).expect_err(bad);
            assert!(!wrong.message.contains("hunter2"), "{wrong:?}");
        }
        for bad in ["ab", "Cameras", "a..b", "-ab", "ab.", "a_b", &"a".repeat(64)] {
            assert!(bucket(bad).is_err(), "{bad}");
        }
        for bad in ["", "/a", "a/", "a//b", "../a", "a/./b", "дом"] {
            assert!(prefix(bad).is_err(), "{bad}");
        }
        assert!(bucket("home-cameras.1").is_ok() && prefix("home/cameras").is_ok());
    }
}
