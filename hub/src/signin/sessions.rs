//! Where people are signed in: sessions are opened, found by their cookie, listed, named and ended. All of them are in
//! memory too, so that a request costs no read of the store. What a session is and when it ends is in `session`.

use std::collections::HashMap;
use std::net::IpAddr;

use domovoi_model::{Id, PersonId};
use domovoi_store::{Drawer, Paper, Store};
use domovoi_vault::Secret;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::acquaintance::{Acquaintance, Acquaintances};
use super::session::{Live, Moments, Pinned, SessionRow, Shown, assurance};
use super::throttle::Key;
use super::view::{Opened, SessionView};
use super::{Result, SignIn, SignInError, could_be_secret, label, locked, new_secret};
use crate::audit::{Actor, Origin, Outcome};
use crate::people::Person;
use crate::policy::{Network, Role, Who};

/// More than anybody has devices; the one that was not used for longest goes.
const PER_PERSON: usize = 50;
/// Wall tablets of a home.
const TABLETS: usize = 20;
/// Wrong answers to step-ups, after which the session is over: somebody else holds it.
const WRONG_MAX: u8 = 5;

/// What lies in the drawer of sessions.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Row {
    Session(SessionRow),
    Acquaintance(Acquaintance),
}

/// All sessions.
#[derive(Default)]
pub(super) struct Sessions {
    by_id: HashMap<Id, Live>,
    by_cookie: HashMap<Key, Id>,
}

impl Sessions {
    fn insert(&mut self, live: Live) {
        if let Some(before) = self.by_id.get(&live.id) {
            self.by_cookie.remove(&before.row.cookie);
        }
        self.by_cookie.insert(live.row.cookie, live.id);
        self.by_id.insert(live.id, live);
    }

    fn remove(&mut self, id: Id) -> Option<Live> {
        let live = self.by_id.remove(&id)?;
        self.by_cookie.remove(&live.row.cookie);
        Some(live)
    }

    fn with_cookie(&mut self, cookie: Key) -> Option<&mut Live> {
        let id = self.by_cookie.get(&cookie)?;
        self.by_id.get_mut(id)
    }
}

/// Reads the drawer. A document that is none of ours is left alone: it lets nobody in.
pub(super) async fn load(store: &Store) -> Result<(Sessions, Acquaintances)> {
    let mut sessions = Sessions::default();
    let mut acquaintances = Acquaintances::new();
    for paper in store.papers().readable(Drawer::Session).await?.0 {
        match (serde_json::from_slice(&paper.body), paper.person) {
            (Ok(Row::Session(row)), _) => sessions.insert(Live::kept(paper.id, row)),
            (Ok(Row::Acquaintance(row)), Some(person)) => {
                acquaintances.insert(person, row);
            }
            (Ok(Row::Acquaintance(_)), None) => {}
            (Err(error), _) => tracing::warn!("a session in the store cannot be read and lets nobody in: {error}"),
        }
    }
    Ok((sessions, acquaintances))
}

/// How a request's session stands.
enum Found {
    None,
    Over(Id),
    Here(Box<Live>, bool),
}

impl SignIn {
    /// Who has this session cookie now, and their session; a session that is over is `None`.
    pub async fn by_cookie(&self, cookie: &str, network: Network) -> Result<Option<(Who, SessionView)>> {
        self.known_by(cookie, network, true).await
    }

    /// The same, and it does not count as use: a page that refreshes itself must keep neither a PIN nor a session alive.
    pub async fn by_resting_cookie(&self, cookie: &str, network: Network) -> Result<Option<(Who, SessionView)>> {
        self.known_by(cookie, network, false).await
    }

    async fn known_by(&self, cookie: &str, network: Network, used: bool) -> Result<Option<(Who, SessionView)>> {
        if !could_be_secret(cookie) {
            return Ok(None);
        }
        let now = self.now();
        match self.look(self.cookie_key(cookie), now, used) {
            Found::None => Ok(None),
            Found::Over(id) => {
                self.remove_session(id).await?;
                Ok(None)
            }
            Found::Here(live, due) => {
                if due {
                    self.write_down(live.id).await?;
                }
                let who = match live.person().and_then(|id| self.0.people.get(id)) {
                    None => Who::nobody(network),
                    Some(person) => {
                        Who { proved_at: live.proved_at(now), ..self.who(&person, network, assurance(live.shown())) }
                    }
                };
                Ok(Some((who, live.view(now, &self.0.policy, self.csrf(cookie)))))
            }
        }
    }

    /// The address from which a session cookie or a token was used just now, for the lists of sessions and tokens.
    /// Memory only; it never fails.
    pub fn came_from(&self, secret: &str, address: IpAddr) {
        self.token_came_from(secret, address);
        if !could_be_secret(secret) {
            return;
        }
        if let Some(live) = locked(&self.0.sessions).with_cookie(self.cookie_key(secret)) {
            live.row.address = Some(address);
        }
    }

