//! From the publish of a leak to the retained alert on the wire, as two sockets see it: what a channel's first attempt takes,
//! at rest and with a disk that is stalled; and what a thousand alerts in a minute leave in memory.

use std::time::{Duration, Instant};

use firmware_sim::load::Histogram;

use crate::daemon::House;
use crate::figures::{Figures, Target};
use crate::reflex::{Wire, furnished};

/// What the owner of the project asks for.
const WANTED_MS: f64 = 50.0;

pub fn alerts(figures: &mut Figures) {
    let times = if figures.brief { 40 } else { 300 };
    let house = furnished();
    {
        let _daemon = house.start();
        add(figures, "at rest", &leak_to_alert(&house, times));
    }
    let house = furnished();
    let _daemon = house.start_on_disk();
    house.disk("delay_ms 30000");
    let took = leak_to_alert(&house, times / 2);
    house.disk("");
    add(figures, "disk stalled for 30 s", &took);
}

fn add(figures: &mut Figures, what: &str, took: &Histogram) {
    let millis = |permille| took.at_permille(permille) as f64 / 1e6;
    figures.add(format!("{what}: leak to the first attempt on MQTT, p50"), millis(500), "ms", Target::None);
    figures.add(
        format!("{what}: leak to the first attempt on MQTT, p99"),
        millis(990),
        "ms",
        Target::AtMost(WANTED_MS),
    );
    figures.add(format!("{what}: leak to the first attempt on MQTT, worst"), millis(1000), "ms", Target::None);
}

fn leak_to_alert(house: &House, times: usize) -> Histogram {
    let login = Some((house.credentials.username.as_str(), house.credentials.password.as_str()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut sensor = Wire::connect(house.port, "bench-sensor", login).await;
        let mut listener = Wire::connect(house.port, "bench-listener", login).await;
        listener.subscribe("domovoi/alert/+").await;
        sensor.announce().await;
        let mut took = Histogram::default();
        let warming = 5;
        for round in 0..times + warming {
            let begun = Instant::now();
            sensor.publish("zigbee2mqtt/leak", br#"{"water_leak":true}"#).await;
            while listener.hear_payload().await.is_empty() {}
            if round >= warming {
                took.record(begun.elapsed());
            }
            sensor.calm().await;
            // Over: what was retained is taken away.
            while !listener.hear_payload().await.is_empty() {}
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        took
    })
}
