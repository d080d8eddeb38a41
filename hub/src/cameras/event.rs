//! What starts a recording on event, and from when to when it is recorded: from a little before the event to a little after
//! it, events that lie close together in one. Pure: what happened and when is handed in.

use domovoi_model::{DeviceRef, Hazard, Timestamp, Value};

/// An event that does not end is a sensor that is stuck: it counts for so long, in milliseconds, and then begins anew with the
/// next word of the sensor.
pub const LONGEST: i64 = 3_600_000;

/// Properties by which sensors and cameras tell that somebody is there.
const MOTION: [&str; 6] = ["motion", "occupancy", "presence", "person", "moving", "vibration"];

/// What starts a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// This danger, wherever in the home.
    Hazard(Hazard),
    /// Motion where the camera is, or that it sees itself.
    Motion,
    /// An alarm that concerns the household.
    Alarm,
    /// A property of a device that says this, or, without anything said, that is on.
    Property {
        /// Whose.
        device: DeviceRef,
        /// Which.
        property: String,
        /// As a value is spelled.
        says: Option<String>,
    },
}

/// What happened.
#[derive(Debug, Clone, Copy)]
pub enum Happened<'a> {
    /// A device reported a danger.
    Hazard(Hazard),
    /// An alarm was raised.
    Alarm,
    /// A device said something.
    Said {
        /// Which.
        device: &'a DeviceRef,
        /// Of what.
        property: &'a str,
        /// What.
        value: &'a Value,
        /// Whether it is in the camera's room, or is the camera.
        here: bool,
    },
}

const HAZARDS: [(&str, Hazard); 4] = [
    ("water_leak", Hazard::WaterLeak),
    ("gas", Hazard::Gas),
    ("smoke", Hazard::Smoke),
    ("carbon_monoxide", Hazard::CarbonMonoxide),
];

impl Start {
    /// As it is kept: `water_leak`, `motion`, `alarm`, `property NAME` or
    /// `property NAME=VALUE`, and in the next line `DIALECT:ID`.
    pub fn code(&self) -> String {
        match self {
            Start::Hazard(hazard) => {
                HAZARDS.iter().find(|(_, known)| known == hazard).map_or("", |(code, _)| *code).to_owned()
            }
            Start::Motion => "motion".to_owned(),
            Start::Alarm => "alarm".to_owned(),
            Start::Property { device, property, says } => {
                let says = says.as_ref().map(|says| format!("={says}")).unwrap_or_default();
                // The device last: its id may have anything in it.
                format!("property {property}{says}\n{}:{}", device.dialect, device.id)
            }
        }
    }

    /// What a code stands for.
    pub fn from_code(code: &str) -> Option<Self> {
        if let Some((_, hazard)) = HAZARDS.iter().find(|(known, _)| *known == code) {
            return Some(Start::Hazard(*hazard));
        }
        match code {
            "motion" => return Some(Start::Motion),
            "alarm" => return Some(Start::Alarm),
            _ => {}
        }
        let (what, device) = code.strip_prefix("property ")?.split_once('\n')?;
        let (dialect, id) = device.split_once(':')?;
        let (property, says) = match what.split_once('=') {
            Some((property, says)) => (property, Some(says.to_owned())),
            None => (what, None),
        };
        let whole = !dialect.is_empty() && !id.is_empty() && !property.is_empty();
        whole.then(|| Start::Property { device: DeviceRef::new(dialect, id), property: property.to_owned(), says })
    }

    fn is(&self, happened: &Happened<'_>) -> bool {
        match (self, happened) {
            (Start::Hazard(one), Happened::Hazard(other)) => one == other,
            (Start::Alarm, Happened::Alarm) => true,
            (Start::Motion, Happened::Said { property, value, here, .. }) => {
                *here && MOTION.contains(property) && is_on(value)
            }
            (
                Start::Property { device, property, says },
                Happened::Said { device: whose, property: which, value, .. },
            ) => {
                device == *whose
                    && property == which
                    && match says {
                        Some(says) => value.to_string().eq_ignore_ascii_case(says),
                        None => is_on(value),
                    }
            }
            _ => false,
        }
    }
}

/// Whether what happened starts a recording.
pub fn starts(starts: &[Start], happened: &Happened<'_>) -> bool {
    starts.iter().any(|start| start.is(happened))
}

/// Whether a value says that something is on, or there.
fn is_on(value: &Value) -> bool {
    match value {
        Value::Bool(on) => *on,
        Value::Number(number) => !number.is_zero(),
        Value::Text(text) => ["on", "open", "true", "yes", "detected", "motion", "occupied"]
            .iter()
            .any(|word| text.eq_ignore_ascii_case(word)),
    }
}

/// Something that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// When it began.
    pub from: Timestamp,
    /// When it was over; `None`: it still is. What is over at once is over when it begins.
    pub until: Option<Timestamp>,
}

/// What is recorded around an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roll {
    /// So much before it, in milliseconds.
    pub before: i64,
    /// So much after it.
    pub after: i64,
}

/// From when to when something is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Included.
    pub from: Timestamp,
    /// Not included.
    pub until: Timestamp,
}

impl Window {
    /// Whether a moment is in it.
    pub fn has(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }
}