    /// A person's sessions, the latest used first. Wall tablets are the home's: owners see them among their own.
    pub async fn sessions(&self, person: PersonId) -> Result<Vec<SessionView>> {
        let person = self.person(person)?;
        let now = self.now();
        let mut views: Vec<SessionView> = {
            let sessions = locked(&self.0.sessions);
            let mine = sessions.by_id.values().filter(|live| is_of(live, &person));
            let alive = mine.filter(|live| !live.is_over(now, &self.0.policy) && self.is_current(live));
            alive.map(|live| live.view(now, &self.0.policy, Secret::new(String::new()))).collect()
        };
        views.sort_by_key(|view| std::cmp::Reverse(view.used_at));
        Ok(views)
    }

    /// Names a session («Телефон Анны»).
    pub async fn name_session(&self, person: PersonId, session: &str, name: &str) -> Result<()> {
        let (name, id) = (label(name)?, self.session_of(person, session)?);
        if let Some(live) = locked(&self.0.sessions).by_id.get_mut(&id) {
            live.row.name = name;
        }
        self.write_down(id).await
    }

    /// Ends a session. On a wall tablet the person who typed a PIN leaves and the tablet stays; an owner who ends a
    /// tablet from elsewhere unpairs it.
    pub async fn end_session(&self, person: PersonId, session: &str) -> Result<()> {
        let id = self.session_of(person, session)?;
        let left = {
            let mut sessions = locked(&self.0.sessions);
            let live = sessions.by_id.get_mut(&id);
            live.is_some_and(|live| live.pinned.take_if(|pinned| pinned.person == person).is_some())
        };
        if !left {
            self.remove_session(id).await?;
        }
        Ok(())
    }

    /// Ends all sessions of a person, but for one. Tablets stay, without the person.
    pub async fn end_sessions(&self, person: PersonId, keep: Option<&str>) -> Result<usize> {
        let gone: Vec<Id> = {
            let mut sessions = locked(&self.0.sessions);
            for live in sessions.by_id.values_mut().filter(|live| keep != Some(live.id.to_string().as_str())) {
                live.pinned.take_if(|pinned| pinned.person == person);
            }
            let mine = sessions.by_id.values().filter(|live| live.row.person == Some(person.0.0));
            mine.map(|live| live.id).filter(|id| keep != Some(id.to_string().as_str())).collect()
        };
        for id in &gone {
            self.remove_session(*id).await?;
        }
        if !gone.is_empty() {
            let count = gone.len().to_string();
            let facts = [("sessions", count.as_str())];
            let origin = Origin::default();
            self.tell_more("session.ended", Actor::House, Some(person), &origin, Outcome::Done, &facts).await;
        }
        Ok(gone.len())
    }

    /// Opens a session for a person who has shown these. The cookie is new in any case: one that a browser brought along
    /// is never taken over.
    pub(super) async fn open_session(&self, person: &Person, shown: &[Shown], from: &Origin) -> Result<Opened> {
        let opened = self.new_session(Some(person), shown, from, None).await?;
        let how: Vec<String> = shown.iter().map(|shown| format!("{shown:?}").to_lowercase()).collect();
        let (actor, how) = (Actor::Person(person.id), how.join(", "));
        self.tell_more("session.opened", actor, Some(person.id), from, Outcome::Done, &[("how", &how)]).await;
        self.meet(person, &opened.session, from).await;
        Ok(opened)
    }

    /// A session of a person, or of nobody: a wall tablet's.
    pub(super) async fn new_session(
        &self,
        person: Option<&Person>,
        shown: &[Shown],
        from: &Origin,
        name: Option<String>,
    ) -> Result<Opened> {
        let cookie = new_secret()?;
        let now = self.now();
        let device = from.device.as_deref().unwrap_or_default();
        let row = SessionRow {
            cookie: self.cookie_key(cookie.expose()),
            person: person.map(|person| person.id.0.0),
            epoch: person.map_or(0, |person| person.epoch),
            opened_at: now.trusted.map(|at| at.0),
            used_at: now.trusted.map(|at| at.0),
            name: name.unwrap_or_else(|| device.chars().filter(|c| !c.is_control()).take(100).collect()),
            tablet: person.is_none(),
            address: from.address,
            shown: shown.to_vec(),
        };
        let live = Live {
            opened_run: Some(now.run),
            used_run: Some(now.run),
            flushed_run: now.run,
            // Being let in by a link or by another device is no factor that was shown here.
            proved_run: shown.iter().any(|shown| *shown != Shown::Paired).then_some(now.run),
            ..Live::kept(Id(domovoi_vault::random()?), row)
        };
        self.make_room(person.map(|person| person.id)).await?;
        self.put(&live, None).await?;
        let session = live.view(now, &self.0.policy, self.csrf(cookie.expose()));
        Ok(Opened { cookie, session })
    }

