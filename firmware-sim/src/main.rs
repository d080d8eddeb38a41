//! The thin binary: a sandbox portal, or a world of pretend devices, from the command line, until Ctrl-C; or a load for
//! a broker. All of it is in the library.

mod cloud_command;
mod devices_command;
mod load_command;
mod services_command;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use firmware_sim::{
    portal::{PortalSettings, SandboxPortal},
    world::{Credentials, PlugSettings, WaterSettings, World, WorldSettings, ZigbeeSettings},
};

/// The outside world of the house: for trying, never for the internet.
#[derive(Parser)]
#[command(name = "firmware-sim", version)]
struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Run the sandbox portal.
    Portal(Portal),
    /// Run a water meter, a plug and a Zigbee bridge.
    World(Three),
    /// Run a whole home of pretend devices, with faults at hand.
    Devices(Box<devices_command::Devices>),
    /// Run pretended services that carry messages: mail, push, SMS, ntfy, a bot, webhooks, feeds.
    Services(services_command::Services),
    /// Run the pretended cloud of a maker: an OAuth server and an API of devices.
    Cloud(cloud_command::Cloud),
    /// Load a broker and print what it did as JSON.
    Load(Box<load_command::Load>),
}

#[derive(Args)]
struct Portal {
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where accepted acts, keys and grants are kept; without it they are forgotten at the end.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Approve every link without asking.
    #[arg(long)]
    auto_approve: bool,
    /// Open /_sandbox/… to loopback peers.
    #[arg(long)]
    sandbox_calls: bool,
    /// A redirect that a browser link may use (repeatable); the port may differ.
    #[arg(long)]
    redirect_uri: Vec<String>,
}

#[derive(Args)]
struct Three {
    #[arg(long, default_value = "127.0.0.1:1883")]
    broker: String,
    /// One login for all three devices; without it they connect without one.
    #[arg(long, requires = "password_file")]
    username: Option<String>,
    /// A file whose first line is the password: on the command line everybody could read it.
    #[arg(long)]
    password_file: Option<PathBuf>,
    /// Where registers are kept over restarts.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Seconds between reports.
    #[arg(long, default_value_t = 10)]
    interval: u64,
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let what = Command::parse().what;
    // One thread for the load: the other core is the broker's.
    let mut runtime = match what {
        What::Load(_) => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let done = runtime.enable_all().build().context("no runtime").and_then(|runtime| {
        runtime.block_on(async {
            match what {
                What::Portal(portal) => run_portal(portal).await,
                What::World(three) => run_world(three).await,
                What::Devices(home) => devices_command::run(*home).await,
                What::Services(services) => services_command::run(services).await,
                What::Cloud(cloud) => cloud_command::run(cloud).await,
                What::Load(load) => load_command::run(*load).await,
            }
        })
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("firmware-sim: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run_portal(wish: Portal) -> anyhow::Result<()> {
    let mut settings = PortalSettings {
        listen: wish.listen,
        data_dir: wish.data,
        auto_approve: wish.auto_approve,
        sandbox_calls: wish.sandbox_calls,
        ..PortalSettings::default()
    };
    settings.redirect_uris.extend(wish.redirect_uri);
    let portal = SandboxPortal::start(settings).await?;
    println!("issuer   {}", portal.issuer());
    println!("api_base {}", portal.api_base());
    let mut events = portal.events();
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Ok(event) => println!("{}", event.line),
                // A screen that is too slow misses lines; that is all.
                Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                Err(tokio::sync::broadcast::error::RecvError::Closed) => break,
            },
            asked = tokio::signal::ctrl_c() => {
                asked.context("cannot listen for Ctrl-C")?;
                break;
            }
        }
    }
    portal.stop().await;
    Ok(())
}

async fn run_world(wish: Three) -> anyhow::Result<()> {
    let password = match &wish.password_file {
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            text.lines().next().unwrap_or_default().to_owned()
        }
        None => String::new(),
    };
    let login = |own: Credentials| Credentials {
        client_id: own.client_id,
        username: wish.username.clone().unwrap_or_default(),
        password: password.clone(),
    };
    let interval = Some(Duration::from_secs(wish.interval.max(1)));
    let (water, plug, zigbee) = (WaterSettings::default(), PlugSettings::default(), ZigbeeSettings::default());
    let world = World::start(WorldSettings {
        broker: wish.broker.clone(),
        data_dir: wish.data.clone(),
        clock: firmware_sim::system_clock(),
        water: Some(WaterSettings { credentials: login(water.credentials.clone()), interval, ..water }),
        plug: Some(PlugSettings { credentials: login(plug.credentials.clone()), interval, ..plug }),
        zigbee: Some(ZigbeeSettings { credentials: login(zigbee.credentials.clone()), interval, ..zigbee }),
    })?;
    println!("publishing to {}; Ctrl-C ends it", wish.broker);
    tokio::signal::ctrl_c().await.context("cannot listen for Ctrl-C")?;
    world.stop().await;
    Ok(())
}
