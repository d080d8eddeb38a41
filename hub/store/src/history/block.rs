//! One block: samples of one series over one span, column by column. Knows no table and no key. Reads nothing but what it
//! wrote, and never panics on anything else.
//!
//! ```text
//! block  := 1, kind u8, series number, from signed, to signed, count number,
//!           times ints, values, doubts, device times           ints, decimals, texts: as `columns` draws them
//! kind   := 0 numbers | 1 yes or no | 2 texts
//! values := decimals | first u8, runs number, ints | texts     yes or no: the first one, and the lengths of the runs
//! doubts := 0 number | n number, which ints, complaints texts
//! device times := 0 | 1, ints | 2, n number, which ints, ints  milliseconds after the sample's own time
//! ```
//!
//! The times rise; equal ones stand in the order in which they came. Series, span and count stand in the table too, so
//! that a row is found by them, and the two are compared when it is read.

use domovoi_model::{Quality, Timestamp, Unit, Value};
use rust_decimal::Decimal;

use super::columns::{Reader, Writer};
use super::encoding::Malformed;
use super::read::Point;

/// More samples than that make two blocks.
pub(super) const MAX_SAMPLES: usize = 4096;

/// What a reader takes: no writer went beyond [`MAX_SAMPLES`], and a later one may go a little.
const MOST_SAMPLES: usize = 4 * MAX_SAMPLES;

/// Texts and complaints of one block together; more make two blocks.
pub(super) const MAX_TEXT_BYTES: usize = 1 << 20;

const VERSION: u8 = 1;

/// What a block holds values of. A series may change from one to another: then its samples go into blocks of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    Number = 0,
    Flag = 1,
    Text = 2,
}

impl Kind {
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Number(_) => Kind::Number,
            Value::Bool(_) => Kind::Flag,
            Value::Text(_) => Kind::Text,
        }
    }
}

/// A block, opened.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Block {
    pub series: u64,
    pub points: Vec<Point>,
}

