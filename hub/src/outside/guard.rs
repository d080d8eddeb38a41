//! Where an address that somebody gave may lead: whoever gives it, or answers for its name, cannot send the hub to itself or
//! to what only it can reach (SSRF, DNS rebinding). It looks at literal addresses and is the resolver of names.
//! It does not know schemes, paths or hosts by name; those are looked at by whoever takes the address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use domovoi_config::Network;
use domovoi_video::address::Policy;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// How far addresses may lead that nobody named in the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// To hosts of the internet only: not to the home's other machines either.
    Internet,
    /// Anywhere but to this machine and to what is no host of others.
    BeyondUs,
}

/// Which addresses may be asked. Clones are alike.
#[derive(Debug, Clone)]
pub struct Guard {
    reach: Reach,
    allow: Vec<Network>,
    own: Vec<SocketAddr>,
}

/// An address leads where it must not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the address leads to the hub's own machine, into the home, or to no host of others")]
pub struct Barred;

impl Guard {
    /// `allow`: what the owner named besides. `own`: where the hub itself listens, which nobody is sent to, whatever is allowed.
    pub fn new(reach: Reach, allow: &[Network], own: &[SocketAddr]) -> Self {
        Guard { reach, allow: allow.to_vec(), own: own.to_vec() }
    }

    /// Whether the owner named it.
    pub fn is_named(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.allow.iter().any(|network| network.contains(ip))
    }

    /// Whether an address may be asked, on some port.
    pub fn admits(&self, ip: IpAddr) -> Result<(), Barred> {
        let admitted = self.is_named(ip)
            || match self.reach {
                Reach::Internet => is_of_the_internet(ip.to_canonical()),
                Reach::BeyondUs => {
                    // Any address of this machine: no port is known where names are looked up.
                    let strict =
                        Policy { own: vec![SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))], ..Policy::default() };
                    strict.check(SocketAddr::new(ip, 0)).is_ok()
                }
            };
        if admitted { Ok(()) } else { Err(Barred) }
    }

    /// Even where the owner lets in all of this machine: never the hub itself.
    pub fn is_own(&self, ip: IpAddr, port: u16) -> bool {
        let here =
            |own: &SocketAddr| own.ip() == ip || own.ip().is_unspecified() && (ip.is_loopback() || self.is_named(ip));
        self.own.iter().any(|own| own.port() == port && here(own))
    }

    /// Whether an address with a literal host may be asked; a name is looked at when it is looked up.
    pub fn check(&self, url: &Url) -> Result<(), Barred> {
        let ip = match url.host() {
            Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
            Some(Host::Ipv6(ip)) => IpAddr::V6(ip),
            Some(Host::Domain(_)) => return Ok(()),
            None => return Err(Barred),
        };
        if self.is_own(ip, url.port_or_known_default().unwrap_or(0)) {
            return Err(Barred);
        }
        self.admits(ip)
    }

    /// Whether an error of a request comes from here.
    pub fn barred(error: &reqwest::Error) -> bool {
        let mut under = std::error::Error::source(error);
        while let Some(one) = under {
            if one.is::<Barred>() {
                return true;
            }
            under = one.source();
        }
        false
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            // One bad address among good ones is no accident.
            for address in &found {
                guard.admits(address.ip())?;
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Addresses that somebody on the internet has, by the registries of special addresses (RFC 6890 and its followers).
fn is_of_the_internet(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => four(ip),
        IpAddr::V6(ip) => six(ip),
    }
}

fn four(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !(a == 0
        || ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || a == 100 && (64..128).contains(&b)
        || a == 192 && b == 0 && c == 0
        || a == 192 && b == 88 && c == 99
        || a == 198 && (b == 18 || b == 19)
        || a >= 224)
}

fn six(ip: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = ip.segments();
    let embedded = |high: u16, low: u16| {
        let ([w, x], [y, z]) = (high.to_be_bytes(), low.to_be_bytes());
        four(Ipv4Addr::new(w, x, y, z))
    };
    // NAT64 and 6to4 carry an address of IPv4 with them, which may be one of the home.
    if (a, b, c, d, e, f) == (0x64, 0xff9b, 0, 0, 0, 0) {
        return embedded(g, h);
    }
    if a == 0x2002 {
        return embedded(b, c);
    }
    // What is given out to anybody lies in 2000::/3; documentation and special uses lie in it too.
    (a & 0xe000) == 0x2000
        && !(a == 0x2001 && b == 0xdb8)
        && !(a == 0x2001 && b < 0x200)
        && !(a == 0x3fff && b < 0x1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(guard: &Guard, url: &str) -> bool {
        guard.check(&Url::parse(url).unwrap()).is_ok()
    }

    #[test]
    fn only_the_internet_and_what_is_named() {
        let guard = Guard::new(Reach::Internet, &[Network::parse("192.168.1.20").unwrap()], &[]);
        for good in ["https://8.8.8.8/", "https://192.168.1.20/a", "https://[2a00:1450::1]/", "https://name.example/"] {
            assert!(check(&guard, good), "{good}");
        }
        for bad in [
            "https://127.0.0.1/",
            "https://0x7f000001/",
            "https://2130706433/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[64:ff9b::a00:1]/",
            "https://[2002:c0a8:101::1]/",
            "https://[fd00::1]/",
            "https://[fe80::1]/",
            "https://192.168.1.21/",
            "https://169.254.169.254/latest",
            "https://100.64.0.1/",
            "https://0.0.0.0/",
            "https://224.0.0.1/",
        ] {
            assert!(!check(&guard, bad), "{bad}");
        }
    }

    #[test]
    fn beyond_us_is_the_home_too_and_never_the_hub() {
        let guard = Guard::new(Reach::BeyondUs, &[], &[]);
        assert!(check(&guard, "https://192.168.77.5/x") && check(&guard, "https://[fd00::5]/"));
        for bad in
            ["https://127.0.0.1/", "https://[64:ff9b::7f00:1]/", "https://[fe80::1]/", "https://255.255.255.255/"]
        {
            assert!(!check(&guard, bad), "{bad}");
        }
        let own = ["0.0.0.0:8443".parse().unwrap(), "127.0.0.1:1883".parse().unwrap()];
        let open = Guard::new(Reach::BeyondUs, &[Network::parse("127.0.0.0/8").unwrap()], &own);
        assert!(check(&open, "http://127.0.0.1:9000/"));
        for bad in ["https://127.0.0.1:8443/", "http://127.0.0.1:1883/", "https://[::1]/"] {
            assert!(!check(&open, bad), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_to_the_hub_is_barred_when_it_is_looked_up() {
        for reach in [Reach::Internet, Reach::BeyondUs] {
            let guard = std::sync::Arc::new(Guard::new(reach, &[], &[]));
            let terms = super::super::Terms {
                connect: std::time::Duration::from_secs(5),
                guard: Some(guard),
                ..Default::default()
            };
            let client = super::super::client(terms).unwrap();
            let refused = client.get("https://localhost:9/").send().await.unwrap_err();
            assert!(Guard::barred(&refused), "{refused:?}");
        }
    }
}
