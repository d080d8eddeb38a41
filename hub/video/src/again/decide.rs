//! Whether what was seen in the network is the camera that is looked for: a pure function of what is known of it and of
//! what was seen. The rule: a camera with a certificate is known by its certificate and by nothing else; one without, by
//! the name it calls itself in ONVIF or by its hardware address, and neither may say otherwise.
//!
//! Names and hardware addresses are no secrets: whoever is in the network can take them on. Against such a one, a stream
//! without TLS is not protected at its old address either; what is prevented here is that a stranger who only happens to
//! have the address, or one of two who both claim to be the camera, is given the camera's password.

use std::net::IpAddr;

use url::Url;

use super::Known;
use crate::trust::Trust;

/// What the certificate at an address said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shown {
    /// It was not asked for: the stream has no TLS, or nothing answered.
    #[default]
    Nothing,
    /// The camera's own.
    Right,
    /// Another one.
    Wrong,
}

/// Something that was seen at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    pub ip: IpAddr,
    /// The stream's port takes connections there.
    pub serves: bool,
    pub certificate: Shown,
    /// What it calls itself in ONVIF.
    pub endpoint: Option<String>,
    pub mac: Option<[u8; 6]>,
    /// The camera's host name leads there.
    pub named: bool,
    /// Its device service.
    pub service: Option<Url>,
}

/// By what it was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    Certificate,
    /// Its ONVIF endpoint reference and its hardware address.
    EndpointAndMac,
    Endpoint,
    Mac,
}

/// What has become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is there, and only there.
    Moved { to: IpAddr, proof: Proof, service: Option<Url> },
    /// It is where it was: something else is wrong with it.
    Unmoved,
    /// Something there may be it; its owner has to say.
    Doubtful { at: Vec<IpAddr> },
    /// It was not seen.
    Unseen,
}

/// What is to be believed of what was seen. `was` are the addresses at which it is looked for anyway.
pub fn decide(known: &Known, was: &[IpAddr], seen: &[Sighting]) -> Outcome {
    let mut proved: Vec<(&Sighting, Proof)> = Vec::new();
    let mut doubtful: Vec<IpAddr> = Vec::new();
    for sighting in seen {
        match proof(known, sighting) {
            Some(proof) if sighting.serves => proved.push((sighting, proof)),
            // It is there and does not stream yet: a camera that is starting.
            Some(_) => {}
            None if claims(known, sighting) => doubtful.push(sighting.ip),
            None => {}
        }
    }
    let is_old = |ip: &IpAddr| was.iter().any(|was| was.to_canonical() == ip.to_canonical());
    if proved.iter().any(|(sighting, _)| is_old(&sighting.ip)) {
        return Outcome::Unmoved;
    }
    // By its certificate it is proved wherever it is. Otherwise two machines that both claim to be it are one too many;
    // one machine may have several addresses.
    let certified = matches!(proved.first(), Some((_, Proof::Certificate)));
    let mut machines: Vec<[u8; 6]> = proved.iter().filter_map(|(sighting, _)| sighting.mac).collect();
    machines.sort_unstable();
    machines.dedup();
    let unknown = proved.iter().filter(|(sighting, _)| sighting.mac.is_none()).count();
    let several = machines.len() > 1 || proved.len() > 1 && unknown > 0;
    if several && !certified {
        let mut at: Vec<IpAddr> = proved.iter().map(|(sighting, _)| sighting.ip).collect();
        at.dedup();
        return Outcome::Doubtful { at };
    }
    // Of one machine's addresses that of the kind it had.
    let kind = was.first().map(|ip| ip.to_canonical().is_ipv4());
    let best = proved
        .iter()
        .find(|(sighting, _)| kind.is_none_or(|four| sighting.ip.to_canonical().is_ipv4() == four))
        .or(proved.first());
    match best {
        Some((sighting, proof)) => Outcome::Moved { to: sighting.ip, proof: *proof, service: sighting.service.clone() },
        None => {
            doubtful.retain(|ip| !is_old(ip));
            doubtful.dedup();
            if doubtful.is_empty() { Outcome::Unseen } else { Outcome::Doubtful { at: doubtful } }
        }
    }
}

fn proof(known: &Known, seen: &Sighting) -> Option<Proof> {
    if known.stream.tls && !matches!(known.trust, Trust::Unknown) {
        return (seen.certificate == Shown::Right).then_some(Proof::Certificate);
    }
    // Both are compared where both are known: one that fits cannot make up for one that does not.
    let endpoint = known.endpoint.as_deref().zip(seen.endpoint.as_deref()).map(|(a, b)| same_endpoint(a, b));
    let mac = known.mac.zip(seen.mac).map(|(a, b)| a == b);
    match (endpoint, mac) {
        (Some(true), Some(true)) => Some(Proof::EndpointAndMac),
        (Some(true), None) => Some(Proof::Endpoint),
        (None, Some(true)) => Some(Proof::Mac),
        _ => None,
    }
}

/// Whether anything at all speaks for it.
fn claims(known: &Known, seen: &Sighting) -> bool {
    let endpoint = known.endpoint.as_deref().zip(seen.endpoint.as_deref()).is_some_and(|(a, b)| same_endpoint(a, b));
    let mac = known.mac.is_some() && known.mac == seen.mac;
    seen.serves && seen.certificate != Shown::Wrong && (endpoint || mac || seen.named)
}

