//! What the settings say, in the words of the rooms that are opened with them.

use std::time::Duration;

use domovoi_config::Settings;
use domovoi_store::Store;

use super::HouseError;
use crate::clock::Clock;
use crate::portal::{Portal, PortalSettings, Shelf};
use crate::signin;

pub(super) fn store_settings(settings: &Settings, clock: &Clock) -> domovoi_store::Settings {
    let mut store = settings.store.to_store();
    store.history = domovoi_store::HistorySettings {
        followers: vec![crate::metering::JOURNAL_READER.to_owned()],
        home_time: home_time(clock, settings.home.time_zone.clone()),
        ..settings.history.to_store()
    };
    store
}

pub(super) fn sign_in_policy(settings: &Settings, clear_port: Option<u16>) -> signin::Policy {
    signin::Policy {
        host: clear_port.map_or_else(|| settings.web.host.clone(), |_| "localhost".into()),
        origins: clear_port.map_or_else(|| settings.web.origins(), |port| vec![format!("http://localhost:{port}")]),
        home: settings.home.name.clone(),
        idle: settings.sign_in.idle,
        absolute: settings.sign_in.absolute,
    }
}

pub(super) async fn open_portal(
    section: &domovoi_config::Portal,
    store: &Store,
    clock: &Clock,
) -> Result<Portal, HouseError> {
    Ok(Portal::open(portal_settings(section)?, Shelf::new(store.clone()), clock.clone()).await?)
}

fn portal_settings(section: &domovoi_config::Portal) -> Result<PortalSettings, HouseError> {
    use crate::portal::{Dpop, OpenError, Profile};
    let mut settings = PortalSettings::new(&section.issuer, section.api_base.as_str(), &section.client_id)
        .map_err(|error| HouseError::Portal(OpenError::Address(error)))?;
    settings.profile = match section.profile {
        domovoi_config::Profile::Generic => Profile::Generic,
        domovoi_config::Profile::Esia => Profile::Esia,
    };
    settings.dpop = match section.dpop {
        domovoi_config::Dpop::Required => Dpop::Required,
        domovoi_config::Dpop::IfOffered => Dpop::IfOffered,
        domovoi_config::Dpop::Off => Dpop::Off,
    };
    settings.scopes = section.scopes.clone();
    settings.resource = section.resource.clone();
    settings.extra_roots = section.ca_file.clone();
    Ok(settings)
}

pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// What history asks of the clock and of the zone: the day it is, and where a day begins.
pub(super) fn home_time(clock: &Clock, zone: jiff::tz::TimeZone) -> domovoi_store::HomeTime {
    let clock = clock.clone();
    let offset = move |at: domovoi_model::Timestamp| {
        jiff::Timestamp::from_millisecond(at.0).map_or(0, |at| zone.to_offset(at).seconds())
    };
    domovoi_store::HomeTime::new(move || clock.trusted(), offset)
}

/// An act is on its way for months at the most. A receipt from further in the future is a portal's mistake, and must not
/// keep this clock from ever being believed again.
const LONGEST_WAY_MILLIS: i64 = 400 * 86_400_000;

/// Only the portal's own time proves that a moment has been: a wrong clock of ours must not prove itself.
pub(super) async fn prove_time(store: &Store, clock: &Clock) {
    let acts = store.acts().list(domovoi_store::ActFilter::default()).await;
    for act in acts.inspect_err(|error| tracing::error!("no act says what time it is: {error}")).unwrap_or_default() {
        if let domovoi_model::ActState::Received { receipt } = &act.state
            && receipt.issued_at <= act.created_at.plus_millis(LONGEST_WAY_MILLIS)
        {
            clock.certainly_after(receipt.issued_at);
        }
    }
}
