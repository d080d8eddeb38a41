//! `domovoi demo`: the hub and a pretend outside world in one process, on 127.0.0.1 only. Here alone the hub links
//! `firmware-sim`; hub and world still speak over real sockets, as strangers.

mod journey;
mod page;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use domovoi_config::Settings;
use domovoi_model::{ActState, Moment, Resource};
use domovoi_store::{ActFilter, CredentialInfo};
use firmware_sim::portal::{
    AccountSpec, MeteringPointSpec, PortalSettings, Resource as SimResource, SandboxPortal, WindowSpec,
};
use firmware_sim::world::{Credentials, PlugSettings, WaterSettings, World, WorldSettings, ZigbeeSettings};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::courier::Terminal;
use crate::house::{House, Sockets, Stage};
use crate::metering::{NewMeter, NewPoint, parse_binding, parse_values};
use crate::portal::{LinkProgress, LinkState};
use journey::Journey;

/// What the command line said.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where everything is kept.
    pub folder: PathBuf,
    /// Stop after this long; 0 goes on until Ctrl-C.
    pub seconds: u64,
    /// Stop when every act has its receipt.
    pub until_receipt: bool,
    /// One JSON object per line instead of text.
    pub json: bool,
}

const WATER_ID: &str = "12345699";
const PLUG_MAC: &str = "5CCF7FA1B2C3";
const WATER_SUPPLIER: &str = "demo-vodokanal";
const POWER_SUPPLIER: &str = "demo-energo";
const WATER_ACCOUNT: &str = "7712345678";
const POWER_ACCOUNT: &str = "5098761234";

