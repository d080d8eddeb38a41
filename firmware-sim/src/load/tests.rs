//! The generator against a broker that nobody here wrote: what it says it counted is so. rumqttd keeps nothing over a
//! connection and knows 3.1.1 only; what happens at a `kill -9` is tried with our own broker, in the end-to-end tests.

#![cfg(feature = "existing-broker")]

use std::io::Read as _;

use super::*;
use crate::existing_broker::ExistingBroker;

fn settings(broker: &ExistingBroker) -> Settings {
    Settings { topic: "load/{n}".into(), connections: 4, devices: 10, ..Settings::new(broker.addr().to_string()) }
}

#[tokio::test]
async fn everything_that_is_acknowledged_is_counted_and_delivered_once() {
    let broker = ExistingBroker::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    for qos in [1, 2] {
        let ledger = folder.path().join(format!("ledger-{qos}"));
        let outcome = run(Settings {
            qos,
            count: Some(403),
            pace: Pace::InFlight(16),
            first: 1000 * u64::from(qos),
            client_prefix: format!("qos{qos}"),
            listening: Some(Listening { filter: "load/#".into(), subscribers: 2, qos: 1, persistent: false }),
            ledger: Some(ledger.clone()),
            ..settings(&broker)
        })
        .await
        .unwrap();
        let report = &outcome.report;
        assert_eq!((report.sent, report.acked, report.errors), (403, 403, 0), "{report:?}");
        assert_eq!((report.delivered, report.missing, report.repeated), (806, 0, 0), "{report:?}");
        assert_eq!((report.ack_ms.count, report.delivery_ms.count), (403, 806));
        assert!(report.ack_ms.max > 0.0 && report.ack_ms.p50 <= report.ack_ms.max);
        let mut text = String::new();
        File::open(&ledger).unwrap().read_to_string(&mut text).unwrap();
        let mut written: Vec<u64> = text.lines().map(|line| line.parse().unwrap()).collect();
        written.sort_unstable();
        let first = 1000 * u64::from(qos);
        assert_eq!(written, (first..first + 403).collect::<Vec<_>>());
        assert_eq!(outcome.acknowledged.iter().collect::<Vec<_>>(), (0..403).collect::<Vec<_>>());
    }
    broker.stop();
}

#[tokio::test]
async fn a_rate_is_kept_and_idle_connections_are_answered() {
    let broker = ExistingBroker::start().unwrap();
    let report = run(Settings {
        pace: Pace::PerSecond(500.0),
        duration: Some(Duration::from_millis(600)),
        idle: 5,
        ping_every: Duration::from_millis(50),
        ..settings(&broker)
    })
    .await
    .unwrap()
    .report;
    // An open loop makes what the clock says, on a slow machine late but all of it.
    assert!((250..=301).contains(&report.sent), "{report:?}");
    assert_eq!((report.acked, report.idle_opened, report.errors), (report.sent, 5, 0), "{report:?}");
    assert!(report.ping_ms.count > 0, "{report:?}");
    broker.stop();
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_told_and_not_waited_for_ever() {
    let broker = ExistingBroker::start().unwrap();
    let gone = settings(&broker);
    broker.stop();
    let report =
        run(Settings { duration: Some(Duration::from_millis(50)), drain: Duration::from_millis(50), ..gone.clone() })
            .await
            .unwrap()
            .report;
    assert_eq!((report.sent, report.acked), (0, 0));
    assert!(report.errors > 0 && report.last_error.is_some(), "{report:?}");
    let no_ledger = run(Settings { ledger: Some("/nowhere/at/all".into()), ..gone }).await;
    assert!(matches!(no_ledger, Err(LoadError::Ledger { .. })));
}
