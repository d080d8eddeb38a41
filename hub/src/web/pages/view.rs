//! What every page knows: who looks, in which language and colours, from which menu, with which token in its forms. It
//! decides nothing: which menu entries are shown is the policy's word.

use std::convert::Infallible;
use std::fmt::Display;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use domovoi_config::Language;
use domovoi_model::{Date, PersonId, Timestamp, Unit};
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use super::alarms::{self, Alarms};
use super::refusal::Fault;
use super::{assets, said};
use crate::people::Person;
use crate::policy::{Decision, Kind, Network, Object, Verb, Who, decide};
use crate::web::{Caller, Desk};
use crate::words::words;

/// The cookie that keeps the colours.
pub const THEME: &str = "domovoi-theme";
/// The cookie that keeps the language of somebody who is not signed in.
pub const LANGUAGE: &str = "domovoi-language";
/// Colours that can be chosen; the first follows the device.
pub const THEMES: [&str; 4] = ["auto", "light", "dark", "contrast"];

/// What every page knows.
#[derive(Clone)]
pub struct View {
    language: Language,
    zone: TimeZone,
    /// The moment.
    pub now: Timestamp,
    /// What the home is called.
    pub home: String,
    /// Its colours: one of `THEMES`.
    pub theme: &'static str,
    /// What a form of this session carries; empty without a session.
    pub csrf: String,
    /// Who looks, if somebody is signed in.
    pub me: Option<Me>,
    /// The menu.
    pub nav: Vec<NavItem>,
    /// What is dangerous now, for whoever is let in.
    pub alarms: Option<Alarms>,
    /// The path of this page.
    pub path: String,
    /// The browser sits on the home's own network.
    pub at_home: bool,
    who: Who,
    policy_now: crate::policy::Now,
}

/// The one who looks.
#[derive(Clone)]
pub struct Me {
    /// Their id.
    pub id: PersonId,
    /// What the family calls them.
    pub name: String,
    /// Large type.
    pub large: bool,
    /// On a wall tablet.
    pub tablet: bool,
}

/// An entry of the menu.
#[derive(Clone)]
pub struct NavItem {
    /// Where it leads.
    pub href: &'static str,
    /// Its words.
    pub key: &'static str,
    /// Its picture in the sprite.
    pub icon: &'static str,
    /// Whether this page is under it.
    pub here: bool,
}

/// The menu: no more than five entries fit under a thumb.
const NAV: [(&str, &str, &str, Verb, Kind); 5] = [
    ("/", "page-nav-home", "home", Verb::See, Kind::Home),
    ("/devices", "page-nav-devices", "device", Verb::See, Kind::Home),
    ("/meters", "page-nav-meters", "meter", Verb::See, Kind::Meter),
    ("/people", "page-nav-people", "people", Verb::See, Kind::Person),
    ("/me", "page-nav-me", "me", Verb::See, Kind::Home),
];

impl View {
    /// What the page of a request knows.
    pub fn of(desk: &Desk, caller: &Caller, headers: &HeaderMap, path: &str) -> Self {
        let person = caller.who.person().and_then(|id| desk.people.get(id));
        let home = &desk.settings.home;
        let now = desk.now();
        let language = person
            .as_ref()
            .and_then(|person| person.profile.language)
            .or_else(|| language_of(&cookie(headers, LANGUAGE)?))
            .unwrap_or(caller.language);
        let theme = cookie(headers, THEME).and_then(|text| THEMES.into_iter().find(|theme| *theme == text));
        let mut view = View {
            language,
            zone: home.time_zone.clone(),
            now: now.at,
            home: home.name.clone(),
            theme: theme.unwrap_or("auto"),
            csrf: caller.session.as_ref().map(|session| session.csrf.expose().clone()).unwrap_or_default(),
            me: person.map(|person| me(&person, caller)),
            nav: Vec::new(),
            alarms: None,
            path: path.to_owned(),
            at_home: caller.who.network != Network::Outside,
            who: caller.who.clone(),
            policy_now: now,
        };
        if view.me.is_some() {
            view.nav = NAV
                .into_iter()
                .filter(|(.., verb, kind)| view.may(*verb, &Object::all(*kind)))
                .map(|(href, key, icon, ..)| NavItem { href, key, icon, here: is_under(path, href) })
                .collect();
            if view.may(Verb::See, &Object::all(Kind::Home)) {
                view.alarms = Some(alarms::of(desk, &view));
            }
        }
        view
    }

