//! Dates of the rooms for the calendar: when suppliers take readings, until when a meter's verification counts, when
//! certificates end, when bills are due. The rooms know them and the calendar reminds of them; here one is told the other's.

use std::time::Duration;

use domovoi_config::Language;
use domovoi_model::{ActState, Date, Resource, Timestamp};
use domovoi_store::Store;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use crate::bus::{Bus, Event};
use crate::calendar::{Calendar, EventKind, Given, GivenWhen, Priority, Text};
use crate::certificates::Certificates;
use crate::clock::Clock;
use crate::metering::Metering;
use crate::words::words;

/// Dates are looked at again so often, and this soon after something about them changed.
const LOOK_EVERY: Duration = Duration::from_secs(3600);
const SETTLES_IN: Duration = Duration::from_secs(2);

/// What has dates.
pub struct Diary {
    pub calendar: Calendar,
    pub metering: Metering,
    pub certificates: Option<Certificates>,
    pub store: Store,
    pub clock: Clock,
    pub bus: Bus,
}

impl Diary {
    /// Tells the calendar what the rooms know, until the house stops.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut ears = self.bus.listen();
        loop {
            self.tell().await;
            let changed = async {
                loop {
                    match ears.recv().await {
                        Ok(Event::RegisterChanged(_) | Event::Act(_)) | Err(RecvError::Lagged(_)) => break,
                        Ok(Event::Notice(key)) if key.starts_with(CAMERA_CERTIFICATE) => break,
                        Ok(_) => {}
                        Err(RecvError::Closed) => std::future::pending().await,
                    }
                }
                tokio::time::sleep(SETTLES_IN).await;
            };
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    async fn tell(&self) {
        // Without a clock nobody knows which windows are ahead.
        let Some(now) = self.clock.trusted() else { return };
        let windows = self.windows(now).await;
        self.calendar.feed("windows", windows);
        self.calendar.feed("verification", self.verifications());
        let mut certificates = self.certificates_of_the_page();
        certificates.extend(self.certificates_of_cameras().await);
        self.calendar.feed("certificates", certificates);
    }

    /// For each account the window that is open or comes next, and the one after it.
    async fn windows(&self, now: Timestamp) -> Vec<Given> {
        let register = self.metering.register();
        let mut dates = Vec::new();
        for account in &register.accounts {
            let Some(terms) = self.metering.supplier(&account.supplier) else { continue };
            let resources: Vec<Resource> = register.points_of(account.id).map(|point| point.resource).collect();
            let Some(today) = terms.day_at(now) else { continue };
            let mut period = today.period().previous();
            for _ in 0..4 {
                let days = terms.days(period, &resources).filter(|(_, last)| *last >= today);
                if let Some((first, last)) = days {
                    let act = self.metering.live_act(account.id, period).await.ok().flatten();
                    let done = act.is_some_and(|act| matches!(act.state, ActState::Received { .. }));
                    let label = account.label.as_str();
                    dates.push(Given {
                        key: format!("{}:{period}", account.id),
                        title: said("diary-window", &[("account", label)]),
                        notes: said(
                            "diary-window-notes",
                            &[("period", &period.to_string()), ("last", &last.to_string())],
                        ),
                        kind: EventKind::Window,
                        priority: Priority::Normal,
                        when: GivenWhen::Days(first, last),
                        remind: None,
                        todo: false,
                        done,
                        link: Some("/acts".to_owned()),
                    });
                }
                period = period.next();
            }
        }
        dates
    }

    fn verifications(&self) -> Vec<Given> {
        let register = self.metering.register();
        let standing = register.meters.iter().filter(|meter| meter.removed.is_none());
        let dated = standing.filter_map(|meter| Some((meter, meter.verification_valid_until?)));
        dated
            .map(|(meter, until)| {
                let point = register.point(meter.point).map_or("", |point| point.name.as_str());
                let named = [("point", point), ("serial", meter.serial.as_str())];
                Given {
                    key: format!("{}:{until}", meter.id),
                    title: said("diary-verification", &named),
                    notes: said("diary-verification-notes", &named),
                    kind: EventKind::Verification,
                    priority: Priority::High,
                    when: GivenWhen::Day(until),
                    remind: None,
                    todo: true,
                    done: false,
                    link: Some("/meters".to_owned()),
                }
            })
            .collect()
    }

    /// Those that somebody has to renew: the hub's own authority renews its certificates by itself.
    fn certificates_of_the_page(&self) -> Vec<Given> {
        let Some(certificates) = self.certificates.as_ref().filter(|certificates| !certificates.is_own()) else {
            return Vec::new();
        };
        let papers = certificates.standing().papers;
        let paper = papers.first();
        paper
            .map(|paper| {
                let name = paper.names.first().map_or("", String::as_str);
                certificate(format!("page:{}", paper.not_after.0), name, GivenWhen::At(paper.not_after))
            })
            .into_iter()
            .collect()
    }

    /// The cameras' room says so in a notice when the end comes near.
    async fn certificates_of_cameras(&self) -> Vec<Given> {
        let open = match self.store.notices().open().await {
            Ok(open) => open,
            Err(error) => {
                tracing::warn!("which certificates of cameras end is not known: {error}");
                return Vec::new();
            }
        };
        let ends = open.iter().filter(|open| open.notice.kind == CAMERA_CERTIFICATE);
        ends.filter_map(|open| {
            let of =
                |name: &str| open.notice.params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
            let on = day_of(of("date")?)?;
            Some(certificate(open.key.clone(), of("camera").unwrap_or_default(), GivenWhen::Day(on)))
        })
        .collect()
    }
}

/// The kind of notice by which cameras say it.
const CAMERA_CERTIFICATE: &str = "camera_certificate_ends";

/// `21.11.2026`, as notices spell it.
fn day_of(text: &str) -> Option<Date> {
    let mut parts = text.split('.');
    let (day, month, year) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Date::new(year, month, day)
}

fn certificate(key: String, name: &str, when: GivenWhen) -> Given {
    Given {
        key,
        title: said("diary-certificate", &[("name", name)]),
        notes: said("diary-certificate-notes", &[("name", name)]),
        kind: EventKind::Certificate,
        priority: Priority::High,
        when,
        remind: None,
        todo: true,
        done: false,
        link: None,
    }
}

fn said(key: &str, named: &[(&str, &str)]) -> Text {
    Text { ru: words(Language::Russian).say(key, named), en: words(Language::English).say(key, named) }
}