/// `urn:uuid:` and the case of its digits vary between a camera's answers.
pub(super) fn same_endpoint(one: &str, other: &str) -> bool {
    let plain = |text: &str| text.rsplit(':').next().unwrap_or(text).to_ascii_lowercase();
    let (one, other) = (plain(one), plain(other));
    !one.is_empty() && one == other
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;
    use crate::trust::Fingerprint;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 7];

    fn known(address: &str) -> Known {
        Known {
            stream: Address::parse(address).unwrap().0,
            trust: Trust::Unknown,
            host_name: None,
            mac: Some(MAC),
            endpoint: Some("urn:uuid:AB".to_owned()),
        }
    }

    fn at(ip: &str) -> Sighting {
        Sighting {
            ip: ip.parse().unwrap(),
            serves: true,
            certificate: Shown::Nothing,
            endpoint: None,
            mac: None,
            named: false,
            service: None,
        }
    }

    fn with(ip: &str, endpoint: Option<&str>, mac: Option<[u8; 6]>) -> Sighting {
        Sighting { endpoint: endpoint.map(str::to_owned), mac, ..at(ip) }
    }

    const WAS: &str = "192.168.1.5";

    fn decided(known: &Known, seen: &[Sighting]) -> Outcome {
        decide(known, &[WAS.parse().unwrap()], seen)
    }

    fn moved(to: &str, proof: Proof) -> Outcome {
        Outcome::Moved { to: to.parse().unwrap(), proof, service: None }
    }

    #[test]
    fn a_camera_is_known_by_its_name_or_its_hardware_unless_the_other_says_no() {
        let camera = known("rtsp://192.168.1.5/a");
        let ip = "192.168.1.9";
        let other = Some([2, 0, 0, 0, 0, 8]);
        for (seen, wanted) in [
            (with(ip, Some("urn:uuid:ab"), Some(MAC)), moved(ip, Proof::EndpointAndMac)),
            (with(ip, Some("ab"), None), moved(ip, Proof::Endpoint)),
            (with(ip, None, Some(MAC)), moved(ip, Proof::Mac)),
            (with(ip, Some("urn:uuid:ab"), other), Outcome::Doubtful { at: vec![ip.parse().unwrap()] }),
            (with(ip, Some("urn:uuid:cd"), Some(MAC)), Outcome::Doubtful { at: vec![ip.parse().unwrap()] }),
            (with(ip, Some("urn:uuid:cd"), other), Outcome::Unseen),
            (with(ip, None, None), Outcome::Unseen),
            (Sighting { named: true, ..at(ip) }, Outcome::Doubtful { at: vec![ip.parse().unwrap()] }),
            (Sighting { serves: false, ..with(ip, Some("ab"), Some(MAC)) }, Outcome::Unseen),
            (with(WAS, Some("ab"), Some(MAC)), Outcome::Unmoved),
            (with("::ffff:192.168.1.5", Some("ab"), Some(MAC)), Outcome::Unmoved),
        ] {
            assert_eq!(decided(&camera, std::slice::from_ref(&seen)), wanted, "{seen:?}");
        }
        let nothing_known = Known { mac: None, endpoint: None, ..known("rtsp://192.168.1.5/a") };
        assert_eq!(decided(&nothing_known, &[with(ip, Some("ab"), Some(MAC))]), Outcome::Unseen);
        let empty = Known { mac: None, endpoint: Some(String::new()), ..known("rtsp://192.168.1.5/a") };
        assert_eq!(decided(&empty, &[with(ip, Some(""), None)]), Outcome::Unseen);
    }

    #[test]
    fn a_camera_with_a_certificate_is_known_by_nothing_else() {
        let pinned = Known { trust: Trust::Pinned(Fingerprint([7; 32])), ..known("rtsps://192.168.1.5/a") };
        let ip = "192.168.1.9";
        let claims = with(ip, Some("ab"), Some(MAC));
        let shown = |certificate| Sighting { certificate, ..claims.clone() };
        assert_eq!(decided(&pinned, &[shown(Shown::Right)]), moved(ip, Proof::Certificate));
        assert_eq!(decided(&pinned, &[shown(Shown::Wrong)]), Outcome::Unseen);
        assert_eq!(decided(&pinned, &[shown(Shown::Nothing)]), Outcome::Doubtful { at: vec![ip.parse().unwrap()] });
        let bare = Sighting { certificate: Shown::Right, ..at(ip) };
        assert_eq!(decided(&pinned, &[bare]), moved(ip, Proof::Certificate));
    }

    #[test]
    fn of_two_who_claim_it_none_is_believed() {
        let camera = Known { mac: None, ..known("rtsp://192.168.1.5/a") };
        let one = with("192.168.1.9", Some("ab"), Some(MAC));
        let other = with("192.168.1.66", Some("ab"), Some([2, 0, 0, 0, 0, 8]));
        let both = Outcome::Doubtful { at: vec![one.ip, other.ip] };
        assert_eq!(decided(&camera, &[one.clone(), other.clone()]), both);
        let hidden = Sighting { mac: None, ..other.clone() };
        assert_eq!(decided(&camera, &[one.clone(), hidden]), both);
        // Where the hardware address is known, it decides.
        assert_eq!(
            decided(&known("rtsp://192.168.1.5/a"), &[one.clone(), other]),
            moved("192.168.1.9", Proof::EndpointAndMac)
        );
        // One machine with two addresses is one machine.
        let six = with("fd00::9", Some("ab"), Some(MAC));
        assert_eq!(decided(&camera, &[six, one]), moved("192.168.1.9", Proof::Endpoint));
    }
}
