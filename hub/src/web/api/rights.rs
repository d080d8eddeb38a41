//! Grants, and what a person delegates of their own rights. What a grant is worth is known to the policy.

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::people::moment;
use super::{ApiProblem, Done};
use crate::audit::Note;
use crate::policy::{Effect, Grant, Hours, Kind, Verb};
use crate::web::{Caller, Desk, Of, person_in};

/// A right that a person has, or lacks, beside those of the role.
#[derive(Debug, Serialize, ToSchema)]
pub struct GrantView {
    /// Opaque.
    pub id: String,
    /// `allow` or `deny`
    pub effect: &'static str,
    pub verbs: Vec<&'static str>,
    pub kind: &'static str,
    /// One thing of that kind only.
    pub one: Option<String>,
    /// Things in this room only.
    pub room: Option<String>,
    /// This capability only.
    pub capability: Option<String>,
    pub hours: Option<HoursView>,
    pub home_only: bool,
    pub until: Option<String>,
    /// Who delegated it.
    pub from: Option<String>,
}

/// Hours of the home's day, as `22:00`; they may lie past midnight.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HoursView {
    #[schema(pattern = "^[0-2][0-9]:[0-5][0-9]$")]
    pub from: String,
    #[schema(pattern = "^[0-2][0-9]:[0-5][0-9]$")]
    pub to: String,
}

/// Grants.
#[derive(Debug, Serialize, ToSchema)]
pub struct GrantsView {
    pub grants: Vec<GrantView>,
}

/// A grant to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantForm {
    /// `allow` or `deny`; `allow` if nothing is said.
    #[serde(default)]
    pub effect: Option<String>,
    /// `see`, `command`, `edit`, `submit`, `export`
    #[schema(min_items = 1, max_items = 5)]
    pub verbs: Vec<String>,
    /// A kind of thing: `device`, `camera`, `meter`, …
    pub kind: String,
    #[serde(default)]
    #[schema(max_length = 200)]
    pub one: Option<String>,
    #[serde(default)]
    #[schema(max_length = 200)]
    pub room: Option<String>,
    #[serde(default)]
    #[schema(max_length = 200)]
    pub capability: Option<String>,
    #[serde(default)]
    pub hours: Option<HoursView>,
    #[serde(default)]
    pub home_only: bool,
    /// RFC 3339.
    #[serde(default)]
    pub until: Option<String>,
}

/// A delegation: a part of the person's own rights, to another person, for at most ninety days.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DelegationForm {
    /// To whom: a person's id.
    pub to: String,
    /// `see`, `command`, `edit`, `submit`, `export`
    #[schema(min_items = 1, max_items = 5)]
    pub verbs: Vec<String>,
    /// A kind of thing: `device`, `meter`, `act`, …
    pub kind: String,
    #[serde(default)]
    #[schema(max_length = 200)]
    pub one: Option<String>,
    /// RFC 3339.
    pub until: String,
}

impl From<&Grant> for GrantView {
    fn from(grant: &Grant) -> Self {
        let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        GrantView {
            id: grant.id.clone(),
            effect: if grant.effect == Effect::Allow { "allow" } else { "deny" },
            verbs: grant.verbs.iter().map(|verb| verb.code()).collect(),
            kind: grant.kind.code(),
            one: grant.id_is.clone(),
            room: grant.room.clone(),
            capability: grant.capability.clone(),
            hours: grant.hours.map(|hours| HoursView { from: clock(hours.from_minute), to: clock(hours.to_minute) }),
            home_only: grant.home_only,
            until: grant.until.map(|at| at.to_string()),
            from: grant.from.map(|id| id.to_string()),
        }
    }
}

fn verbs_of(codes: &[String]) -> Result<Vec<Verb>, ApiProblem> {
    let known = || ApiProblem::invalid(format!("verbs: 1 to 5 of {}", Verb::ALL.map(Verb::code).join(", ")));
    if codes.is_empty() || codes.len() > Verb::ALL.len() {
        return Err(known());
    }
    codes.iter().map(|code| Verb::from_code(code).ok_or_else(known)).collect()
}

fn kind_of(code: &str) -> Result<Kind, ApiProblem> {
    Kind::from_code(code).ok_or_else(|| ApiProblem::invalid("kind: there is no such kind of thing"))
}

impl GrantForm {
    fn read(self) -> Result<Grant, ApiProblem> {
        let minute = |text: &str| -> Result<u16, ApiProblem> {
            let parts = text.split_once(':').and_then(|(h, m)| Some((h.parse::<u16>().ok()?, m.parse::<u16>().ok()?)));
            match parts {
                Some((hour, minute)) if hour < 24 && minute < 60 => Ok(hour * 60 + minute),
                _ => Err(ApiProblem::invalid("hours: expected 00:00 to 23:59")),
            }
        };
        for (what, text) in [("one", &self.one), ("room", &self.room), ("capability", &self.capability)] {
            if text.as_ref().is_some_and(|text| text.is_empty() || text.chars().count() > 200) {
                return Err(ApiProblem::invalid(format!("{what}: 1 to 200 characters")));
            }
        }
        let hours = match self.hours {
            None => None,
            Some(hours) => Some(Hours { from_minute: minute(&hours.from)?, to_minute: minute(&hours.to)? }),
        };
        Ok(Grant {
            id: String::new(),
            effect: match self.effect.as_deref() {
                None | Some("allow") => Effect::Allow,
                Some("deny") => Effect::Deny,
                Some(_) => return Err(ApiProblem::invalid("effect: allow or deny")),
            },
            verbs: verbs_of(&self.verbs)?,
            kind: kind_of(&self.kind)?,
            id_is: self.one,
            room: self.room,
            capability: self.capability,
            hours,
            home_only: self.home_only,
            until: self.until.as_deref().map(|text| moment("until", text)).transpose()?,
            from: None,
        })
    }
}

