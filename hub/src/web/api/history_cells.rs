//! How samples stand in the lines of a CSV file, and how they are read back. One header, one line a sample; a cell that a
//! spreadsheet would take for a formula is made harmless on the way out and is what it was on the way in.

use std::borrow::Cow;

use domovoi_model::{DeviceRef, Moment, Quality, Sample, Timestamp, Unit, Value};
use domovoi_store::NAME_LIMIT;
use rust_decimal::Decimal;

use super::history::sort_of;
use super::millis_of;

/// The columns, in the order in which they are written. Read in any order; those with a star have to be there.
pub const COLUMNS: [&str; 8] = ["at", "device", "property", "value", "is", "unit", "suspect", "device_time"];

/// Without these a line says nothing.
const NEEDED: [Column; 4] = [Column::At, Column::Device, Column::Property, Column::Value];

/// In the column `is`: the line is no sample, it says what could not be read.
pub const TROUBLE: &str = "trouble";

/// The longest text of a value, as devices have it.
const MAX_TEXT: usize = 4096;

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    At,
    Device,
    Property,
    Value,
    Is,
    Unit,
    Suspect,
    DeviceTime,
}

impl Column {
    const ALL: [Column; 8] = [
        Column::At,
        Column::Device,
        Column::Property,
        Column::Value,
        Column::Is,
        Column::Unit,
        Column::Suspect,
        Column::DeviceTime,
    ];

    fn name(self) -> &'static str {
        match self {
            Column::At => "at",
            Column::Device => "device",
            Column::Property => "property",
            Column::Value => "value",
            Column::Is => "is",
            Column::Unit => "unit",
            Column::Suspect => "suspect",
            Column::DeviceTime => "device_time",
        }
    }
}

/// What is wrong with a cell: its column, counted from 1, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    pub column: usize,
    pub what: String,
}

/// Which column stands where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header(Vec<Column>);

impl Header {
    /// From the first line.
    pub fn read<'a>(cells: impl Iterator<Item = &'a str>) -> Result<Self, Wrong> {
        let mut columns = Vec::new();
        for (at, cell) in cells.enumerate() {
            // Spreadsheets begin a file in UTF-8 with a mark.
            let name = cell.trim_start_matches('\u{FEFF}').trim().to_ascii_lowercase();
            let wrong = |what: String| Wrong { column: at + 1, what };
            let known = COLUMNS.join(", ");
            let Some(column) = Column::ALL.into_iter().find(|column| column.name() == name) else {
                let name: String = name.chars().take(40).collect();
                return Err(wrong(format!("there is no column «{name}»: the first line names {known}")));
            };
            if columns.contains(&column) {
                return Err(wrong(format!("the column «{}» is there twice", column.name())));
            }
            columns.push(column);
        }
        if let Some(missing) = NEEDED.iter().find(|needed| !columns.contains(needed)) {
            let column = columns.len() + 1;
            return Err(Wrong { column, what: format!("the column «{}» is missing", missing.name()) });
        }
        Ok(Header(columns))
    }

    /// Where a column stands, from 1.
    pub fn place(&self, column: Column) -> usize {
        self.0.iter().position(|known| *known == column).map_or(1, |at| at + 1)
    }

    /// A line as a sample; `None` when it is none of ours to keep.
    pub fn sample<'a>(&self, cells: impl Iterator<Item = &'a str>) -> Result<Option<Sample>, Wrong> {
        let mut line: [Option<(usize, &str)>; 8] = [None; 8];
        let mut count = 0;
        for (at, cell) in cells.enumerate() {
            count += 1;
            if let Some(column) = self.0.get(at)
                && let Some(place) = line.get_mut(*column as usize)
            {
                *place = Some((at + 1, cell));
            }
        }
        if count != self.0.len() {
            let what = format!("{count} cells, and the first line has {}", self.0.len());
            return Err(Wrong { column: count.min(self.0.len()) + 1, what });
        }
        let cell = |column: Column| line.get(column as usize).copied().flatten().unwrap_or((0, ""));
        if cell(Column::Is).1 == TROUBLE {
            return Ok(None);
        }
        let text = |column: Column, most: usize| {
            let (at, text) = cell(column);
            let text = unescaped(text);
            if text.len() > most {
                return Err(Wrong { column: at, what: format!("{}: more than {most} bytes", column.name()) });
            }
            Ok((at, text))
        };
        let time = |column: Column| {
            let (at, text) = cell(column);
            time_of(text).ok_or_else(|| {
                let what = format!(
                    "{}: «{}» is no moment: expected 2026-11-21T12:00:00Z, or milliseconds since 1970",
                    column.name(),
                    text.chars().take(40).collect::<String>()
                );
                Wrong { column: at, what }
            })
        };
        let (device_at, device) = text(Column::Device, NAME_LIMIT)?;
        let device = DeviceRef::parse(device)
            .filter(|_| !device.chars().any(char::is_control))
            .ok_or_else(|| Wrong { column: device_at, what: "device: expected dialect:id".to_owned() })?;
        let (property_at, property) = text(Column::Property, NAME_LIMIT)?;
        if property.is_empty() || property.chars().any(char::is_control) {
            let what = "property: empty, or with control characters".to_owned();
            return Err(Wrong { column: property_at, what });
        }
        let (unit_at, unit) = text(Column::Unit, 32)?;
        let unit = match unit {
            "" => Unit::None,
            unit => Unit::parse(unit).ok_or_else(|| Wrong {
                column: unit_at,
                what: format!("unit: «{}» is none that the house knows", unit),
            })?,
        };
        let (value_at, value) = text(Column::Value, MAX_TEXT)?;
        let value = value_of(value, cell(Column::Is).1).map_err(|what| Wrong { column: value_at, what })?;
        let (_, suspect) = text(Column::Suspect, MAX_TEXT)?;
        let device_time = if cell(Column::DeviceTime).1.is_empty() { None } else { Some(time(Column::DeviceTime)?) };
        Ok(Some(Sample {
            device,
            property: property.to_owned(),
            value,
            unit,
            quality: if suspect.is_empty() { Quality::Good } else { Quality::Suspect(suspect.to_owned()) },
            at: Moment::Wall(time(Column::At)?),
            device_time,
        }))
    }
}

