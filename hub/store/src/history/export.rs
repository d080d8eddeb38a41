//! Raw samples as a stream: series after series, each in the order of time, page by page, so that a year of a home passes
//! through little memory. Makes no files: the format is whoever asks'.

use std::collections::VecDeque;
use std::sync::Arc;

use domovoi_model::{DeviceRef, Timestamp, Unit};

use super::History;
use super::read::{Point, Trouble};
use super::series::Series;
use crate::error::StoreError;

/// About how many samples a page has.
const POINTS_A_PAGE: usize = 4000;

/// A page of an export.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// Whose samples.
    pub device: DeviceRef,
    /// Of which property.
    pub property: String,
    /// In which unit.
    pub unit: Unit,
    /// In the order of time; the pages of a series follow one another.
    pub points: Vec<Point>,
    /// What could not be read.
    pub troubles: Vec<Trouble>,
}

/// An export under way.
pub struct Export {
    history: History,
    left: VecDeque<Arc<Series>>,
    from: i64,
    at: i64,
    to: i64,
}

impl History {
    /// Everything raw in `from <= at < to`, of one property or of all of them.
    pub fn export(&self, of: Option<(&DeviceRef, &str)>, from: Timestamp, to: Timestamp) -> Export {
        let left = match of {
            Some((device, property)) => self.catalogue.of_property(device, property),
            None => self.catalogue.all(),
        };
        Export { history: self.clone(), left: left.into(), from: from.0, at: from.0, to: to.0 }
    }
}

impl Export {
    /// The next page that has something in it; `None` at the end. Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<Page>, StoreError> {
        while let Some(series) = self.left.front() {
            let one = std::slice::from_ref(series);
            let raw = self.history.archive.raw(one, self.at, self.to, POINTS_A_PAGE).await?;
            let page = Page {
                device: series.device.clone(),
                property: series.property.clone(),
                unit: series.unit,
                points: raw.points,
                troubles: raw.troubles,
            };
            match raw.next {
                Some(next) => self.at = next,
                None => {
                    self.at = self.from;
                    self.left.pop_front();
                }
            }
            if !page.points.is_empty() || !page.troubles.is_empty() {
                return Ok(Some(page));
            }
        }
        Ok(None)
    }
}
