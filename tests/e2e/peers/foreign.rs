//! The stories of devices at a broker that the home already has, told to Mosquitto: with a window of twenty messages that
//! are not acknowledged, and topics in any script.

use std::net::SocketAddr;

use tempfile::TempDir;
use tokio::process::Command;

use super::Running;
use crate::{faults, foreign};

/// A Mosquitto that lets everybody in, on this machine only.
struct Mosquitto {
    address: SocketAddr,
    _running: Running,
    _folder: TempDir,
}

impl Mosquitto {
    async fn start() -> Mosquitto {
        e2e::crypto();
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..10 {
            // It cannot choose a port itself, and between our choice and its binding another may take it.
            let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let settings = folder.path().join("mosquitto.conf");
            let text = format!("listener {} 127.0.0.1\nallow_anonymous true\nuser root\n", address.port());
            std::fs::write(&settings, text).unwrap();
            let there = std::path::Path::new("/usr/sbin/mosquitto");
            let mut command = Command::new(if there.exists() { there } else { "mosquitto".as_ref() });
            command.arg("-c").arg(&settings);
            let mut running = Running::start(command);
            while running.child.try_wait().unwrap().is_none() {
                if tokio::net::TcpStream::connect(address).await.is_ok() {
                    return Mosquitto { address, _running: running, _folder: folder };
                }
                tokio::task::yield_now().await;
            }
        }
        panic!("Mosquitto does not start: apt-get install mosquitto");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs mosquitto"]
async fn a_leak_that_mosquitto_replays_is_asked_about_and_is_no_news() {
    let mosquitto = Mosquitto::start().await;
    foreign::a_replayed_leak_is_no_news(mosquitto.address).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs mosquitto"]
async fn a_leak_that_was_said_to_mosquitto_while_the_hub_was_away_is_believed() {
    let mosquitto = Mosquitto::start().await;
    foreign::a_leak_that_was_said_while_the_hub_was_away_closes_the_valve(mosquitto.address).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs mosquitto"]
async fn neither_silence_nor_an_old_retained_no_of_mosquitto_ends_a_danger() {
    let mosquitto = Mosquitto::start().await;
    foreign::that_nothing_is_replayed_is_no_all_clear(mosquitto.address).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs mosquitto"]
async fn a_broken_link_to_mosquitto_loses_no_subscription_and_keeps_no_old_command() {
    let mosquitto = Mosquitto::start().await;
    foreign::a_connection_that_breaks_loses_no_subscription_and_keeps_no_old_command(mosquitto.address).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs mosquitto"]
async fn a_list_of_a_megabyte_breaks_no_link_to_mosquitto() {
    let mosquitto = Mosquitto::start().await;
    foreign::a_list_of_a_megabyte_breaks_no_link(mosquitto.address).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs mosquitto"]
async fn behind_mosquittos_full_window_a_stalled_disk_holds_up_no_closing() {
    let mosquitto = Mosquitto::start().await;
    Box::pin(faults::reflex::stalled_at(mosquitto.address)).await;
}
