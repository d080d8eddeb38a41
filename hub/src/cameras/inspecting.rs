//! What cameras say of themselves by ONVIF, asked once a day of each that is online: how old its firmware is, how long its
//! certificate still counts, whether its clock is right. Told once each; nothing of it is changed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domovoi_model::{Date, Id, Timestamp};
use domovoi_store::CameraCard;
use domovoi_video::onvif::{self, Survey};
use tokio::time::Instant;

use super::seat::Seat;
use super::{Inner, draft};

const LOOK_EVERY: Duration = Duration::from_secs(600);
const ASK_EVERY: Duration = Duration::from_secs(86_400);

/// Firmware that is older has holes that its maker has mended since, or will not mend any more.
const OLD_DAYS: i64 = 3 * 365;

/// Somebody needs time to make a new certificate.
const ENDS_SOON_MS: i64 = 30 * 86_400_000;

/// What people are to know of a camera's answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Age {
    /// The firmware is old: it was built then.
    pub built: Option<Date>,
    /// The certificate ends, or ended, then.
    pub ends: Option<Timestamp>,
}

/// What of an answer is worth a word, now. Pure.
pub(super) fn age_of(survey: &Survey, today: Date, now: Timestamp) -> Age {
    let built = survey.information.firmware_built().and_then(|(year, month, day)| {
        let built = Date::new(i16::try_from(year).ok()?, month, day)?;
        let old = today.days_since_epoch() - built.days_since_epoch() > OLD_DAYS;
        old.then_some(built)
    });
    let until = survey.certificate.as_ref().and_then(|certificate| certificate.valid_until);
    Age { built, ends: until.map(Timestamp).filter(|until| until.0 - now.0 < ENDS_SOON_MS) }
}

impl Inner {
    /// Asks each camera once a day.
    pub(super) async fn inspect_on(self: &Arc<Self>) {
        let mut asked: HashMap<Id, Instant> = HashMap::new();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            for seat in self.seats().values() {
                let card = seat.card();
                let due = asked.get(&seat.id).is_none_or(|at| at.elapsed() >= ASK_EVERY);
                if card.onvif.is_none() || !due || !seat.is_online() {
                    continue;
                }
                asked.insert(seat.id, Instant::now());
                self.inspect(seat, &card).await;
            }
        }
    }

    async fn inspect(&self, seat: &Seat, card: &CameraCard) {
        let Some(device) = card.onvif.as_deref().and_then(|place| onvif::device_service(place).ok()) else { return };
        // Nowhere but where its stream is: the login is that camera's.
        if device.host_str().map(|host| host.trim_matches(['[', ']'])) != Some(card.host.as_str()) {
            return;
        }
        let Ok(stream) = self.options(card) else { return };
        let mut options = onvif::Options::new(device, stream.login, self.wall());
        options.policy = draft::policy(&self.settings.allow, self.own_sockets());
        options.trust = stream.trust;
        let survey = match Box::pin(onvif::look(&options)).await {
            Ok(survey) => survey,
            Err(failure) => {
                tracing::debug!(camera = %seat.id, "nothing by ONVIF: {failure}");
                return;
            }
        };
        let Some(now) = self.clock.trusted() else { return };
        self.tell_age(seat, age_of(&survey, self.day_of(now), now)).await;
        if let Some(offset) = survey.clock_offset_ms {
            self.tell_clock(seat, offset.unsigned_abs()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use domovoi_video::onvif::Information;
    use domovoi_video::trust::{Certificate, Fingerprint};

    use super::*;

    #[test]
    fn old_firmware_and_a_certificate_that_ends_are_worth_a_word() {
        let now = Timestamp(1_795_262_400_000);
        let today = Date::new(2026, 11, 21).unwrap();
        let with = |firmware: &str, days: Option<i64>| Survey {
            information: Information { firmware: firmware.to_owned(), ..Information::default() },
            certificate: days.map(|days| Certificate {
                fingerprint: Fingerprint([0; 32]),
                subject: String::new(),
                issuer: String::new(),
                valid_from: None,
                valid_until: Some(now.0 + days * 86_400_000),
            }),
            ..Survey::default()
        };
        let of = |firmware, days| age_of(&with(firmware, days), today, now);
        assert_eq!(of("V5.5.82 build 190909", None).built, Date::new(2019, 9, 9));
        assert_eq!(of("V5.7.1 build 250101", Some(400)), Age::default());
        assert_eq!(of("1.0.3", None), Age::default(), "nobody knows");
        assert!(of("", Some(29)).ends.is_some() && of("", Some(-3)).ends.is_some());
    }
}
