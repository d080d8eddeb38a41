//! Accounts, metering points and meters. Keeps them consistent with each other (one account per contract, one meter
//! hanging per point) and checks no digits and no dates: that is metering's business.

use std::sync::Arc;

use domovoi_model::{
    Account, AccountId, Binding, Id, Meter, MeterId, MeteringPoint, PointId, Reminder, Resource, Tariff,
};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::db::{Db, Tx};
use crate::error::StoreError;
use crate::history::{unit_code, unit_from_code};
use crate::ledger::{self, Appended, LedgerEntry};
use crate::rows::{BadRow, DateRow, DeviceRow, Spelled, ValuesRow, id_of, tariff};
use crate::tables::{ACCOUNT, METER, POINT};

#[derive(Serialize, Deserialize)]
struct AccountRow {
    supplier: String,
    number: String,
    els: Option<String>,
    jku_id: Option<String>,
    label: String,
}

#[derive(Serialize, Deserialize)]
struct BindingRow {
    device: DeviceRow,
    registers: Vec<(String, String)>,
    unit: Option<u8>,
}

#[derive(Serialize, Deserialize)]
struct PointRow {
    account: Spelled<AccountId>,
    resource: String,
    name: String,
    binding: Option<BindingRow>,
    reminder: ReminderRow,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ReminderRow {
    Never,
    Monthly,
    Quarterly,
}

#[derive(Serialize, Deserialize)]
struct MeterRow {
    point: Spelled<PointId>,
    serial: String,
    model: Option<String>,
    digits_int: u8,
    digits_frac: u8,
    tariffs: u8,
    multiplier: Spelled<Decimal>,
    installed: DateRow,
    start: ValuesRow,
    verified: Option<DateRow>,
    verification_valid_until: Option<DateRow>,
    removed: Option<(DateRow, ValuesRow)>,
}

impl From<&Account> for AccountRow {
    fn from(account: &Account) -> Self {
        AccountRow {
            supplier: account.supplier.clone(),
            number: account.number.clone(),
            els: account.els.clone(),
            jku_id: account.jku_id.clone(),
            label: account.label.clone(),
        }
    }
}

impl AccountRow {
    fn account(self, id: AccountId) -> Account {
        let AccountRow { supplier, number, els, jku_id, label } = self;
        Account { id, supplier, number, els, jku_id, label }
    }
}

impl From<&MeteringPoint> for PointRow {
    fn from(point: &MeteringPoint) -> Self {
        PointRow {
            account: Spelled(point.account),
            resource: point.resource.code().to_owned(),
            name: point.name.clone(),
            binding: point.binding.as_ref().map(|binding| BindingRow {
                device: (&binding.device).into(),
                registers: binding
                    .registers
                    .iter()
                    .map(|(tariff, property)| (tariff.code().to_owned(), property.clone()))
                    .collect(),
                unit: binding.unit.map(unit_code),
            }),
            reminder: match point.reminder {
                Reminder::Never => ReminderRow::Never,
                Reminder::Monthly => ReminderRow::Monthly,
                Reminder::Quarterly => ReminderRow::Quarterly,
            },
        }
    }
}

impl TryFrom<BindingRow> for Binding {
    type Error = BadRow;

