//! `firmware-sim cloud`: the pretended cloud of a maker, its address, and a line for whatever it is asked.

use std::net::SocketAddr;

use anyhow::Context as _;
use clap::Args;
use firmware_sim::services::yandex::YandexCloud;
use firmware_sim::system_clock;

#[derive(Args)]
pub struct Cloud {
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The program that is registered there; its password is no secret.
    #[arg(long, default_value = "pretended-program")]
    client_id: String,
    #[arg(long, default_value = "pretended-password")]
    client_secret: String,
}

pub async fn run(wish: Cloud) -> anyhow::Result<()> {
    let cloud = YandexCloud::start(wish.listen, system_clock(), &wish.client_id, &wish.client_secret).await?;
    let url = cloud.url();
    println!("[clouds.yandex]\nclient_id = \"{}\"\napp_secret = \"yandex-program\"", wish.client_id);
    println!("api = \"{url}\"\nissuer = \"{url}\"");
    println!("domovoi secret set yandex-program   → {}", wish.client_secret);
    println!("type a user code here to agree to it");
    let (typed, mut lines) = tokio::sync::mpsc::unbounded_channel::<String>();
    // A thread of its own: a terminal is read by waiting, and ends with the process.
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if typed.send(line).is_err() {
                return;
            }
        }
    });
    let (mut seen, mut typing) = (0, true);
    loop {
        tokio::select! {
            all = cloud.calls.wait_for(|all| all.len() > seen) => {
                for call in all.iter().skip(seen) {
                    println!("{} → {}", call.what, call.status);
                }
                seen = all.len();
            }
            line = lines.recv(), if typing => match line {
                Some(code) => println!("{}", if cloud.approve(code.trim()) { "agreed" } else { "no such code waits" }),
                None => typing = false,
            },
            asked = tokio::signal::ctrl_c() => {
                asked.context("cannot listen for Ctrl-C")?;
                return Ok(());
            }
        }
    }
}
