//! The act as the contract writes it, parsed strictly: unknown members, missing ones, nulls where none belong, and
//! numbers in place of decimal strings are all refused. Whether its readings are plausible is not looked at here.

use std::collections::HashSet;

use serde::{Deserialize, Deserializer, de::DeserializeOwned};

/// `previous_act_sha256` and `supersedes` must be there, even when null; serde alone would let them be absent.
fn nullable<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(from)
}

/// Optional members may be absent, but not null.
fn not_null<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Act {
    r#type: String,
    version: u32,
    pub(crate) act_id: String,
    created_at: String,
    pub(crate) period: Period,
    pub(crate) account: Account,
    #[serde(deserialize_with = "nullable")]
    pub(crate) previous_act_sha256: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) supersedes: Option<String>,
    pub(crate) key_id: String,
    pub(crate) readings: Vec<Reading>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Period {
    pub(crate) year: i16,
    pub(crate) month: i8,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Account {
    pub(crate) supplier_id: String,
    pub(crate) account_number: String,
    #[serde(default, deserialize_with = "not_null")]
    els: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    jku_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reading {
    pub(crate) reading_id: String,
    pub(crate) meter: Meter,
    pub(crate) values: Registers,
    taken_at: String,
    pub(crate) date_value: String,
    source: Source,
    #[serde(default, deserialize_with = "not_null")]
    previous: Option<Previous>,
    #[serde(default, deserialize_with = "not_null")]
    consumption: Option<Registers>,
    #[serde(default, deserialize_with = "not_null")]
    pub(crate) photo: Option<Photo>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Meter {
    pub(crate) serial: String,
    #[serde(default, deserialize_with = "not_null")]
    model: Option<String>,
    pub(crate) resource: String,
    unit_okei: String,
    digits_int: u8,
    digits_frac: u8,
    pub(crate) tariff_count: u8,
    #[serde(default, deserialize_with = "not_null")]
    verification_valid_until: Option<String>,
    transformation_ratio: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Registers {
    t1: String,
    #[serde(default, deserialize_with = "not_null")]
    t2: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    t3: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    pub(crate) t4: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    kind: String,
    #[serde(default, deserialize_with = "not_null")]
    protocol: Option<String>,
    raw_sha256: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Previous {
    values: Registers,
    date: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Photo {
    pub(crate) sha256: String,
    media_type: String,
}

impl Registers {
    /// T1 onwards up to the first that is absent; `None` if one follows a gap.
    pub(crate) fn in_order(&self) -> Option<Vec<String>> {
        let all = [Some(&self.t1), self.t2.as_ref(), self.t3.as_ref(), self.t4.as_ref()];
        let present: Vec<String> = all.iter().map_while(|value| value.cloned()).collect();
        (present.len() == all.iter().flatten().count()).then_some(present)
    }
}

/// `\d{1,15}(\.\d{1,7})?` and the like.
pub(crate) fn is_decimal(text: &str, digits_int: usize, digits_frac: usize) -> bool {
    let digits = |part: &str, most: usize| (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    match text.split_once('.') {
        None => digits(text, digits_int),
        Some((whole, fraction)) => digits(whole, digits_int) && digits(fraction, digits_frac),
    }
}

pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

pub(crate) fn is_date(text: &str) -> bool {
    text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok()
}

fn is_time(text: &str) -> bool {
    text.len() <= 40 && text.parse::<jiff::Timestamp>().is_ok()
}

fn within(text: &str, chars: std::ops::RangeInclusive<usize>) -> bool {
    chars.contains(&text.chars().count())
}

impl Act {
    /// The error is a sentence for the `detail`.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let act: Self =
            serde_json::from_slice(bytes).map_err(|error| format!("the act does not fit the contract: {error}"))?;
        let must = |holds: bool, why: &str| if holds { Ok(()) } else { Err(why.to_owned()) };
        must(act.r#type == "domovoi.meter-act" && act.version == 1, "type and version must be domovoi.meter-act, 1")?;
        must(is_uuid(&act.act_id), "act_id is no UUID")?;
        must(is_time(&act.created_at), "created_at is no RFC 3339 time")?;
        must((2000..=9999).contains(&act.period.year), "period.year is out of range")?;
        must((1..=12).contains(&act.period.month), "period.month is out of range")?;
        must(within(&act.account.supplier_id, 1..=64), "supplier_id is empty or too long")?;
        must(within(&act.account.account_number, 1..=30), "account_number is empty or too long")?;
        must(act.account.els.as_deref().is_none_or(|els| within(els, 0..=10)), "els is too long")?;
        must(act.account.jku_id.as_deref().is_none_or(|id| within(id, 0..=13)), "jku_id is too long")?;
        must(act.previous_act_sha256.as_deref().is_none_or(is_sha256), "previous_act_sha256 is no SHA-256")?;
        must(act.supersedes.as_deref().is_none_or(is_uuid), "supersedes is no UUID")?;
        must((1..=100).contains(&act.readings.len()), "an act has 1 to 100 readings")?;
        let mut seen = HashSet::new();
        for reading in &act.readings {
            reading.check().map_err(|why| format!("reading {}: {why}", reading.reading_id))?;
            must(seen.insert(&reading.reading_id), "two readings have one reading_id")?;
        }
        Ok(act)
    }
}

impl Reading {
    fn check(&self) -> Result<(), &'static str> {
        let must = |holds: bool, why: &'static str| if holds { Ok(()) } else { Err(why) };
        let meter = &self.meter;
        must(is_uuid(&self.reading_id), "reading_id is no UUID")?;
        must(within(&meter.serial, 1..=50), "the serial is empty or too long")?;
        must(meter.model.as_deref().is_none_or(|model| within(model, 0..=100)), "the model is too long")?;
        let okei = match meter.resource.as_str() {
            "cold_water" | "hot_water" | "gas" => "113",
            "electricity" => "245",
            "heat" => "233",
            _ => return Err("the resource is unknown"),
        };
        must(meter.unit_okei == okei, "unit_okei is not the unit of the resource")?;
        must((1..=15).contains(&meter.digits_int) && meter.digits_frac <= 7, "digits are out of range")?;
        must((1..=4).contains(&meter.tariff_count), "tariff_count is out of range")?;
        must(meter.verification_valid_until.as_deref().is_none_or(is_date), "verification_valid_until is no date")?;
        must(is_decimal(&meter.transformation_ratio, 6, 4), "transformation_ratio is no decimal")?;
        must(is_time(&self.taken_at), "taken_at is no RFC 3339 time")?;
        must(is_date(&self.date_value), "date_value is no date")?;
        let kind = self.source.kind.as_str();
        must(matches!(kind, "device" | "person" | "photo" | "installation"), "source.kind is unknown")?;
        must(self.source.protocol.as_deref().is_none_or(|name| within(name, 0..=64)), "source.protocol is too long")?;
        must(is_sha256(&self.source.raw_sha256), "raw_sha256 is no SHA-256")?;
        let values = self.values.in_order().ok_or("a tariff register is missing between others")?;
        for value in &values {
            must(is_decimal(value, 15, 7), "a value is no decimal string of up to 15.7 digits")?;
            let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
            must(
                whole.trim_start_matches('0').len() <= meter.digits_int.into(),
                "a value has more digits than the dial",
            )?;
            must(
                fraction.trim_end_matches('0').len() <= meter.digits_frac.into(),
                "a value has more decimals than the dial",
            )?;
        }
        // ГИС ЖКХ knows T1..T3 only: a fourth register stays at home unless the supplier takes it.
        let count = values.len();
        let withheld = meter.tariff_count == 4 && count == 3;
        must(count == usize::from(meter.tariff_count) || withheld, "the values are not as many as tariff_count")?;
        for registers in self.previous.iter().map(|previous| &previous.values).chain(&self.consumption) {
            let values = registers.in_order().ok_or("a register is missing between others")?;
            must(values.iter().all(|value| is_decimal(value, 15, 7)), "previous or consumption is no decimal string")?;
        }
        must(self.previous.as_ref().is_none_or(|previous| is_date(&previous.date)), "previous.date is no date")?;
        if let Some(photo) = &self.photo {
            must(is_sha256(&photo.sha256), "photo.sha256 is no SHA-256")?;
            must(matches!(photo.media_type.as_str(), "image/jpeg" | "image/png"), "photo.media_type is unknown")?;
        }
        Ok(())
    }
}
