//! The ledger's rules: what is to be believed of a value that a register is said to show. Pure; the ledger performs.
//!
//! Every rule has a visible verdict. What is refused is kept with the reason: a household that is billed by these
//! numbers must be able to see why one of them did not count.

use domovoi_model::{Finding, Meter, Resource, Timestamp, Verdict};
use rust_decimal::Decimal;

/// The last value the ledger believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Last {
    /// What the register showed.
    pub value: Decimal,
    /// When it was written; `None` when the clock was not trusted then.
    pub at: Option<Timestamp>,
    /// When it was last said. A tap that nobody opened for a day gives no room for a day's water in a minute.
    pub seen_at: Option<Timestamp>,
    /// A person read it off the face: finer than a device that counts whole pulses.
    pub by_person: bool,
    /// It is the register as it stood when the meter was put in: the time since then is no gap.
    pub installation: bool,
}

/// The last value that was not believed, since the last one that was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubted {
    /// What was said.
    pub value: Decimal,
    /// When.
    pub at: Option<Timestamp>,
    /// Why it was not believed.
    pub finding: Finding,
    /// How many values in a row were not believed.
    pub in_a_row: u32,
}

/// A value offered to the ledger, already in the resource's unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// What the register is said to show.
    pub value: Decimal,
    /// When it was read; `None` while the clock is not trusted.
    pub at: Option<Timestamp>,
    /// The device's own complaint, if it made one.
    pub complaint: Option<String>,
    /// A person looked at the meter's face.
    pub by_person: bool,
}

/// A value that stands still is written again after this long, so that its freshness can be seen.
const STILL_ALIVE_MILLIS: i64 = 24 * 3_600_000;

/// Without a value for longer than this, when in it the consumption fell is called unknown.
const GAP_MILLIS: i64 = 36 * 3_600_000;

/// A doubt of the same kind is written again only after this long: a broken device must not fill the ledger.
const DOUBT_AGAIN_MILLIS: i64 = 3_600_000;

/// So many low values in a row are no glitch: another meter hangs there, or the device began anew.
const SWAP_AFTER: u32 = 3;

/// When nobody knows how long ago the last value was, the jump rule assumes this much.
const UNKNOWN_AGE_HOURS: i64 = 30 * 24;

/// The most a household meter of this resource can move in an hour, in the resource's unit: the overload flow of a
/// DN15 water meter (3 m³/h), a three-phase 40 A inlet (26 kWh), a G6 gas meter (10 m³/h), a flat's heat (0.05 Gcal).
fn most_per_hour(resource: Resource) -> Decimal {
    match resource {
        Resource::ColdWater | Resource::HotWater => Decimal::new(3, 0),
        Resource::Electricity => Decimal::new(26, 0),
        Resource::Gas => Decimal::new(10, 0),
        Resource::Heat => Decimal::new(5, 2),
    }
}

/// Whether a device that counts whole pulses says no less than it can know of what a person read.
pub fn is_a_pulse_behind(last: &Last, value: Decimal, resource: Resource) -> bool {
    last.by_person && value < last.value && last.value - value <= pulse(resource)
}

/// How far a device that counts whole pulses may stand behind what a person reads off the face.
fn pulse(resource: Resource) -> Decimal {
    match resource {
        Resource::ColdWater | Resource::HotWater | Resource::Gas => Decimal::new(1, 1),
        Resource::Electricity => Decimal::ONE,
        Resource::Heat => Decimal::new(1, 2),
    }
}

/// What of the next hour may be seen at once: a device that reports late, a display that rounds.
const SLACK_HOURS: i64 = 1;

/// Judges one value. `None`: nothing new, no row is written.
pub fn judge(
    meter: &Meter,
    resource: Resource,
    last: Option<&Last>,
    doubted: Option<&Doubted>,
    offered: &Offered,
) -> Option<Verdict> {
    let verdict = believe(meter, resource, last, doubted, offered)?;
    if let (Some(finding), Some(doubted), false, false) =
        (verdict.finding(), doubted, verdict.is_accepted(), offered.by_person)
    {
        let same = std::mem::discriminant(finding) == std::mem::discriminant(&doubted.finding);
        let recent = match (doubted.at, offered.at) {
            (Some(then), Some(now)) => now.0.saturating_sub(then.0) < DOUBT_AGAIN_MILLIS,
            _ => true,
        };
        // Three glitches in a row have to be written one by one, or nobody can count to three.
        let counting = matches!(finding, Finding::GlitchToZero | Finding::Decreased) && doubted.in_a_row < SWAP_AFTER;
        if same && recent && !counting {
            return None;
        }
    }
    Some(verdict)
}

