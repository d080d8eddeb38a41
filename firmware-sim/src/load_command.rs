//! `firmware-sim load`: the load generator's options, and its figures as one JSON object.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;
use firmware_sim::load::{Listening, Pace, Settings, Shape, Version};

#[derive(Args)]
pub struct Load {
    #[arg(long, default_value = "127.0.0.1:1883")]
    connect: String,
    /// "3.1.1" or "5".
    #[arg(long, default_value = "3.1.1", value_parser = version)]
    protocol: Version,
    #[arg(long, requires = "password_file")]
    user: Option<String>,
    /// A file whose first line is the password: on the command line everybody could read it.
    #[arg(long, requires = "user")]
    password_file: Option<PathBuf>,
    /// A file of `user:password` lines, given to the connections in turn.
    #[arg(long, conflicts_with = "user")]
    credentials: Option<PathBuf>,
    /// Client ids begin so.
    #[arg(long, default_value = "load")]
    client_prefix: String,
    #[arg(long, default_value_t = 100)]
    devices: u64,
    /// `{n}` is the device's number. Default: where devices of the payload's kind speak.
    #[arg(long)]
    topic: Option<String>,
    /// Connections that publish; the devices are shared out among them.
    #[arg(long, default_value_t = 1)]
    connections: usize,
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=2))]
    qos: u8,
    /// Messages a second, of all connections together, whatever the broker makes of it.
    #[arg(long, conflicts_with = "window")]
    rate: Option<f64>,
    /// Unacknowledged messages, of all connections together: as fast as that goes.
    #[arg(long, default_value_t = 1)]
    window: usize,
    /// Seconds. Default 10, unless a count is given.
    #[arg(long)]
    duration: Option<f64>,
    /// Messages in all.
    #[arg(long)]
    count: Option<u64>,
    /// zigbee, sensor, tasmota, scalar, or a number of bytes.
    #[arg(long, default_value = "zigbee")]
    payload: Shape,
    /// Number of the first message.
    #[arg(long, default_value_t = 1)]
    first: u64,
    #[arg(long)]
    retain: bool,
    /// The publishers' and listeners' sessions outlive their connections.
    #[arg(long)]
    persistent: bool,
    /// What listeners subscribe to.
    #[arg(long)]
    subscribe: Option<String>,
    #[arg(long, default_value_t = 1)]
    subscribers: usize,
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=2))]
    subscribe_qos: u8,
    /// Connections that only stay open. With `--connections 0` nobody speaks.
    #[arg(long, default_value_t = 0)]
    idle: usize,
    /// Seconds between two PINGREQ of an idle connection.
    #[arg(long, default_value_t = 30.0)]
    ping_every: f64,
    /// Seconds.
    #[arg(long, default_value_t = 60)]
    keep_alive: u16,
    /// Seconds that the last answers and deliveries are waited for.
    #[arg(long, default_value_t = 10.0)]
    drain: f64,
    /// With a rate: unacknowledged messages of one connection at most.
    #[arg(long, default_value_t = 500)]
    most_in_flight: usize,
    /// Every acknowledged number is appended here.
    #[arg(long)]
    ledger: Option<PathBuf>,
}

fn version(text: &str) -> Result<Version, String> {
    match text {
        "3.1.1" => Ok(Version::V311),
        "5" => Ok(Version::V5),
        _ => Err("3.1.1 or 5".to_owned()),
    }
}

fn seconds(number: f64) -> anyhow::Result<Duration> {
    Duration::try_from_secs_f64(number).with_context(|| format!("{number} is no time in seconds"))
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

impl Load {
    fn logins(&self) -> anyhow::Result<Vec<(String, String)>> {
        if let (Some(user), Some(path)) = (&self.user, &self.password_file) {
            let password = read(path)?.lines().next().unwrap_or_default().to_owned();
            return Ok(vec![(user.clone(), password)]);
        }
        let Some(path) = &self.credentials else { return Ok(Vec::new()) };
        let text = read(path)?;
        let pairs = text.lines().filter(|line| !line.is_empty());
        let logins: Option<Vec<_>> =
            pairs.map(|line| line.split_once(':').map(|(user, password)| (user.into(), password.into()))).collect();
        logins.with_context(|| format!("a line of {} is not user:password", path.display()))
    }

    fn settings(&self) -> anyhow::Result<Settings> {
        ensure!(self.devices > 0, "there has to be a device");
        ensure!(self.rate.is_none_or(|rate| rate > 0.0), "a rate is above 0");
        let duration = match (self.duration, self.count) {
            (Some(duration), _) => Some(seconds(duration)?),
            (None, Some(_)) => None,
            (None, None) => Some(Duration::from_secs(10)),
        };
        Ok(Settings {
            version: self.protocol,
            logins: self.logins()?,
            client_prefix: self.client_prefix.clone(),
            devices: self.devices,
            topic: self.topic.clone().unwrap_or_else(|| self.payload.topic().to_owned()),
            connections: self.connections,
            qos: self.qos,
            retain: self.retain,
            persistent: self.persistent,
            pace: self.rate.map_or(Pace::InFlight(self.window), Pace::PerSecond),
            duration,
            count: self.count,
            shape: self.payload,
            first: self.first,
            listening: self.subscribe.as_ref().map(|filter| Listening {
                filter: filter.clone(),
                subscribers: self.subscribers,
                qos: self.subscribe_qos,
                persistent: self.persistent,
            }),
            idle: self.idle,
            ping_every: seconds(self.ping_every)?,
            keep_alive_s: self.keep_alive,
            drain: seconds(self.drain)?,
            most_in_flight: self.most_in_flight,
            ledger: self.ledger.clone(),
            ..Settings::new(&self.connect)
        })
    }
}

/// Runs and prints.
pub async fn run(wish: Load) -> anyhow::Result<()> {
    let outcome = firmware_sim::load::run(wish.settings()?).await?;
    println!("{}", serde_json::to_string_pretty(&outcome.report)?);
    Ok(())
}
