//! What goes, in which order, and never more than needed.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;

fn id(camera: u8, n: u64) -> Id {
    let mut bytes = [camera; 16];
    bytes[8..].copy_from_slice(&n.to_be_bytes());
    Id(bytes)
}

/// A camera with segments of these sizes, one beginning each minute from a moment on.
fn held(camera: u8, from: i64, sizes: &[u64]) -> Held {
    let oldest: Vec<Old> = (0..)
        .zip(sizes)
        .map(|(n, bytes)| Old {
            id: id(camera, n as u64),
            started: Timestamp(from + n * 60_000),
            ended: Timestamp(from + (n + 1) * 60_000),
            bytes: *bytes,
        })
        .collect();
    let bytes = sizes.iter().sum();
    Held { camera: id(camera, 0), bytes, quota: 1_000_000, keep_days: 30, next: 100, oldest, more: false }
}

fn roomy() -> Option<Disk> {
    Some(Disk { free: 1_000_000, floor: 1000, pending: 0 })
}

fn gone(verdict: &Verdict) -> Vec<(u8, u64, Why)> {
    let number = |id: Id| u64::from_be_bytes(id.0[8..].try_into().unwrap());
    verdict.delete.iter().map(|gone| (gone.id.0[0], number(gone.id), gone.why)).collect()
}

#[test]
fn what_is_too_old_goes_first_and_makes_room() {
    let camera = Held { quota: 400, keep_days: 1, ..held(1, 0, &[100; 4]) };
    let now = Some(Timestamp(86_400_000 + 120_000));
    assert_eq!(gone(&decide(now, roomy(), std::slice::from_ref(&camera))), [(1, 0, Why::Age), (1, 1, Why::Age)]);
    let untrusted = decide(None, roomy(), std::slice::from_ref(&camera));
    assert_eq!(gone(&untrusted), [(1, 0, Why::Quota)], "by a clock that nobody trusts nothing is too old");
    assert_eq!(decide(Some(Timestamp(0)), roomy(), &[Held { quota: 500, ..camera }]), Verdict::default());
}

#[test]
fn the_disk_is_shared_by_age_after_the_quotas() {
    let disk = |free| Some(Disk { free, floor: 1000, pending: 0 });
    let (old, new) = (held(1, 0, &[100; 5]), held(2, 150_000, &[100; 5]));
    let now = Some(Timestamp(1_000_000));
    let two = [old.clone(), new.clone()];
    assert_eq!(gone(&decide(now, disk(1200), &two)), []);
    assert_eq!(gone(&decide(now, disk(1199), &two)), [(1, 0, Why::Disk)]);
    assert_eq!(
        gone(&decide(now, disk(700), &two)),
        [(1, 0, Why::Disk), (1, 1, Why::Disk), (1, 2, Why::Disk), (2, 0, Why::Disk), (1, 3, Why::Disk)]
    );
    // The one over its quota first, and that room counts.
    let greedy = Held { quota: 300, ..new.clone() };
    assert_eq!(
        gone(&decide(now, disk(900), &[old.clone(), greedy])),
        [(2, 0, Why::Quota), (2, 1, Why::Quota), (2, 2, Why::Quota)]
    );
    let pending = Some(Disk { free: 700, floor: 1000, pending: 500 });
    assert_eq!(gone(&decide(now, pending, &two)), [], "what is on its way out is not deleted twice");
    let missing = Held { oldest: vec![Old { bytes: 0, ..old.oldest[0] }, old.oldest[1]], ..old };
    assert_eq!(gone(&decide(now, disk(1199), &[missing, new])), [(1, 1, Why::Disk)], "a missing file makes no room");
}

#[test]
fn recording_pauses_where_nothing_is_left_to_delete() {
    let disk = Some(Disk { free: 1100, floor: 1000, pending: 0 });
    let (small, large) = (Held { next: 60, ..held(1, 0, &[]) }, Held { next: 500, ..held(2, 0, &[100]) });
    let verdict = decide(None, disk, &[large.clone(), small.clone()]);
    assert_eq!(gone(&verdict), [(2, 0, Why::Disk)]);
    assert_eq!(verdict.pause, [(large.camera, Pause::Disk)], "the small one goes on");
    let more = Held { more: true, ..large.clone() };
    let verdict = decide(None, disk, &[more, small.clone()]);
    assert!(verdict.again && verdict.pause.is_empty());
    let tiny = Held { quota: 50, ..small.clone() };
    assert_eq!(decide(None, roomy(), std::slice::from_ref(&tiny)).pause, [(tiny.camera, Pause::Quota)]);
    assert!(decide(None, roomy(), &[Held { more: true, ..tiny.clone() }]).again);
    assert_eq!(decide(None, None, &[large, small]), Verdict::default(), "a store elsewhere has no end but the quotas");
    let idle = Held { next: 0, bytes: 90, ..tiny };
    assert_eq!(decide(None, roomy(), &[idle]).pause, [], "it opens nothing");
}

