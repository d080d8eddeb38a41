//! `GET /accounts`: what the citizen pays for, where it is measured, and when readings are taken.

use domovoi_model::{Date, RegisterValues, Resource};
use reqwest::Method;
use serde::Deserialize;

use super::wire;
use crate::outside::tame;
use crate::portal::{CallError, Portal};

/// An account as the portal has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortalAccount {
    /// The portal's id of the supplier.
    pub supplier_id: String,
    /// Its name.
    pub supplier_name: String,
    /// «Лицевой счёт».
    pub account_number: String,
    /// The unified account of ГИС ЖКХ.
    pub els: Option<String>,
    /// The service id of ГИС ЖКХ.
    pub jku_id: Option<String>,
    /// Whether readings are taken for it.
    pub status: AccountStatus,
    /// IANA name of the supplier's time zone.
    pub time_zone: Option<String>,
    /// Whether the supplier takes a fourth tariff register.
    pub takes_t4: bool,
    /// When readings of a period are taken.
    pub window: Window,
    /// Where it is measured.
    pub metering_points: Vec<PortalPoint>,
}

/// How an account stands at the portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountStatus {
    /// Readings are taken.
    Active,
    /// Awaits confirmation.
    Pending,
    /// No readings are taken.
    Blocked,
}

/// From the beginning of one day to the end of another, relative to the period's month; may cross its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first day.
    pub start: WindowDay,
    /// The last day.
    pub end: WindowDay,
}

/// A day of the period's month or of the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowDay {
    /// 1..=31; `None` is the last day of the month.
    pub day: Option<u8>,
    /// Of the month after the period's.
    pub next_month: bool,
}

/// A metering point as the portal has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortalPoint {
    /// What is measured.
    pub resource: Resource,
    /// The meter's number.
    pub serial: String,
    /// How many tariff registers, 1..=4.
    pub tariff_count: u8,
    /// Digits before the point.
    pub digits_int: Option<u8>,
    /// Digits after the point.
    pub digits_frac: Option<u8>,
    /// The last day on which the verification counts.
    pub verification_valid_until: Option<Date>,
    /// What was accepted last, and for which day.
    pub last_accepted: Option<(RegisterValues, Option<Date>)>,
}

#[derive(Deserialize)]
struct ListDto {
    accounts: Vec<AccountDto>,
}

#[derive(Deserialize)]
struct AccountDto {
    supplier_id: String,
    supplier_name: String,
    account_number: String,
    els: Option<String>,
    jku_id: Option<String>,
    status: String,
    time_zone: Option<String>,
    #[serde(default)]
    takes_t4: bool,
    window: WindowDto,
    metering_points: Vec<PointDto>,
}

#[derive(Deserialize)]
struct WindowDto {
    start: DayDto,
    end: DayDto,
}

#[derive(Deserialize)]
struct DayDto {
    date: Option<u8>,
    #[serde(default)]
    last_day: bool,
    #[serde(default)]
    is_next_month: bool,
}

#[derive(Deserialize)]
struct PointDto {
    resource: String,
    serial: String,
    tariff_count: u8,
    digits_int: Option<u8>,
    digits_frac: Option<u8>,
    verification_valid_until: Option<String>,
    last_accepted: Option<wire::RegistersDto>,
    last_accepted_on: Option<String>,
}

/// All accounts that the link reaches.
pub async fn call(portal: &Portal) -> Result<Vec<PortalAccount>, CallError> {
    let answer = portal.send(wire::request(portal, Method::GET, &["accounts"])).await?;
    let list: ListDto = wire::read(&answer)?;
    list.accounts.into_iter().map(account).collect()
}

fn account(dto: AccountDto) -> Result<PortalAccount, CallError> {
    let status = match dto.status.as_str() {
        "active" => AccountStatus::Active,
        "pending" => AccountStatus::Pending,
        "blocked" => AccountStatus::Blocked,
        other => return Err(wire::odd("status", other, "active, pending or blocked")),
    };
    if dto.account_number.is_empty() || dto.account_number.chars().count() > 30 {
        return Err(wire::odd("account_number", &dto.account_number, "1 to 30 characters"));
    }
    Ok(PortalAccount {
        supplier_id: tame(&dto.supplier_id, 64),
        supplier_name: tame(&dto.supplier_name, 200),
        account_number: dto.account_number,
        els: dto.els,
        jku_id: dto.jku_id,
        status,
        time_zone: dto.time_zone,
        takes_t4: dto.takes_t4,
        window: Window { start: day(&dto.window.start)?, end: day(&dto.window.end)? },
        metering_points: dto.metering_points.into_iter().map(point).collect::<Result<_, _>>()?,
    })
}

fn day(dto: &DayDto) -> Result<WindowDay, CallError> {
    let day = match (dto.last_day, dto.date) {
        (true, _) => None,
        (false, Some(date @ 1..=31)) => Some(date),
        (false, other) => {
            let shown = other.map_or("absent".to_owned(), |date| date.to_string());
            return Err(wire::odd("window date", &shown, "1 to 31, or last_day"));
        }
    };
    Ok(WindowDay { day, next_month: dto.is_next_month })
}

fn point(dto: PointDto) -> Result<PortalPoint, CallError> {
    if !(1..=4).contains(&dto.tariff_count) {
        return Err(wire::odd("tariff_count", &dto.tariff_count.to_string(), "1 to 4"));
    }
    let on = dto.last_accepted_on.as_deref().map(|text| wire::date("last_accepted_on", text)).transpose()?;
    let last = dto.last_accepted.map(|registers| registers.values("last_accepted")).transpose()?;
    let until = dto.verification_valid_until.as_deref();
    Ok(PortalPoint {
        resource: wire::resource(&dto.resource)?,
        serial: tame(&dto.serial, 50),
        tariff_count: dto.tariff_count,
        digits_int: dto.digits_int,
        digits_frac: dto.digits_frac,
        verification_valid_until: until.map(|text| wire::date("verification_valid_until", text)).transpose()?,
        last_accepted: last.map(|values| (values, on)),
    })
}