    /// More was shown for a session: it goes on under a new cookie.
    pub(super) async fn raise_session(&self, id: Id, shown: Shown, pinned: Option<Pinned>) -> Result<Opened> {
        let cookie = new_secret()?;
        let now = self.now();
        let mut live = locked(&self.0.sessions).by_id.get(&id).cloned().ok_or(SignInError::NoSuch("session"))?;
        if pinned.is_some() {
            live.pinned = pinned;
        } else {
            let so_far = live.pinned.as_mut().map_or(&mut live.row.shown, |pinned| &mut pinned.shown);
            if !so_far.contains(&shown) {
                so_far.push(shown);
            }
        }
        // A PIN is enough to look and to switch a lamp, and proves nothing more.
        live.proved_run = (shown != Shown::Pin).then_some(now.run);
        live.wrong = 0;
        live.used(now);
        let before = live.row.cookie;
        live.row.cookie = self.cookie_key(cookie.expose());
        self.put(&live, Some(before)).await?;
        let session = live.view(now, &self.0.policy, self.csrf(cookie.expose()));
        Ok(Opened { cookie, session })
    }

    /// A wrong answer to a step-up. After some, the session is over.
    pub(super) async fn wrong_step_up(&self, id: Id) -> Result<()> {
        let over = {
            let mut sessions = locked(&self.0.sessions);
            sessions.by_id.get_mut(&id).is_some_and(|live| {
                live.wrong = live.wrong.saturating_add(1);
                live.wrong >= WRONG_MAX
            })
        };
        if over { self.remove_session(id).await } else { Ok(()) }
    }

    /// A tablet by its own cookie.
    pub(super) fn tablet(&self, cookie: &str) -> Option<Live> {
        let now = self.now();
        let key = could_be_secret(cookie).then(|| self.cookie_key(cookie))?;
        match self.look(key, now, true) {
            Found::Here(live, _) if live.row.tablet => Some(*live),
            _ => None,
        }
    }

    /// A live session by its id, with the person whose it is.
    pub(super) fn session_by_id(&self, session: &str) -> Option<(Live, Person)> {
        let id = session.parse().ok()?;
        let cookie = locked(&self.0.sessions).by_id.get(&id)?.row.cookie;
        match self.look(cookie, self.now(), true) {
            Found::Here(live, _) => {
                let person = self.0.people.get(live.person()?)?;
                Some((*live, person))
            }
            _ => None,
        }
    }

    /// Forgets what is over. Sessions that nobody uses any more are met by no request.
    pub(super) async fn sweep_sessions(&self) -> Result<()> {
        let now = self.now();
        let over: Vec<Id> = {
            let sessions = locked(&self.0.sessions);
            let over =
                sessions.by_id.values().filter(|live| live.is_over(now, &self.0.policy) || !self.is_current(live));
            over.map(|live| live.id).collect()
        };
        for id in over {
            self.remove_session(id).await?;
        }
        // Somebody was erased, perhaps while something was being written about them.
        let mut gone: Vec<PersonId> = locked(&self.0.acquaintances).keys().copied().collect();
        gone.retain(|person| self.0.people.get(*person).is_none());
        for person in gone {
            locked(&self.0.acquaintances).remove(&person);
            self.0.store.papers().delete(Drawer::Session, self.acquaintance_id(person)).await?;
            self.attack_is_over(person).await;
        }
        Ok(())
    }

    fn acquaintance_id(&self, person: PersonId) -> Id {
        Id(self.key("signin.acquaintance", &[&person.0.0]))
    }

    /// What is remembered of a person's ways in, written down. The person may be gone meanwhile.
    pub(super) async fn write_acquaintance(&self, person: PersonId) -> Result<()> {
        let _turn = self.0.writing.lock().await;
        let Some(row) = locked(&self.0.acquaintances).get(&person).cloned() else { return Ok(()) };
        if self.0.people.get(person).is_none() {
            return Ok(());
        }
        let paper =
            Paper { id: self.acquaintance_id(person), person: Some(person), body: body(&Row::Acquaintance(row))? };
        Ok(self.0.store.papers().put(Drawer::Session, &paper).await?)
    }

    fn look(&self, cookie: Key, now: Moments, used: bool) -> Found {
        let mut sessions = locked(&self.0.sessions);
        let Some(live) = sessions.with_cookie(cookie) else { return Found::None };
        if live.is_over(now, &self.0.policy) || !self.is_current(live) {
            return Found::Over(live.id);
        }
        if live.pinned.as_ref().is_some_and(|pinned| !self.pin_holds(pinned, now)) {
            live.pinned = None;
            live.proved_run = None;
        }
        let due = used && live.used(now);
        Found::Here(Box::new(live.clone()), due)
    }

