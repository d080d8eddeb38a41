//! `GET /charges`: what is to be paid, newest first.

use domovoi_model::{Date, Period};
use reqwest::Method;
use serde::Deserialize;

use super::{Page, wire};
use crate::outside::tame;
use crate::portal::{CallError, Portal};

/// One charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The portal's id.
    pub id: String,
    /// «Лицевой счёт».
    pub account_number: String,
    /// The portal's id of the supplier.
    pub supplier_id: String,
    /// For which month.
    pub period: Period,
    /// May be negative: an overpayment.
    pub amount_kopecks: i64,
    /// To be paid by.
    pub due: Date,
    /// The portal says that nothing of it is left to be paid.
    pub paid: bool,
    /// A line of GOST R 56042, as the portal gave it; to be parsed as a stranger's text.
    pub payment_qr: Option<String>,
}

#[derive(Deserialize)]
struct ListDto {
    charges: Vec<ChargeDto>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct ChargeDto {
    id: String,
    account_number: String,
    supplier_id: String,
    period: wire::PeriodDto,
    amount_kopecks: i64,
    due: String,
    #[serde(default)]
    paid: bool,
    payment_qr: Option<String>,
}

/// The charges of one account or of all, from the beginning or after a cursor.
pub async fn call(portal: &Portal, account: Option<&str>, after: Option<&str>) -> Result<Page<Charge>, CallError> {
    let outgoing = wire::query(wire::request(portal, Method::GET, &["charges"]), "account", account);
    let answer = portal.send(wire::query(outgoing, "after", after)).await?;
    let list: ListDto = wire::read(&answer)?;
    let charge = |dto: ChargeDto| {
        Ok(Charge {
            id: tame(&dto.id, 128),
            account_number: tame(&dto.account_number, 30),
            supplier_id: tame(&dto.supplier_id, 64),
            period: dto.period.period()?,
            amount_kopecks: dto.amount_kopecks,
            due: wire::date("due", &dto.due)?,
            paid: dto.paid,
            payment_qr: dto.payment_qr,
        })
    };
    Ok(Page { items: list.charges.into_iter().map(charge).collect::<Result<_, CallError>>()?, next: list.next })
}