    /// Whether the policy lets the one who looks do something now. A wish to prove oneself again is a yes: the page that
    /// follows asks for it.
    pub fn may(&self, verb: Verb, object: &Object) -> bool {
        let decision = decide(&self.who, verb, object, self.policy_now);
        matches!(decision, Decision::Allow | Decision::Refuse(crate::policy::Refusal::StepUp))
    }

    /// Whether scenarios are for the one who looks.
    pub fn sees_scenarios(&self) -> bool {
        self.may(Verb::See, &Object::all(Kind::Scenario))
    }

    /// Asks the policy about what only shows within that it is dangerous; the way to the step-up where one is wanted.
    pub fn surely(&self, verb: Verb, object: &Object) -> Result<Option<Response>, Fault> {
        match decide(&self.who, verb, object, self.policy_now) {
            Decision::Allow => Ok(None),
            Decision::Refuse(crate::policy::Refusal::StepUp) => Ok(Some(super::go("/step-up"))),
            Decision::Refuse(refusal) => Err(Fault::Refused(refusal)),
        }
    }

    /// Whether acts are shown to the one who looks.
    pub fn sees_acts(&self) -> bool {
        self.may(Verb::See, &Object::all(Kind::Act))
    }

    /// The language.
    pub fn language(&self) -> Language {
        self.language
    }

    /// `ru` or `en`.
    pub fn lang(&self) -> &'static str {
        self.language.code()
    }

    /// A sentence of the pages.
    pub fn t(&self, key: &str) -> String {
        self.say(key, &[])
    }

    /// A sentence with one variable.
    pub fn t1(&self, key: &str, name: &str, value: impl Display) -> String {
        self.say(key, &[(name, &value.to_string())])
    }

    /// A sentence with two.
    pub fn t2(&self, key: &str, one: &str, first: impl Display, two: &str, second: impl Display) -> String {
        self.say(key, &[(one, &first.to_string()), (two, &second.to_string())])
    }

    /// A sentence of any file.
    pub fn say(&self, key: &str, variables: &[(&str, &str)]) -> String {
        let said = words(self.language).say(key, variables);
        // A key without words is a mistake of ours that a reader would see: no test may pass over it.
        #[cfg(test)]
        assert!(said != key || !key.starts_with("page-"), "no words for {key}");
        said
    }

    /// A sentence of another room, or ours if that room has none.
    pub fn say_or(&self, key: &str, fallback: &str) -> String {
        let said = words(self.language).say(key, &[]);
        if said == key { fallback.to_owned() } else { said }
    }

    /// «21 ноября 2026, 22:25», in the home's zone.
    pub fn moment(&self, at: &Timestamp) -> String {
        said::moment(self.language, *at, &self.zone, self.now)
    }

    /// The same, or words for «never».
    pub fn moment_or_never(&self, at: &Option<Timestamp>) -> String {
        at.map_or_else(|| self.t("page-never"), |at| self.moment(&at))
    }

    /// The moment, and beside it how long ago that was, as long as that is worth saying.
    pub fn moment_and_age(&self, at: &Timestamp) -> String {
        let (moment, age) = (self.moment(at), self.age(at));
        if moment == age { moment } else { format!("{moment}, {age}") }
    }

    /// What a device calls itself, in short.
    pub fn device(&self, name: &str) -> String {
        said::device(name)
    }

    /// «5 минут назад».
    pub fn age(&self, at: &Timestamp) -> String {
        said::age(self, *at)
    }

    /// For `<time datetime>`.
    pub fn machine(&self, at: &Timestamp) -> String {
        at.to_string()
    }

    /// «21 ноября 2026».
    pub fn date(&self, date: &Date) -> String {
        said::date(self.language, *date)
    }

    /// A number as the language writes it.
    pub fn number(&self, value: &Decimal) -> String {
        said::number(self.language, *value)
    }

    /// A unit as the language writes it.
    pub fn unit(&self, unit: Unit) -> &'static str {
        said::unit(self.language, unit)
    }

    /// The short name of a day of the week; 1 is Monday.
    pub fn weekday(&self, day: &usize) -> &'static str {
        super::super::api::cameras::day_names(self.language).get(day.wrapping_sub(1)).copied().unwrap_or_default()
    }

    /// The home's zone.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The address of an embedded file.
    pub fn asset(&self, name: &str) -> &'static str {
        assets::address(name)
    }

    /// A picture of the sprite.
    pub fn icon(&self, name: &str) -> String {
        format!("{}#{name}", assets::address("icons.svg"))
    }
}