    /// Whether its person is as they were when it was opened. Who is gone, locked, or has other rights now, signs in
    /// anew.
    fn is_current(&self, live: &Live) -> bool {
        match live.row.person {
            None => true,
            Some(id) => self
                .0
                .people
                .get(PersonId(Id(id)))
                .is_some_and(|person| person.epoch == live.row.epoch && !person.locked && !self.is_past(&person)),
        }
    }

    fn pin_holds(&self, pinned: &Pinned, now: Moments) -> bool {
        now.run.saturating_sub(pinned.used_run) <= super::session::PIN_IDLE_MILLIS
            && self
                .0
                .people
                .get(pinned.person)
                .is_some_and(|person| person.epoch == pinned.epoch && !person.locked && !self.is_past(&person))
    }

    /// Certainly past: while nobody knows the time a guest's session is kept, and the policy lets it do nothing.
    fn is_past(&self, person: &Person) -> bool {
        self.0.clock.trusted().is_some_and(|now| crate::people::People::is_over(person, now))
    }

    fn session_of(&self, person: PersonId, session: &str) -> Result<Id> {
        let person = self.person(person)?;
        let id: Id = session.parse().map_err(|_| SignInError::NoSuch("session"))?;
        let sessions = locked(&self.0.sessions);
        let mine = sessions.by_id.get(&id).is_some_and(|live| is_of(live, &person));
        mine.then_some(id).ok_or(SignInError::NoSuch("session"))
    }

    /// One more fits: what is over goes first, then what was unused for longest.
    async fn make_room(&self, person: Option<PersonId>) -> Result<()> {
        self.sweep_sessions().await?;
        let most = if person.is_some() { PER_PERSON } else { TABLETS };
        let oldest = {
            let sessions = locked(&self.0.sessions);
            let mine = || sessions.by_id.values().filter(|live| live.row.person.map(|id| PersonId(Id(id))) == person);
            let unused = |live: &&Live| (live.used_run, live.row.used_at);
            (mine().count() >= most).then(|| mine().min_by_key(unused).map(|live| live.id)).flatten()
        };
        match oldest {
            Some(id) => self.remove_session(id).await,
            None => Ok(()),
        }
    }

    /// Durable first, known after: a cookie that was given out is good after a power cut too. One that goes on under
    /// another cookie must still be there: somebody may have ended it meanwhile.
    async fn put(&self, live: &Live, before: Option<Key>) -> Result<()> {
        let _turn = self.0.writing.lock().await;
        let there = locked(&self.0.sessions).by_id.get(&live.id).map(|there| there.row.cookie);
        if there != before {
            return Err(SignInError::NoSuch("session"));
        }
        self.0.store.papers().put(Drawer::Session, &paper(live)?).await?;
        locked(&self.0.sessions).insert(live.clone());
        Ok(())
    }

    async fn write_down(&self, id: Id) -> Result<()> {
        let _turn = self.0.writing.lock().await;
        let Some(live) = locked(&self.0.sessions).by_id.get(&id).cloned() else { return Ok(()) };
        Ok(self.0.store.papers().put(Drawer::Session, &paper(&live)?).await?)
    }

    /// Unknown first, forgotten after: whatever the disk does, it lets nobody in from now on.
    async fn remove_session(&self, id: Id) -> Result<()> {
        let _turn = self.0.writing.lock().await;
        locked(&self.0.sessions).remove(id);
        self.0.store.papers().delete(Drawer::Session, id).await?;
        Ok(())
    }

    fn cookie_key(&self, cookie: &str) -> Key {
        self.key("session.cookie", &[cookie.as_bytes()])
    }

    /// Says nothing about the cookie, and cannot be made without it.
    fn csrf(&self, cookie: &str) -> Secret<String> {
        Secret::new(Id(self.key("session.csrf", &[cookie.as_bytes()])).to_string())
    }
}

fn is_of(live: &Live, person: &Person) -> bool {
    live.person() == Some(person.id) || (live.row.tablet && person.role == Role::Owner)
}

fn paper(live: &Live) -> Result<Paper> {
    let person = live.row.person.map(|id| PersonId(Id(id)));
    Ok(Paper { id: live.id, person, body: body(&Row::Session(live.row.clone()))? })
}

fn body(row: &Row) -> Result<Zeroizing<Vec<u8>>> {
    let text =
        serde_json::to_vec(row).map_err(|error| SignInError::Refused(format!("a session cannot be kept: {error}")))?;
    Ok(Zeroizing::new(text))
}