/// What a person may beside the role.
#[utoipa::path(get, path = "/api/v1/people/{person}/grants", tag = "rights", responses((status = 200, body = GrantsView)))]
pub async fn list(State(desk): State<Desk>, of: Of) -> Json<GrantsView> {
    let grants = desk.people.get(of.0).map(|person| person.grants).unwrap_or_default();
    Json(GrantsView { grants: grants.iter().map(GrantView::from).collect() })
}

/// Gives a right, or takes it away. The person's sessions end: they sign in with what they may now.
#[utoipa::path(post, path = "/api/v1/people/{person}/grants", tag = "rights", request_body = GrantForm, responses((status = 201, body = GrantView)))]
pub async fn give(
    State(desk): State<Desk>,
    of: Of,
    Extension(note): Extension<Note>,
    Json(form): Json<GrantForm>,
) -> Result<(StatusCode, Json<GrantView>), ApiProblem> {
    let grant = desk.people.grant(of.0, form.read()?).await?;
    note.change("grant", None, Some(in_words(&grant)));
    Ok((StatusCode::CREATED, Json((&grant).into())))
}

/// Withdraws a grant.
#[utoipa::path(delete, path = "/api/v1/people/{person}/grants/{grant}", tag = "rights", responses((status = 200, body = Done)))]
pub async fn withdraw(
    State(desk): State<Desk>,
    of: Of,
    Path((_, id)): Path<(String, String)>,
    Extension(note): Extension<Note>,
) -> Result<Json<Done>, ApiProblem> {
    let before = desk.people.get(of.0).and_then(|person| person.grants.into_iter().find(|grant| grant.id == id));
    desk.people.withdraw_grant(of.0, &id).await?;
    note.change("grant", before.as_ref().map(in_words), None);
    Ok(Done::json())
}

/// Delegates a part of one's own rights. It is worth no more than the giver's own right, and ends with it.
#[utoipa::path(post, path = "/api/v1/people/{person}/delegations", tag = "rights", request_body = DelegationForm, responses((status = 201, body = GrantView)))]
pub async fn delegate(
    State(desk): State<Desk>,
    caller: Caller,
    of: Of,
    Extension(note): Extension<Note>,
    Json(form): Json<DelegationForm>,
) -> Result<(StatusCode, Json<GrantView>), ApiProblem> {
    let to = person_in(&form.to, &caller).filter(|to| desk.people.get(*to).is_some());
    let to = to.ok_or_else(|| ApiProblem::invalid("to: the id of another person of this home"))?;
    let (verbs, kind) = (verbs_of(&form.verbs)?, kind_of(&form.kind)?);
    if form.one.as_ref().is_some_and(|one| one.is_empty() || one.chars().count() > 200) {
        return Err(ApiProblem::invalid("one: 1 to 200 characters"));
    }
    let until = moment("until", &form.until)?;
    let grant = desk.people.delegate(of.0, to, verbs, kind, form.one, until).await?;
    note.change("to", None, Some(to.to_string()));
    note.change("grant", None, Some(in_words(&grant)));
    Ok((StatusCode::CREATED, Json((&grant).into())))
}

/// A delegation, and who has it.
#[derive(Debug, Serialize, ToSchema)]
pub struct DelegationView {
    /// To whom.
    pub to: String,
    pub grant: GrantView,
}

/// What a person has delegated.
#[derive(Debug, Serialize, ToSchema)]
pub struct DelegationsView {
    pub delegations: Vec<DelegationView>,
}

/// What a person has delegated.
#[utoipa::path(get, path = "/api/v1/people/{person}/delegations", tag = "rights", responses((status = 200, body = DelegationsView)))]
pub async fn delegations(State(desk): State<Desk>, of: Of) -> Json<DelegationsView> {
    let given = desk.people.delegated_by(of.0);
    let delegations =
        given.iter().map(|(to, grant)| DelegationView { to: to.to_string(), grant: grant.into() }).collect();
    Json(DelegationsView { delegations })
}

/// Takes a delegation back.
#[utoipa::path(delete, path = "/api/v1/people/{person}/delegations/{grant}", tag = "rights", responses((status = 200, body = Done)))]
pub async fn take_back(
    State(desk): State<Desk>,
    of: Of,
    Path((_, id)): Path<(String, String)>,
    Extension(note): Extension<Note>,
) -> Result<Json<Done>, ApiProblem> {
    let given = desk.people.delegated_by(of.0).into_iter().find(|(_, grant)| grant.id == id);
    desk.people.withdraw_delegation(of.0, &id).await?;
    if let Some((to, grant)) = given {
        note.change("to", Some(to.to_string()), None);
        note.change("grant", Some(in_words(&grant)), None);
    }
    Ok(Done::json())
}

fn in_words(grant: &Grant) -> String {
    serde_json::to_string(&GrantView::from(grant)).unwrap_or_default()
}
