//! Gives a device its access where it can be given: at the set-up page that its code names, or in the page of a maker's
//! firmware, with the name and password that the maker's page wants. Only to addresses of the home, written as numbers:
//! a code or a person could name any other.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use domovoi_vault::Secret;
use serde_json::json;
use url::{Host, Url};

use crate::policy::Network;

/// A small device takes its time, and an address where nobody lives says nothing.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is tried, and the pause between: a device that was just switched on.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(2);

/// As much of an answer is read.
const MAX_ANSWER: usize = 4096;

/// What a device is given.
pub(super) struct Access {
    pub username: String,
    pub password: Secret<String>,
    /// Of the broker, in clear.
    pub port: u16,
}

/// The maker's page of a device.
#[derive(Debug, Clone)]
pub struct MakerPage {
    /// An address of the home.
    pub address: IpAddr,
    /// Port of the page.
    pub port: u16,
    /// Its name and password; firmware without any is told without.
    pub user: String,
    /// The password.
    pub password: Secret<String>,
}

/// Whether something may be sent there.
pub(super) fn check_address(address: IpAddr, on_this_machine: bool) -> Result<(), String> {
    let ip = address.to_canonical();
    let link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    if ip.is_loopback() && on_this_machine {
        return Ok(());
    }
    if ip.is_loopback() || ip.is_unspecified() || link_local || Network::of(ip) != Network::Home {
        return Err("the device's page has to be at an address of the home network".into());
    }
    Ok(())
}

/// Whether this is a set-up page to which a secret may be sent: of a device of the home, under the one path that is agreed.
pub(super) fn check_setup(setup: &Url, on_this_machine: bool) -> Result<SocketAddr, String> {
    let wrong = || "the address of the set-up page is not one that a device has: http://192.168.1.20/setup".to_owned();
    let ip = match setup.host() {
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip),
        _ => return Err(wrong()),
    };
    let plain = setup.scheme() == "http" && setup.path() == "/setup" && setup.query().is_none();
    if !plain || !setup.username().is_empty() || setup.password().is_some() {
        return Err(wrong());
    }
    check_address(ip, on_this_machine)?;
    Ok(SocketAddr::new(ip, setup.port_or_known_default().unwrap_or(80)))
}

/// Our own address as a device there sees it. Nothing is sent: the kernel only chooses a road.
fn own_address(to: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = if to.is_ipv4() { IpAddr::from([0u8; 4]) } else { IpAddr::from([0u16; 8]) };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(to).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

fn client() -> Result<reqwest::Client, String> {
    let builder = reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).no_proxy();
    builder.build().map_err(|error| error.to_string())
}

/// A sentence for people, without the address's query: a password may stand in it.
fn unsent(error: &reqwest::Error) -> String {
    match (error.is_timeout(), error.is_connect()) {
        (true, _) => "the device does not answer: is it switched on, and in the same network?".into(),
        (_, true) => "the device cannot be reached: is it switched on, and in the same network?".into(),
        _ => "the device did not understand what it was told".into(),
    }
}

async fn answer(response: reqwest::Response) -> String {
    use futures_util::StreamExt as _;
    let mut bytes = Vec::new();
    let mut stream = response.bytes_stream();
    while let Some(Ok(part)) = stream.next().await {
        bytes.extend_from_slice(part.get(..MAX_ANSWER.saturating_sub(bytes.len()).min(part.len())).unwrap_or_default());
        if bytes.len() >= MAX_ANSWER {
            break;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Gives an access at a set-up page, to who has the token.
pub(super) async fn to_setup(
    setup: &Url,
    to: SocketAddr,
    token: &Secret<String>,
    access: &Access,
) -> Result<(), String> {
    let client = client()?;
    let mut last = String::new();
    for time in 0..TRIES {
        if time > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        let Some(own) = own_address(to) else {
            last = "there is no road to the device's address".into();
            continue;
        };
        let body = json!({
            "token": token.expose(),
            "broker": SocketAddr::new(own, access.port).to_string(),
            "client_id": access.username,
            "username": access.username,
            "password": access.password.expose(),
        });
        match client.post(setup.clone()).json(&body).send().await {
            Ok(response) if response.status().is_success() => return Ok(()),
            Ok(response) if response.status().as_u16() == 403 => {
                return Err("the device says that the token is not its own: is it the code of this very device?".into());
            }
            Ok(response) => last = format!("the device refused its access ({})", response.status().as_u16()),
            Err(error) => last = unsent(&error),
        }
    }
    Err(last)
}

/// Writes an access into Tasmota's settings (its documentation, "Commands", "with web requests"): one backlog, after which it
/// starts anew.
pub(super) async fn to_tasmota(page: &MakerPage, access: &Access) -> Result<(), String> {
    let to = SocketAddr::new(page.address, page.port);
    let own = own_address(to).ok_or("there is no road to the device's address")?;
    let backlog = format!(
        "Backlog MqttHost {own};MqttPort {};MqttUser {};MqttPassword {};MqttClient {};SetOption3 1;SetOption19 0",
        access.port,
        access.username,
        access.password.expose(),
        access.username
    );
    let mut address = Url::parse(&format!("http://{to}/cm")).map_err(|error| error.to_string())?;
    {
        let mut query = address.query_pairs_mut();
        if !page.user.is_empty() || !page.password.expose().is_empty() {
            let user = if page.user.is_empty() { "admin" } else { page.user.as_str() };
            query.append_pair("user", user).append_pair("password", page.password.expose());
        }
        query.append_pair("cmnd", &backlog);
    }
    let response = client()?.get(address).send().await.map_err(|error| unsent(&error))?;
    let status = response.status().as_u16();
    let said = answer(response).await;
    // «Need user=<username>&password=<password>», with status 200 before version 9 and 401 since.
    if status == 401 || said.contains("Need user") {
        return Err("the device's page does not take this name and password".into());
    }
    if status == 200 { Ok(()) } else { Err(format!("the device's page answered {status}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_devices_of_the_home_are_told_secrets() {
        let check = |text: &str, here: bool| check_setup(&Url::parse(text).unwrap(), here).is_ok();
        for good in ["http://192.168.1.20/setup", "http://10.0.0.7:8080/setup", "http://[fd00::7]/setup"] {
            assert!(check(good, false), "{good}");
        }
        for bad in [
            "http://127.0.0.1/setup",
            "http://[::1]/setup",
            "http://[::ffff:127.0.0.1]/setup",
            "http://169.254.169.254/setup",
            "http://[fe80::1]/setup",
            "http://0.0.0.0/setup",
            "http://8.8.8.8/setup",
            "http://router.local/setup",
            "https://192.168.1.20/setup",
            "http://192.168.1.1/cgi-bin/reboot",
            "http://192.168.1.20/setup?x=1",
            "http://a:b@192.168.1.20/setup",
            "ftp://192.168.1.20/setup",
        ] {
            assert!(!check(bad, false), "{bad}");
        }
        assert!(check("http://127.0.0.1:7/setup", true), "a pretend device, where the settings say so");
    }

    #[test]
    fn our_own_address_is_the_one_on_the_road_to_the_device() {
        assert_eq!(own_address("127.0.0.1:9".parse().unwrap()), Some("127.0.0.1".parse().unwrap()));
    }
}
