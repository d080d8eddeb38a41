//! Rights in words: what somebody may by their role, what was given or taken away beside it, what was handed on; and the
//! forms that change it. What may be given and handed on is the people's room's and the policy's to say.

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use domovoi_model::PersonId;

use super::form::Form;
use super::people::last_moment;
use super::person::{again, back, whose};
use super::refusal::Fault;
use super::view::View;
use super::words_of;
use crate::audit::Note;
use crate::people::Person;
use crate::policy::{Decision, Effect, Grant, Hours, Kind, Verb, Who, Whose, can_be_given, overview};
use crate::web::{Caller, Desk};

/// What somebody may do with one kind of thing.
pub struct Group {
    pub kind: String,
    pub verbs: String,
}

/// A right beside the role's, in words.
pub struct Given {
    pub id: String,
    pub allows: bool,
    pub words: String,
    /// Hours, place, end, giver: each a phrase.
    pub limits: Vec<String>,
    /// To whom it was handed on, or from whom it came.
    pub other: Option<String>,
}

/// What a person may do at best, kind by kind.
pub fn groups(desk: &Desk, view: &View, person: &Person) -> Vec<Group> {
    let now = desk.now();
    let grants = desk.people.grants(person.id);
    let who = Who::at_best(person.id, person.role, grants, person.until, person.locked, now);
    let mut groups: Vec<(Kind, Vec<Verb>)> = Vec::new();
    // What is one's own goes without saying; of the home's and of others' it is worth saying.
    for may in overview(&who, now).into_iter().filter(|may| may.decision == Decision::Allow && may.whose == Whose::Any)
    {
        match groups.iter_mut().find(|(kind, _)| *kind == may.kind) {
            Some((_, verbs)) => verbs.push(may.verb),
            None => groups.push((may.kind, vec![may.verb])),
        }
    }
    let said = |(kind, verbs): (Kind, Vec<Verb>)| Group {
        kind: words_of::kind(view, kind),
        verbs: verbs.into_iter().map(|verb| words_of::verb(view, verb)).collect::<Vec<_>>().join(", "),
    };
    groups.into_iter().map(said).collect()
}

fn grant_in_words(view: &View, grant: &Grant, other: Option<String>) -> Given {
    let verbs: Vec<String> = grant.verbs.iter().map(|verb| words_of::verb(view, *verb)).collect();
    let mut what = words_of::kind(view, grant.kind);
    for part in [&grant.id_is, &grant.room, &grant.capability].into_iter().flatten() {
        what.push_str(&format!(" «{part}»"));
    }
    let mut limits = Vec::new();
    if let Some(Hours { from_minute, to_minute }) = grant.hours {
        let (from, to) = (words_of::minute(from_minute), words_of::minute(to_minute));
        limits.push(view.t2("page-grant-hours", "from", from, "to", to));
    }
    if grant.home_only {
        limits.push(view.t("page-grant-home"));
    }
    if let Some(until) = grant.until {
        limits.push(view.t1("page-grant-until", "at", view.moment(&until)));
    }
    Given {
        id: grant.id.clone(),
        allows: grant.effect == Effect::Allow,
        words: format!("{}: {what}", verbs.join(", ")),
        limits,
        other,
    }
}

/// Rights beside the role's.
pub fn given(desk: &Desk, view: &View, person: &Person) -> Vec<Given> {
    let giver = |id: PersonId| desk.people.get(id).map_or_else(|| view.t("page-somebody-gone"), |giver| giver.name);
    person.grants.iter().map(|grant| grant_in_words(view, grant, grant.from.map(giver))).collect()
}

/// What a person handed on.
pub fn handed(desk: &Desk, view: &View, id: PersonId) -> Vec<Given> {
    let name = |id: PersonId| desk.people.get(id).map_or_else(|| view.t("page-somebody-gone"), |person| person.name);
    desk.people.delegated_by(id).iter().map(|(to, grant)| grant_in_words(view, grant, Some(name(*to)))).collect()
}

/// Kinds that a right can be given for.
pub fn kinds(view: &View) -> Vec<(&'static str, String)> {
    let given = |kind: &&Kind| Verb::ALL.into_iter().any(|verb| can_be_given(verb, **kind));
    Kind::ALL.iter().filter(given).map(|kind| (kind.code(), words_of::kind(view, *kind))).collect()
}

/// Kinds that a person may hand on: those of the household's everyday.
pub fn delegable(view: &View) -> Vec<(&'static str, String)> {
    use Kind::{Act, Camera, Device, Meter, Room};
    let everyday = [Meter, Act, Device, Room, Camera];
    everyday.into_iter().map(|kind| (kind.code(), words_of::kind(view, kind))).collect()
}

