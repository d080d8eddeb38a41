//! Who makes a request: found once, from the control socket, a session cookie, a bearer token or a client certificate.
//! It decides nothing about what the caller may do.

use std::convert::Infallible;
use std::net::IpAddr;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;

use super::Desk;
use crate::audit::{Actor, Origin, Road};
use crate::policy::{Network, Subject, Who};
use crate::signin::SessionView;

/// The one who makes a request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// For the policy.
    pub who: Who,
    /// For the journal.
    pub origin: Origin,
    /// The session, if a cookie brought one.
    pub session: Option<SessionView>,
}

impl Caller {
    /// Somebody of whom nothing is known.
    pub fn nobody() -> Self {
        Caller { who: Who::nobody(Network::Outside), origin: Origin::default(), session: None }
    }

    /// Whoever holds the machine.
    pub fn console() -> Self {
        Caller { who: Who::console(), origin: Origin { road: Road::Console, ..Origin::default() }, session: None }
    }

    /// For the journal.
    pub fn actor(&self) -> Actor {
        match &self.who.subject {
            Subject::Nobody => Actor::Nobody,
            Subject::House => Actor::House,
            Subject::Console => Actor::Console,
            Subject::Person(id) => Actor::Person(*id),
            Subject::Credential { username, .. } => Actor::Credential(username.clone()),
        }
    }
}

/// Put into each request by [`know_the_caller`], or by the control socket's router. One without is nobody's.
impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Caller>().cloned().unwrap_or_else(Caller::nobody))
    }
}

/// What the listener knows of a connection; put into each of its requests.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The address.
    pub address: IpAddr,
    /// SHA-256 of the client's certificate, if it showed one that our authority signed.
    pub certificate: Option<[u8; 32]>,
}

/// Finds out who makes a request.
pub async fn know_the_caller(State(desk): State<Desk>, mut request: Request, next: Next) -> Response {
    // SKELETON: cookie, bearer token, certificate; network from the peer's address; device from User-Agent.
    let _ = &desk;
    request.extensions_mut().insert(Caller::nobody());
    next.run(request).await
}
