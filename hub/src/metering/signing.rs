//! Signing: the one place where an act becomes what never changes. Approval is made sure of by whoever calls it.

use domovoi_model::{Account, AccountId, Act, ActId, ActReading, ActState, MeteringPoint, PortalVerdict, ReadingId};
use domovoi_store::ActFilter;

use super::act::{self, Span};
use super::clerk::new_id;
use super::register::Register;
use super::sign::sha256;
use super::terms::Terms;
use super::{Metering, MeteringError};

impl Metering {
    /// Signs a checked act: from here on its bytes never change. Whoever calls this has made sure of the approval.
    /// `incomplete`: a person wants a draft signed with the readings that it has, without those that something stands
    /// against.
    pub(super) async fn sign(&self, id: ActId, incomplete: bool) -> Result<Act, MeteringError> {
        // One signature at a time: the chain hash names the act signed before.
        let _turn = self.signing.lock().await;
        let act = self.act(id).await?;
        if act.state.is_signed() {
            return Ok(act);
        }
        let without_the_rest = incomplete && !act.readings.is_empty();
        if act.state != ActState::Checked && !without_the_rest {
            return Err(MeteringError::NotChecked(id));
        }
        self.is_the_latest(&act).await?;
        let act = self.signed(act, None).await?;
        self.store.acts().update(&act).await?;
        tracing::info!(act = %act.id, period = %act.period, "act signed");
        self.tell_act(&act);
        Ok(act)
    }

    /// What was drawn up in a window must not be signed when a later month has been stated: its readings would overlap.
    async fn is_the_latest(&self, act: &Act) -> Result<(), MeteringError> {
        let acts = self.store.acts().list(ActFilter { account: Some(act.account), ..ActFilter::default() }).await?;
        match acts.iter().find(|other| other.period > act.period && other.state.is_signed()) {
            Some(later) => Err(MeteringError::LaterMonthStated { period: act.period, later: later.period }),
            None => Ok(()),
        }
    }

    async fn signed(&self, act: Act, held_by_portal: Option<ActId>) -> Result<Act, MeteringError> {
        let now = self.clock.trusted().ok_or(MeteringError::ClockNotTrusted)?;
        let register = self.register();
        let (account, terms) = self.account_and_terms(&register, act.account)?;
        let before = self.store.acts().last_signed(act.account).await?.map(|(_, document)| sha256(&document));
        // What was drawn up keeps its time in the store; the document says when it was signed.
        let dated = Act { created_at: now, ..act.clone() };
        let kid = self.key.public().thumbprint();
        let document = act::document(terms, account, &dated, &register.meters, before, held_by_portal, &kid)
            .map_err(MeteringError::Document)?;
        let signature = self.key.sign(&document);
        Ok(Act { document: Some(document), signature: Some(signature), state: ActState::Approved, ..act })
    }

    fn account_and_terms<'a>(
        &'a self,
        register: &'a Register,
        id: AccountId,
    ) -> Result<(&'a Account, &'a Terms), MeteringError> {
        let account = register.account(id).ok_or_else(|| MeteringError::NoSuch("account".into()))?;
        let terms = self.suppliers.get(&account.supplier);
        Ok((account, terms.ok_or_else(|| MeteringError::NoSupplier(account.supplier.clone()))?))
    }

    /// A person corrects an act that the portal has receipted, or has refused: a new act from what is believed now,
    /// signed, takes its place. Asking for it is approving it. A meter of which nothing better is known keeps the
    /// reading that it had: a correction takes the place of the whole act.
    pub async fn correct(&self, id: ActId) -> Result<Act, MeteringError> {
        self.must_be_whole()?;
        let now = self.clock.trusted().ok_or(MeteringError::ClockNotTrusted)?;
        let _turn = self.signing.lock().await;
        let old = self.act(id).await?;
        if !matches!(old.state, ActState::Received { .. } | ActState::Refused { .. }) {
            return Err(MeteringError::NotCorrectable { id, state: old.state.code() });
        }
        self.is_the_latest(&old).await?;
        let register = self.register();
        let (account, terms) = self.account_and_terms(&register, old.account)?;
        let points: Vec<&MeteringPoint> = register.points_of(account.id).collect();
        // A correction may come after the window: what was read since then counts.
        let span = Span { period: old.period, until: terms.day_at(now) };
        let mut readings = self.draw_up(terms, &register, account.id, &points, span, Some(&old)).await?;
        for kept in &old.readings {
            let rejected = matches!(kept.portal_verdict, PortalVerdict::Rejected { .. });
            if !rejected && !readings.readings.iter().any(|new| new.meter == kept.meter) {
                let id = ReadingId(new_id()?);
                readings.readings.push(ActReading { id, portal_verdict: PortalVerdict::Pending, ..kept.clone() });
            }
        }
        if readings.readings.is_empty() {
            let problems = readings.problems.iter().map(|p| format!("{}: {}", p.point, p.what));
            return Err(MeteringError::NothingToSay(problems.collect::<Vec<_>>().join("; ")));
        }
        let held_by_portal = self.held_by_portal(old.clone()).await?;
        let act = Act {
            id: ActId(new_id()?),
            supersedes: Some(old.id),
            created_at: now,
            document: None,
            signature: None,
            readings: readings.readings,
            state: ActState::Checked,
            ..old.clone()
        };
        let act = self.signed(act, held_by_portal).await?;
        let old = Act { state: ActState::Superseded { by: act.id }, ..old };
        self.store.acts().supersede(&old, &act).await?;
        self.clear_act(old.id).await?;
        self.tell_act(&old);
        self.tell_act(&act);
        Ok(act)
    }

    /// The newest act of a chain of corrections that the portal took: what a further correction has to name.
    async fn held_by_portal(&self, mut act: Act) -> Result<Option<ActId>, MeteringError> {
        loop {
            if act.readings.iter().any(|r| matches!(r.portal_verdict, PortalVerdict::Accepted { .. })) {
                return Ok(Some(act.id));
            }
            match act.supersedes {
                Some(before) => act = self.act(before).await?,
                None => return Ok(None),
            }
        }
    }
}
