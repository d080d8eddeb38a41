//! The broker killed at every place where its log can end, under two clients that follow the standard to the letter:
//! nothing that was acknowledged is lost, and nothing of QoS 2 comes twice, in either direction.
//!
//! The storage keeps the first k frames of the first life and no more, for each k there is. What waits for a later
//! frame never happens in that life, as if the power had gone; then a second broker takes up what was kept, and the
//! clients come back with what they know.

use std::collections::BTreeMap;

use domovoi_broker::Settings;

use crate::{
    client::{Client, PUBACK, PUBCOMP, PUBREC, PUBREL, Packet, message, v3},
    gate::Rig,
    shelf::Shelf,
};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Sending {
    Unsent,
    Sent,
    Released,
    Done,
}

/// A client with a lasting session that keeps its own side of it.
struct Device {
    id: &'static str,
    filter: &'static str,
    client: Option<Client>,
    subscribed: bool,
    outgoing: Vec<(u16, u8, String, Sending)>,
    /// Payloads to come, under the same packet ids, once those are done.
    next: Vec<[&'static str; 3]>,
    /// Packets that still reach it before its connection goes deaf.
    hears: usize,
    /// QoS 2 ids received and not released.
    held: Vec<u16>,
    got: Vec<String>,
}

impl Device {
    fn new(id: &'static str, filter: &'static str, rounds: &[[&'static str; 3]]) -> Self {
        let next = rounds.iter().rev().copied().collect();
        Self {
            id,
            filter,
            client: None,
            subscribed: false,
            outgoing: vec![],
            next,
            hears: usize::MAX,
            held: vec![],
            got: vec![],
        }
    }

    fn begin_round(&mut self) {
        if self.outgoing.iter().all(|(.., state)| *state == Sending::Done)
            && let Some(payloads) = self.next.pop()
        {
            let ids_and_qos = [(1, 2), (2, 1), (3, 2)];
            let round = ids_and_qos.iter().zip(payloads);
            self.outgoing = round.map(|((id, qos), text)| (*id, *qos, text.to_owned(), Sending::Unsent)).collect();
        }
    }

    async fn come(&mut self, rig: &Rig) {
        let (mut client, ack) = Client::dial(rig.address, &v3(self.id).keep()).await;
        let Packet::ConnAck { present, code: 0, .. } = ack else { panic!("{ack:?}") };
        if !present {
            self.subscribed = false;
            self.held.clear();
        }
        if !self.subscribed {
            client.send(&client.subscribe_bytes(1, &[(self.filter, 2)], None)).await;
        }
        for (id, qos, text, state) in &self.outgoing {
            match state {
                Sending::Sent => client.publish(&message("t", text).qos(*qos, *id).dup()).await,
                Sending::Released => client.ack(PUBREL, *id).await,
                Sending::Unsent | Sending::Done => {}
            }
        }
        self.client = Some(client);
    }

    /// Sends what it may, then hears the broker out. Whether anything happened.
    async fn act(&mut self, may_send: bool) -> bool {
        if may_send {
            self.begin_round();
        }
        let client = self.client.as_mut().expect("it is connected");
        let mut acted = false;
        if may_send {
            for (id, qos, text, state) in &mut self.outgoing {
                if *state == Sending::Unsent {
                    *state = Sending::Sent;
                    client.publish(&message("t", text).qos(*qos, *id)).await;
                    acted = true;
                }
            }
        }
        client.send(&[0xC0, 0]).await;
        loop {
            let packet = client.recv().await;
            if packet == Packet::Pong {
                return acted;
            }
            let Some(left) = self.hears.checked_sub(1) else { continue };
            self.hears = left;
            acted = true;
            match packet {
                Packet::SubAck { .. } => self.subscribed = true,
                Packet::Publish { qos: 2, id, payload, .. } => {
                    if !self.held.contains(&id) {
                        self.held.push(id);
                        self.got.push(String::from_utf8(payload).unwrap());
                    }
                    client.ack(PUBREC, id).await;
                }
                Packet::Publish { qos, id, payload, .. } => {
                    self.got.push(String::from_utf8(payload).unwrap());
                    if qos == 1 {
                        client.ack(PUBACK, id).await;
                    }
                }
                Packet::Ack { kind: PUBREL, id, .. } => {
                    self.held.retain(|held| *held != id);
                    client.ack(PUBCOMP, id).await;
                }
                Packet::Ack { kind, id, .. } => {
                    let Some((.., state)) = self.outgoing.iter_mut().find(|(own, ..)| *own == id) else { continue };
                    match (kind, *state) {
                        (PUBACK | PUBCOMP, _) => *state = Sending::Done,
                        (PUBREC, Sending::Sent | Sending::Released) => {
                            *state = Sending::Released;
                            client.ack(PUBREL, id).await;
                        }
                        _ => {}
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn is_done(&self) -> bool {
        self.next.is_empty() && self.outgoing.iter().all(|(.., state)| *state == Sending::Done)
    }
}

/// Until nothing happens any more: an early verdict only makes the crash come early.
async fn live(devices: &mut [Device; 2]) {
    let mut quiet = 0;
    while quiet < 4 {
        let ready = devices[1].subscribed;
        let mut acted = false;
        for device in devices.iter_mut() {
            acted |= device.act(ready).await;
        }
        quiet = if acted { 0 } else { quiet + 1 };
    }
}

/// Every second one goes at QoS 1.
const ROUNDS: [[&str; 3]; 3] = [["a", "1", "b"], ["c", "2", "d"], ["e", "3", "f"]];

fn devices() -> [Device; 2] {
    [Device::new("sender", "nothing", &ROUNDS), Device::new("receiver", "t", &[])]
}

/// Frames of a life without a crash.
async fn whole_life() -> u64 {
    let shelf = Shelf::new();
    let (rig, _) = Rig::resume(Settings::default(), shelf.clone(), Vec::new()).await;
    let mut devices = devices();
    for device in &mut devices {
        device.come(&rig).await;
    }
    live(&mut devices).await;
    assert!(devices[0].is_done());
    assert_eq!(devices[1].got, ROUNDS.concat());
    shelf.appended()
}

#[tokio::test]
async fn killed_at_every_frame_it_loses_nothing_and_repeats_no_qos_2() {
    let frames = whole_life().await;
    assert!(frames > 10);
    // Each twice: with clients that hear everything, and with clients that the last answers do not reach.
    for (cut, deaf) in (0..=frames).flat_map(|cut| [(cut, false), (cut, true)]) {
        let mut devices = devices();
        if deaf {
            devices[0].hears = (cut as usize * 5) % 11;
            devices[1].hears = 1 + (cut as usize * 7) % 13;
        }
        let shelf = Shelf::new();
        shelf.keep_only(cut);
        let (first, _) = Rig::resume(Settings::default(), shelf.clone(), Vec::new()).await;
        for device in &mut devices {
            device.come(&first).await;
        }
        live(&mut devices).await;
        let kept = shelf.after_a_crash();
        let (second, resumed) = Rig::resume(Settings::default(), Shelf::of(kept.clone()), kept).await;
        assert_eq!(resumed.unreadable, 0);
        for device in &mut devices {
            device.hears = usize::MAX;
            device.come(&second).await;
        }
        live(&mut devices).await;
        assert!(devices[0].is_done(), "cut at {cut}, deaf {deaf}: {:?}", devices[0].outgoing);
        let mut times = BTreeMap::new();
        devices[1].got.iter().for_each(|payload| *times.entry(payload.as_str()).or_insert(0) += 1);
        for payload in ROUNDS.concat() {
            let times = times.get(payload).copied().unwrap_or(0);
            let may_repeat = payload.parse::<u8>().is_ok();
            assert!(times == 1 || (may_repeat && times > 1), "cut at {cut}, deaf {deaf}: {payload} came {times} times");
        }
        let twos: Vec<_> = devices[1].got.iter().filter(|payload| payload.parse::<u8>().is_err()).collect();
        assert_eq!(twos, ["a", "b", "c", "d", "e", "f"], "cut at {cut}, deaf {deaf}");
        // The ids are free again.
        assert!(devices[1].held.is_empty(), "cut at {cut}, deaf {deaf}");
    }
}