/// As the cell `is` says; where it says nothing, what the text looks like.
fn value_of(text: &str, is: &str) -> Result<Value, String> {
    let number = || Decimal::from_str_exact(text).ok();
    let shown = || text.chars().take(40).collect::<String>();
    match is {
        "number" => number().map(Value::Number).ok_or_else(|| format!("value: «{}» is no exact number", shown())),
        "bool" => match text {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err(format!("value: «{}» is neither true nor false", shown())),
        },
        "text" => Ok(Value::Text(text.to_owned())),
        "" => Ok(match text {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => number().map_or_else(|| Value::Text(text.to_owned()), Value::Number),
        }),
        other => {
            let other: String = other.chars().take(20).collect();
            Err(format!("is: «{other}»: number, bool or text"))
        }
    }
}

fn time_of(text: &str) -> Option<Timestamp> {
    if !text.is_empty() && text.len() <= 13 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().filter(|millis| (0..=super::MOST_MILLIS).contains(millis)).map(Timestamp);
    }
    millis_of(text)
}

/// What a spreadsheet takes for the beginning of a formula (OWASP, CSV Injection); and our own mark, so that it can be
/// told from a text that begins with it.
fn is_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r', '\''])
}

/// A text as it stands in a cell.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if is_formula(text) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// The opposite. A mark before anything else is somebody's own.
pub fn unescaped(text: &str) -> &str {
    text.strip_prefix('\'').filter(|rest| is_formula(rest)).unwrap_or(text)
}

