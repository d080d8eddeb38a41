//! The two messages of WS-Discovery that a search needs: the Probe that is sent, and the ProbeMatches that come back
//! (April 2005, as ONVIF Core 7.3 wants it). Who answers may be anybody, so what they say is bounded and cleaned, and of
//! the addresses they give only literals are looked at: a name would let them send us wherever they like.
//! Deliberately no Hello, Bye or Resolve.

use std::net::IpAddr;

use url::{Host, Url};

use super::xml::{self, Element, XmlError};
use crate::network::mac;
use crate::session::clean;

const SOAP: &[&str] = &["http://www.w3.org/2003/05/soap-envelope", "http://schemas.xmlsoap.org/soap/envelope/"];
const ADDRESSING: &[&str] =
    &["http://schemas.xmlsoap.org/ws/2004/08/addressing", "http://www.w3.org/2005/08/addressing"];
const DISCOVERY: &[&str] =
    &["http://schemas.xmlsoap.org/ws/2005/04/discovery", "http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01"];

/// Of one answer: a device server in front of several cameras puts some together.
const MOST_MATCHES: usize = 16;
const MOST_ADDRESSES: usize = 8;
const MOST_SCOPES: usize = 64;
const LONGEST_ENDPOINT: usize = 256;

/// What is looked for. Two questions rather than one with both: firmware that knows one type only is silent if it is
/// asked for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// `dn:NetworkVideoTransmitter`, as cameras have always been called.
    Transmitter,
    /// `tds:Device`, since ONVIF 2.
    Device,
}

/// A Probe under a fresh message id.
pub(super) fn probe(wanted: Wanted, id: &str) -> String {
    let types = match wanted {
        Wanted::Transmitter => {
            "<d:Types xmlns:n=\"http://www.onvif.org/ver10/network/wsdl\">n:NetworkVideoTransmitter</d:Types>"
        }
        Wanted::Device => "<d:Types xmlns:n=\"http://www.onvif.org/ver10/device/wsdl\">n:Device</d:Types>",
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
         xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\">\
         <s:Header><a:MessageID>{id}</a:MessageID>\
         <a:ReplyTo><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>\
         <a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>\
         <a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action></s:Header>\
         <s:Body><d:Probe>{types}</d:Probe></s:Body></s:Envelope>"
    )
}

/// `urn:uuid:` with a random UUID (RFC 9562, version 4).
pub(super) fn message_id(mut random: [u8; 16]) -> String {
    random[6] = random[6] & 0x0f | 0x40;
    random[8] = random[8] & 0x3f | 0x80;
    let mut out = "urn:uuid:".to_owned();
    for (i, byte) in random.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        out.push_str(&format!("{byte:02x}"));
    }
    out
}

/// One device in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) endpoint: String,
    /// Device services at literal addresses.
    pub(super) services: Vec<Url>,
    pub(super) name: Option<String>,
    pub(super) hardware: Option<String>,
    pub(super) location: Option<String>,
    pub(super) mac: Option<[u8; 6]>,
}

/// The devices in an answer to one of `ids`; none in any other message.
pub(super) fn matches(bytes: &[u8], ids: &[String]) -> Result<Vec<Match>, XmlError> {
    let envelope = xml::read(bytes)?;
    if !envelope.is(SOAP, "Envelope") {
        return Ok(Vec::new());
    }
    // Some leave it out, some leave `urn:uuid:` away or write in capitals; one that names another question answers
    // somebody else.
    let relates = envelope.child(SOAP, "Header").and_then(|header| header.text_at(ADDRESSING, &["RelatesTo"]));
    let plain = |id: &str| id.rsplit(':').next().unwrap_or(id).to_ascii_lowercase();
    if relates.is_some_and(|relates| !ids.iter().any(|id| plain(id) == plain(relates))) {
        return Ok(Vec::new());
    }
    let found = envelope.child(SOAP, "Body").and_then(|body| body.child(DISCOVERY, "ProbeMatches"));
    Ok(found
        .into_iter()
        .flat_map(|found| found.all(DISCOVERY, "ProbeMatch"))
        .take(MOST_MATCHES)
        .filter_map(one)
        .collect())
}

fn one(found: &Element) -> Option<Match> {
    let endpoint = found.child(ADDRESSING, "EndpointReference")?.text_at(ADDRESSING, &["Address"])?;
    if endpoint.len() > LONGEST_ENDPOINT || !endpoint.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let scopes: Vec<&str> =
        found.text_at(DISCOVERY, &["Scopes"]).unwrap_or_default().split_ascii_whitespace().take(MOST_SCOPES).collect();
    Some(Match {
        endpoint: endpoint.to_owned(),
        services: found
            .text_at(DISCOVERY, &["XAddrs"])
            .unwrap_or_default()
            .split_ascii_whitespace()
            .take(MOST_ADDRESSES)
            .filter_map(service)
            .collect(),
        name: scope(&scopes, "name"),
        hardware: scope(&scopes, "hardware"),
        location: scope(&scopes, "location"),
        // Hikvision and those who build on it.
        mac: scope(&scopes, "mac").as_deref().and_then(mac),
    })
}

fn service(given: &str) -> Option<Url> {
    let url = Url::parse(given).ok().filter(|_| given.len() <= 512)?;
    let literal = matches!(url.host(), Some(Host::Ipv4(_) | Host::Ipv6(_)));
    let plain = url.username().is_empty() && url.password().is_none();
    (matches!(url.scheme(), "http" | "https") && literal && plain).then_some(url)
}

