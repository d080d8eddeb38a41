//! What is dangerous now, for the head of every page: from memory and not from the database, since a disk that is full keeps
//! no notice. A danger to life is told to everybody who is let in; what warns of it, and where, to those who may see that.

use domovoi_model::Timestamp;

use super::devices::path_of;
use super::safety::{danger_words, sees};
use super::view::View;
use crate::safety::{Danger, Standing};
use crate::web::Desk;

/// So many are named; how many there are besides is said.
const NAMED: usize = 8;

/// A danger that is open.
#[derive(Clone)]
pub struct Alarm {
    /// Which.
    pub words: String,
    /// What warns of it, and its page, for those who may see it.
    pub by: Option<(String, String)>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Nobody has accepted the sensor.
    pub unaccepted: bool,
    /// Sirens are silent.
    pub hushed: bool,
}

/// What is dangerous now.
#[derive(Clone, Default)]
pub struct Alarms {
    /// Dangers to life and house, those of accepted sensors first.
    pub open: Vec<Alarm>,
    /// How many there are besides.
    pub more: usize,
    /// What was told to close, and has not said that it did.
    pub unconfirmed: Vec<String>,
    /// Nothing is open, whether or not the reader may see it, and everything has confirmed.
    pub calm: bool,
}

/// Whether the reflex knows of nothing that is wrong. What is hidden from a reader counts, too: nobody is told that all is
/// well when it is not.
pub fn is_calm(standing: &Standing) -> bool {
    standing.dangers.is_empty()
        && standing.strangers_beyond == 0
        && standing.pursuits.iter().all(|(_, pursuit, _)| pursuit.confirmed || pursuit.quieting || pursuit.is_test())
}

/// As the reader may know it. A sensor that is silent is no danger yet: it has its place on the page of safety, and a head
/// that is red for a week is not looked at on the day when it counts.
pub fn of(desk: &Desk, view: &View) -> Alarms {
    let standing = desk.safety.standing();
    let mut alarms = Alarms { calm: is_calm(&standing), ..Alarms::default() };
    for (key, open, name) in standing.dangers.iter().filter(|(key, ..)| key.danger != Danger::Silence) {
        let seen = sees(desk, view, &key.place);
        if !seen && !key.danger.is_reported() {
            continue;
        }
        alarms.open.push(Alarm {
            words: danger_words(view, key.danger),
            by: seen.then(|| (name.clone(), path_of(&key.place.device.to_string()))),
            since: open.since.wall(),
            unaccepted: !open.accepted,
            hushed: open.hushed,
        });
    }
    alarms.open.sort_by_key(|alarm| alarm.unaccepted);
    alarms.more = alarms.open.len().saturating_sub(NAMED);
    alarms.open.truncate(NAMED);
    let waits = standing.pursuits.iter().filter(|(place, pursuit, _)| {
        !pursuit.confirmed && !pursuit.quieting && !pursuit.is_test() && sees(desk, view, place)
    });
    alarms.unconfirmed = waits.map(|(_, _, name)| name.clone()).take(NAMED).collect();
    alarms
}
