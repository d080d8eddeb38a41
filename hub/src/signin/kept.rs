//! The documents of factors: read, written and verified one at a time. What makes a factor right is in `factors`; here a
//! proof that can be used once is written down as used before anything is granted for it.

use domovoi_model::{Id, PersonId};
use domovoi_store::{Drawer, Paper};
use domovoi_vault::{Secret, Verdict};
use serde_json::Value;

use super::factors::passkey::{PasskeyError, Passkeys, PersonsChallenge};
use super::factors::{KeptFactor, KeptPasskey, StoredFactor, recovery, totp};
use super::session::Shown;
use super::view::{Answer, FactorKind};
use super::{Result, SignIn, SignInError, Why};
use crate::audit::{Actor, Origin, Outcome};
use crate::people::Person;

/// A factor with its document's id.
pub(super) struct Kept {
    pub id: Id,
    pub factor: KeptFactor,
}

impl Kept {
    pub fn kind(&self) -> FactorKind {
        self.factor.factor.kind()
    }
}

/// Whether somebody can begin to sign in with one of these.
pub(super) fn lets_in(kept: &[Kept]) -> bool {
    let ways = [FactorKind::Password, FactorKind::Passkey, FactorKind::Portal];
    kept.iter().any(|kept| ways.contains(&kept.kind()))
}

/// What is asked for after a first proof. Recovery codes stand in for the others and ask for nothing by themselves.
pub(super) fn second_factors(kept: &[Kept]) -> Vec<FactorKind> {
    let has = |kind: FactorKind| kept.iter().any(|kept| kept.kind() == kind);
    let mut kinds: Vec<FactorKind> =
        [FactorKind::Passkey, FactorKind::Totp].into_iter().filter(|kind| has(*kind)).collect();
    let some_left = kept.iter().any(|kept| match &kept.factor.factor {
        StoredFactor::Recovery { hashes } => !hashes.is_empty(),
        _ => false,
    });
    if !kinds.is_empty() && some_left {
        kinds.push(FactorKind::Recovery);
    }
    kinds
}

/// The password's hash, if there is one.
pub(super) fn password_of(kept: &[Kept]) -> Option<(&Kept, &Secret<String>)> {
    kept.iter().find_map(|kept| match &kept.factor.factor {
        StoredFactor::Password { phc } => Some((kept, phc)),
        _ => None,
    })
}

/// The public halves of a person's passkeys, with their documents.
pub(super) fn passkeys_of(kept: &[Kept]) -> (Vec<Id>, Vec<KeptPasskey>) {
    let keys = kept.iter().filter_map(|kept| match &kept.factor.factor {
        StoredFactor::Passkey { key } => Some((kept.id, (**key).clone())),
        _ => None,
    });
    keys.unzip()
}

impl SignIn {
    /// A person's factors. One that cannot be read is passed over: it lets nobody in, and the others still do.
    pub(super) async fn kept(&self, person: PersonId) -> Result<Vec<Kept>> {
        let papers = self.0.store.papers().of(Drawer::Factor, person).await?;
        let read = papers.into_iter().filter_map(|paper| match KeptFactor::from_body(&paper.body) {
            Ok(factor) => Some(Kept { id: paper.id, factor }),
            Err(error) => {
                tracing::warn!("the factor {} cannot be read and counts for nothing: {error}", paper.id);
                None
            }
        });
        let mut kept: Vec<Kept> = read.collect();
        kept.sort_by_key(|kept| (kept.factor.added_at, kept.id));
        Ok(kept)
    }

    /// Writes a factor down.
    pub(super) async fn keep(&self, person: PersonId, id: Id, factor: &KeptFactor) -> Result<()> {
        let body =
            factor.to_body().map_err(|error| SignInError::Refused(format!("the factor cannot be kept: {error}")))?;
        Ok(self.0.store.papers().put(Drawer::Factor, &Paper { id, person: Some(person), body }).await?)
    }

    /// Notes that a factor of this kind let its person in; a look at the list should find what is used no more.
    pub(super) async fn has_let_in(&self, person: PersonId, is_it: impl Fn(&Kept) -> bool) -> Result<()> {
        let Some(now) = self.0.clock.trusted() else { return Ok(()) };
        let _turn = self.0.changing.lock().await;
        match self.kept(person).await?.into_iter().find(is_it) {
            Some(kept) => self.keep(person, kept.id, &KeptFactor { used_at: Some(now.0), ..kept.factor }).await,
            None => Ok(()),
        }
    }

    /// Whether a person has a way in at all.
    pub(super) async fn can_come_in(&self, person: PersonId) -> Result<bool> {
        Ok(lets_in(&self.kept(person).await?))
    }

    /// Compares a password with a person's, or does the same work for nothing. Exactly one evaluation, whoever it is.
    pub(super) async fn try_password(
        &self,
        person: Option<&Person>,
        typed: &Secret<String>,
        closed: bool,
    ) -> Result<bool> {
        // The drawer is looked into for a login that does not exist, too.
        let nobody = PersonId(Id([0; 16]));
        let kept = self.kept(person.map_or(nobody, |person| person.id)).await?;
        let found = password_of(&kept).filter(|_| !closed);
        let verdict = self.0.hasher.verify(typed, found.map(|(_, phc)| phc)).await?;
        let Verdict::Right { renew } = verdict else { return Ok(false) };
        if let (true, Some(person), Some((kept, _))) = (renew, person, found) {
            let renewed = StoredFactor::Password { phc: self.0.hasher.hash(typed).await? };
            self.keep(person.id, kept.id, &KeptFactor { factor: renewed, ..kept.factor.clone() }).await?;
        }
        Ok(true)
    }

