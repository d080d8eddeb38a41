//! When a certificate is made anew, read again or asked for, and what the household is told about it. Time is the house's
//! own; while that is not believed, what is there stays, and only where nothing is there something is made.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use domovoi_config::{Certificate, Web, WebName};
use domovoi_model::Timestamp;
use domovoi_store::Notice;
use domovoi_vault::Secret;
use tokio::sync::watch;

use super::authority::{Authority, Pair, is_home_name};
use super::files::Files;
use super::shown::Ready;
use super::{AUTHORITY, Certificates, Paper, Result, acme, addresses};
use crate::bus::Event;
use crate::policy::Network;

/// How often is looked. Files of others change, addresses come and go.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// How long before its end the household hears of a certificate that somebody else renews.
const TOLD_BEFORE_MILLIS: i64 = 21 * 86_400_000;

/// How long before its end the authority is replaced.
const AUTHORITY_BEFORE_MILLIS: i64 = 30 * 86_400_000;

/// The pause after the first failed try at a public authority; it doubles.
const FIRST_PAUSE_MILLIS: i64 = 60_000;

/// The longest pause. Authorities count failures by the hour (five of them at the best known one).
const LONGEST_PAUSE_MILLIS: i64 = 12 * 3_600_000;

/// Names in the vault: the certificate for the home's names and addresses, the one for names of the public internet, and
/// what ACME brought.
const HOME: &str = "certificate.home";
const OUTSIDE: &str = "certificate.outside";
const ACME: &str = "certificate.acme";
const ACME_ACCOUNT: &str = "certificate.acme-account";

/// What is known between two looks.
pub struct State {
    home: Option<Ready>,
    outside: Option<Ready>,
    other: Option<Ready>,
    files: Option<Files>,
    acme_was_read: bool,
    failures: u32,
    /// On the clock that counts from the start of this run.
    next_try_millis: i64,
    /// A part of two thirds of the certificate's life, so that not every home asks in the same minute.
    jitter_millis: i64,
}

impl State {
    pub fn new(web: &Web) -> Self {
        let files = match &web.certificate {
            Certificate::Files { certificate, key } => Some(Files::new(certificate, key)),
            _ => None,
        };
        State {
            home: None,
            outside: None,
            other: None,
            files,
            acme_was_read: false,
            failures: 0,
            next_try_millis: 0,
            jitter_millis: 0,
        }
    }
}

#[cfg(test)]
impl State {
    pub fn next_try_millis(&self) -> i64 {
        self.next_try_millis
    }
}

/// Names and addresses that the hub is reached by and that are not of a home.
pub fn outside(web: &Web) -> Vec<WebName> {
    let is_outside = |name: &WebName| match name {
        WebName::Name(name) => !is_home_name(name),
        WebName::Address(address) => Network::of(*address) == Network::Outside,
    };
    let host = WebName::Name(web.host.clone());
    std::iter::once(host).chain(web.names.iter().cloned()).filter(is_outside).collect()
}

/// Names and addresses of the home: those of the settings, the machine's own, and its name for itself.
fn at_home(web: &Web, own: Vec<IpAddr>) -> (Vec<String>, Vec<IpAddr>) {
    let mut names: Vec<String> =
        web.dns_names().into_iter().filter(|name| is_home_name(name)).map(Into::into).collect();
    names.push("localhost".into());
    let mut addresses = own;
    addresses.extend(web.names.iter().filter_map(|name| match name {
        WebName::Address(address) if Network::of(*address) == Network::Home => Some(*address),
        _ => None,
    }));
    addresses.extend([IpAddr::from([127, 0, 0, 1]), IpAddr::from(std::net::Ipv6Addr::LOCALHOST)]);
    names.sort();
    names.dedup();
    // The name that people type stands first: it is what a telephone shows.
    names.sort_by_key(|name| *name != web.host);
    addresses.sort_unstable();
    addresses.dedup();
    (names, addresses)
}

fn parted(names: &[WebName]) -> (Vec<String>, Vec<IpAddr>) {
    let mut parts = (Vec::new(), Vec::new());
    for name in names {
        match name {
            WebName::Name(name) => parts.0.push(name.clone()),
            WebName::Address(address) => parts.1.push(*address),
        }
    }
    parts
}

