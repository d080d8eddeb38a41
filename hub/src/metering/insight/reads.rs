//! What of the ledger the rules of insight are given: the believed readings on both sides of every midnight, the first and
//! last reading of every meter, and what a register was last said to show. It decides nothing.

use std::collections::BTreeMap;

use domovoi_model::{Date, Finding, MeteringPoint, PointId, Source, Tariff, Timestamp, Verdict};
use domovoi_store::{LedgerRow, StoreError};

use super::days::{HOUR, each, start_of};
use super::room::{Insight, InsightError};
use super::stretches::{Face, Gaps, How, Reading, Stretch, Turn, stretches};
use crate::metering::register::Register;

impl Insight {
    /// The stretches of every register of a point around some days. Of the ledger only the readings on both sides of each
    /// midnight are read: what lies between them changes nothing that a day is asked for, and a year has too many.
    pub(super) async fn stretches(
        &self,
        register: &Register,
        point: &MeteringPoint,
        first: Date,
        to: Date,
        gaps: Gaps,
    ) -> Result<Vec<Stretch>, InsightError> {
        let now = self.0.clock.wall();
        let standing = self.0.metering.standing_of(point).await?;
        let meters: Vec<_> = register.meters.iter().filter(|meter| meter.point == point.id).collect();
        let faces: Vec<Face> = meters
            .iter()
            .map(|meter| Face { meter: meter.id, rollover_at: meter.rollover_at(), multiplier: meter.multiplier })
            .collect();
        let midnights: Vec<Timestamp> = each(first, to).chain([to]).map(|day| start_of(&self.0.zone, day)).collect();
        let mut all = Vec::new();
        for tariff in Tariff::ALL {
            if !meters.iter().any(|meter| meter.tariff_registers().contains(&tariff)) {
                continue;
            }
            let mut rows = self.around(point.id, tariff, &midnights).await?;
            rows.retain(|row| row.reading.source != Source::Installation);
            let mut readings: Vec<Reading> = rows.iter().filter_map(reading).collect();
            for meter in &meters {
                let noon = |day: Date| Timestamp(day.days_since_epoch() * 24 * HOUR + 12 * HOUR);
                let own = || readings.iter().filter(|reading| reading.meter == meter.id).map(|reading| reading.at);
                let (earliest, latest) = (own().min(), own().max());
                let put = |at: Timestamp, order: i64, value| Reading {
                    at,
                    order,
                    meter: meter.id,
                    tariff,
                    value,
                    how: How::Installation,
                    turn: Turn::None,
                };
                let begun = meter.start.get(tariff).map(|value| {
                    let at = noon(meter.installed).min(now);
                    put(earliest.map_or(at, |earliest| at.min(earliest)), i64::MIN, value)
                });
                let ended = meter.removed.as_ref().and_then(|(day, end)| Some((noon(*day), end.get(tariff)?)));
                let ended = ended.map(|(at, value)| put(latest.map_or(at, |latest| at.max(latest)), i64::MAX, value));
                // The register stands as it stood when it was last said.
                let said = standing.iter().find(|(of, ..)| *of == tariff && meter.removed.is_none());
                let seen = said.and_then(|(_, value, seen)| Some((*value, (*seen)?)));
                let seen =
                    seen.filter(|(_, at)| latest.is_some_and(|latest| *at > latest) && *at < midnights_end(&midnights));
                let seen = seen.map(|(value, at)| Reading { how: How::Device, ..put(at, i64::MAX, value) });
                readings.extend([begun, ended, seen].into_iter().flatten());
            }
            all.extend(stretches(&readings, tariff, &faces, gaps));
        }
        Ok(all)
    }

    /// The accepted readings on both sides of every midnight, each once.
    async fn around(
        &self,
        point: PointId,
        tariff: Tariff,
        midnights: &[Timestamp],
    ) -> Result<Vec<LedgerRow>, StoreError> {
        let ledger = self.0.store.ledger();
        let mut rows: BTreeMap<i64, LedgerRow> = BTreeMap::new();
        let mut behind: Option<Timestamp> = None;
        for midnight in midnights {
            // Nothing was said since the midnight before: both sides are known.
            if behind.is_some_and(|next| next >= *midnight) {
                continue;
            }
            if let Some(row) = ledger.last_accepted_before(point, tariff, *midnight).await? {
                rows.insert(row.id, row);
            }
            let next = ledger.first_accepted_from(point, tariff, *midnight).await?;
            behind = Some(next.as_ref().and_then(|row| row.reading.at.wall()).unwrap_or(Timestamp(i64::MAX)));
            rows.extend(next.map(|row| (row.id, row)));
        }
        Ok(rows.into_values().collect())
    }
}

fn midnights_end(midnights: &[Timestamp]) -> Timestamp {
    // What was said after the last midnight still bounds the last stretch.
    midnights.last().map_or(Timestamp(i64::MAX), |last| last.plus_millis(62 * 24 * HOUR))
}

/// A row of the ledger as the rules want it; `None` while its moment is not known.
fn reading(row: &LedgerRow) -> Option<Reading> {
    let reading = &row.reading;
    let was = |finding: &Finding| row.earlier.iter().any(|earlier| *earlier == Verdict::Held(finding.clone()));
    let turn = if was(&Finding::Rollover) {
        Turn::Rollover
    } else if was(&Finding::SwapSuspected) {
        Turn::Anew
    } else {
        Turn::None
    };
    Some(Reading {
        at: reading.at.wall()?,
        order: row.id,
        meter: reading.meter,
        tariff: reading.tariff,
        value: reading.value,
        how: match reading.source {
            Source::Device(_) => How::Device,
            Source::Person(_) | Source::Photo { .. } => How::Hand,
            Source::Installation => How::Installation,
        },
        turn,
    })
}
