//! What the rooms keep about one person, put together for that person: the parts of an export that the people's own room
//! does not know. It shows what the rooms show anyway, without secrets, and changes nothing.

use std::sync::Arc;

use domovoi_model::{PersonId, Source, Timestamp};
use serde_json::{Value, json};

use crate::metering::Metering;
use crate::people::{People, mark};
use crate::signin::{SignIn, SignInError};

/// Readings of one point that are looked through.
const MAX_READINGS: u32 = 10_000;

/// Tells the people's room where else something is kept about people, and what stops when a consent goes. What comes back
/// is kept as long as the house stands: the sign-in room holds the people, so the people must not hold it.
#[must_use]
pub fn connect(people: &People, signin: &SignIn, metering: &Metering) -> Arc<SignIn> {
    let kept = Arc::new(signin.clone());
    let room = Arc::downgrade(&kept);
    people.also_keeps(
        "sign_in",
        Arc::new(move |id| {
            let room = room.upgrade();
            Box::pin(async move {
                let room = room.ok_or("the house is closed")?;
                sign_in(&room, id).await.map_err(|error| error.to_string())
            })
        }),
    );
    let room = metering.clone();
    people.also_keeps(
        "readings",
        Arc::new(move |id| {
            let room = room.clone();
            Box::pin(async move { readings(&room, id).await })
        }),
    );
    let room = metering.clone();
    people.when_nobody_consents(move |purpose| {
        let room = room.clone();
        Box::pin(async move {
            if purpose != crate::people::READINGS {
                return Ok(());
            }
            let stopped = room.set_standing_consent(false).await;
            stopped.map_err(|error| domovoi_store::StoreError::Io(error.to_string()))
        })
    });
    kept
}

async fn sign_in(room: &SignIn, id: PersonId) -> Result<Value, SignInError> {
    let factors: Vec<Value> = room
        .factors(id)
        .await?
        .into_iter()
        .map(|factor| {
            json!({
                "kind": factor.kind.code(),
                "name": factor.name,
                "added_at": at(factor.added_at),
                "used_at": at(factor.used_at),
                "left": factor.left,
            })
        })
        .collect();
    let sessions: Vec<Value> = room
        .sessions(id)
        .await?
        .into_iter()
        .map(|session| {
            json!({
                "name": session.name,
                "tablet": session.tablet,
                "address": session.address.map(|address| address.to_string()),
                "opened_at": session.opened_at.to_string(),
                "used_at": session.used_at.to_string(),
                "ends_at": session.ends_at.to_string(),
            })
        })
        .collect();
    let tokens: Vec<Value> = room
        .tokens(id)
        .await?
        .into_iter()
        .map(|token| {
            let scopes: Vec<Value> = token
                .scopes
                .iter()
                .map(|scope| json!({ "verb": scope.verb.code(), "kind": scope.kind.map(|kind| kind.code()) }))
                .collect();
            json!({
                "name": token.name,
                "scopes": scopes,
                "issued_at": token.issued_at.to_string(),
                "ends_at": token.ends_at.to_string(),
                "used_at": at(token.used_at),
                "used_from": token.used_from.map(|address| address.to_string()),
            })
        })
        .collect();
    let certificates: Vec<Value> = room
        .certificates(id)
        .await?
        .into_iter()
        .map(|certificate| {
            json!({
                "name": certificate.name,
                "fingerprint": certificate.fingerprint,
                "ends_at": certificate.ends_at.to_string(),
                "used_at": at(certificate.used_at),
            })
        })
        .collect();
    Ok(json!({ "factors": factors, "sessions": sessions, "tokens": tokens, "certificates": certificates }))
}

async fn readings(room: &Metering, id: PersonId) -> Result<Value, String> {
    let mine = mark(id);
    let register = room.register();
    let mut found = Vec::new();
    for point in &register.points {
        let rows = room.history(&point.id.to_string(), MAX_READINGS).await.map_err(|error| error.to_string())?;
        for row in rows {
            let photo = match &row.reading.source {
                Source::Person(reader) if *reader == mine => false,
                Source::Photo { person, .. } if *person == mine => true,
                _ => continue,
            };
            found.push(json!({
                "point": point.name,
                "tariff": row.reading.tariff.code(),
                "value": row.reading.value.to_string(),
                "at": at(row.reading.at.wall()),
                "photo": photo,
            }));
        }
    }
    Ok(Value::Array(found))
}

fn at(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}