pub(super) fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(ip) => Some(IpAddr::V4(ip)),
        Host::Ipv6(ip) => Some(IpAddr::V6(ip)),
        Host::Domain(_) => None,
    }
}

/// `onvif://www.onvif.org/name/Front%20door`: what follows the word (ONVIF Core 7.3.3.2). `location/country/…` keeps all
/// that follows.
fn scope(scopes: &[&str], word: &str) -> Option<String> {
    let prefix = "onvif://www.onvif.org/";
    let rest = scopes.iter().find_map(|scope| {
        let (head, rest) = scope.split_at_checked(prefix.len())?;
        let (first, value) = rest.split_once('/')?;
        (head.eq_ignore_ascii_case(prefix) && first.eq_ignore_ascii_case(word)).then_some(value)
    })?;
    let text = clean(&decoded(rest), &[]);
    (!text.is_empty()).then_some(text)
}

fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes();
    while let [first, rest @ ..] = bytes {
        let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match rest {
            [high, low, after @ ..] if *first == b'%' => match (digit(high), digit(low)) {
                (Some(high), Some(low)) => {
                    out.push(high << 4 | low);
                    bytes = after;
                    continue;
                }
                _ => out.push(*first),
            },
            _ => out.push(*first),
        }
        bytes = rest;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
pub(super) fn probe_matches(relates: &str, endpoint: &str, addresses: &str, scopes: &str) -> String {
    format!(
        "<SOAP-ENV:Envelope xmlns:SOAP-ENV=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:wsa=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
         xmlns:wsdd=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\"><SOAP-ENV:Header>\
         <wsa:RelatesTo>{relates}</wsa:RelatesTo></SOAP-ENV:Header><SOAP-ENV:Body><wsdd:ProbeMatches><wsdd:ProbeMatch>\
         <wsa:EndpointReference><wsa:Address>{endpoint}</wsa:Address></wsa:EndpointReference>\
         <wsdd:Scopes>{scopes}</wsdd:Scopes><wsdd:XAddrs>{addresses}</wsdd:XAddrs>\
         <wsdd:MetadataVersion>1</wsdd:MetadataVersion></wsdd:ProbeMatch></wsdd:ProbeMatches></SOAP-ENV:Body>\
         </SOAP-ENV:Envelope>"
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_answer_is_read() {
        let id = message_id([0xab; 16]);
        assert_eq!(id, "urn:uuid:abababab-abab-4bab-abab-abababababab");
        let scopes = "onvif://www.onvif.org/name/%D0%94%D0%B2%D0%B5%D1%80%D1%8C%202 onvif://www.onvif.org/hardware/DS-2CD \
                      onvif://www.onvif.org/MAC/44:19:b6:01:02:ff onvif://www.onvif.org/location/country/china";
        let addresses = "http://192.168.1.20/onvif/device_service http://cam.evil/onvif http://[fe80::1]:8080/x ftp://10.0.0.1/ \
                         http://u:p@10.0.0.1/";
        let text = probe_matches(&id, "urn:uuid:11", addresses, scopes);
        let ids = [id.clone()];
        let [found] = &matches(text.as_bytes(), &ids).unwrap()[..] else { panic!("one device answered") };
        assert_eq!(found.endpoint, "urn:uuid:11");
        assert_eq!(found.name.as_deref(), Some("Дверь 2"));
        assert_eq!(found.hardware.as_deref(), Some("DS-2CD"));
        assert_eq!(found.location.as_deref(), Some("country/china"));
        assert_eq!(found.mac, Some([0x44, 0x19, 0xb6, 1, 2, 0xff]));
        let hosts: Vec<_> = found.services.iter().filter_map(literal).map(|ip| ip.to_string()).collect();
        assert_eq!(hosts, ["192.168.1.20", "fe80::1"]);
        let capitals = text.replace(&id, &id.to_ascii_uppercase()).replace("URN:UUID:", "");
        assert_eq!(matches(capitals.as_bytes(), &ids).unwrap().len(), 1);
        let of_another = text.replace(&id, "urn:uuid:00000000-0000-4000-8000-000000000000");
        assert_eq!(matches(of_another.as_bytes(), &ids).unwrap(), []);
        let long = probe_matches(&id, &"x".repeat(300), addresses, "");
        assert_eq!(matches(long.as_bytes(), &ids).unwrap(), []);
    }

    #[test]
    fn questions_are_xml_of_their_own() {
        for wanted in [Wanted::Transmitter, Wanted::Device] {
            let asked = xml::read(probe(wanted, "urn:uuid:1").as_bytes()).unwrap();
            assert_eq!(asked.child(SOAP, "Header").unwrap().text_at(ADDRESSING, &["MessageID"]), Some("urn:uuid:1"));
            assert!(asked.child(SOAP, "Body").unwrap().child(DISCOVERY, "Probe").is_some());
        }
    }

    proptest! {
        #[test]
        fn no_answer_breaks_it(bytes in proptest::collection::vec(any::<u8>(), 0..300), scopes in "\\PC{0,80}") {
            let _ = matches(&bytes, &[]);
            let text = probe_matches("x", &xml::escaped(&scopes), &xml::escaped(&scopes), &xml::escaped(&scopes));
            let found = matches(text.as_bytes(), &["x".to_owned()]).unwrap();
            prop_assert!(found.len() <= 1);
            let _ = decoded(&scopes);
        }
    }
}