impl Certificates {
    /// Looks again and again until the house stops.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        loop {
            if let Err(error) = self.look().await {
                tracing::warn!("the certificate could not be looked after, and stays as it is: {error}");
            }
            let asked = Box::pin(self.ask_the_authority());
            tokio::select! {
                outcome = asked => if let Err(error) = outcome {
                    tracing::warn!("the public authority's certificate could not be kept: {error}");
                },
                _ = stop.wait_for(|stop| *stop) => return,
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Makes anew what has to be, reads again what has changed, and shows what there is. Asks nobody outside.
    pub async fn look(&self) -> Result<()> {
        let mut state = self.0.state.lock().await;
        let outside = outside(&self.0.web);
        self.renew_authority(&outside).await?;
        let (names, own) = at_home(&self.0.web, addresses::private());
        state.home = Some(self.renewed(HOME, state.home.take(), &names, &own).await?);
        let (names, addresses) = parted(&outside);
        if !outside.is_empty() {
            state.outside = Some(self.renewed(OUTSIDE, state.outside.take(), &names, &addresses).await?);
        }
        if let Some(files) = &mut state.files
            && let Some(read) = files.look(&self.0.web.host, &self.0.provider)
        {
            match read {
                Ok(ready) => {
                    tracing::info!(until = %ready.paper.not_after, "the certificate's files were read");
                    state.other = Some(ready);
                    self.well("certificate-unusable").await?;
                }
                // What was good a moment ago is better than what is half written.
                Err(what) => {
                    self.trouble("certificate-unusable", "certificate_unusable", &[("what", &what)], &what).await?
                }
            }
        }
        if !state.acme_was_read && matches!(self.0.web.certificate, Certificate::Acme(_)) {
            state.acme_was_read = true;
            state.other = self.kept(ACME).await?;
        }
        self.tell_of_the_end(state.other.as_ref().map(|ready| &ready.paper)).await?;
        let shown = [&state.other, &state.home, &state.outside].into_iter().flatten().cloned().collect();
        self.0.shown.put(shown);
        Ok(())
    }

    /// The authority that devices trust is replaced at its end, and certified anew when it may not sign for a name that
    /// the settings have now. Its key stays the same then, so that devices which trust it already go on trusting what
    /// they knew; for the new name they have to be told again.
    async fn renew_authority(&self, outside: &[WebName]) -> Result<()> {
        let authority = self.current();
        let ends = Paper::read(authority.pair.certificate())?.not_after;
        let is_over = self.0.clock.trusted().is_some_and(|now| now.0 >= ends.0 - AUTHORITY_BEFORE_MILLIS);
        let new = if is_over {
            Authority::make(super::Purpose::Page, self.0.clock.at_least(), outside)?
        } else if outside.iter().any(|name| !authority.may_sign(name)) {
            authority.widened(self.0.clock.at_least(), outside)?
        } else {
            return Ok(());
        };
        self.0.store.secrets().put(AUTHORITY, new.pair.to_bytes()?.expose()).await?;
        *self.0.authority.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
        let fingerprint = self.authority()?.fingerprint;
        tracing::warn!("the hub's authority is a new one: devices have to be told to trust {fingerprint}");
        self.tell("certificate-authority", "certificate_authority_new", &[("fingerprint", &fingerprint)]).await
    }

    /// The certificate that is kept under a name, or a new one where that is over, soon over, or for other names.
    async fn renewed(&self, kept: &str, now: Option<Ready>, names: &[String], own: &[IpAddr]) -> Result<Ready> {
        let known = match now {
            Some(ready) => Some(ready),
            None => self.kept(kept).await?,
        };
        let authority = self.current();
        if let Some(known) = known {
            let fits = same(&known.paper.names, names) && same(&known.paper.addresses, own);
            let stays = match self.0.clock.trusted() {
                // Nobody knows the time: another certificate would be no better.
                None => true,
                Some(at) => fits && at >= known.paper.not_before && at < known.paper.renewal(),
            };
            if stays && authority.signed(&known) {
                return Ok(known);
            }
        }
        let until = Paper::read(authority.pair.certificate())?.not_after;
        let pair = authority.sign_server(names, own, self.0.clock.at_least(), until)?;
        self.0.store.secrets().put(kept, pair.to_bytes()?.expose()).await?;
        let ready = Ready::new(&pair, &self.0.provider)?;
        tracing::info!(until = %ready.paper.not_after, "the hub has a new certificate for {}", names.join(", "));
        Ok(ready)
    }

    /// What is kept and can still be used.
    async fn kept(&self, name: &str) -> Result<Option<Ready>> {
        let Some(bytes) = self.0.store.secrets().get(name).await? else { return Ok(None) };
        Ok(Some(Ready::new(&Pair::from_bytes(bytes.expose())?, &self.0.provider)?))
    }

    /// Asks a public authority, if the settings name one and it is time.
    pub async fn ask_the_authority(&self) -> Result<()> {
        let Certificate::Acme(settings) = &self.0.web.certificate else { return Ok(()) };
        let mut state = self.0.state.lock().await;
        // Its own certificate could not be judged, nor could ours be.
        let Some(now) = self.0.clock.trusted() else { return Ok(()) };
        let names: Vec<String> = self.0.web.dns_names().into_iter().map(Into::into).collect();
        let fresh = state.other.as_ref().is_some_and(|ready| {
            let paper = &ready.paper;
            now.0 < paper.renewal().0 + state.jitter_millis && names.iter().all(|name| paper.covers(name))
        });
        if fresh || self.0.clock.since_boot_millis() < state.next_try_millis {
            return Ok(());
        }
        let account = self.0.store.secrets().get(ACME_ACCOUNT).await?;
        let store = self.0.store.clone();
        let keep = |bytes: Secret<Vec<u8>>| async move {
            store.secrets().put(ACME_ACCOUNT, bytes.expose()).await.map_err(|error| error.to_string())
        };
        let places = (&self.0.answers, &*self.0.shown);
        match Box::pin(acme::obtain(settings, &names, account, keep, places, &self.0.provider)).await {
            Ok(pair) => {
                self.0.store.secrets().put(ACME, pair.to_bytes()?.expose()).await?;
                let ready = Ready::new(&pair, &self.0.provider)?;
                tracing::info!(until = %ready.paper.not_after, "the public authority gave a certificate");
                let life = ready.paper.not_after.0 - ready.paper.not_before.0;
                state.jitter_millis = draw(life / 20)?;
                (state.failures, state.next_try_millis) = (0, 0);
                state.other = Some(ready);
                self.well("certificate-not-renewed").await?;
            }
            Err(why) => {
                let pause = (FIRST_PAUSE_MILLIS << state.failures.min(20)).min(LONGEST_PAUSE_MILLIS);
                state.failures = state.failures.saturating_add(1);
                state.next_try_millis = self.0.clock.since_boot_millis() + pause + draw(pause / 4)?;
                let until = state.other.as_ref().map_or_else(|| "–".into(), |ready| ready.paper.not_after.to_string());
                let params = [("why", why.as_str()), ("until", until.as_str())];
                self.trouble("certificate-not-renewed", "certificate_not_renewed", &params, &why).await?;
            }
        }
        drop(state);
        self.look().await
    }

    /// A certificate that is not the hub's own has an end that somebody has to see to.
    async fn tell_of_the_end(&self, paper: Option<&Paper>) -> Result<()> {
        let (Some(paper), Some(now)) = (paper, self.0.clock.trusted()) else { return Ok(()) };
        if paper.not_after.0 - now.0 < TOLD_BEFORE_MILLIS {
            let until = day(paper.not_after);
            return self.tell("certificate-ending", "certificate_ending", &[("until", &until)]).await;
        }
        self.0.store.notices().clear("certificate-ending").await?;
        Ok(())
    }

    async fn trouble(&self, key: &str, kind: &str, params: &[(&str, &str)], what: &str) -> Result<()> {
        let before = self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner).replace(what.to_owned());
        if before.as_deref() != Some(what) {
            tracing::warn!("certificate: {what}");
        }
        self.tell(key, kind, params).await
    }

    async fn well(&self, key: &str) -> Result<()> {
        *self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.0.store.notices().clear(key).await?;
        Ok(())
    }

    async fn tell(&self, key: &str, kind: &str, params: &[(&str, &str)]) -> Result<()> {
        let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let notice = Notice { kind: kind.to_owned(), params, at: self.0.clock.moment() };
        if self.0.store.notices().raise(key, &notice).await? {
            self.0.bus.tell(Event::Notice(key.into()));
        }
        Ok(())
    }
}

/// Whether two lists name the same, in whatever order.
fn same<T: PartialEq>(a: &[T], b: &[T]) -> bool {
    a.len() == b.len() && a.iter().all(|item| b.contains(item))
}

/// A number below `bound`.
fn draw(bound: i64) -> Result<i64> {
    let bytes = domovoi_vault::random::<8>()?;
    Ok((i64::from_be_bytes(bytes) & i64::MAX) % bound.max(1))
}

/// The day of a moment, in UTC.
fn day(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}
