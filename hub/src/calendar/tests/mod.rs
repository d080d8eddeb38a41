//! Tests of the calendar on a real store, with a clock that is turned by hand.

mod elsewhere;
mod feeds;
mod moments;
mod rules;
mod telling;

use domovoi_config::Settings;
use domovoi_vault::MasterKey;

use super::*;

/// 2026-11-21T16:00:00Z
pub const NOW: i64 = 1_795_276_800_000;
pub const HOUR: i64 = 3_600_000;
pub const DAY: i64 = 24 * HOUR;

/// A calendar, and what it told.
pub struct Room {
    pub calendar: Calendar,
    pub clock: Clock,
    pub told: Arc<Mutex<Vec<Due>>>,
    pub section: CalendarSection,
    master: MasterKey,
    zone: TimeZone,
    folder: tempfile::TempDir,
}

impl Room {
    pub async fn new() -> Self {
        Self::in_zone("Europe/Moscow").await
    }

    pub async fn in_zone(zone: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut section = Settings::defaults(folder.path()).calendar;
        section.allow = vec![domovoi_config::Network::parse("127.0.0.1").unwrap()];
        let clock = Clock::by_hand(Id([7; 16]), Timestamp(NOW));
        let (zone, master) = (TimeZone::get(zone).unwrap(), MasterKey::generate().unwrap());
        let (calendar, told) = open(&folder, &master, &clock, &zone, &section).await;
        Room { calendar, clock, told, section, master, zone, folder }
    }

    /// The hub was killed and starts again.
    pub async fn again(mut self) -> Self {
        (self.calendar, self.told) = open(&self.folder, &self.master, &self.clock, &self.zone, &self.section).await;
        self
    }

    pub fn turn(&self, to: &str) {
        self.clock.set(Timestamp(to.parse::<jiff::Timestamp>().unwrap().as_millisecond()));
    }

    /// Looks, and gives what was told since the last look.
    pub async fn look(&self) -> Vec<Due> {
        self.calendar.run_once().await;
        std::mem::take(&mut self.told.lock().unwrap())
    }

    /// The same at a moment; only titles and whether they were late.
    pub async fn at(&self, to: &str) -> Vec<(String, bool, u32)> {
        self.turn(to);
        self.look().await.into_iter().map(|due| (due.title.en, due.late, due.missed)).collect()
    }

    pub async fn add(&self, draft: Draft) -> Arc<Event> {
        self.calendar.add(&draft, None).await.unwrap()
    }
}

async fn open(
    folder: &tempfile::TempDir,
    master: &MasterKey,
    clock: &Clock,
    zone: &TimeZone,
    section: &CalendarSection,
) -> (Calendar, Arc<Mutex<Vec<Due>>>) {
    let settings = domovoi_store::Settings { ballast: 0, ..domovoi_store::Settings::new(folder.path().join("data")) };
    let store = Store::open(&settings, master).await.unwrap();
    let calendar = Calendar::open(store, clock.clone(), Bus::default(), zone.clone(), section).await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    calendar.on_due(move |due| heard.lock().unwrap().push(due));
    (calendar, told)
}

pub fn draft(title: &str, start: &str) -> Draft {
    Draft {
        title: title.to_owned(),
        notes: String::new(),
        kind: EventKind::Other,
        priority: Priority::Normal,
        start: start.to_owned(),
        zone: None,
        minutes: 0,
        rule: None,
        remind: Some(vec![0]),
        todo: false,
    }
}

pub fn ruled(title: &str, start: &str, rule: &str) -> Draft {
    Draft { rule: Some(rule.to_owned()), ..draft(title, start) }
}

pub fn home(zone: &str) -> Home {
    Home { clocks: TimeZone::get(zone).unwrap(), all_day_minute: 540 }
}

/// The event of a draft, without a store.
pub fn event(draft: &Draft, zone: &str) -> Event {
    draft.event(Id([1; 16]), &home(zone), &[30], None, Timestamp(NOW)).unwrap()
}

pub fn all() -> Filter {
    Filter {
        from: Timestamp(NOW),
        to: Timestamp(NOW + 30 * DAY),
        kinds: Vec::new(),
        origin: None,
        text: None,
        overdue_only: false,
        sort: Sort::Date,
        limit: 100,
    }
}