/// A sample's cells in the order of `COLUMNS`, handed to whoever writes them.
pub fn cells(device: &str, property: &str, point: &domovoi_store::Point) -> [String; 8] {
    let value = match &point.value {
        Value::Text(text) => escaped(text).into_owned(),
        // A number below zero begins with a minus and is a number all the same.
        other => other.to_string(),
    };
    let suspect = match &point.quality {
        Quality::Good => String::new(),
        Quality::Suspect(words) => escaped(words).into_owned(),
    };
    [
        point.at.to_string(),
        escaped(device).into_owned(),
        escaped(property).into_owned(),
        value,
        sort_of(&point.value).to_owned(),
        point.unit.symbol().to_owned(),
        suspect,
        point.device_time.map(|at| at.to_string()).unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use domovoi_store::Point;
    use proptest::prelude::*;

    use super::*;

    fn header() -> Header {
        Header::read(COLUMNS.into_iter()).unwrap()
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            (any::<i64>(), 0u32..18).prop_map(|(n, scale)| Value::Number(Decimal::new(n, scale))),
            any::<bool>().prop_map(Value::Bool),
            "[=+@'\t -]{0,2}\\PC{0,20}".prop_map(Value::Text),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            value in value(),
            id in "['=+@-]{0,2}[a-z0-9]{1,8}",
            property in "['=+@-]{0,2}[a-z_]{1,8}",
            suspect in proptest::option::of("[='-]{0,2}[A-Z ]{1,10}"),
            at in 0i64..4_000_000_000_000,
            device_time in proptest::option::of(0i64..4_000_000_000_000),
        ) {
            let quality = suspect.map_or(Quality::Good, Quality::Suspect);
            let device_time = device_time.map(Timestamp);
            let point = Point { at: Timestamp(at), value, unit: Unit::Watt, quality, device_time };
            let line = cells(&format!("tasmota:{id}"), &property, &point);
            for (cell, column) in line.iter().zip(COLUMNS) {
                let number = column == "value" && line[4] == "number";
                prop_assert!(number || !cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell}");
            }
            let sample = header().sample(line.iter().map(String::as_str)).unwrap().unwrap();
            prop_assert_eq!(&sample.value, &point.value);
            prop_assert_eq!(sample.quality, point.quality);
            prop_assert_eq!((sample.device.id, sample.property), (id, property));
            prop_assert_eq!((sample.at, sample.device_time), (Moment::Wall(point.at), point.device_time));
        }

        #[test]
        fn no_line_makes_it_panic(cells in proptest::collection::vec("\\PC{0,30}", 0..12)) {
            let _ = header().sample(cells.iter().map(String::as_str));
            let _ = Header::read(cells.iter().map(String::as_str));
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_column() {
        let column = |cells: [&str; 8]| header().sample(cells.into_iter()).unwrap_err().column;
        assert_eq!(column(["yesterday", "a:b", "p", "1", "", "", "", ""]), 1);
        assert_eq!(column(["0", "ab", "p", "1", "", "", "", ""]), 2);
        assert_eq!(column(["0", "a:b", "", "1", "", "", "", ""]), 3);
        assert_eq!(column(["0", "a:b", "p", "1,5", "number", "", "", ""]), 4);
        assert_eq!(column(["0", "a:b", "p", "1", "", "parsec", "", ""]), 6);
        assert_eq!(column(["0", "a:b", "p", "1", "", "", "", "soon"]), 8);
        let long = "x".repeat(MAX_TEXT + 1);
        assert_eq!(column(["0", "a:b", "p", &long, "", "", "", ""]), 4);
        assert_eq!(header().sample(["0", "a:b"].into_iter()).unwrap_err().column, 3);
        assert_eq!(Header::read(["at", "device", "at"].into_iter()).unwrap_err().column, 3);
        assert_eq!(Header::read(["at", "when"].into_iter()).unwrap_err().column, 2);
        assert!(Header::read(["at", "device", "property"].into_iter()).unwrap_err().what.contains("value"));
    }

    #[test]
    fn foreign_files_are_read_too() {
        let header = Header::read(["\u{FEFF}Property", "value", "device", "at"].into_iter()).unwrap();
        let sample = header.sample(["power", "-1.50", "tasmota:x", "1795262400000"].into_iter()).unwrap().unwrap();
        assert_eq!(sample.value, Value::Number(Decimal::new(-150, 2)));
        assert_eq!(sample.at, Moment::Wall(Timestamp(1_795_262_400_000)));
        let quoted = header.sample(["p", "'tis", "a:b", "0"].into_iter()).unwrap().unwrap();
        assert_eq!(quoted.value, Value::Text("'tis".into()), "an apostrophe of somebody's own");
        assert_eq!(value_of("true", "").unwrap(), Value::Bool(true));
        assert_eq!(value_of("true", "text").unwrap(), Value::Text("true".into()));
    }
}
