//! One-time links: the way back in for somebody who is locked out, printed at the console (ten minutes), and the way in
//! for somebody who was invited (a day). Each is used once, and a new one ends the one before.

use domovoi_model::{Id, PersonId};
use domovoi_store::{Drawer, Paper};
use domovoi_vault::Secret;
use zeroize::Zeroizing;

use super::issued::{EntryRow, Row};
use super::kept::lets_in;
use super::news::News;
use super::session::Shown;
use super::term::Term;
use super::view::Opened;
use super::{Result, SignIn, SignInError, Why, could_be_secret, new_secret};
use crate::audit::{Actor, Origin, Outcome, Road};
use crate::people::{Edit, People};
use crate::policy::Role;

const CONSOLE_MILLIS: i64 = 10 * 60_000;
const INVITED_MILLIS: i64 = 24 * 3_600_000;

impl SignIn {
    /// A one-time link token with which a person who is locked out (console), or was invited, chooses new factors.
    /// Valid for ten minutes (console) or a day (invitation).
    pub async fn entry_token(&self, person: PersonId, invited: bool) -> Result<Secret<String>> {
        let person = self.person(person)?;
        if person.role == Role::Service {
            return Err(Why::Services.into());
        }
        let token = new_secret()?;
        let _turn = self.0.changing.lock().await;
        self.end_entries(person.id).await?;
        let life = if invited { INVITED_MILLIS } else { CONSOLE_MILLIS };
        let row = EntryRow { invited, epoch: person.epoch, term: Term::begin(&self.0.clock, life) };
        let body = Zeroizing::new(serde_json::to_vec(&Row::Entry(row)).map_err(|_| Why::Keep)?);
        let paper = Paper { id: self.entry_id(token.expose()), person: Some(person.id), body };
        self.0.store.papers().put(Drawer::Token, &paper).await?;
        if !invited {
            let origin = Origin { road: Road::Console, ..Origin::default() };
            self.tell("recovery.link", Actor::Console, Some(person.id), &origin, Outcome::Done).await;
        }
        Ok(token)
    }

    /// Uses an entry token: signed in, with a password chosen if one is given.
    pub async fn enter(&self, token: &str, password: Option<Secret<String>>, from: &Origin) -> Result<Opened> {
        let turn = self.0.changing.lock().await;
        let id = self.entry_id(token);
        let paper = match could_be_secret(token) {
            true => self.0.store.papers().get(Drawer::Token, id).await?,
            false => None,
        };
        let row = paper.as_ref().and_then(|paper| serde_json::from_slice(&paper.body).ok());
        let person = paper.as_ref().and_then(|paper| self.0.people.get(paper.person?));
        let (Some(Row::Entry(row)), Some(mut person)) = (row, person) else { return Err(self.no_entry(from).await) };
        // An invitation is worth what it was worth when it was given; the console may do what it likes.
        let stale = row.invited && (row.epoch != person.epoch || !self.is_welcome(&person));
        let past = self.0.clock.trusted().is_some_and(|now| People::is_over(&person, now));
        if !row.term.holds(&self.0.clock) || stale || past {
            return Err(self.no_entry(from).await);
        }
        let kept = self.kept(person.id).await?;
        let chosen = match &password {
            None => None,
            Some(password) => Some(self.choose(&person, &kept, password).await?),
        };
        // Used up before anything is granted for it; whoever loses the power here asks for another link.
        if !self.0.store.papers().delete(Drawer::Token, id).await? {
            return Err(self.no_entry(from).await);
        }
        if person.locked {
            let edit = Edit { locked: Some(false), ..Edit::default() };
            person = self.0.people.edit(person.id, edit).await?;
        }
        let recovers = !row.invited || lets_in(&kept);
        if recovers {
            self.end_sessions(person.id, None).await?;
        }
        let mut shown = vec![if row.invited { Shown::Invited } else { Shown::Console }];
        if let Some(chosen) = chosen {
            self.keep_password(&person, &kept, chosen).await?;
            shown.push(Shown::Password);
        }
        drop(turn);
        let deed = if row.invited { "invitation.used" } else { "recovery.entered" };
        self.tell(deed, Actor::Person(person.id), Some(person.id), from, Outcome::Done).await;
        let opened = self.open_session(&person, &shown, from).await?;
        if recovers {
            self.news(&person, News::Recovered, from);
        }
        Ok(opened)
    }

    async fn no_entry(&self, from: &Origin) -> SignInError {
        self.tell_refused("link", None, from, "expired").await;
        SignInError::Expired
    }

    async fn end_entries(&self, person: PersonId) -> Result<()> {
        for paper in self.0.store.papers().of(Drawer::Token, person).await? {
            if matches!(serde_json::from_slice(&paper.body), Ok(Row::Entry(_))) {
                self.0.store.papers().delete(Drawer::Token, paper.id).await?;
            }
        }
        Ok(())
    }

    fn entry_id(&self, token: &str) -> Id {
        self.0.store.papers().id_of("signin.entry", &[token.as_bytes()])
    }
}
