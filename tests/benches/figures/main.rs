//! What the house costs, measured from outside: `cargo bench -p e2e [-- SECTION…]`. Starts the daemon, the broker alone
//! and, where it is installed, Mosquitto, loads them in turn from this process, and prints each figure with its target
//! and its ratio. It asserts nothing: machines differ, and a figure that is missed is printed as missed.
//!
//! Sections: ingest, disk, broker, fanout, idle, history, reflex, alerts, scenarios, devices, cameras. `--json FILE` writes the figures there too,
//! `--brief` measures a fifth of the time. `--serve-broker` is this program's own other half.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on says so and ends")]

mod alerts;
mod alone;
mod broker;
mod cameras;
mod daemon;
mod devices;
mod figures;
mod history;
mod ingest;
mod process;
mod reflex;
mod scenarios;

use std::time::Duration;

use firmware_sim::load::{Progress, Report, Settings, run_watched};
use std::sync::Arc;

use figures::Figures;

type Section = (&'static str, fn(&mut Figures));

const SECTIONS: [Section; 11] = [
    ("ingest", ingest::ingest),
    ("disk", ingest::disk),
    ("broker", broker::broker),
    ("fanout", broker::fanout),
    ("idle", broker::idle),
    ("history", history::history),
    ("reflex", reflex::reflex),
    ("alerts", alerts::alerts),
    ("scenarios", scenarios::scenarios),
    ("devices", devices::devices),
    ("cameras", cameras::cameras),
];

fn main() {
    let mut words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if words.first().is_some_and(|word| word == "--serve-broker") {
        return alone::serve(&words[1..]);
    }
    let mut figures = Figures::default();
    if let Some(at) = words.iter().position(|word| word == "--json") {
        figures.json = words.drain(at..).nth(1).map(Into::into);
    }
    if let Some(at) = words.iter().position(|word| word == "--brief") {
        words.remove(at);
        figures.brief = true;
    }
    if let Some(unknown) = words.iter().find(|word| SECTIONS.iter().all(|(name, _)| name != word)) {
        eprintln!("no section {unknown}; there are {}", SECTIONS.map(|(name, _)| name).join(", "));
        std::process::exit(2);
    }
    // reqwest listens to the daemon over its socket and speaks no TLS; the provider is wanted all the same.
    e2e::crypto();
    process::describe_machine(&mut figures);
    for (name, section) in SECTIONS {
        if words.is_empty() || words.iter().any(|word| word == name) {
            eprintln!("{name} …");
            figures.section = name;
            section(&mut figures);
        }
    }
    figures.print();
}

/// A run of the generator in this process, on this thread.
fn load(settings: Settings) -> Report {
    load_watched(settings, Arc::default())
}

fn load_watched(settings: Settings, progress: Arc<Progress>) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(run_watched(settings, progress)).unwrap().report
}

fn seconds(figures: &Figures, full: u64) -> Duration {
    Duration::from_millis(if figures.brief { full * 200 } else { full * 1000 })
}
