//! Alerts of the past, searched. A bounded decrypting scan: only times stand outside of the seal.

use std::sync::Arc;
use std::time::Duration;

use domovoi_model::{Alert, AlertOrigin, AlertState, AlertStatus, Id, Peril, Severity, Timestamp};
use domovoi_store::AlertSpan;

use super::{Alerts, AlertsError, row};

/// What was said just now is waited for so long.
const SETTLES_IN: Duration = Duration::from_millis(500);

/// So many rows are looked at for one page.
const MOST_ROWS: usize = 20_000;

const ROWS: usize = 200;

/// What is looked for; everything that is given has to fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Raised then or later.
    pub since: Option<Timestamp>,
    /// Raised before then.
    pub until: Option<Timestamp>,
    /// Born there.
    pub origin: Option<AlertOrigin>,
    /// Of this peril.
    pub peril: Option<Peril>,
    /// At least as bad.
    pub severity: Option<Severity>,
    /// In this state.
    pub state: Option<AlertState>,
    /// For this.
    pub status: Option<AlertStatus>,
    /// Whether somebody has said "I know".
    pub acknowledged: Option<bool>,
    /// Where this occurs in any text, whatever the case.
    pub text: Option<String>,
    /// Older than this one.
    pub before: Option<(Timestamp, Id)>,
    /// At most so many.
    pub limit: usize,
}

impl Filter {
    /// Whether an alert is one of those.
    pub fn fits(&self, alert: &Alert) -> bool {
        let text = |wanted: &String| {
            let wanted = wanted.to_lowercase();
            let has = |text: &str| text.to_lowercase().contains(&wanted);
            let said =
                alert.texts.iter().flat_map(|text| [&text.event, &text.headline, &text.description, &text.instruction]);
            said.chain(&alert.areas).chain([&alert.sender]).any(|text| has(text))
        };
        self.origin.is_none_or(|origin| origin == alert.origin)
            && self.peril.is_none_or(|peril| peril == alert.peril)
            && self.severity.is_none_or(|severity| alert.severity >= severity)
            && self.state.is_none_or(|state| state == alert.state)
            && self.status.is_none_or(|status| status == alert.status)
            && self.acknowledged.is_none_or(|known| known != alert.acknowledged.is_empty())
            && self.text.as_ref().is_none_or(text)
    }
}

/// A page of what was found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The newest first.
    pub alerts: Vec<Arc<Alert>>,
    /// Where the next page begins; `None`: there is none.
    pub next: Option<(Timestamp, Id)>,
    /// Rows that did not open.
    pub damaged: usize,
}

impl Alerts {
    /// A page of what is and was.
    pub async fn find(&self, filter: &Filter) -> Result<Found, AlertsError> {
        let inner = &self.0;
        // What waits for a disk that does not answer is not in history; it is among those that stand.
        let _ = tokio::time::timeout(SETTLES_IN, inner.keeping.settled()).await;
        let mut found = Found::default();
        let mut span = AlertSpan { from: filter.since, until: filter.until, before: filter.before };
        let limit = filter.limit.max(1);
        let mut looked = 0;
        while looked < MOST_ROWS {
            let (rows, damaged) = inner.store.alerts().page(&span, ROWS).await?;
            found.damaged += damaged;
            let is_last = rows.len() + damaged < ROWS;
            for row in &rows {
                looked += 1;
                let before = span.before;
                span.before = Some((row.raised_at, row.id));
                let held = inner.at_hand(row.id);
                let Some(alert) = held.or_else(|| row::alert_of(row).map(Arc::new)) else {
                    found.damaged += 1;
                    continue;
                };
                if filter.fits(&alert) {
                    if found.alerts.len() == limit {
                        found.next = before;
                        return Ok(found);
                    }
                    found.alerts.push(alert);
                }
            }
            if is_last || rows.is_empty() {
                return Ok(found);
            }
        }
        found.next = span.before;
        Ok(found)
    }

    /// When an alert was raised, as far as that is known by now.
    pub fn raised_at(&self, alert: &Alert) -> Option<Timestamp> {
        self.0.resolved(alert.raised_at).wall()
    }

    /// The wall time of any moment of an alert.
    pub fn wall(&self, moment: domovoi_model::Moment) -> Option<Timestamp> {
        self.0.resolved(moment).wall()
    }
}