fn believe(
    meter: &Meter,
    resource: Resource,
    last: Option<&Last>,
    doubted: Option<&Doubted>,
    offered: &Offered,
) -> Option<Verdict> {
    let value = offered.value;
    if value.is_sign_negative() && !value.is_zero() {
        return Some(Verdict::Ignored(Finding::Negative));
    }
    if value >= meter.rollover_at() {
        return Some(Verdict::Ignored(Finding::TooManyDigits));
    }
    if let Some(words) = offered.complaint.as_ref().filter(|words| spoils_the_value(words)) {
        return Some(Verdict::Held(Finding::DeviceComplaint(words.clone())));
    }
    let Some(last) = last else {
        return Some(Verdict::Accepted(offered.complaint.clone().map(Finding::DeviceComplaint)));
    };
    let since = |then: Option<Timestamp>| match (then, offered.at) {
        (Some(then), Some(now)) => Some(now.0.saturating_sub(then.0).max(0)),
        _ => None,
    };
    let elapsed = since(last.seen_at);
    if !offered.by_person && is_a_pulse_behind(last, value, resource) {
        return None;
    }
    if value == last.value {
        let quiet = since(last.at).is_none_or(|millis| millis < STILL_ALIVE_MILLIS);
        // A doubt is over when the register shows again what it showed before it: that is worth a row.
        if quiet && doubted.is_none() && !offered.by_person {
            return None;
        }
        return Some(Verdict::Accepted(offered.complaint.clone().map(Finding::DeviceComplaint)));
    }
    let hours = Decimal::from(elapsed.unwrap_or(UNKNOWN_AGE_HOURS * 3_600_000)) / Decimal::from(3_600_000)
        + Decimal::from(SLACK_HOURS);
    let most = most_per_hour(resource) * hours;
    if value < last.value {
        return Some(fell(meter, last, doubted, value, most));
    }
    // Time alone makes no jump plausible: what was held once waits for a person, or for the register to take it back.
    let still_doubted = doubted.is_some_and(|d| {
        let jumped = matches!(d.finding, Finding::ImplausibleJump | Finding::ConfirmedByPerson);
        jumped && value >= d.value && !offered.by_person
    });
    if still_doubted || (value - last.value) * meter.multiplier > most {
        return Some(Verdict::Held(Finding::ImplausibleJump));
    }
    let finding = match elapsed {
        Some(millis) if millis > GAP_MILLIS && !last.installation => {
            Some(Finding::Gap { hours: u32::try_from(millis / 3_600_000).unwrap_or(u32::MAX) })
        }
        _ => offered.complaint.clone().map(Finding::DeviceComplaint),
    };
    Some(Verdict::Accepted(finding))
}

/// A value below the last one: rollover, glitch, swap, or simply wrong.
fn fell(meter: &Meter, last: &Last, doubted: Option<&Doubted>, value: Decimal, most: Decimal) -> Verdict {
    let limit = meter.rollover_at();
    let near_the_end = last.value >= limit * Decimal::new(9, 1);
    let use_over_the_end = (limit - last.value + value) * meter.multiplier;
    if near_the_end && !value.is_zero() && use_over_the_end <= most {
        // Legal only when plausible, and even then no supplier's rule was found for it: the owner is asked.
        return Verdict::Held(Finding::Rollover);
    }
    let low_before = doubted.is_some_and(|d| {
        d.in_a_row >= SWAP_AFTER
            && d.value <= value
            && matches!(d.finding, Finding::GlitchToZero | Finding::Decreased | Finding::SwapSuspected)
    });
    if low_before {
        return Verdict::Held(Finding::SwapSuspected);
    }
    if value.is_zero() { Verdict::Ignored(Finding::GlitchToZero) } else { Verdict::Held(Finding::Decreased) }
}