    fn try_from(row: BindingRow) -> Result<Self, BadRow> {
        let registers: Result<Vec<(Tariff, String)>, BadRow> =
            row.registers.into_iter().map(|(code, property)| Ok((tariff(&code)?, property))).collect();
        let unit = row.unit.map(|code| unit_from_code(code).ok_or(BadRow("unit"))).transpose()?;
        Ok(Binding { device: row.device.into(), registers: registers?, unit })
    }
}

impl PointRow {
    fn point(self, id: PointId) -> Result<MeteringPoint, BadRow> {
        Ok(MeteringPoint {
            id,
            account: self.account.0,
            resource: Resource::from_code(&self.resource).ok_or(BadRow("resource"))?,
            name: self.name,
            binding: self.binding.map(Binding::try_from).transpose()?,
            reminder: match self.reminder {
                ReminderRow::Never => Reminder::Never,
                ReminderRow::Monthly => Reminder::Monthly,
                ReminderRow::Quarterly => Reminder::Quarterly,
            },
        })
    }
}

impl From<&Meter> for MeterRow {
    fn from(meter: &Meter) -> Self {
        MeterRow {
            point: Spelled(meter.point),
            serial: meter.serial.clone(),
            model: meter.model.clone(),
            digits_int: meter.digits_int,
            digits_frac: meter.digits_frac,
            tariffs: meter.tariffs,
            multiplier: Spelled(meter.multiplier),
            installed: Spelled(meter.installed),
            start: meter.start.into(),
            verified: meter.verified.map(Spelled),
            verification_valid_until: meter.verification_valid_until.map(Spelled),
            removed: meter.removed.map(|(date, values)| (Spelled(date), values.into())),
        }
    }
}

impl MeterRow {
    fn meter(self, id: MeterId) -> Meter {
        Meter {
            id,
            point: self.point.0,
            serial: self.serial,
            model: self.model,
            digits_int: self.digits_int,
            digits_frac: self.digits_frac,
            tariffs: self.tariffs,
            multiplier: self.multiplier.0,
            installed: self.installed.0,
            start: self.start.into(),
            verified: self.verified.map(|date| date.0),
            verification_valid_until: self.verification_valid_until.map(|date| date.0),
            removed: self.removed.map(|(date, values)| (date.0, values.into())),
        }
    }
}

/// Accounts, points and meters.
#[derive(Clone)]
pub struct Register {
    db: Arc<Db>,
}

impl Register {
    pub(crate) fn new(db: Arc<Db>) -> Self {
        Register { db }
    }

    /// Enters an account, or changes it. `Conflict` when another one has this supplier and number.
    pub async fn save_account(&self, account: &Account) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        self.write_account(&mut tx, account).await?;
        tx.commit().await
    }

    async fn write_account(&self, tx: &mut Tx<'_>, account: &Account) -> Result<(), StoreError> {
        let once = self.contract(account);
        let id = account.id.0.0;
        let other = sqlx::query("SELECT 1 FROM account WHERE once = ?1 AND id <> ?2")
            .bind(once.to_vec())
            .bind(id.to_vec())
            .fetch_optional(tx.conn())
            .await?;
        if other.is_some() {
            return Err(StoreError::conflict("this supplier and account number are entered already"));
        }
        let sealed = ACCOUNT.seal_json(&self.db.vault, &id, &AccountRow::from(account))?;
        sqlx::query(
            "INSERT INTO account (id, once, sealed) VALUES (?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET once = excluded.once, sealed = excluded.sealed",
        )
        .bind(id.to_vec())
        .bind(once.to_vec())
        .bind(sealed)
        .execute(tx.conn())
        .await?;
        Ok(())
    }

    /// One account.
    pub async fn account(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        let mut reader = self.db.read().await?;
        let row = sqlx::query("SELECT id, once, sealed FROM account WHERE id = ?1")
            .bind(id.0.0.to_vec())
            .fetch_optional(reader.conn())
            .await?;
        row.map(|row| self.read_account(&row)).transpose()
    }

