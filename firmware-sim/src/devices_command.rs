//! `firmware-sim devices`: a whole home against a broker, until Ctrl-C; its things are touched by lines typed here.

use std::{collections::BTreeMap, io::BufRead as _, net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context as _, ensure};
use clap::Args;
use firmware_sim::world::{Home, HomeSettings};
use qrcode::{QrCode, render::unicode::Dense1x2};

#[derive(Args)]
pub struct Devices {
    #[arg(long, default_value = "127.0.0.1:1883")]
    broker: String,
    /// One login for all devices that have none in --logins; without both they connect without one.
    #[arg(long, requires = "password_file")]
    username: Option<String>,
    /// A file whose first line is the password: on the command line everybody could read it.
    #[arg(long, requires = "username")]
    password_file: Option<PathBuf>,
    /// A file of lines `device username password`.
    #[arg(long)]
    logins: Option<PathBuf>,
    /// Only these (repeatable, or with commas): zigbee, plug, light, shutter, single, device, esphome, esp.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Base topic of the Zigbee2MQTT bridge.
    #[arg(long, default_value = "zigbee2mqtt")]
    base: String,
    /// Discovery prefix of Home Assistant's kind.
    #[arg(long, default_value = "homeassistant")]
    prefix: String,
    /// Seconds between two reports of each device; 0: changes only.
    #[arg(long, default_value_t = 30)]
    interval: u64,
    /// Milliseconds from an order to its report; without it each device has its own.
    #[arg(long)]
    answer_ms: Option<u64>,
    /// Where the device with the QR code takes its access.
    #[arg(long, default_value = "127.0.0.1:0")]
    setup: SocketAddr,
    /// The device with the QR code tries its serial and token at the broker until it is let in.
    #[arg(long)]
    esp_tries_token: bool,
}

impl Devices {
    fn settings(&self) -> anyhow::Result<HomeSettings> {
        let read =
            |path: &PathBuf| std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
        for only in &self.only {
            ensure!(
                Home::DEVICES.contains(&only.as_str()),
                "no device {only:?}; there are: {}",
                Home::DEVICES.join(", ")
            );
        }
        let login = match (&self.username, &self.password_file) {
            (Some(name), Some(path)) => (name.clone(), read(path)?.lines().next().unwrap_or_default().to_owned()),
            _ => Default::default(),
        };
        let mut logins = BTreeMap::new();
        if let Some(path) = &self.logins {
            for (number, line) in read(path)?.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
                let mut words = line.split_whitespace().map(str::to_owned);
                let (Some(device), Some(name), Some(password)) = (words.next(), words.next(), words.next()) else {
                    anyhow::bail!("{}, line {}: not `device username password`", path.display(), number + 1);
                };
                let known = Home::DEVICES.contains(&device.as_str());
                ensure!(known, "{}, line {}: no device {device:?}", path.display(), number + 1);
                logins.insert(device, (name, password));
            }
        }
        Ok(HomeSettings {
            broker: self.broker.clone(),
            clock: firmware_sim::system_clock(),
            logins,
            login,
            only: self.only.clone(),
            base: self.base.clone(),
            prefix: self.prefix.clone(),
            interval: (self.interval > 0).then(|| Duration::from_secs(self.interval)),
            answer: self.answer_ms.map(Duration::from_millis),
            setup: self.setup,
            esp_tries_token: self.esp_tries_token,
        })
    }
}

/// Until Ctrl-C. The end of what is typed ends nothing: it may run without a terminal.
pub async fn run(wish: Devices) -> anyhow::Result<()> {
    let home = Home::start(wish.settings()?).await?;
    println!("publishing to {}; `help` says what hands can do here, Ctrl-C ends it", wish.broker);
    if let Some(esp) = home.esp() {
        let text = esp.qr_text();
        if let Ok(code) = QrCode::new(&text) {
            println!("{}", code.render::<Dense1x2>().quiet_zone(true).build());
        }
        println!("the device with the QR code says: {text}");
    }
    let (tell, mut typed) = tokio::sync::mpsc::unbounded_channel();
    // A thread of its own: reading a terminal cannot be given up.
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if tell.send(line).is_err() {
                break;
            }
        }
    });
    let mut open = true;
    loop {
        tokio::select! {
            line = typed.recv(), if open => match line {
                Some(line) => println!("{}", home.hand(&line).unwrap_or_else(|wrong| wrong)),
                None => open = false,
            },
            asked = tokio::signal::ctrl_c() => {
                asked.context("cannot listen for Ctrl-C")?;
                break;
            }
        }
    }
    home.stop().await;
    Ok(())
}