#[test]
fn the_floor_is_five_minutes_of_all() {
    assert_eq!(floor(1 << 30, [500_000, 500_000]), 1 << 30);
    assert_eq!(floor(1 << 20, [500_000, 500_000]), 300_000_000);
    assert_eq!(floor(7, [u64::MAX, u64::MAX]), u64::MAX);
}

fn any_held(camera: u8) -> impl Strategy<Value = Held> {
    let sizes = prop::collection::vec(0u64..400, 0..12);
    (sizes, 0i64..600_000, 0u64..5000, 1u32..3, 0u64..300, 0u64..300, any::<bool>()).prop_map(
        move |(sizes, from, quota, keep_days, next, open, more)| {
            let mut held = held(camera, from, &sizes);
            held.bytes += open;
            Held { quota, keep_days, next, more, ..held }
        },
    )
}

fn any_case() -> impl Strategy<Value = (Option<Timestamp>, Disk, Vec<Held>)> {
    let disk = (0u64..4000, 0u64..3000, 0u64..300).prop_map(|(free, floor, pending)| Disk { free, floor, pending });
    let now = prop::option::of((86_000_000i64..88_000_000).prop_map(Timestamp));
    (now, disk, (any_held(1), any_held(2), any_held(3))).prop_map(|(now, disk, (a, b, c))| (now, disk, vec![a, b, c]))
}

