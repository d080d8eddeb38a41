//! Acts. Keeps one act per account and period (and one correction per act), never lets what was signed change, and
//! numbers the acts of an account in the order of signing. It signs nothing and sends nothing.

mod rows;

use std::sync::Arc;

use domovoi_model::{AccountId, Act, ActId, ActState, Period, PortalVerdict};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use self::rows::ActRow;
use crate::db::{Db, Tx};
use crate::error::StoreError;
use crate::register::require;
use crate::rows::id_of;
use crate::tables::ACT;

/// Which acts are wanted; an empty filter wants all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ActFilter {
    /// Of this account.
    pub account: Option<AccountId>,
    /// Of this month.
    pub period: Option<Period>,
    /// Whether the outbox still has something to do for it.
    pub on_its_way: Option<bool>,
}

/// The acts.
#[derive(Clone)]
pub struct Acts {
    db: Arc<Db>,
}

impl Acts {
    pub(crate) fn new(db: Arc<Db>) -> Self {
        Acts { db }
    }

    /// Enters an act. `Conflict` when its account and period have one already (or, for a correction, when the act it
    /// corrects has been corrected already), or when its id is taken.
    pub async fn insert(&self, act: &Act) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        self.write_new(&mut tx, act).await?;
        tx.commit().await
    }

    /// Changes an act. What it is about never changes; once it is signed, only its state and what the portal said of
    /// its readings do. Anything else is a `Conflict`. An act that is signed with this call gets the next number in
    /// its account's chain.
    pub async fn update(&self, act: &Act) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        self.write_over(&mut tx, act).await?;
        tx.commit().await
    }

    /// Puts a correction in the place of an act: `old` comes with its new state, `new` names it in `supersedes`. Both
    /// or neither.
    pub async fn supersede(&self, old: &Act, new: &Act) -> Result<(), StoreError> {
        if new.supersedes != Some(old.id) || old.state != (ActState::Superseded { by: new.id }) {
            return Err(StoreError::conflict("a correction and the act it corrects must name each other"));
        }
        if (old.account, old.period) != (new.account, new.period) {
            return Err(StoreError::conflict("a correction must be of the same account and period"));
        }
        let mut tx = self.db.begin().await?;
        self.write_over(&mut tx, old).await?;
        self.write_new(&mut tx, new).await?;
        tx.commit().await
    }

    /// One act.
    pub async fn get(&self, id: ActId) -> Result<Option<Act>, StoreError> {
        let mut reader = self.db.read().await?;
        let row = sqlx::query("SELECT id, account, created_at, slot, chain, sealed FROM act WHERE id = ?1")
            .bind(id.0.0.to_vec())
            .fetch_optional(reader.conn())
            .await?;
        Ok(row.map(|row| self.read(&row)).transpose()?.map(|(act, _)| act))
    }

    /// The acts that pass a filter: those that are signed in the order of signing, then the drafts, oldest first. A
    /// scan: a home has a dozen a year. An act that does not open is left out and named in the log and by verification:
    /// one damaged row must not hold up every other month.
    pub async fn list(&self, filter: ActFilter) -> Result<Vec<Act>, StoreError> {
        let mut reader = self.db.read().await?;
        let rows = sqlx::query(
            "SELECT id, account, created_at, slot, chain, sealed FROM act
             WHERE ?1 IS NULL OR account = ?1
             ORDER BY account, chain IS NULL, chain, created_at, id",
        )
        .bind(filter.account.map(|account| account.0.0.to_vec()))
        .fetch_all(reader.conn())
        .await?;
        let mut acts = Vec::new();
        for row in &rows {
            let act = match self.read(row) {
                Ok((act, _)) => act,
                Err(StoreError::Damaged { what }) => {
                    tracing::error!("an act does not open and is passed over: {what}");
                    continue;
                }
                Err(error) => return Err(error),
            };
            let wanted = filter.period.is_none_or(|period| period == act.period)
                && filter.on_its_way.is_none_or(|on_its_way| on_its_way == act.state.is_on_its_way());
            if wanted {
                acts.push(act);
            }
        }
        Ok(acts)
    }

    /// The act of an account that was signed last, and its exact bytes: what the next one's chain hash is made of.
    pub async fn last_signed(&self, account: AccountId) -> Result<Option<(ActId, Vec<u8>)>, StoreError> {
        let mut reader = self.db.read().await?;
        let row = sqlx::query(
            "SELECT id, account, created_at, slot, chain, sealed FROM act
             WHERE account = ?1 AND chain IS NOT NULL ORDER BY chain DESC LIMIT 1",
        )
        .bind(account.0.0.to_vec())
        .fetch_optional(reader.conn())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let (act, _) = self.read(&row)?;
        Ok(act.document.map(|document| (act.id, document)))
    }

    async fn write_new(&self, tx: &mut Tx<'_>, act: &Act) -> Result<(), StoreError> {
        let id = act.id.0.0.to_vec();
        let slot = self.slot(act).to_vec();
        require(tx, "SELECT 1 FROM account WHERE id = ?1", act.account.0, "account").await?;
        let taken = sqlx::query("SELECT 1 FROM act WHERE slot = ?1 OR id = ?2")
            .bind(slot.clone())
            .bind(id.clone())
            .fetch_optional(tx.conn())
            .await?;
        if taken.is_some() {
            return Err(StoreError::conflict(match act.supersedes {
                None => format!("the period {} of this account has an act already", act.period),
                Some(old) => format!("the act {old} has been corrected already"),
            }));
        }
        let chain = self.chain_for(tx, act, None).await?;
        let sealed = ACT.seal_json(&self.db.vault, &act.id.0.0, &ActRow::new(act, chain))?;
        sqlx::query("INSERT INTO act (id, account, created_at, slot, chain, sealed) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")
            .bind(id)
            .bind(act.account.0.0.to_vec())
            .bind(act.created_at.0)
            .bind(slot)
            .bind(chain)
            .bind(sealed)
            .execute(tx.conn())
            .await?;
        Ok(())
    }

    async fn write_over(&self, tx: &mut Tx<'_>, act: &Act) -> Result<(), StoreError> {
        let row = sqlx::query("SELECT id, account, created_at, slot, chain, sealed FROM act WHERE id = ?1")
            .bind(act.id.0.0.to_vec())
            .fetch_optional(tx.conn())
            .await?;
        let row = row.ok_or_else(|| StoreError::not_found(format!("act {}", act.id)))?;
        let (before, chain) = self.read(&row)?;
        check_change(&before, act)?;
        let chain = self.chain_for(tx, act, chain).await?;
        let sealed = ACT.seal_json(&self.db.vault, &act.id.0.0, &ActRow::new(act, chain))?;
        sqlx::query("UPDATE act SET chain = ?2, sealed = ?3 WHERE id = ?1")
            .bind(act.id.0.0.to_vec())
            .bind(chain)
            .bind(sealed)
            .execute(tx.conn())
            .await?;
        Ok(())
    }

    /// The act's number in its account's order of signing: the one it has, or the next one if it is signed now.
    async fn chain_for(&self, tx: &mut Tx<'_>, act: &Act, chain: Option<i64>) -> Result<Option<i64>, StoreError> {
        let sendable = act.state.is_on_its_way() || act.state.is_confirmed();
        match (&act.document, &act.signature) {
            (None, None) if !sendable => return Ok(None),
            (Some(_), Some(_)) if act.state.is_signed() => {}
            _ => {
                return Err(StoreError::conflict("an act is approved with its document and signature, and not before"));
            }
        }
        if chain.is_some() {
            return Ok(chain);
        }
        let last: Option<i64> = sqlx::query("SELECT max(chain) FROM act WHERE account = ?1")
            .bind(act.account.0.0.to_vec())
            .fetch_one(tx.conn())
            .await?
            .try_get(0)?;
        Ok(Some(last.unwrap_or(0) + 1))
    }

    fn slot(&self, act: &Act) -> [u8; 32] {
        let period = act.period.to_string();
        let corrected = act.supersedes.map(|id| id.0.0);
        let corrected: &[u8] = corrected.as_ref().map_or(&[], |id| id);
        self.db.vault.keyed_hash("act", &[&act.account.0.0, period.as_bytes(), corrected])
    }

    fn read(&self, row: &SqliteRow) -> Result<(Act, Option<i64>), StoreError> {
        let id: &[u8] = row.try_get(0)?;
        let content: ActRow = ACT.open_json(&self.db.vault, id, row.try_get(5)?)?;
        let sealed_chain = content.chain;
        let act = content.act(ActId(id_of(id)?)).map_err(|bad| ACT.damaged(id, bad))?;
        let account: &[u8] = row.try_get(1)?;
        let created_at: i64 = row.try_get(2)?;
        let slot: &[u8] = row.try_get(3)?;
        let chain: Option<i64> = row.try_get(4)?;
        let same = account == act.account.0.0
            && created_at == act.created_at.0
            && slot == self.slot(&act)
            && chain == sealed_chain;
        if same { Ok((act, chain)) } else { Err(ACT.damaged(id, "its columns were changed")) }
    }
}

fn check_change(before: &Act, after: &Act) -> Result<(), StoreError> {
    let about = |act: &Act| (act.account, act.period, act.supersedes, act.created_at);
    if about(before) != about(after) {
        return Err(StoreError::conflict("the account, period and origin of an act never change"));
    }
    if before.document.is_none() {
        return Ok(());
    }
    // Somebody may still hold the act as it was before its correction and mean to write down an answer to it.
    if matches!(before.state, ActState::Superseded { .. }) && before.state != after.state {
        return Err(StoreError::conflict(format!("the act {} was corrected and no longer changes", before.id)));
    }
    // What was signed, and what the outbox and the chain lean on. The portal's verdicts come later and may change.
    let said = |act: &Act| {
        let mut readings = act.readings.clone();
        readings.iter_mut().for_each(|reading| reading.portal_verdict = PortalVerdict::Pending);
        readings
    };
    let same = before.document == after.document && before.signature == after.signature && said(before) == said(after);
    if !same || !after.state.is_signed() {
        return Err(StoreError::conflict(format!(
            "the act {} is signed and no longer changes; draw up a correction",
            before.id
        )));
    }
    Ok(())
}