/// Packs points that are in the order of their times and of one kind: [`cut`] makes such pieces. `None` for no points.
pub(super) fn encode(series: u64, points: &[Point]) -> Option<Vec<u8>> {
    let (first, last) = (points.first()?, points.last()?);
    let kind = Kind::of(&first.value);
    let mut out = Writer::default();
    out.byte(VERSION);
    out.byte(kind as u8);
    out.number(series);
    out.signed(first.at.0);
    out.signed(last.at.0);
    out.number(points.len() as u64);
    out.ints(&points.iter().map(|point| point.at.0).collect::<Vec<_>>());
    match kind {
        Kind::Number => {
            let numbers = points.iter().map(|point| point.value.number().unwrap_or_default());
            out.decimals(&numbers.collect::<Vec<Decimal>>());
        }
        Kind::Flag => {
            let flags: Vec<bool> = points.iter().map(|point| point.value == Value::Bool(true)).collect();
            let runs: Vec<i64> = flags.chunk_by(|a, b| a == b).map(|run| run.len() as i64).collect();
            out.byte(u8::from(flags[0]));
            out.number(runs.len() as u64);
            out.ints(&runs);
        }
        Kind::Text => {
            let text = |point: &'_ Point| match &point.value {
                Value::Text(text) => text.clone(),
                other => other.to_string(),
            };
            let texts: Vec<String> = points.iter().map(text).collect();
            out.texts(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
    let doubts = (0i64..).zip(points).filter_map(|(index, point)| match &point.quality {
        Quality::Suspect(complaint) => Some((index, complaint.as_str())),
        Quality::Good => None,
    });
    let (which, complaints): (Vec<i64>, Vec<&str>) = doubts.unzip();
    out.number(which.len() as u64);
    if !which.is_empty() {
        out.ints(&which);
        out.texts(&complaints);
    }
    let told = (0i64..).zip(points);
    let told = told.filter_map(|(index, point)| Some((index, point.device_time?.0.wrapping_sub(point.at.0))));
    let (which, after): (Vec<i64>, Vec<i64>) = told.unzip();
    if which.is_empty() {
        out.byte(0);
    } else if which.len() == points.len() {
        out.byte(1);
        out.ints(&after);
    } else {
        out.byte(2);
        out.number(which.len() as u64);
        out.ints(&which);
        out.ints(&after);
    }
    Some(out.bytes)
}

/// The unit is the series'.
pub(super) fn decode(bytes: &[u8], unit: Unit) -> Result<Block, Malformed> {
    let mut input = Reader { rest: bytes };
    if input.byte()? != VERSION {
        return Err(Malformed);
    }
    let kind = input.byte()?;
    let series = input.number()?;
    let (from, to) = (input.signed()?, input.signed()?);
    let count = input.count(MOST_SAMPLES)?;
    let times = input.ints(count)?;
    if count == 0 || times[0] != from || times[count - 1] != to || times.windows(2).any(|pair| pair[0] > pair[1]) {
        return Err(Malformed);
    }
    let values: Vec<Value> = match kind {
        0 => input.decimals(count)?.into_iter().map(Value::Number).collect(),
        1 => flags(&mut input, count)?.into_iter().map(Value::Bool).collect(),
        2 => input.texts(count)?.into_iter().map(Value::Text).collect(),
        _ => return Err(Malformed),
    };
    let mut points: Vec<Point> = times
        .into_iter()
        .zip(values)
        .map(|(at, value)| Point { at: Timestamp(at), value, unit, quality: Quality::Good, device_time: None })
        .collect();
    let doubts = input.count(count)?;
    if doubts > 0 {
        let which = input.ints(doubts)?;
        for (index, complaint) in which.into_iter().zip(input.texts(doubts)?) {
            nth(&mut points, index)?.quality = Quality::Suspect(complaint);
        }
    }
    match input.byte()? {
        0 => {}
        1 => {
            for (point, after) in points.iter_mut().zip(input.ints(count)?) {
                point.device_time = Some(Timestamp(point.at.0.wrapping_add(after)));
            }
        }
        2 => {
            let told = input.count(count)?;
            let which = input.ints(told)?;
            for (index, after) in which.into_iter().zip(input.ints(told)?) {
                let point = nth(&mut points, index)?;
                point.device_time = Some(Timestamp(point.at.0.wrapping_add(after)));
            }
        }
        _ => return Err(Malformed),
    }
    if input.rest.is_empty() { Ok(Block { series, points }) } else { Err(Malformed) }
}

fn flags(input: &mut Reader<'_>, count: usize) -> Result<Vec<bool>, Malformed> {
    let mut flag = match input.byte()? {
        0 => false,
        1 => true,
        _ => return Err(Malformed),
    };
    let runs = input.count(count)?;
    let mut flags = Vec::with_capacity(count);
    for run in input.ints(runs)? {
        let left = count - flags.len();
        let run = usize::try_from(run).ok().filter(|run| (1..=left).contains(run)).ok_or(Malformed)?;
        flags.extend(std::iter::repeat_n(flag, run));
        flag = !flag;
    }
    if flags.len() == count { Ok(flags) } else { Err(Malformed) }
}

fn nth(points: &mut [Point], index: i64) -> Result<&mut Point, Malformed> {
    usize::try_from(index).ok().and_then(|index| points.get_mut(index)).ok_or(Malformed)
}

/// Orders points by time and cuts them into pieces that make a block each, about equal ones.
pub(super) fn cut(mut points: Vec<Point>) -> Vec<Vec<Point>> {
    // Stable: equal times keep the order in which they came.
    points.sort_by_key(|point| (Kind::of(&point.value), point.at));
    let mut kinds = [0usize; 3];
    points.iter().for_each(|point| kinds[Kind::of(&point.value) as usize] += 1);
    let mut pieces: Vec<Vec<Point>> = Vec::new();
    let mut points = points.into_iter();
    for many in kinds {
        let size = many.div_ceil(many.div_ceil(MAX_SAMPLES).max(1)).max(1);
        let (mut piece, mut text) = (Vec::with_capacity(size.min(many)), 0);
        for point in points.by_ref().take(many) {
            let more = text_bytes(&point);
            if piece.len() == size || (text + more > MAX_TEXT_BYTES && !piece.is_empty()) {
                pieces.push(std::mem::take(&mut piece));
                text = 0;
            }
            text += more;
            piece.push(point);
        }
        if !piece.is_empty() {
            pieces.push(piece);
        }
    }
    pieces
}

pub(super) fn text_bytes(point: &Point) -> usize {
    let value = match &point.value {
        Value::Text(text) => text.len(),
        _ => 0,
    };
    let complaint = match &point.quality {
        Quality::Suspect(text) => text.len(),
        Quality::Good => 0,
    };
    value + complaint
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_point(kind: u8) -> BoxedStrategy<Point> {
        let value = match kind {
            0 => prop_oneof![
                4 => (-100_000i64..100_000, 0u32..4).prop_map(|(m, s)| Value::Number(Decimal::new(m, s).normalize())),
                1 => (any::<i64>(), 0u32..=28).prop_map(|(m, s)| Value::Number(Decimal::new(m, s))),
                1 => Just(Value::Number(Decimal::MAX)),
            ]
            .boxed(),
            1 => any::<bool>().prop_map(Value::Bool).boxed(),
            _ => "on|off|.{0,20}".prop_map(Value::Text).boxed(),
        };
        let quality = prop_oneof![9 => Just(Quality::Good), 1 => ".{0,9}".prop_map(Quality::Suspect)];
        let at = prop_oneof![9 => 1_795_300_000_000i64..1_795_400_000_000, 1 => any::<i64>()];
        let device_time = prop::option::of(any::<i64>().prop_map(Timestamp));
        (at, value, quality, device_time)
            .prop_map(|(at, value, quality, device_time)| Point {
                at: Timestamp(at),
                value,
                unit: Unit::Celsius,
                quality,
                device_time,
            })
            .boxed()
    }

    fn any_points() -> impl Strategy<Value = Vec<Point>> {
        (0u8..3).prop_flat_map(|kind| prop::collection::vec(any_point(kind), 1..400)).prop_map(|mut points| {
            points.sort_by_key(|point| point.at);
            points
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_goes_in_comes_out(points in any_points(), at in any::<prop::sample::Index>(), flip in 1u8..) {
            let bytes = encode(7, &points).unwrap();
            let back = decode(&bytes, Unit::Celsius).unwrap();
            prop_assert_eq!(back.series, 7);
            // Debug shows the zeros at the end that `==` of decimals does not see.
            prop_assert_eq!(format!("{:?}", back.points), format!("{points:?}"));
            prop_assert_eq!(decode(&bytes[..at.index(bytes.len())], Unit::Celsius), Err(Malformed));
            let mut bent = bytes;
            let at = at.index(bent.len());
            bent[at] ^= flip;
            let _ = decode(&bent, Unit::Celsius);
        }

        #[test]
        fn noise_is_an_error_and_not_a_panic(noise in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut headed = vec![VERSION, noise.first().map_or(0, |byte| byte % 3)];
            headed.extend_from_slice(&noise);
            let _ = decode(&headed, Unit::None);
            let _ = decode(&noise, Unit::None);
        }

        #[test]
        fn pieces_are_whole_sorted_and_small(points in prop::collection::vec((0u8..3).prop_flat_map(any_point), 0..300)) {
            let pieces = cut(points.clone());
            prop_assert_eq!(pieces.iter().map(Vec::len).sum::<usize>(), points.len());
            for piece in &pieces {
                prop_assert!(piece.windows(2).all(|pair| pair[0].at <= pair[1].at));
                prop_assert!(piece.iter().all(|point| Kind::of(&point.value) == Kind::of(&piece[0].value)));
            }
        }
    }

    #[test]
    fn long_texts_and_long_runs_are_cut() {
        let point = |n: i64, text: &str| Point {
            at: Timestamp(n),
            value: Value::Text(text.into()),
            unit: Unit::None,
            quality: Quality::Good,
            device_time: None,
        };
        let long = "ю".repeat(200_000);
        let pieces = cut((0..10).map(|n| point(n, &long)).collect());
        assert_eq!(pieces.iter().map(Vec::len).collect::<Vec<_>>(), [2; 5]);
        let pieces = cut((0..9000).map(|n| point(n, "x")).collect());
        assert_eq!(pieces.iter().map(Vec::len).collect::<Vec<_>>(), [3000; 3]);
        assert_eq!(decode(&encode(1, &pieces[2]).unwrap(), Unit::None).unwrap().points, pieces[2]);
    }

    /// What a home's thermometer says: every ten minutes or so, a tenth of a degree up or down.
    #[test]
    fn a_thermometer_takes_three_bytes_a_sample() {
        let mut state = 7u64;
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as i64
        };
        let (mut at, mut value) = (1_795_300_000_000, 215i64);
        let points: Vec<Point> = (0..2000)
            .map(|_| {
                at += 600_000 + random() % 4000 - 2000;
                value += random() % 3 - 1;
                Point {
                    at: Timestamp(at),
                    value: Value::Number(Decimal::new(value, 1).normalize()),
                    unit: Unit::Celsius,
                    quality: Quality::Good,
                    device_time: None,
                }
            })
            .collect();
        let bytes = encode(1, &points).unwrap().len();
        assert!(bytes < 2000 * 3, "{bytes}");
    }
}