proptest! {
    #[test]
    fn the_rules_hold((now, disk, cameras) in any_case()) {
        let verdict = decide(now, Some(disk), &cameras);
        let known: HashMap<Id, (&Held, &Old)> =
            cameras.iter().flat_map(|held| held.oldest.iter().map(move |old| (old.id, (held, old)))).collect();
        let mut seen = HashSet::new();
        let mut left: HashMap<Id, u64> = cameras.iter().map(|held| (held.camera, held.bytes)).collect();
        let mut free = disk.free + disk.pending;
        let wanted = disk.floor + cameras.iter().map(|held| held.next).sum::<u64>();
        let over = |held: &Held, left: &HashMap<Id, u64>| (left[&held.camera] + held.next).saturating_sub(held.quota);
        for gone in &verdict.delete {
            // Never an open one, nothing twice, and what it says of it is so.
            let (held, old) = known[&gone.id];
            prop_assert!(seen.insert(gone.id));
            prop_assert_eq!((gone.camera, gone.bytes), (held.camera, old.bytes));
            // Oldest first, but what makes no room.
            for older in held.oldest.iter().take_while(|older| older.id != old.id) {
                prop_assert!(seen.contains(&older.id) || older.bytes == 0);
            }
            prop_assert!(gone.why == Why::Age || gone.bytes > 0, "what makes no room stays");
            // Not one more than needed.
            match gone.why {
                Why::Age => prop_assert!(old.ended.0 <= now.unwrap().0 - i64::from(held.keep_days) * 86_400_000),
                Why::Quota => prop_assert!(over(held, &left) > 0),
                Why::Disk => {
                    prop_assert!(free < wanted);
                    // Fair: nobody else is over its quota any more, and nobody has an older one.
                    for other in cameras.iter().filter(|other| other.camera != held.camera) {
                        let next = other.oldest.iter().find(|old| old.bytes > 0 && !seen.contains(&old.id));
                        if let Some(next) = next {
                            prop_assert_eq!(over(other, &left), 0);
                            prop_assert!(next.started >= old.started);
                        }
                    }
                }
            }
            free += gone.bytes;
            *left.get_mut(&held.camera).unwrap() -= gone.bytes;
        }
        // What is too old is gone.
        for (id, (held, old)) in &known {
            let past = now.is_some_and(|now| old.ended.0 <= now.0 - i64::from(held.keep_days) * 86_400_000);
            prop_assert!(!past || seen.contains(id));
        }
        // The floor and the quotas are kept while there is anything to delete; else it is said.
        let able = |held: &Held| held.oldest.iter().any(|old| old.bytes > 0 && !seen.contains(&old.id));
        if free < wanted {
            prop_assert!(!cameras.iter().any(able));
        }
        for held in &cameras {
            prop_assert!(over(held, &left) == 0 || !able(held));
        }
        let paused: HashSet<Id> = verdict.pause.iter().map(|(camera, _)| *camera).collect();
        prop_assert_eq!(paused.len(), verdict.pause.len());
        let opened: u64 = cameras.iter().filter(|held| !paused.contains(&held.camera)).map(|held| held.next).sum();
        prop_assert!(verdict.again || opened == 0 || free >= disk.floor + opened, "whoever goes on leaves the floor free");
        for held in cameras.iter().filter(|held| held.next > 0 && over(held, &left) > 0) {
            prop_assert!(verdict.again || paused.contains(&held.camera));
        }
        // Asked again when that is done, there is nothing more to do.
        let after: Vec<Held> = cameras
            .iter()
            .map(|held| Held {
                bytes: left[&held.camera],
                oldest: held.oldest.iter().filter(|old| !seen.contains(&old.id)).copied().collect(),
                ..held.clone()
            })
            .collect();
        prop_assert_eq!(decide(now, Some(Disk { free, pending: 0, ..disk }), &after).delete, []);
    }

    /// Everybody's past goes back equally far, but where an end of its own comes first; all of them together fit, and an hour
    /// more of everybody would not.
    #[test]
    fn the_outlook_adds_up(room in 0u64..5_000_000, loads in prop::collection::vec((0u64..90_000, 0u64..3_000_000, 1u32..40), 1..6)) {
        let loads: Vec<Load> = (0..).zip(loads).map(|(n, (bytes_per_day, quota, keep_days))| {
            Load { camera: id(n, 0), bytes_per_day, quota, keep_days }
        }).collect();
        let looks = outlook(Some(room), &loads);
        let takes = |load: &Load, hours: u64| u128::from(load.bytes_per_day) * u128::from(hours);
        let total: u128 = loads.iter().zip(&looks).map(|(load, look)| takes(load, look.hours.unwrap_or(0))).sum();
        prop_assert!(total <= u128::from(room) * 24);
        let more: u128 = loads.iter().zip(&looks).map(|(load, look)| {
            takes(load, look.hours.unwrap_or(0) + u64::from(look.bound == Bound::Disk))
        }).sum();
        let shared: HashSet<_> = looks.iter().filter(|look| look.bound == Bound::Disk).map(|look| look.hours).collect();
        prop_assert!(shared.len() <= 1);
        prop_assert!(shared.is_empty() || more > u128::from(room) * 24);
        for (load, look) in loads.iter().zip(&looks) {
            let Some(hours) = look.hours else {
                prop_assert!(load.bytes_per_day == 0 && !look.falls_short());
                continue;
            };
            prop_assert!(takes(load, hours) <= u128::from(load.quota) * 24 && hours <= u64::from(load.keep_days) * 24);
            prop_assert_eq!(look.falls_short(), hours < u64::from(load.keep_days) * 24);
        }
    }
}

#[test]
fn the_reason_is_told() {
    const GB: u64 = 1_000_000_000;
    let load = |camera, bytes_per_day, quota| Load { camera: id(camera, 0), bytes_per_day, quota, keep_days: 30 };
    let says = |room, loads: &[Load]| {
        outlook(room, loads).iter().map(|look| (look.days(), look.message())).collect::<Vec<_>>()
    };
    // 4 Mbit/s are 43.2 GB a day.
    assert_eq!(says(Some(10_000 * GB), &[load(1, 43 * GB, 32 * GB)]), [(Some(0), "camera-holds-quota-hours")]);
    assert_eq!(says(Some(10_000 * GB), &[load(1, 4 * GB, 32 * GB)]), [(Some(8), "camera-holds-quota")]);
    assert_eq!(says(Some(10_000 * GB), &[load(1, GB, 32 * GB)]), [(Some(30), "camera-holds-days")]);
    assert_eq!(
        says(Some(60 * GB), &[load(1, 4 * GB, 32 * GB), load(2, 4 * GB, 3200 * GB)]),
        [(Some(7), "camera-holds-disk"), (Some(7), "camera-holds-disk")]
    );
    assert_eq!(says(Some(3 * GB), &[load(1, 4 * GB, 32 * GB)]), [(Some(0), "camera-holds-disk-hours")]);
    assert_eq!(says(None, &[load(1, 0, GB)]), [(None, "camera-holds-unknown")]);
}