/// A leak or a weak battery leaves the register right; an error or a hand on the meter does not.
fn spoils_the_value(words: &str) -> bool {
    let words = words.to_ascii_uppercase();
    ["ERROR", "FAULT", "TAMPER", "FRAUD", "REVERSE", "BACKFLOW", "INVALID", "UNKNOWN"]
        .iter()
        .any(|word| words.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domovoi_model::{Date, Id, MeterId, PointId, RegisterValues};

    const HOUR: i64 = 3_600_000;
    const T0: i64 = 1_795_000_000_000;

    fn dec(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn meter() -> Meter {
        Meter {
            id: MeterId(Id([1; 16])),
            point: PointId(Id([2; 16])),
            serial: "12345699".into(),
            model: None,
            digits_int: 5,
            digits_frac: 3,
            tariffs: 1,
            multiplier: Decimal::ONE,
            installed: Date::new(2024, 1, 1).unwrap(),
            start: RegisterValues::single(Decimal::ZERO),
            verified: None,
            verification_valid_until: None,
            removed: None,
        }
    }

    fn last(value: &str) -> Last {
        Last {
            value: dec(value),
            at: Some(Timestamp(T0)),
            seen_at: Some(Timestamp(T0)),
            by_person: false,
            installation: false,
        }
    }

    fn offered(value: &str, hours_later: i64) -> Offered {
        Offered { value: dec(value), at: Some(Timestamp(T0 + hours_later * HOUR)), complaint: None, by_person: false }
    }

    fn water(last: &Last, offer: &Offered) -> Option<Verdict> {
        judge(&meter(), Resource::ColdWater, Some(last), None, offer)
    }

    #[test]
    fn a_register_that_moves_plausibly_is_believed() {
        assert_eq!(water(&last("100"), &offered("100.250", 1)), Some(Verdict::Accepted(None)));
        assert_eq!(
            judge(&meter(), Resource::ColdWater, None, None, &offered("7.704", 0)),
            Some(Verdict::Accepted(None))
        );
    }

    #[test]
    fn a_register_that_stands_still_is_written_once_a_day() {
        assert_eq!(water(&last("100"), &offered("100", 1)), None);
        assert_eq!(water(&last("100"), &offered("100.000", 25)), Some(Verdict::Accepted(None)));
    }

    #[test]
    fn zero_and_back_is_a_glitch_and_many_zeros_are_a_swap() {
        let zero = offered("0", 1);
        assert_eq!(water(&last("100"), &zero), Some(Verdict::Ignored(Finding::GlitchToZero)));
        let twice = Doubted { value: dec("0"), at: zero.at, finding: Finding::GlitchToZero, in_a_row: 3 };
        let rising = offered("0.1", 2);
        let verdict = judge(&meter(), Resource::ColdWater, Some(&last("100")), Some(&twice), &rising);
        assert_eq!(verdict, Some(Verdict::Held(Finding::SwapSuspected)));
        let back = judge(&meter(), Resource::ColdWater, Some(&last("100")), Some(&twice), &offered("100", 1));
        assert_eq!(back, Some(Verdict::Accepted(None)), "the register is believed again, and it is written");
    }

    #[test]
    fn a_rollover_needs_a_full_register_and_a_plausible_use_and_is_shown_to_the_owner() {
        assert_eq!(water(&last("99999.5"), &offered("0.7", 2)), Some(Verdict::Held(Finding::Rollover)));
        assert_eq!(water(&last("99999.5"), &offered("500", 2)), Some(Verdict::Held(Finding::Decreased)));
        assert_eq!(water(&last("50000"), &offered("0.7", 2)), Some(Verdict::Held(Finding::Decreased)));
    }

    #[test]
    fn a_jump_is_measured_against_the_time_it_had() {
        assert_eq!(water(&last("100"), &offered("140", 1)), Some(Verdict::Held(Finding::ImplausibleJump)));
        assert_eq!(water(&last("100"), &offered("140", 24)), Some(Verdict::Accepted(None)));
        assert_eq!(
            water(&last("100"), &offered("140", 240)),
            Some(Verdict::Accepted(Some(Finding::Gap { hours: 240 })))
        );
        let behind = Meter { multiplier: dec("40"), ..meter() };
        let verdict = judge(&behind, Resource::Electricity, Some(&last("100")), None, &offered("102", 1));
        assert_eq!(verdict, Some(Verdict::Held(Finding::ImplausibleJump)), "2 on the face are 80 kWh in the cable");
    }

    #[test]
    fn what_no_register_can_show_is_ignored() {
        assert_eq!(water(&last("100"), &offered("-1400", 1)), Some(Verdict::Ignored(Finding::Negative)));
        assert_eq!(water(&last("100"), &offered("100000", 1)), Some(Verdict::Ignored(Finding::TooManyDigits)));
        assert_eq!(
            judge(&meter(), Resource::ColdWater, None, None, &offered("-0.001", 0)),
            Some(Verdict::Ignored(Finding::Negative))
        );
    }

    #[test]
    fn a_complaint_holds_the_value_only_if_it_spoils_it() {
        let tampered = Offered { complaint: Some("TAMPER".into()), ..offered("100.1", 1) };
        assert!(matches!(water(&last("100"), &tampered), Some(Verdict::Held(Finding::DeviceComplaint(_)))));
        let leaking = Offered { complaint: Some("LEAKAGE".into()), ..offered("100.1", 1) };
        assert!(matches!(water(&last("100"), &leaking), Some(Verdict::Accepted(Some(Finding::DeviceComplaint(_))))));
    }

    #[test]
    fn a_broken_device_does_not_fill_the_ledger() {
        let doubted = Doubted {
            value: dec("500"),
            at: Some(Timestamp(T0 + HOUR)),
            finding: Finding::ImplausibleJump,
            in_a_row: 1,
        };
        let again = Offered { at: Some(Timestamp(T0 + HOUR + 1000)), ..offered("501", 1) };
        assert_eq!(judge(&meter(), Resource::ColdWater, Some(&last("100")), Some(&doubted), &again), None);
        let later = offered("502", 3);
        assert!(judge(&meter(), Resource::ColdWater, Some(&last("100")), Some(&doubted), &later).is_some());
    }

    #[test]
    fn without_a_trusted_clock_a_plausible_month_is_assumed() {
        let unknown = Offered { at: None, ..offered("180", 0) };
        assert_eq!(water(&last("100"), &unknown), Some(Verdict::Accepted(None)));
        let too_far = Offered { at: None, ..offered("9000", 0) };
        assert_eq!(water(&last("100"), &too_far), Some(Verdict::Held(Finding::ImplausibleJump)));
    }

    #[test]
    fn a_quiet_day_gives_no_room_for_a_days_water_in_a_minute() {
        let seen_lately = Last { seen_at: Some(Timestamp(T0 + 23 * HOUR)), ..last("100") };
        assert_eq!(water(&seen_lately, &offered("170", 23)), Some(Verdict::Held(Finding::ImplausibleJump)));
    }

    #[test]
    fn a_held_jump_does_not_become_believed_by_waiting() {
        let doubted = Doubted {
            value: dec("140"),
            at: Some(Timestamp(T0 + HOUR)),
            finding: Finding::ImplausibleJump,
            in_a_row: 1,
        };
        let judged =
            |value| judge(&meter(), Resource::ColdWater, Some(&last("100")), Some(&doubted), &offered(value, 48));
        assert_eq!(judged("140"), Some(Verdict::Held(Finding::ImplausibleJump)));
        assert!(judged("101").is_some_and(|verdict| verdict.is_accepted()), "the register has taken it back");
        let person = Offered { by_person: true, ..offered("140", 48) };
        let verdict = judge(&meter(), Resource::ColdWater, Some(&last("100")), Some(&doubted), &person);
        assert!(verdict.is_some_and(|verdict| verdict.is_accepted()), "a person has the last word");
    }

    #[test]
    fn a_pulse_counter_may_stand_a_pulse_behind_a_person() {
        let read = Last { by_person: true, ..last("100.004") };
        assert_eq!(water(&read, &offered("100.00", 1)), None);
        assert_eq!(water(&read, &offered("99.8", 1)), Some(Verdict::Held(Finding::Decreased)));
    }

    proptest::proptest! {
        #[test]
        fn a_believed_value_never_goes_down(start in 0u64..99_999_000, steps in proptest::collection::vec((0i64..99_999_999, 0i64..100), 1..60)) {
            let mut last = Last { value: Decimal::new(start as i64, 3), at: Some(Timestamp(T0)), seen_at: Some(Timestamp(T0)), by_person: false, installation: false };
            let mut now = T0;
            for (millis, hours) in steps {
                now += hours * HOUR;
                let offer = Offered { value: Decimal::new(millis, 3), at: Some(Timestamp(now)), complaint: None, by_person: false };
                if let Some(Verdict::Accepted(_)) = water(&last, &offer) {
                    proptest::prop_assert!(offer.value >= last.value);
                    last = Last { value: offer.value, at: offer.at, seen_at: offer.at, ..last };
                }
            }
        }
    }
}
