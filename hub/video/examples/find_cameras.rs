//! Which cameras answer in the network, and what one says of itself over ONVIF. For whoever wants to know what a camera
//! really answers. Deliberately asks, and changes nothing.
//!
//! `cargo run -p domovoi-video --example find_cameras [-- http://camera/onvif/device_service [user password]]`

use std::sync::Arc;
use std::time::SystemTime;

use domovoi_vault::Secret;
use domovoi_video::address::{Allow, Login, Policy};
use domovoi_video::onvif::{Options, Search, device_service, search, survey};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let policy = Policy { loopback: Allow::Yes, link_local: Allow::Yes, ..Policy::default() };
    let Some(typed) = words.next() else {
        for found in search(&Search { policy, ..Search::default() }).await? {
            println!("{} {}", found.endpoint, found.from);
            println!("    {:?} {:?} {:?} {:?}", found.name, found.hardware, found.location, found.mac);
            found.services.iter().for_each(|service| println!("    {service}"));
        }
        return Ok(());
    };
    let login = words.next().zip(words.next());
    let login = login.map(|(user, password)| Login { user, password: Secret::new(password) });
    let wall = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
    let told = survey(&Options { policy, ..Options::new(device_service(&typed)?, login, Arc::new(wall)) }).await?;
    let offset = told.clock_offset_ms;
    println!("{:?} built {:?}, clock {offset:?} ms ahead", told.information, told.information.firmware_built());
    println!("mac {:?}, certificate {:?}", told.mac, told.certificate);
    for channel in told.channels {
        println!("main {} {:?}", channel.main.address, channel.main.profile);
        if let Some(sub) = channel.sub {
            println!("sub  {} {:?}", sub.address, sub.profile);
        }
        if let Some(snapshot) = channel.snapshot {
            println!("snap at {}", snapshot.path());
        }
    }
    Ok(())
}
