//! What a thousand scenarios cost while two thousand values a second are recorded: the daemon under the same load without
//! any and with all of them, its processor time and its memory. Most only compare; a tenth of them begins as often as its
//! guard lets it, and each of those runs is written down.

use std::time::Duration;

use domovoi_model::Id;
use domovoi_store::{ScenarioBatch, ScenarioDrawer, Store};
use firmware_sim::load::Pace;
use serde_json::json;

use crate::daemon::House;
use crate::figures::{Figures, Target};
use crate::{load, seconds};

const SCENARIOS: u16 = 1_000;
const A_SECOND: f64 = 2_000.0;

pub fn scenarios(figures: &mut Figures) {
    let without = measured(figures, House::found("", async |_| {}));
    let with = measured(figures, House::found("", async |store| fill(store).await));
    let took = (with.0 - without.0).max(0.0);
    figures.add("2,000 values/s without scenarios: CPU", without.0, "% of a core", Target::None);
    figures.add("1,000 scenarios, 2,000 values/s: CPU on top", took, "% of a core", Target::AtMost(20.0));
    figures.add("1,000 scenarios at rest: memory on top", with.1 - without.1, "MiB", Target::AtMost(30.0));
    figures.add("1,000 scenarios, 2,000 values/s: memory on top", with.2 - without.2, "MiB", Target::AtMost(30.0));
    figures.add("1,000 scenarios: written on top", (with.3 - without.3) / (1 << 10) as f64, "KiB/s", Target::None);
}

/// Processor time in per cent of a core, memory at rest and at the end in MiB, bytes written in a second.
fn measured(figures: &Figures, house: House) -> (f64, f64, f64, f64) {
    let daemon = house.start();
    // States settle within seconds, and every device has spoken.
    let warm = |first| house_load(&house, Duration::from_secs(6), first);
    warm(1);
    let at_rest = daemon.memory_mib("VmRSS");
    let time = seconds(figures, 60);
    let before = daemon.usage();
    house_load(&house, time, 1 << 30);
    let after = daemon.usage();
    let cpu = (after.cpu_s - before.cpu_s) / time.as_secs_f64() * 100.0;
    let written = after.written_bytes.saturating_sub(before.written_bytes) as f64 / time.as_secs_f64();
    (cpu, at_rest, daemon.memory_mib("VmRSS"), written)
}

fn house_load(house: &House, time: Duration, first: u64) {
    load(firmware_sim::load::Settings {
        connections: 10,
        pace: Pace::PerSecond(A_SECOND),
        most_in_flight: 200,
        first,
        ..house.load(time)
    });
}

/// Scenarios about the hundred devices of the load, as the room keeps them.
async fn fill(store: &Store) {
    let mut batch = ScenarioBatch::default();
    for n in 0..SCENARIOS {
        let mut id = [0x5c; 16];
        id[..2].copy_from_slice(&n.to_be_bytes());
        let id = Id(id);
        let place = |m: u16| (format!("zigbee2mqtt:load-{}", m % 100), "n");
        let (device, property) = place(n);
        let (other, _) = place(n + 1);
        let begins = n % 10 == 0;
        let test = if begins { json!({"changed": true}) } else { json!({"below": 0}) };
        let scenario = json!({
            "id": id.to_string(), "name": format!("scenario {n}"), "mode": "restart",
            "triggers": [
                {"id": "value", "when": "state", "device": device, "property": property, "is": test},
                {"id": "edge", "when": "edge", "device": other, "property": property, "from": -1, "to": -2},
                {"id": "held", "when": "state", "device": device, "property": property, "is": {"above": 1e15}, "for_s": 600},
                {"id": "clock", "when": "time", "at": ["07:00", "23:00"]}
            ],
            "conditions": [
                {"if": "state", "device": other, "property": property, "is": {"above": 0}},
                {"if": "expression", "expression": format!("state('{device}', 'n') > 0")}
            ],
            "actions": [
                {"do": "set", "variable": "x", "value": {"expression": "trigger.value + 1"}},
                {"do": "wait", "seconds": 5},
                {"do": "command", "device": device, "property": "state", "value": true, "go_on": true}
            ]
        });
        let body = json!({"scenario": scenario, "changed_at": 0}).to_string().into_bytes();
        batch.put.push((ScenarioDrawer::Scenario, id, body.into()));
    }
    store.scenarios().commit(&batch).await.unwrap();
}