/// The windows of these events, in order and apart from one another. One that is not over reaches as far as it can.
pub fn windows(events: &[Event], roll: Roll) -> Vec<Window> {
    let mut each: Vec<Window> = events
        .iter()
        .map(|event| {
            let most = event.from.plus_millis(LONGEST);
            let until = event.until.unwrap_or(most).clamp(event.from, most);
            Window { from: event.from.plus_millis(-roll.before.max(0)), until: until.plus_millis(roll.after.max(0)) }
        })
        .filter(|window| window.from < window.until)
        .collect();
    each.sort_by_key(|window| (window.from, window.until));
    let mut joined: Vec<Window> = Vec::with_capacity(each.len());
    for window in each {
        match joined.last_mut() {
            Some(last) if window.from <= last.until => last.until = last.until.max(window.until),
            _ => joined.push(window),
        }
    }
    joined
}

/// Until when it is recorded, if it is now.
pub fn recorded_until(events: &[Event], roll: Roll, at: Timestamp) -> Option<Timestamp> {
    windows(events, roll).into_iter().find(|window| window.has(at)).map(|window| window.until)
}

/// Drops the events that are of no use any more.
pub fn forget_past(events: &mut Vec<Event>, roll: Roll, now: Timestamp) {
    events.retain(|event| windows(&[*event], roll).iter().any(|window| window.until > now));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn device() -> DeviceRef {
        DeviceRef::new("zigbee2mqtt", "0x01:a=b")
    }

    #[test]
    fn a_start_is_spelled_and_read() {
        let property = |says: Option<&str>| Start::Property {
            device: device(),
            property: "contact".into(),
            says: says.map(str::to_owned),
        };
        let hazards = HAZARDS.map(|(_, hazard)| Start::Hazard(hazard));
        for start in hazards.into_iter().chain([Start::Motion, Start::Alarm, property(None), property(Some("false"))]) {
            assert_eq!(Start::from_code(&start.code()), Some(start.clone()), "{start:?}");
        }
        for bad in ["", "fire", "property", "property contact", "property =x\na:b", "property x\na", "property x\n:b"] {
            assert_eq!(Start::from_code(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_happened_starts_what_it_is_for() {
        let is = |start: &Start, (property, value, here): (&str, &Value, bool)| {
            starts(std::slice::from_ref(start), &Happened::Said { device: &device(), property, value, here })
        };
        let (on, off, open) = (&Value::Bool(true), &Value::Bool(false), &Value::Text("OPEN".into()));
        assert!(is(&Start::Motion, ("occupancy", on, true)));
        assert!(!is(&Start::Motion, ("occupancy", on, false)), "in another room");
        assert!(!is(&Start::Motion, ("occupancy", off, true)) && !is(&Start::Motion, ("contact", on, true)));
        let contact = Start::Property { device: device(), property: "contact".into(), says: Some("FALSE".into()) };
        assert!(is(&contact, ("contact", off, false)) && !is(&contact, ("contact", on, true)));
        let door = Start::Property { device: device(), property: "door".into(), says: None };
        assert!(is(&door, ("door", open, false)) && !is(&door, ("lock", open, false)));
        assert!(starts(&[Start::Motion, Start::Hazard(Hazard::Gas)], &Happened::Hazard(Hazard::Gas)));
        assert!(!starts(&[Start::Hazard(Hazard::Gas)], &Happened::Hazard(Hazard::Smoke)));
        assert!(starts(&[Start::Alarm], &Happened::Alarm) && !starts(&[], &Happened::Alarm));
    }

    fn event(from: i64, until: Option<i64>) -> Event {
        Event { from: Timestamp(from), until: until.map(Timestamp) }
    }

    const ROLL: Roll = Roll { before: 10, after: 30 };

    #[test]
    fn events_that_lie_close_are_one() {
        let window = |from, until| Window { from: Timestamp(from), until: Timestamp(until) };
        let one = [event(100, Some(100)), event(135, Some(140)), event(300, Some(310))];
        assert_eq!(windows(&one, ROLL), [window(90, 170), window(290, 340)]);
        assert_eq!(windows(&[event(100, Some(100)), event(140, Some(140))], ROLL), [window(90, 170)], "they touch");
        assert_eq!(windows(&[event(100, None)], ROLL), [window(90, 100 + LONGEST + 30)]);
        assert_eq!(windows(&[event(100, Some(50))], ROLL), [window(90, 130)], "a clock that was set back");
        assert_eq!(windows(&[event(1, Some(1))], Roll { before: 0, after: 0 }), []);
        assert_eq!(recorded_until(&one, ROLL, Timestamp(169)), Some(Timestamp(170)));
        assert_eq!(recorded_until(&one, ROLL, Timestamp(170)), None);
        let mut past = one.to_vec();
        forget_past(&mut past, ROLL, Timestamp(170));
        assert_eq!(past, one[2..]);
    }

    proptest! {
        /// A moment is in a window if and only if it is in one event's own.
        #[test]
        fn joining_adds_and_loses_nothing(events in prop::collection::vec((0i64..500, prop::option::of(0i64..600)), 0..12),
                                          at in -50i64..700) {
            let events: Vec<Event> = events.into_iter().map(|(from, until)| event(from, until)).collect();
            let joined = windows(&events, ROLL);
            let alone = events.iter().any(|event| windows(&[*event], ROLL).iter().any(|w| w.has(Timestamp(at))));
            prop_assert_eq!(joined.iter().any(|window| window.has(Timestamp(at))), alone);
            for pair in joined.windows(2) {
                prop_assert!(pair[0].until < pair[1].from);
            }
        }

        #[test]
        fn any_code_is_no_panic(code in "(property )?[ -~\\n]{0,40}") {
            let _ = Start::from_code(&code);
        }
    }
}
