//! What the portal thinks of an act that is well-formed and well-signed: first the rules that refuse it whole, then a
//! verdict per reading. Pure functions of what is held, the act and the time; nothing is kept here.

use axum::http::StatusCode;
use rust_decimal::Decimal;

use super::{
    document::{Act, Reading},
    held::{Rejection, StoredAct, StoredReading},
    window,
};
use crate::portal::{
    jose::sha256_hex,
    problem::Problem,
    settings::{AccountSpec, AccountState, MeteringPointSpec},
    state::State,
};

/// The account, if the act may be taken at all.
pub(crate) fn admit<'a>(state: &'a State, act: &Act, now_ms: i64) -> Result<&'a AccountSpec, Problem> {
    let (supplier, number) = (&act.account.supplier_id, &act.account.account_number);
    let account = state
        .accounts
        .iter()
        .find(|account| account.supplier_id == *supplier && account.account_number == *number)
        .ok_or_else(|| {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "account-unknown", "the citizen has no such account")
        })?;
    match account.status {
        AccountState::Active => {}
        AccountState::Pending => {
            return Err(Problem::new(StatusCode::FORBIDDEN, "account-pending", "the account waits for confirmation"));
        }
        AccountState::Blocked => {
            return Err(Problem::new(StatusCode::FORBIDDEN, "account-blocked", "remote submission is blocked"));
        }
    }
    let conflict = |code, detail: String| Err(Problem::new(StatusCode::CONFLICT, code, detail));
    let accepted = |held: &&StoredReading| held.rejected.is_none();
    for reading in &act.readings {
        let mut held = state.acts.iter().flat_map(|act| &act.readings).filter(accepted);
        if held.any(|held| held.reading_id == reading.reading_id) {
            return conflict("reading-exists", format!("reading {} was accepted before", reading.reading_id));
        }
    }
    let period = (act.period.year, act.period.month);
    let ours = |held: &&StoredAct| held.is_of(supplier, number) && held.period == period;
    let live = state.acts.iter().filter(ours).find(|held| state.is_live(held));
    match (live, &act.supersedes) {
        (Some(live), named) if named.as_ref() != Some(&live.act_id) => {
            return conflict("period-exists", format!("act {} stands for this period", live.act_id));
        }
        _ => {}
    }
    if account.takes_late && window::has_begun(account.window, &account.time_zone, period, now_ms) {
        return Ok(account);
    }
    window::open(account.window, &account.time_zone, period, now_ms).map_err(|opens_at| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "window-closed", format!("readings are taken from {opens_at}"))
            .opens_at(opens_at)
    })?;
    Ok(account)
}

/// Whether the act names the act before it as we hold it. The chain is evidence and no reason to refuse: an act that was
/// refused for good never came here, and the hub's next one names it all the same.
pub(crate) fn chain_holds(state: &State, act: &Act) -> bool {
    let mut held = state
        .acts
        .iter()
        .rev()
        .filter(|held| held.is_of(&act.account.supplier_id, &act.account.account_number))
        .peekable();
    let last = held.peek().map(|held| held.sha256.as_str());
    let last_by_key = held.find(|held| held.key_id == act.key_id).map(|held| held.sha256.as_str());
    let given = act.previous_act_sha256.as_deref();
    given == last_by_key || (given.is_some() && given == last)
}

pub(crate) fn verdicts(state: &State, account: &AccountSpec, act: &Act) -> Vec<StoredReading> {
    act.readings
        .iter()
        .map(|reading| {
            let rejected = reject(state, account, act, reading)
                .map(|(code, detail)| Rejection { code: code.to_owned(), detail: detail.to_owned() });
            StoredReading {
                reading_id: reading.reading_id.clone(),
                serial: reading.meter.serial.clone(),
                resource: reading.meter.resource.clone(),
                values: reading.values.in_order().unwrap_or_default(),
                date_value: reading.date_value.clone(),
                photo_sha256: reading.photo.as_ref().map(|photo| photo.sha256.clone()),
                unique_number: sha256_hex(&reading.reading_id).chars().take(16).collect(),
                rejected,
            }
        })
        .collect()
}

fn reject(state: &State, account: &AccountSpec, act: &Act, reading: &Reading) -> Option<(&'static str, &'static str)> {
    let Some(point) = account
        .metering_points
        .iter()
        .find(|point| point.serial == reading.meter.serial && point.resource.as_str() == reading.meter.resource)
    else {
        return Some(("meter-unknown", "the account has no such meter"));
    };
    if reading.values.t4.is_some() && !account.takes_t4 {
        return Some(("t4-not-taken", "this supplier takes T1 to T3"));
    }
    if reading.meter.tariff_count != point.tariff_count {
        return Some(("tariff-mismatch", "the meter has another number of tariffs"));
    }
    // Dates of one spelling compare as text.
    if point.verification_valid_until.as_ref().is_some_and(|until| reading.date_value > *until) {
        return Some(("verification-expired", "the meter's verification has expired"));
    }
    let (last, _) = last_accepted(state, account, point, Some(act));
    let values = reading.values.in_order().unwrap_or_default();
    let decreasing = last.iter().zip(&values).any(|(last, value)| {
        matches!((last.parse::<Decimal>(), value.parse::<Decimal>()), (Ok(last), Ok(value)) if value < last)
    });
    decreasing.then_some(("decreasing", "the value is below the last accepted one"))
}

/// Values and their date. An act under judgement is compared with live acts of its own and earlier periods, less the one
/// that it corrects.
pub(crate) fn last_accepted(
    state: &State,
    account: &AccountSpec,
    point: &MeteringPointSpec,
    judging: Option<&Act>,
) -> (Vec<String>, Option<String>) {
    let counts = |held: &&StoredAct| {
        held.is_of(&account.supplier_id, &account.account_number)
            && state.is_live(held)
            && judging.is_none_or(|act| {
                held.period <= (act.period.year, act.period.month) && act.supersedes.as_ref() != Some(&held.act_id)
            })
    };
    state
        .acts
        .iter()
        .filter(counts)
        .flat_map(|held| held.readings.iter().map(move |reading| (held.period, held.ordinal, reading)))
        .filter(|(_, _, reading)| {
            reading.rejected.is_none() && reading.serial == point.serial && reading.resource == point.resource.as_str()
        })
        .max_by_key(|(period, ordinal, _)| (*period, *ordinal))
        .map_or_else(
            || (point.last_accepted.clone(), point.last_accepted_on.clone()),
            |(_, _, reading)| (reading.values.clone(), Some(reading.date_value.clone())),
        )
}
