//! What the dialects know of properties, for whoever judges readings. The rooms do not know each other; nothing is decided
//! here.

use std::sync::Arc;

use crate::ingest::Ingest;
use crate::metering::{Metering, PropertyWord};

/// Tells metering which properties are hearsay, and which show what a meter had on another day.
pub fn tell_meters(metering: &Metering, ingest: &Arc<Ingest>) {
    // Weakly: ingest asks metering which properties are registers.
    let ingest = Arc::downgrade(ingest);
    metering.properties_are(move |device, property| {
        let directory = ingest.upgrade().map(|ingest| ingest.directory());
        let info = directory.as_ref().and_then(|directory| directory.property(device, property));
        info.map_or_else(PropertyWord::default, |info| PropertyWord {
            hearsay: info.hearsay.map(|hearsay| hearsay.code()),
            is_dated: info.dated_by.is_some(),
        })
    });
}