    /// All accounts, in the order of entry.
    pub async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        let mut reader = self.db.read().await?;
        let rows = sqlx::query("SELECT id, once, sealed FROM account ORDER BY rowid").fetch_all(reader.conn()).await?;
        rows.iter().map(|row| self.read_account(row)).collect()
    }

    /// Enters a metering point, or changes it. `NotFound` when there is no such account.
    pub async fn save_point(&self, point: &MeteringPoint) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        self.write_point(&mut tx, point).await?;
        tx.commit().await
    }

    async fn write_point(&self, tx: &mut Tx<'_>, point: &MeteringPoint) -> Result<(), StoreError> {
        let id = point.id.0.0;
        require(tx, "SELECT 1 FROM account WHERE id = ?1", point.account.0, "account").await?;
        let sealed = POINT.seal_json(&self.db.vault, &id, &PointRow::from(point))?;
        sqlx::query(
            "INSERT INTO point (id, account, sealed) VALUES (?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET account = excluded.account, sealed = excluded.sealed",
        )
        .bind(id.to_vec())
        .bind(point.account.0.0.to_vec())
        .bind(sealed)
        .execute(tx.conn())
        .await?;
        Ok(())
    }

    /// One point.
    pub async fn point(&self, id: PointId) -> Result<Option<MeteringPoint>, StoreError> {
        let mut reader = self.db.read().await?;
        let row = sqlx::query("SELECT id, account, sealed FROM point WHERE id = ?1")
            .bind(id.0.0.to_vec())
            .fetch_optional(reader.conn())
            .await?;
        row.map(|row| self.read_point(&row)).transpose()
    }

    /// All points, in the order of entry.
    pub async fn points(&self) -> Result<Vec<MeteringPoint>, StoreError> {
        let mut reader = self.db.read().await?;
        let rows = sqlx::query("SELECT id, account, sealed FROM point ORDER BY rowid").fetch_all(reader.conn()).await?;
        rows.iter().map(|row| self.read_point(row)).collect()
    }

    /// Enters a meter, or changes it. `Conflict` when another one hangs at the point.
    pub async fn save_meter(&self, meter: &Meter) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        self.write_meter(&mut tx, meter).await?;
        tx.commit().await
    }

    /// Enters a point with its meter, its account (where that is new) and the ledger rows of its installation: all of it
    /// or nothing.
    pub async fn add_point(
        &self,
        account: &Account,
        point: &MeteringPoint,
        meter: &Meter,
        rows: &[LedgerEntry],
    ) -> Result<(), StoreError> {
        if point.account != account.id || meter.point != point.id {
            return Err(StoreError::conflict("a meter hangs at its point, and a point belongs to its account"));
        }
        let mut tx = self.db.begin().await?;
        self.write_account(&mut tx, account).await?;
        self.write_point(&mut tx, point).await?;
        self.write_meter(&mut tx, meter).await?;
        ledger::append(&self.db, &mut tx, rows).await?;
        tx.commit().await
    }

    /// Takes one meter out and puts another in, with the ledger rows that say so: all of it or nothing.
    pub async fn swap_meter(
        &self,
        old: &Meter,
        new: &Meter,
        rows: &[LedgerEntry],
    ) -> Result<Vec<Appended>, StoreError> {
        if old.removed.is_none() || old.point != new.point || old.id == new.id {
            return Err(StoreError::conflict(
                "a swap wants an old meter that was taken out and a new one, at one point",
            ));
        }
        let mut tx = self.db.begin().await?;
        require(&mut tx, "SELECT 1 FROM meter WHERE id = ?1", old.id.0, "meter to take out").await?;
        self.write_meter(&mut tx, old).await?;
        self.write_meter(&mut tx, new).await?;
        let appended = ledger::append(&self.db, &mut tx, rows).await?;
        tx.commit().await?;
        Ok(appended)
    }

    /// One meter.
    pub async fn meter(&self, id: MeterId) -> Result<Option<Meter>, StoreError> {
        let mut reader = self.db.read().await?;
        let row = sqlx::query("SELECT id, point, hanging, sealed FROM meter WHERE id = ?1")
            .bind(id.0.0.to_vec())
            .fetch_optional(reader.conn())
            .await?;
        row.map(|row| self.read_meter(&row)).transpose()
    }

    /// All meters, in the order of entry.
    pub async fn meters(&self) -> Result<Vec<Meter>, StoreError> {
        let mut reader = self.db.read().await?;
        let rows =
            sqlx::query("SELECT id, point, hanging, sealed FROM meter ORDER BY rowid").fetch_all(reader.conn()).await?;
        rows.iter().map(|row| self.read_meter(row)).collect()
    }

    async fn write_meter(&self, tx: &mut Tx<'_>, meter: &Meter) -> Result<(), StoreError> {
        let id = meter.id.0.0;
        let hanging = self.hanging(meter).map(Vec::from);
        require(tx, "SELECT 1 FROM point WHERE id = ?1", meter.point.0, "metering point").await?;
        let other = sqlx::query("SELECT 1 FROM meter WHERE hanging = ?1 AND id <> ?2")
            .bind(hanging.clone())
            .bind(id.to_vec())
            .fetch_optional(tx.conn())
            .await?;
        if other.is_some() {
            return Err(StoreError::conflict("another meter hangs at this point: take it out first"));
        }
        let sealed = METER.seal_json(&self.db.vault, &id, &MeterRow::from(meter))?;
        sqlx::query(
            "INSERT INTO meter (id, point, hanging, sealed) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO UPDATE
             SET point = excluded.point, hanging = excluded.hanging, sealed = excluded.sealed",
        )
        .bind(id.to_vec())
        .bind(meter.point.0.0.to_vec())
        .bind(hanging)
        .bind(sealed)
        .execute(tx.conn())
        .await?;
        Ok(())
    }

    fn contract(&self, account: &Account) -> [u8; 32] {
        self.db.vault.keyed_hash("account", &[account.supplier.as_bytes(), account.number.as_bytes()])
    }

    fn hanging(&self, meter: &Meter) -> Option<[u8; 32]> {
        meter.removed.is_none().then(|| self.db.vault.keyed_hash("meter.hanging", &[&meter.point.0.0]))
    }

    fn read_account(&self, row: &SqliteRow) -> Result<Account, StoreError> {
        let id: &[u8] = row.try_get(0)?;
        let content: AccountRow = ACCOUNT.open_json(&self.db.vault, id, row.try_get(2)?)?;
        let account = content.account(AccountId(id_of(id)?));
        let once: &[u8] = row.try_get(1)?;
        if once != self.contract(&account) {
            return Err(ACCOUNT.damaged(id, "its columns were changed"));
        }
        Ok(account)
    }

    fn read_point(&self, row: &SqliteRow) -> Result<MeteringPoint, StoreError> {
        let id: &[u8] = row.try_get(0)?;
        let content: PointRow = POINT.open_json(&self.db.vault, id, row.try_get(2)?)?;
        let point = content.point(PointId(id_of(id)?)).map_err(|bad| POINT.damaged(id, bad))?;
        let account: &[u8] = row.try_get(1)?;
        if account != point.account.0.0 {
            return Err(POINT.damaged(id, "its columns were changed"));
        }
        Ok(point)
    }

    fn read_meter(&self, row: &SqliteRow) -> Result<Meter, StoreError> {
        let id: &[u8] = row.try_get(0)?;
        let content: MeterRow = METER.open_json(&self.db.vault, id, row.try_get(3)?)?;
        let meter = content.meter(MeterId(id_of(id)?));
        let point: &[u8] = row.try_get(1)?;
        let hanging: Option<Vec<u8>> = row.try_get(2)?;
        if point != meter.point.0.0 || hanging != self.hanging(&meter).map(Vec::from) {
            return Err(METER.damaged(id, "its columns were changed"));
        }
        Ok(meter)
    }
}

/// `NotFound` unless the row is there: clearer than the foreign key's refusal.
pub(crate) async fn require(
    tx: &mut Tx<'_>,
    query: &'static str,
    id: Id,
    what: &'static str,
) -> Result<(), StoreError> {
    let found = sqlx::query(query).bind(id.0.to_vec()).fetch_optional(tx.conn()).await?;
    found.map(|_| ()).ok_or_else(|| StoreError::not_found(what))
}
