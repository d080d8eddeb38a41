//! Addresses as people type them, and where none of them may lead.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn parsed(typed: &str) -> (Address, Option<Login>) {
    Address::parse(typed).unwrap_or_else(|error| panic!("{typed}: {error}"))
}

#[test]
fn what_people_type_is_read() {
    for (typed, shown) in [
        ("rtsp://192.168.1.5", "rtsp://192.168.1.5:554/"),
        (" RTSP://cam.local:8554/Streaming/Channels/101?a=b ", "rtsp://cam.local:8554/Streaming/Channels/101?a=b"),
        ("rtsps://[fd00::5]/live", "rtsps://[fd00::5]:322/live"),
        ("rtsps://[fd00::5]:8322/live", "rtsps://[fd00::5]:8322/live"),
        ("rtsp://камера.local/вход", "rtsp://камера.local:554/%D0%B2%D1%85%D0%BE%D0%B4"),
        ("rtsp://cam?channel=1", "rtsp://cam:554/?channel=1"),
        ("rtsp://cam/ch#2", "rtsp://cam:554/ch%232"),
    ] {
        assert_eq!(parsed(typed).0.to_string(), shown);
        assert!(parsed(typed).1.is_none());
    }
}

#[test]
fn a_login_is_split_off_and_never_shown() {
    for (typed, user, password) in [
        ("rtsp://admin:s3cret@cam/1", "admin", "s3cret"),
        ("rtsp://admin:p@ss:w%40rd@cam/1", "admin", "p@ss:w@rd"),
        ("rtsp://admin:100%@cam/1", "admin", "100%"),
        ("rtsp://admin@cam/1", "admin", ""),
    ] {
        let (address, login) = parsed(typed);
        let login = login.unwrap();
        assert_eq!((login.user.as_str(), login.password.expose().as_str()), (user, password));
        assert_eq!(address.to_string(), "rtsp://cam:554/1");
        assert!(password.is_empty() || !format!("{address:?} {login:?}").contains(password));
    }
    let (address, _) = parsed("rtsp://cam:554/user=admin_password=tlJwpbo6_channel=1_stream=0.sdp");
    assert_eq!(address.to_string(), "rtsp://cam:554/user=admin_password=***");
    assert!(address.path().contains("tlJwpbo6"), "the camera gets it whole");
    assert_eq!(address.secrets(), ["tlJwpbo6_channel=1_stream=0.sdp"]);
}

#[test]
fn each_mistake_has_its_own_words() {
    for (typed, error) in [
        ("", AddressError::Empty),
        ("192.168.1.5", AddressError::Scheme),
        ("http://cam/", AddressError::Scheme),
        ("rtsp:///path", AddressError::NoHost),
        ("rtsp://:554/", AddressError::NoHost),
        ("rtsp://cam:0/", AddressError::Port),
        ("rtsp://cam:99999/", AddressError::Port),
        ("rtsp://cam:five/", AddressError::Port),
        ("rtsp://fd00::5/", AddressError::Ipv6Bare),
        ("rtsp://[fd00::5/", AddressError::Ipv6),
        ("rtsp://admin:a/b@cam/1", AddressError::Login),
        ("rtsp://admin:a#b@cam/1", AddressError::Login),
        ("rtsp://ca m/", AddressError::Blank),
        ("rtsp://cam/\r\nX: y", AddressError::Blank),
        ("rtsp://c;am/", AddressError::Host),
    ] {
        assert_eq!(Address::parse(typed).unwrap_err(), error, "{typed}");
    }
    assert_eq!(Address::parse(&format!("rtsp://cam/{}", "x".repeat(3000))).unwrap_err(), AddressError::TooLong);
}

#[test]
fn the_hub_and_what_only_it_can_reach_are_refused() {
    let strict = Policy::default();
    for (ip, why) in [
        ("127.0.0.1:554", Refusal::Loopback),
        ("127.8.0.1:554", Refusal::Loopback),
        ("[::1]:554", Refusal::Loopback),
        ("[::ffff:127.0.0.1]:554", Refusal::Loopback),
        ("[64:ff9b::7f00:1]:554", Refusal::Loopback),
        ("0.0.0.0:554", Refusal::Unspecified),
        ("[::]:554", Refusal::Unspecified),
        ("169.254.169.254:80", Refusal::LinkLocal),
        ("[fe80::1]:554", Refusal::LinkLocal),
        ("224.0.0.1:554", Refusal::Multicast),
        ("255.255.255.255:554", Refusal::Multicast),
        ("[ff02::1]:554", Refusal::Multicast),
        ("240.0.0.1:554", Refusal::Unspecified),
    ] {
        assert_eq!(strict.check(ip.parse().unwrap()), Err(why), "{ip}");
    }
    for ip in ["192.168.1.5:554", "10.0.0.1:8554", "203.0.113.9:554", "[fd00::5]:554"] {
        assert_eq!(strict.check(ip.parse().unwrap()), Ok(()), "{ip}");
    }
    let open = Policy {
        loopback: Allow::Yes,
        own: vec!["0.0.0.0:8443".parse().unwrap(), "192.168.1.2:1883".parse().unwrap()],
        ..Policy::default()
    };
    assert_eq!(open.check("127.0.0.1:554".parse().unwrap()), Ok(()));
    assert_eq!(open.check("127.0.0.1:8443".parse().unwrap()), Err(Refusal::Own));
    assert_eq!(open.check("192.168.1.2:1883".parse().unwrap()), Err(Refusal::Own));
    assert_eq!(open.check("192.168.1.2:554".parse().unwrap()), Ok(()));
}

#[test]
fn where_networks_are_named_no_other_address_is_a_cameras() {
    let networks = vec![("192.168.0.0".parse().unwrap(), 16), ("fd00::5".parse().unwrap(), 128)];
    let home = Policy { networks: Some(networks), ..Policy::default() };
    for ip in ["192.168.1.5:554", "[::ffff:192.168.1.5]:554", "[fd00::5]:554"] {
        assert_eq!(home.check(ip.parse().unwrap()), Ok(()), "{ip}");
    }
    for ip in ["192.169.1.5:554", "[fd00::6]:554", "10.0.0.1:554"] {
        assert_eq!(home.check(ip.parse().unwrap()), Err(Refusal::Outside), "{ip}");
    }
    assert_eq!(home.check("127.0.0.1:554".parse().unwrap()), Err(Refusal::Loopback), "that is said first");
}

#[tokio::test]
async fn a_name_is_checked_by_what_it_resolves_to() {
    let second = Duration::from_secs(10);
    let (address, _) = parsed("rtsp://localhost:9/");
    let trouble = address.resolve(&Policy::default(), second).await.unwrap_err();
    assert!(matches!(trouble, Trouble::RefusedAddress { why: Refusal::Loopback, .. }), "{trouble}");
    // The resolver's short forms of IPv4 are no way around either.
    let (address, _) = parsed("rtsp://127.1:9/");
    assert!(address.resolve(&Policy::default(), second).await.is_err());
    let open = Policy { loopback: Allow::Yes, ..Policy::default() };
    let (address, _) = parsed("rtsp://localhost:9/");
    assert!(address.resolve(&open, second).await.unwrap().iter().all(|found| found.ip().is_loopback()));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_and_reads_back(text in "(rtsps?://)?[ -~а-я]{0,60}") {
        if let Ok((address, _)) = Address::parse(&text) {
            prop_assert!(address.path().starts_with('/') && address.path().bytes().all(|b| b.is_ascii_graphic()));
            if address.secrets().is_empty() {
                prop_assert_eq!(Address::parse(&address.to_string()).unwrap().0, address);
            }
        }
    }
}
