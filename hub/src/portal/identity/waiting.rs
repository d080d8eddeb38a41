//! Browsers that have gone to the portal: each sign-in is found by a secret that only the browser that began it has, so
//! that nobody is signed in as somebody else by a link that was sent to them (login CSRF). In memory, for one use.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as B64;
use domovoi_vault::{RandomError, Secret, random};
use sha2::{Digest as _, Sha256};

use super::PendingSignIn;
use crate::portal::Portal;

/// More browsers than a home has; beyond it the oldest has to begin again.
const BROWSERS_MAX: usize = 256;

struct Browser {
    secret: [u8; 32],
    pending: PendingSignIn,
    note: String,
}

/// Those that have not come back yet.
#[derive(Default)]
pub(in crate::portal) struct Waiting(Mutex<Vec<Browser>>);

impl Portal {
    /// Keeps a sign-in until the browser comes back, and gives the secret that the browser is to bring. `note` comes
    /// back with it.
    pub fn hold_sign_in(&self, pending: PendingSignIn, note: String) -> Result<Secret<String>, RandomError> {
        let secret = Secret::new(B64.encode(random::<32>()?));
        let browser = Browser { secret: Sha256::digest(secret.expose()).into(), pending, note };
        let mut waiting = self.0.waiting.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|browser| is_waiting(browser, self.0.settings.browser_timeout));
        if waiting.len() >= BROWSERS_MAX {
            waiting.remove(0);
        }
        waiting.push(browser);
        Ok(secret)
    }

    /// The sign-in of this browser, with its note; once.
    pub fn take_sign_in(&self, secret: &str) -> Option<(PendingSignIn, String)> {
        // Hashes are compared, so that the time it takes tells nothing about the secret.
        let secret: [u8; 32] = Sha256::digest(secret).into();
        let mut waiting = self.0.waiting.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = waiting.iter().position(|browser| browser.secret == secret)?;
        let browser = waiting.remove(place);
        Some((browser.pending, browser.note))
    }
}

fn is_waiting(browser: &Browser, patience: Duration) -> bool {
    browser.pending.began.elapsed() <= patience
}
