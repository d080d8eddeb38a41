//! `[alerts]`: which feeds of weather and emergency services are read, whom they are believed, and how long it is known what
//! was told. Where the home is stands in `[home]`.

use std::time::Duration;

use url::Url;

use crate::mistake::Wrong;
use crate::reader::Section;
use crate::scalar;
use crate::sections::home::Home;

const MAX_FEEDS: usize = 16;
const MAX_SENDERS: usize = 32;
const DAY: u64 = 86_400;

/// The alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertsSection {
    /// What is over is forgotten after this.
    pub keep: Duration,
    /// What is read.
    pub feeds: Vec<AlertFeed>,
}

impl Default for AlertsSection {
    fn default() -> Self {
        AlertsSection { keep: Duration::from_secs(3 * 365 * DAY), feeds: Vec::new() }
    }
}

/// A feed of a weather or emergency service: Atom or RSS with CAP messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertFeed {
    /// `[a-z0-9_-]{1,64}`, unique.
    pub name: String,
    /// Where it is read: https, or http on a literal loopback address.
    pub address: Url,
    /// Only messages of these senders are told; empty: of whoever has a message in it.
    pub senders: Vec<String>,
    /// Other hosts from which its messages may be fetched.
    pub hosts: Vec<String>,
    /// It is about this place only: a message that names no area concerns the home.
    pub local: bool,
    /// How often.
    pub every: Duration,
}

pub(crate) fn read(mut section: Section<'_>, home: &Home) -> AlertsSection {
    let keep = section
        .take_duration("keep", Duration::from_secs(30 * DAY)..=Duration::from_secs(36_500 * DAY))
        .unwrap_or(AlertsSection::default().keep);
    let mut feeds: Vec<AlertFeed> = Vec::new();
    for mut table in section.take_tables("feeds", MAX_FEEDS) {
        table.must_have("name", "\"meteo\"");
        table.must_have("address", "\"https://meteoinfo.ru/hmc-output/cap/cap-feed/en/atom.xml\"");
        let (name_at, local_at) = (table.place_of("name"), table.place_of("local"));
        let name = table.take_parsed("name", scalar::name);
        let address = table.take_url("address");
        let senders = table.take_list("senders", 1..=MAX_SENDERS, |item| item.parsed(|text| scalar::plain(text, 256)));
        let hosts = table.take_list("hosts", 1..=MAX_SENDERS, |item| item.parsed(scalar::host));
        let local = table.take_bool("local").unwrap_or(false);
        let every = table
            .take_duration("every", Duration::from_secs(30)..=Duration::from_secs(DAY))
            .unwrap_or(Duration::from_secs(120));
        if let Some(name) = &name
            && feeds.iter().any(|feed| feed.name == *name)
        {
            let wrong = Wrong::new(format!("another feed is called \"{name}\" already"));
            table.wrong_at(name_at, "name", wrong.hint("give each feed a name of its own"));
        }
        if !local && !home.is_placed() {
            let wrong = Wrong::new("nobody knows where the home is, so nothing in this feed could concern it");
            let hint = "write `position`, `regions` or `codes` into [home]; or `local = true` for a feed \
                        that is about this place only";
            table.wrong_at(local_at, "local", wrong.hint(hint));
        }
        table.finish();
        if let (Some(name), Some(address)) = (name, address) {
            feeds.push(AlertFeed {
                name,
                address,
                senders: senders.unwrap_or_default(),
                hosts: hosts.unwrap_or_default(),
                local,
                every,
            });
        }
    }
    section.finish();
    AlertsSection { keep, feeds }
}