/// Runs the demo.
pub async fn run(options: Options) -> Result<()> {
    let folder = std::path::absolute(&options.folder)?;
    std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let journey = Journey::new(options.json);
    let portal = Box::pin(start_portal(&folder)).await?;
    let mqtt = TcpListener::bind(("127.0.0.1", 0)).await.context("no port for MQTT on 127.0.0.1")?;
    let mqtt_address = mqtt.local_addr()?;
    let site = page::listen().await?;
    let site_port = site.local_addr()?.port();
    let file = folder.join("domovoi.toml");
    std::fs::write(&file, settings_text(portal.issuer(), &portal.api_base(), mqtt_address.port()))?;
    let settings = match Settings::load(&file) {
        Ok(settings) => settings,
        Err(mistakes) => bail!("{}", mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    };
    let clock = Clock::for_this_run()?;
    let stage = Stage { clear_port: Some(site_port), ..Stage::default() };
    let house = Box::pin(House::open_on(settings.clone(), clock, None, stage)).await?;
    if !options.json {
        // One JSON object per line leaves no room for letters.
        house.courier().add(Terminal);
    }
    journey.welcome(&folder, &file, portal.base_url(), mqtt_address);
    page::invite(&house, &journey).await;

    add_meters(&house).await?;
    house.metering().set_standing_consent(true).await?;
    link(&house, &portal, &journey).await?;
    let already = house.store().acts().list(ActFilter::default()).await?;
    journey.already(&already, portal.accepted_acts().len());

    let credentials = issue_credentials(&house).await?;
    let events = house.bus().listen_to_all();
    let portal_events = portal.events();
    let store = house.store().clone();
    let metering = house.metering().clone();
    let control = Sockets::bind_control_only(&settings)?;
    let sockets = Sockets { mqtt: vec![mqtt], control: Some(control), in_clear: Some(site), ..Sockets::default() };
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(Box::pin(house.run(sockets, async move {
        // A dropped sender is the same wish.
        let _ = stopped.await;
    })));
    let world = start_world(&folder, mqtt_address.to_string(), credentials)?;

    let watching = journey.follow(events, portal_events, &metering, &store, options.until_receipt);
    let time_is_up = async {
        match options.seconds {
            0 => std::future::pending().await,
            seconds => tokio::time::sleep(Duration::from_secs(seconds)).await,
        }
    };
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        () = watching => {}
        () = time_is_up => {}
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    journey.farewell(portal.accepted_acts().len());
    world.stop().await;
    let _ = stop.send(());
    running.await??;
    portal.stop().await;
    Ok(())
}

/// The same port as last time where it is still free: the link then outlives a restart, as a real portal's would.
async fn start_portal(folder: &Path) -> Result<Arc<SandboxPortal>> {
    let remembered = folder.join("portal-port");
    let port: u16 = std::fs::read_to_string(&remembered).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    let settings = |port: u16| PortalSettings {
        listen: ([127, 0, 0, 1], port).into(),
        data_dir: Some(folder.join("portal")),
        accounts: vec![
            account(WATER_SUPPLIER, "Демо-Водоканал", WATER_ACCOUNT, SimResource::ColdWater, WATER_ID),
            account(POWER_SUPPLIER, "Демо-Энерго", POWER_ACCOUNT, SimResource::Electricity, PLUG_MAC),
        ],
        poll_interval_s: 1,
        ..PortalSettings::default()
    };
    let portal = match SandboxPortal::start(settings(port)).await {
        Ok(portal) => portal,
        Err(_) if port != 0 => SandboxPortal::start(settings(0)).await?,
        Err(error) => return Err(error.into()),
    };
    std::fs::write(&remembered, portal.addr().port().to_string())?;
    Ok(Arc::new(portal))
}

fn account(supplier: &str, name: &str, number: &str, resource: SimResource, serial: &str) -> AccountSpec {
    AccountSpec {
        supplier_id: supplier.into(),
        supplier_name: name.into(),
        account_number: number.into(),
        window: WindowSpec::whole_month(),
        metering_points: vec![MeteringPointSpec {
            resource,
            serial: serial.into(),
            tariff_count: 1,
            ..MeteringPointSpec::default()
        }],
        ..AccountSpec::default()
    }
}

fn settings_text(issuer: &str, api_base: &str, mqtt_port: u16) -> String {
    format!(
        r#"# Written by `domovoi demo` at every start.
[store]
data_dir = "hub"

[mqtt]
listen = ["127.0.0.1:{mqtt_port}"]
listen_tls = []

# The demo's page is in clear at http://localhost, which needs no certificate and no one else can reach.
[web]
enabled = false

[portal]
issuer = "{issuer}"
api_base = "{api_base}"
dpop = "required"

[submission]
jitter = "0 s"
retry_every = "5 s"
read_back_every = "2 s"
check_every = "10 s"

[[supplier]]
id = "{WATER_SUPPLIER}"
name = "Демо-Водоканал"
resources = ["cold_water"]
window = [{{ start = {{ day = 1 }}, end = {{ last_day = true }} }}]

[[supplier]]
id = "{POWER_SUPPLIER}"
name = "Демо-Энерго"
resources = ["electricity"]
window = [{{ start = {{ day = 1 }}, end = {{ last_day = true }} }}]
"#
    )
}

async fn add_meters(house: &House) -> Result<()> {
    let metering = house.metering();
    if !metering.register().points.is_empty() {
        return Ok(());
    }
    let new = |supplier: &str,
               number: &str,
               resource,
               name: &str,
               serial: &str,
               start: &str,
               device: &str,
               property: &str| {
        anyhow::Ok(NewPoint {
            supplier: supplier.into(),
            account_number: number.into(),
            els: None,
            resource,
            name: name.into(),
            binding: Some(parse_binding(device, &[format!("t1={property}")], None).map_err(anyhow::Error::msg)?),
            reminder: domovoi_model::Reminder::Never,
            meter: NewMeter {
                serial: serial.into(),
                model: None,
                digits_int: if resource == Resource::Electricity { 6 } else { 5 },
                digits_frac: 3,
                tariffs: 1,
                multiplier: 1.into(),
                installed: "2024-03-01".parse().map_err(anyhow::Error::msg)?,
                start: parse_values(start, 1).map_err(anyhow::Error::msg)?,
                verified: None,
                valid_until: None,
            },
        })
    };
    let (water, power) = (Resource::ColdWater, Resource::Electricity);
    let device = format!("wmbusmeters:{WATER_ID}");
    metering
        .add(new(WATER_SUPPLIER, WATER_ACCOUNT, water, "Кухня, холодная", WATER_ID, "0", &device, "total_m3")?)
        .await?;
    let device = format!("tasmota:{PLUG_MAC}");
    metering.add(new(POWER_SUPPLIER, POWER_ACCOUNT, power, "Розетка", PLUG_MAC, "0", &device, "energy_total")?).await?;
    Ok(())
}

/// Plays both sides of a linking: the hub asks for a code, the citizen types it in at the portal.
async fn link(house: &House, portal: &Arc<SandboxPortal>, journey: &Journey) -> Result<()> {
    let Some(hub_side) = house.portal() else { bail!("the demo's settings name no portal") };
    if matches!(hub_side.status(), LinkState::Linked { .. }) {
        journey.linked_already();
        return Ok(());
    }
    let citizen = Arc::clone(portal);
    let linking = hub_side.link_device(|step| {
        journey.linking(&step);
        if let LinkProgress::ShowCode(code) = &step {
            citizen.approve(&code.user_code);
        }
    });
    Box::pin(linking).await?;
    Ok(())
}

async fn issue_credentials(house: &House) -> Result<[String; 3]> {
    let store = house.store().credentials();
    let mut passwords = Vec::new();
    for (username, role, publish, subscribe) in [
        ("wmbusmeters", "bridge", vec!["wmbusmeters/#"], vec![]),
        (
            "tasmota_A1B2C3",
            "device",
            vec!["tele/tasmota_A1B2C3/#", "stat/tasmota_A1B2C3/#", "tasmota/discovery/5CCF7FA1B2C3/#"],
            vec!["cmnd/tasmota_A1B2C3/#", "cmnd/tasmotas/#"],
        ),
        ("zigbee2mqtt", "bridge", vec!["zigbee2mqtt/#"], vec!["zigbee2mqtt/#"]),
    ] {
        // A new password at every start: none is ever written down.
        store.revoke(username).await?;
        let owned = |filters: Vec<&str>| filters.into_iter().map(str::to_owned).collect();
        let info = CredentialInfo {
            username: username.into(),
            publish: owned(publish),
            subscribe: owned(subscribe),
            role: role.into(),
            certificate: None,
            created_at: Moment::Wall(house.metering().wall()),
        };
        passwords.push(store.issue(&info).await?.expose().clone());
    }
    passwords.try_into().map_err(|_| anyhow::anyhow!("three credentials were to be issued"))
}

fn start_world(folder: &Path, broker: String, [water, plug, zigbee]: [String; 3]) -> Result<World> {
    let with = |credentials: Credentials, password: String| Credentials { password, ..credentials };
    let water_defaults = WaterSettings::default();
    let plug_defaults = PlugSettings::default();
    let zigbee_defaults = ZigbeeSettings::default();
    Ok(World::start(WorldSettings {
        broker,
        data_dir: Some(folder.join("world")),
        clock: firmware_sim::system_clock(),
        water: Some(WaterSettings {
            credentials: with(water_defaults.credentials.clone(), water),
            id: WATER_ID.into(),
            interval: Some(Duration::from_secs(3)),
            ..water_defaults
        }),
        plug: Some(PlugSettings {
            credentials: with(plug_defaults.credentials.clone(), plug),
            mac: PLUG_MAC.into(),
            interval: Some(Duration::from_secs(4)),
            ..plug_defaults
        }),
        zigbee: Some(ZigbeeSettings {
            credentials: with(zigbee_defaults.credentials.clone(), zigbee),
            interval: Some(Duration::from_secs(10)),
            ..zigbee_defaults
        }),
    })?)
}

/// Whether an act has come to its end.
fn is_over(state: &ActState) -> bool {
    matches!(state, ActState::Received { .. } | ActState::Refused { .. } | ActState::Superseded { .. })
}
