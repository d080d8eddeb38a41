//! What one supplier asks of readings: windows, decimals, plausible consumption. Data from the settings file, in the
//! form in which the rules of this room use it.

use domovoi_config::{Late, Rounding, Service, Supplier, Window};
use domovoi_model::{Date, Period, Resource, Timestamp};
use jiff::tz::TimeZone;

/// One supplier's terms.
#[derive(Debug, Clone)]
pub struct Terms {
    /// As the settings file and the portal call it.
    pub id: String,
    /// As people call it.
    pub name: String,
    /// Days are days there.
    pub time_zone: TimeZone,
    /// Whether it takes a fourth tariff register.
    pub takes_t4: bool,
    /// What to do when a window was missed.
    pub late: Late,
    /// When it takes readings.
    pub windows: Vec<Window>,
    /// How it takes them.
    pub services: Vec<Service>,
}

impl From<Supplier> for Terms {
    fn from(supplier: Supplier) -> Self {
        Terms {
            id: supplier.id,
            name: supplier.name,
            time_zone: supplier.time_zone,
            takes_t4: supplier.takes_t4,
            late: supplier.late,
            windows: supplier.windows,
            services: supplier.services,
        }
    }
}

impl Terms {
    /// The calendar day at this moment, where the supplier is.
    pub fn day_at(&self, at: Timestamp) -> Option<Date> {
        let zoned = jiff::Timestamp::from_millisecond(at.0).ok()?.to_zoned(self.time_zone.clone());
        let date = zoned.date();
        Date::new(date.year(), u8::try_from(date.month()).ok()?, u8::try_from(date.day()).ok()?)
    }

    /// The moment this day begins there.
    pub fn start_of(&self, day: Date) -> Option<Timestamp> {
        let date =
            jiff::civil::Date::new(day.year(), i8::try_from(day.month()).ok()?, i8::try_from(day.day()).ok()?).ok()?;
        let zoned = self.time_zone.to_zoned(date.to_datetime(jiff::civil::Time::midnight())).ok()?;
        Some(Timestamp(zoned.timestamp().as_millisecond()))
    }

    /// The moment spelled as RFC 3339 with the offset that holds there then.
    pub fn rfc3339(&self, at: Timestamp) -> String {
        match jiff::Timestamp::from_millisecond(at.0) {
            Ok(stamp) => {
                let zoned = stamp.to_zoned(self.time_zone.clone());
                stamp.display_with_offset(zoned.offset()).to_string()
            }
            Err(_) => at.to_string(),
        }
    }

    /// How a resource is taken; three decimals where the settings say nothing.
    pub fn service(&self, resource: Resource) -> Service {
        self.services.iter().find(|service| service.resource == resource).cloned().unwrap_or(Service {
            resource,
            decimals: 3,
            rounding: Rounding::Down,
            max_per_month: None,
        })
    }

    /// The days between which readings of `period` are taken for any of these resources: earliest start, latest end.
    pub fn days(&self, period: Period, resources: &[Resource]) -> Option<(Date, Date)> {
        self.windows_of(resources)
            .map(|window| window.dates(period))
            .reduce(|(first, last), (start, end)| (first.min(start), last.max(end)))
    }

    /// Whether readings of this resource for `period` are taken on this day.
    pub fn takes_on(&self, period: Period, resource: Resource, day: Date) -> bool {
        self.windows_of(&[resource]).any(|window| {
            let (first, last) = window.dates(period);
            first <= day && day <= last
        })
    }

    /// The period whose window is open on this day, for any of these resources. Where the month's end is crossed, the
    /// older period wins: it will not come again.
    pub fn open_period(&self, day: Date, resources: &[Resource]) -> Option<Period> {
        let open = |period: &Period| resources.iter().any(|resource| self.takes_on(*period, *resource, day));
        [day.period().previous(), day.period()].into_iter().find(open)
    }

    /// The day on which an act of these resources can first be whole: every resource's window has opened. Where one
    /// closes before another opens there is no such day, and the first opening counts.
    pub fn whole_from(&self, period: Period, resources: &[Resource]) -> Option<Date> {
        let spans: Vec<(Date, Date)> =
            resources.iter().filter_map(|resource| self.days(period, &[*resource])).collect();
        let latest_start = spans.iter().map(|(first, _)| *first).max()?;
        let earliest_end = spans.iter().map(|(_, last)| *last).min()?;
        if latest_start <= earliest_end { Some(latest_start) } else { spans.iter().map(|(first, _)| *first).min() }
    }

    fn windows_of(&self, resources: &[Resource]) -> impl Iterator<Item = &Window> {
        let resources = resources.to_vec();
        self.windows.iter().filter(move |window| resources.iter().any(|resource| window.resources.contains(resource)))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use domovoi_config::MonthDay;

    pub fn terms() -> Terms {
        Terms {
            id: "vodokanal".into(),
            name: "Водоканал".into(),
            time_zone: TimeZone::get("Europe/Moscow").unwrap(),
            takes_t4: false,
            late: Late::Hold,
            windows: vec![Window {
                resources: Resource::ALL.to_vec(),
                start: MonthDay::Day(15),
                end: MonthDay::Day(3),
                end_next_month: true,
            }],
            services: vec![],
        }
    }

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn a_window_over_the_months_end_belongs_to_the_month_it_began_in() {
        let open = |day: &str| terms().open_period(date(day), &[Resource::ColdWater]).map(|period| period.to_string());
        assert_eq!(open("2026-11-14"), None);
        assert_eq!(open("2026-11-15").as_deref(), Some("2026-11"));
        assert_eq!(open("2026-12-03").as_deref(), Some("2026-11"));
        assert_eq!(open("2026-12-04"), None);
        assert_eq!(open("2027-01-02").as_deref(), Some("2026-12"));
    }

    #[test]
    fn days_are_days_where_the_supplier_is() {
        // 22:30 UTC on the 14th is 01:30 on the 15th in Moscow.
        let at = Timestamp(1_794_695_400_000);
        assert_eq!(at.to_string(), "2026-11-14T22:30:00.000Z");
        assert_eq!(terms().day_at(at), Some(date("2026-11-15")));
        assert_eq!(terms().rfc3339(at), "2026-11-15T01:30:00+03:00");
        assert_eq!(
            terms().start_of(date("2026-11-15")).map(|t| t.to_string()).as_deref(),
            Some("2026-11-14T21:00:00.000Z")
        );
    }

    #[test]
    fn each_resource_has_its_own_days_and_an_act_is_whole_when_all_have_opened() {
        let window = |resource, start, end| Window {
            resources: vec![resource],
            start: MonthDay::Day(start),
            end: MonthDay::Day(end),
            end_next_month: false,
        };
        let (water, power) = (Resource::ColdWater, Resource::Electricity);
        let november = date("2026-11-01").period();
        let mut terms = terms();
        terms.windows = vec![window(water, 15, 22), window(power, 20, 25)];
        assert!(!terms.takes_on(november, water, date("2026-11-24")));
        assert_eq!(terms.whole_from(november, &[water, power]), Some(date("2026-11-20")));
        terms.windows = vec![window(water, 1, 5), window(water, 15, 20)];
        assert!(!terms.takes_on(november, water, date("2026-11-10")), "between two windows nothing is taken");
        assert_eq!(terms.open_period(date("2026-11-10"), &[water]), None);
        terms.windows = vec![window(water, 1, 5), window(power, 20, 25)];
        assert_eq!(terms.whole_from(november, &[water, power]), Some(date("2026-11-01")), "there is no common day");
    }
}
