//! A million samples: what they take on the disk, what the daemon takes with them, how soon it is there, how soon an
//! answer. They are put into the store directly, at the times of a home: a hundred series, one sample in five minutes.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use domovoi_model::{DeviceRef, Moment, Quality, Sample, Timestamp, Unit, Value};
use domovoi_store::{Level, Store};
use domovoi_vault::MasterKey;
use rust_decimal::Decimal;

use crate::daemon::House;
use crate::figures::{Figures, Target};

const SERIES: u64 = 100;
/// The first of them has a whole year.
const YEAR: i64 = 365 * 288;
const STEP_MILLIS: i64 = 300_000;
const DAY_MILLIS: i64 = 86_400_000;
/// 2025-11-01T00:00:00Z
const BEGIN: i64 = 1_761_955_200_000;

/// A temperature that wanders, in hundredths of a degree, with the last digits of a real sensor; a device that is up to two
/// seconds late, by milliseconds. Neither noise knows of the other: what can be guessed costs nothing to keep.
fn sample(series: u64, index: i64) -> Sample {
    let mut dice = e2e::Dice((series << 32) | index as u64);
    let day = (index as f64 * std::f64::consts::TAU / 288.0).sin() * 300.0;
    let (digits, late) = (dice.below(17) as i64 - 8, dice.below(2000) as i64);
    Sample {
        device: device(series),
        property: "temperature".to_owned(),
        value: Value::Number(Decimal::new(2100 + day as i64 + digits, 2)),
        unit: Unit::Celsius,
        quality: Quality::Good,
        at: Moment::Wall(Timestamp(BEGIN + index * STEP_MILLIS + late)),
        device_time: None,
    }
}

fn device(series: u64) -> DeviceRef {
    DeviceRef::new("zigbee2mqtt", format!("name:sensor-{series}"))
}

pub fn history(figures: &mut Figures) {
    let samples: u64 = if figures.brief { 100_000 } else { 1_000_000 };
    let each = (samples / SERIES) as i64;
    let begun = Instant::now();
    let mut kept = 0;
    let house = House::found("", async |store| {
        for series in 0..SERIES {
            let all: Vec<i64> = (0..if series == 0 { YEAR.max(each) } else { each }).collect();
            for indices in all.chunks(20_000) {
                let batch = indices.iter().map(|index| sample(series, *index)).collect();
                kept += store.history().import(batch).await.unwrap().kept;
            }
        }
    });
    figures.add("samples imported", kept as f64, "", Target::AtLeast(samples as f64));
    figures.add("import, sealed and durable", kept as f64 / begun.elapsed().as_secs_f64(), "samples/s", Target::None);
    reads(figures, &house, each);
    let spawned = Instant::now();
    let daemon = house.start();
    first_publish(&house);
    figures.add("start to the first accepted publish", spawned.elapsed().as_secs_f64(), "s", Target::AtMost(0.5));
    std::thread::sleep(Duration::from_secs(if figures.brief { 2 } else { 10 }));
    figures.add("memory at rest", daemon.memory_mib("VmRSS"), "MiB", Target::AtMost(40.0));
}

fn reads(figures: &mut Figures, house: &House, each: i64) {
    let hub = house.folder.path().join("hub");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let master = MasterKey::from_file(&hub.join("master.key")).unwrap();
        let store = Store::open(&domovoi_store::Settings::new(&hub), &master).await.unwrap();
        // As the daemon does night by night.
        let rolled = store.history().roll_at(Timestamp(BEGIN + 370 * DAY_MILLIS)).await.unwrap();
        figures.note(&format!("rolled before reading: {rolled:?}"));
        let usage = store.history().usage();
        let bytes = usage.block_bytes as f64 / usage.block_samples.max(1) as f64;
        figures.add("sealed blocks", bytes, "bytes/sample", Target::AtMost(8.0));
        let all = (usage.block_bytes + usage.rollup_bytes) as f64 / usage.block_samples.max(1) as f64;
        figures.add("sealed blocks and rollups", all, "bytes/sample", Target::None);
        let file = std::fs::read_dir(&hub).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum::<u64>();
        figures.add("the folder", file as f64 / usage.block_samples.max(1) as f64, "bytes/sample", Target::None);
        let middle = BEGIN + each * STEP_MILLIS / 2;
        let day = median(async |turn| points(&store, turn, middle, DAY_MILLIS).await).await;
        figures.add("a day's range of one series", day, "ms", Target::AtMost(5.0));
        let year = median(async |_| buckets(&store, 0).await).await;
        figures.add("a year's daily rollup of one series", year, "ms", Target::AtMost(20.0));
        figures.add("points in that day", points(&store, 0, middle, DAY_MILLIS).await as f64, "", Target::None);
        figures.add("buckets in that year", buckets(&store, 0).await as f64, "", Target::None);
        store.close().await;
    });
}

async fn points(store: &Store, turn: u64, from: i64, span: i64) -> usize {
    let device = device(turn % SERIES);
    let range = store.history().range(&device, "temperature", Timestamp(from), Timestamp(from + span), 10_000);
    range.await.unwrap().points.len()
}

async fn buckets(store: &Store, turn: u64) -> usize {
    let (device, to) = (device(turn % SERIES), Timestamp(BEGIN + 366 * DAY_MILLIS));
    let rolled = store.history().rolled(&device, "temperature", Level::Day, Timestamp(BEGIN), to);
    rolled.await.unwrap().buckets.len()
}

/// The median of 51 reads, each of another series, in milliseconds.
async fn median(read: impl AsyncFn(u64) -> usize) -> f64 {
    let mut took = Vec::new();
    for turn in 0..51 {
        let begun = Instant::now();
        let _ = read(turn).await;
        took.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    took.sort_by(f64::total_cmp);
    took[took.len() / 2]
}

/// One QoS 1 message, from CONNECT to PUBACK.
fn first_publish(house: &House) {
    let mut stream = TcpStream::connect(("127.0.0.1", house.port)).unwrap();
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, 0xC2, 0, 60];
    for text in ["first", &house.credentials.username, &house.credentials.password] {
        body.extend_from_slice(&(text.len() as u16).to_be_bytes());
        body.extend_from_slice(text.as_bytes());
    }
    let (topic, payload) = (b"zigbee2mqtt/sensor-1", br#"{"n":1}"#);
    let mut bytes = vec![0x10, body.len() as u8];
    bytes.extend_from_slice(&body);
    bytes.extend_from_slice(&[0x32, (4 + topic.len() + payload.len()) as u8, 0, topic.len() as u8]);
    bytes.extend_from_slice(topic);
    bytes.extend_from_slice(&[0, 1]);
    bytes.extend_from_slice(payload);
    stream.write_all(&bytes).unwrap();
    let mut answers = [0; 8];
    stream.read_exact(&mut answers).unwrap();
    assert_eq!(answers, [0x20, 2, 0, 0, 0x40, 2, 0, 1]);
}
