//! What the pretend devices say: a message of a known shape whose number stands where it is quickly found again. Every
//! number is given out once, so that whoever reads the messages later can tell a loss from a repetition.

use std::io::Write as _;
use std::str::FromStr;

/// The shape of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// What Zigbee2MQTT says of a climate sensor, about 120 bytes: five values, the message's number among them as `n`.
    Zigbee,
    /// The same length with one value, the message's number, and the firmware's state, which is no value.
    Sensor,
    /// What Tasmota says of a plug and its sensor.
    Tasmota,
    /// The number alone.
    Scalar,
    /// The number and filling, so many bytes.
    Bytes(usize),
}

/// Larger ones load the wire and not the broker.
const MAX_BYTES: usize = 1 << 20;

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "zigbee" => Ok(Shape::Zigbee),
            "sensor" => Ok(Shape::Sensor),
            "tasmota" => Ok(Shape::Tasmota),
            "scalar" => Ok(Shape::Scalar),
            _ => match text.parse() {
                Ok(bytes) if (20..=MAX_BYTES).contains(&bytes) => Ok(Shape::Bytes(bytes)),
                _ => Err(format!("zigbee, sensor, tasmota, scalar, or bytes from 20 to {MAX_BYTES}")),
            },
        }
    }
}

impl Shape {
    /// Where devices of this kind speak; `{n}` is the device's number.
    pub fn topic(self) -> &'static str {
        match self {
            Shape::Zigbee | Shape::Sensor => "zigbee2mqtt/load-{n}",
            Shape::Tasmota => "tele/load-{n}/SENSOR",
            Shape::Scalar | Shape::Bytes(_) => "load/{n}",
        }
    }

    /// Writes message number `id` in the place of what was in `out`.
    pub fn write(self, id: u64, out: &mut Vec<u8>) {
        out.clear();
        // Values wander as a room's do, and never stand still.
        let wander = id % 997;
        // Writing into a Vec does not fail.
        let _ = match self {
            Shape::Zigbee => write!(
                out,
                r#"{{"n":{id},"battery":{},"humidity":{}.{},"last_seen":"2026-11-22T12:00:00.000Z","linkquality":{},"temperature":{}.{:02}}}"#,
                90 + wander % 10,
                40 + wander % 20,
                wander % 10,
                80 + wander % 100,
                18 + wander % 7,
                wander % 100,
            ),
            Shape::Sensor => write!(
                out,
                r#"{{"n":{id},"update":{{"installed_version":16777{:03},"latest_version":16777990,"state":"idle"}}}}"#,
                wander
            ),
            Shape::Tasmota => write!(
                out,
                r#"{{"n":{id},"Time":"2026-11-22T12:00:00","AM2301":{{"Temperature":{}.{},"Humidity":{}.{},"n":{id}}},"TempUnit":"C"}}"#,
                18 + wander % 7,
                wander % 10,
                40 + wander % 20,
                wander % 10,
            ),
            Shape::Scalar => write!(out, "{id}"),
            Shape::Bytes(bytes) => {
                let written = write!(out, "{id} ");
                out.resize(bytes, b'x');
                written
            }
        };
    }
}

/// The number of a message, wherever it came from; `None` if it is not one of ours.
pub fn number_of(payload: &[u8]) -> Option<u64> {
    let digits = payload.strip_prefix(br#"{"n":"#).unwrap_or(payload);
    let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    if end == 0 || end > 19 {
        return None;
    }
    digits[..end].iter().try_fold(0_u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_carries_its_number() {
        let mut out = Vec::new();
        for shape in [Shape::Zigbee, Shape::Sensor, Shape::Tasmota, Shape::Scalar, Shape::Bytes(200)] {
            for id in [0, 7, 123_456, 9_999_999_999] {
                shape.write(id, &mut out);
                assert_eq!(number_of(&out), Some(id), "{shape:?}");
                if matches!(shape, Shape::Zigbee | Shape::Sensor | Shape::Tasmota) {
                    serde_json::from_slice::<serde_json::Value>(&out).unwrap();
                }
            }
        }
        assert_eq!(out.len(), 200);
        Shape::Zigbee.write(123_456, &mut out);
        assert!((110..=130).contains(&out.len()), "{}", out.len());
        assert_eq!(number_of(b"offline"), None);
        assert_eq!(number_of(b""), None);
    }

    #[test]
    fn a_shape_is_read_from_its_word() {
        assert_eq!("sensor".parse(), Ok(Shape::Sensor));
        assert_eq!("200".parse(), Ok(Shape::Bytes(200)));
        assert!("3".parse::<Shape>().is_err());
        assert!("cat".parse::<Shape>().is_err());
    }
}