/// Every verb.
pub fn verbs(view: &View) -> Vec<(&'static str, String)> {
    Verb::ALL.into_iter().map(|verb| (verb.code(), words_of::verb(view, verb))).collect()
}

/// The minute that a time field names.
fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.get(..2)?.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

fn chosen_verbs(form: &Form) -> Vec<Verb> {
    form.all("verb").filter_map(Verb::from_code).collect()
}

pub async fn give(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    caller: Caller,
    view: View,
    Path(person): Path<String>,
    form: Form,
) -> Result<Response, Fault> {
    let person = whose(&desk, &caller, &person)?;
    let kind = Kind::from_code(form.text("kind")).ok_or(Fault::BadForm)?;
    let verbs = chosen_verbs(&form);
    if verbs.is_empty() {
        let words = view.t("page-grant-verb-missing");
        return again(&desk, view, person.id, "grant-verbs", words).await;
    }
    let Ok(until) = last_moment(&view, form.text("until")) else {
        let words = view.t("page-date-wrong");
        return again(&desk, view, person.id, "grant-until", words).await;
    };
    let hours = match (minute(form.text("from")), minute(form.text("to"))) {
        (Some(from_minute), Some(to_minute)) => Some(Hours { from_minute, to_minute }),
        (None, None) if !form.is("from") && !form.is("to") => None,
        _ => {
            let words = view.t("page-grant-hours-wrong");
            return again(&desk, view, person.id, "grant-from", words).await;
        }
    };
    let effect = if form.text("effect") == "deny" { Effect::Deny } else { Effect::Allow };
    let grant = Grant { hours, home_only: form.is("home"), until, ..Grant::new(effect, verbs, kind) };
    let said: Vec<&str> = grant.verbs.iter().map(|verb| verb.code()).collect();
    let sign = if effect == Effect::Deny { "-" } else { "+" };
    note.change("grant", None, Some(format!("{sign} {} {}", said.join(","), kind.code())));
    back(&desk, view, person.id, "grant-kind", desk.people.grant(person.id, grant).await).await
}

pub async fn withdraw(
    State(desk): State<Desk>,
    caller: Caller,
    view: View,
    Path((person, grant)): Path<(String, String)>,
    _form: Form,
) -> Result<Response, Fault> {
    let person = whose(&desk, &caller, &person)?;
    back(&desk, view, person.id, "grants", desk.people.withdraw_grant(person.id, &grant).await).await
}

/// Hands a right on to somebody else.
pub async fn delegate(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    caller: Caller,
    view: View,
    Path(person): Path<String>,
    form: Form,
) -> Result<Response, Fault> {
    let from = whose(&desk, &caller, &person)?;
    let to: PersonId = form.text("to").parse().map_err(|_| Fault::BadForm)?;
    let kind = Kind::from_code(form.text("kind")).ok_or(Fault::BadForm)?;
    let verbs = chosen_verbs(&form);
    if verbs.is_empty() {
        let words = view.t("page-grant-verb-missing");
        return again(&desk, view, from.id, "delegate-verbs", words).await;
    }
    let Ok(Some(until)) = last_moment(&view, form.text("until")) else {
        let words = view.t("page-delegate-until-missing");
        return again(&desk, view, from.id, "delegate-until", words).await;
    };
    let said: Vec<&str> = verbs.iter().map(|verb| verb.code()).collect();
    note.change("delegation", None, Some(format!("{to} {} {}", said.join(","), kind.code())));
    let outcome = desk.people.delegate(from.id, to, verbs, kind, None, until).await;
    back(&desk, view, from.id, "delegate-to", outcome).await
}

/// Takes a delegation back.
pub async fn take_back(
    State(desk): State<Desk>,
    caller: Caller,
    view: View,
    Path((person, grant)): Path<(String, String)>,
    _form: Form,
) -> Result<Response, Fault> {
    let person = whose(&desk, &caller, &person)?;
    let outcome = desk.people.withdraw_delegation(person.id, &grant).await;
    back(&desk, view, person.id, "delegations", outcome).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_field_is_read() {
        assert_eq!(minute("07:05"), Some(425));
        assert_eq!(minute("23:59:00"), Some(1439));
        for text in ["24:00", "7", "07:60", "", "aa:bb", ":", "07:0", "-1:00"] {
            assert_eq!(minute(text), None, "{text}");
        }
    }
}