fn me(person: &Person, caller: &Caller) -> Me {
    let tablet = caller.session.as_ref().is_some_and(|session| session.tablet);
    Me { id: person.id, name: person.name.clone(), large: person.profile.large_type, tablet }
}

fn is_under(path: &str, href: &str) -> bool {
    let sections: &[&str] = match href {
        "/meters" => &["/meters", "/acts", "/readings", "/consumption", "/tariffs", "/warmth"],
        "/devices" => &[
            "/devices",
            "/rooms",
            "/inbox",
            "/connect",
            "/connections",
            "/safety",
            "/cameras",
            "/presence",
            "/scenarios",
            "/runs",
        ],
        "/people" if path.starts_with("/people/me") => &[],
        "/me" => &["/me", "/security", "/portal", "/pair", "/people/me", "/journal"],
        "/" => return path == "/",
        other => return path == other || path.starts_with(&format!("{other}/")),
    };
    sections.iter().any(|section| path == *section || path.starts_with(&format!("{section}/")))
}

/// The value of a cookie. The first of a name counts.
pub fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let all = headers.get_all(header::COOKIE);
    all.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';')).find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then(|| value.to_owned())
    })
}

fn language_of(code: &str) -> Option<Language> {
    match code {
        "ru" => Some(Language::Russian),
        "en" => Some(Language::English),
        _ => None,
    }
}

impl FromRequestParts<Desk> for View {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, desk: &Desk) -> Result<Self, Infallible> {
        let Ok(caller) = Caller::from_request_parts(parts, desk).await;
        Ok(View::of(desk, &caller, &parts.headers, parts.uri.path()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_entry_of_the_menu_is_where_the_reader_is() {
        let under = |path: &str| {
            NAV.iter().filter(|(href, ..)| is_under(path, href)).map(|(href, ..)| *href).collect::<Vec<_>>()
        };
        for (path, href) in [
            ("/", "/"),
            ("/meters", "/meters"),
            ("/meters/1", "/meters"),
            ("/acts", "/meters"),
            ("/consumption/1", "/meters"),
            ("/tariffs", "/meters"),
            ("/warmth/1", "/meters"),
            ("/me", "/me"),
            ("/security", "/me"),
            ("/people/me", "/me"),
            ("/people/1/erase", "/people"),
            ("/journal/verification", "/me"),
            ("/devices/tasmota%3Aplug", "/devices"),
            ("/connections/1", "/devices"),
            ("/safety", "/devices"),
        ] {
            assert_eq!(under(path), [href], "{path}");
        }
        assert!(under("/help").is_empty());
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, "a=1; domovoi-theme=dark; b=2".parse().unwrap());
        assert_eq!(cookie(&headers, THEME).as_deref(), Some("dark"));
        assert_eq!(cookie(&headers, "theme"), None);
    }
}