    /// Judges a shown factor: what was shown, if it is right. `challenge` is what a passkey answers. What can be used
    /// once is used up by this.
    pub(super) async fn judge(
        &self,
        person: &Person,
        answer: Answer,
        challenge: Option<PersonsChallenge>,
        closed: bool,
        from: &Origin,
    ) -> Result<Option<Shown>> {
        match answer {
            Answer::Password(typed) => {
                Ok(self.try_password(Some(person), &typed, closed).await?.then_some(Shown::Password))
            }
            Answer::Totp(code) if !closed => self.use_totp(person.id, &code).await,
            Answer::Recovery(code) if !closed => self.use_recovery(person, &code, from).await,
            Answer::Passkey(_, response) => match challenge {
                Some(challenge) => self.use_passkey(person, &challenge, response, from).await,
                None => Err(SignInError::Expired),
            },
            Answer::Totp(_) | Answer::Recovery(_) => Ok(None),
        }
    }

    async fn use_totp(&self, person: PersonId, code: &str) -> Result<Option<Shown>> {
        let Some(now) = self.0.clock.trusted() else { return Err(Why::ClockUnset.into()) };
        // Read and written in one turn, so that two answers with one code are not both taken.
        let _turn = self.0.changing.lock().await;
        for Kept { id, mut factor } in self.kept(person).await? {
            let StoredFactor::Totp { secret, last_step } = &mut factor.factor else { continue };
            if let Some(step) = totp::check(secret, code, now, *last_step) {
                *last_step = Some(step);
                factor.used_at = Some(now.0);
                self.keep(person, id, &factor).await?;
                return Ok(Some(Shown::Totp));
            }
        }
        Ok(None)
    }

    async fn use_recovery(&self, person: &Person, code: &Secret<String>, from: &Origin) -> Result<Option<Shown>> {
        let _turn = self.0.changing.lock().await;
        let papers = self.0.store.papers();
        for Kept { id, mut factor } in self.kept(person.id).await? {
            let StoredFactor::Recovery { hashes } = &mut factor.factor else { continue };
            if recovery::use_up(&papers, person.id, code.expose(), hashes) {
                let left = hashes.len().to_string();
                factor.used_at = self.0.clock.trusted().map(|at| at.0);
                self.keep(person.id, id, &factor).await?;
                let (actor, facts) = (Actor::Person(person.id), [("left", left.as_str())]);
                self.tell_more("recovery.used", actor, Some(person.id), from, Outcome::Done, &facts).await;
                self.news(person, super::news::News::RecoveryUsed { left }, from);
                return Ok(Some(Shown::Recovery));
            }
        }
        Ok(None)
    }

    async fn use_passkey(
        &self,
        person: &Person,
        challenge: &PersonsChallenge,
        response: Value,
        from: &Origin,
    ) -> Result<Option<Shown>> {
        let passkeys = self.passkeys()?;
        let _turn = self.0.changing.lock().await;
        let kept = self.kept(person.id).await?;
        let (ids, mut keys) = passkeys_of(&kept);
        let place = passkeys.answer_for(challenge, person.id, response, &mut keys);
        self.passkey_was_used(person, place, &ids, keys, kept, from).await
    }

    /// Writes the key's counter down, or says what a refused one means. Under `changing`.
    pub(super) async fn passkey_was_used(
        &self,
        person: &Person,
        place: std::result::Result<usize, PasskeyError>,
        ids: &[Id],
        mut keys: Vec<KeptPasskey>,
        kept: Vec<Kept>,
        from: &Origin,
    ) -> Result<Option<Shown>> {
        match place {
            Ok(place) if place < keys.len() => {
                let key = Box::new(keys.swap_remove(place));
                let id = ids.get(place).copied();
                if let Some(Kept { id, factor }) = kept.into_iter().find(|kept| Some(kept.id) == id) {
                    let used_at = self.0.clock.trusted().map(|at| at.0).or(factor.used_at);
                    let factor = KeptFactor { used_at, factor: StoredFactor::Passkey { key }, ..factor };
                    self.keep(person.id, id, &factor).await?;
                }
                Ok(Some(Shown::Passkey))
            }
            Ok(_) => Ok(None),
            Err(PasskeyError::Copied) => {
                let refused = Outcome::Refused("copied".to_owned());
                self.tell("passkey.copied", Actor::Nobody, Some(person.id), from, refused).await;
                self.news(person, super::news::News::PasskeyCopied, from);
                Ok(None)
            }
            Err(error) => {
                tracing::debug!("a passkey was refused: {error}");
                Ok(None)
            }
        }
    }

    /// The relying party, if this home can have passkeys.
    pub(super) fn passkeys(&self) -> Result<&Passkeys> {
        self.0.passkeys.as_ref().map_err(|error| SignInError::Refused(error.to_string()))
    }
}
