//! Asking a public authority for a certificate (RFC 8555). One call is one try: it makes an account if there is none,
//! shows that the names are ours, and comes back with a certificate and its key. When to try is decided elsewhere.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use domovoi_config::{Acme, Challenge};
use domovoi_vault::Secret;
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Identifier, NewAccount, NewOrder, OrderStatus,
    RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};

use super::authority::{Pair, new_key};
use super::shown::{Ready, Shown};

/// The authority looks at our answers within seconds; after this it will not.
const PATIENCE: Duration = Duration::from_secs(90);

/// One try as a whole.
const LONGEST_TRY: Duration = Duration::from_secs(180);

/// Answers of this length are no certificates any more.
const MAX_CHAIN: usize = 10;

/// What went wrong, for the owner. It names no secret: accounts and keys are not in the library's errors.
pub type Trouble = String;

/// Where the answers to challenges are laid out.
#[derive(Default)]
pub struct Answers {
    files: RwLock<HashMap<String, String>>,
}

impl Answers {
    /// What is to be said under `/.well-known/acme-challenge/{token}`.
    pub fn file(&self, token: &str) -> Option<String> {
        self.files.read().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }

    /// Whether an authority is expected to look.
    pub fn are_there(&self) -> bool {
        !self.files.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn put(&self, token: String, text: String) {
        self.files.write().unwrap_or_else(PoisonError::into_inner).insert(token, text);
    }

    fn clear(&self) {
        self.files.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// An account at an authority, as it is kept sealed. Another directory is another authority.
#[derive(Serialize, Deserialize)]
struct KeptAccount {
    directory: String,
    credentials: AccountCredentials,
}

/// One try. `account` is what was kept of the account; what is to be kept is handed to `keep` as soon as there is one.
pub async fn obtain<K: Future<Output = Result<(), Trouble>>>(
    settings: &Acme,
    names: &[String],
    account: Option<Secret<Vec<u8>>>,
    keep: impl FnOnce(Secret<Vec<u8>>) -> K,
    (answers, shown): (&Answers, &Shown),
    provider: &Arc<CryptoProvider>,
) -> Result<Pair, Trouble> {
    let whole = async {
        let account = account_of(settings, account, keep).await?;
        order(&account, settings.challenge, names, answers, shown, provider).await
    };
    let outcome = tokio::time::timeout(LONGEST_TRY, Box::pin(whole)).await;
    answers.clear();
    shown.challenge(Vec::new());
    outcome.unwrap_or_else(|_| Err(format!("{} did not come to an end within three minutes", settings.directory)))
}

async fn account_of<K: Future<Output = Result<(), Trouble>>>(
    settings: &Acme,
    kept: Option<Secret<Vec<u8>>>,
    keep: impl FnOnce(Secret<Vec<u8>>) -> K,
) -> Result<Account, Trouble> {
    let builder = match &settings.ca_file {
        Some(path) => Account::builder_with_root(path),
        None => Account::builder(),
    };
    let builder = builder.map_err(|error| format!("{}: {error}", settings.directory))?;
    let kept = kept.and_then(|bytes| serde_json::from_slice::<KeptAccount>(bytes.expose()).ok());
    if let Some(kept) = kept.filter(|kept| kept.directory == settings.directory.as_str()) {
        return builder.from_credentials(kept.credentials).await.map_err(told);
    }
    let contact = settings.contact.as_ref().map(|address| format!("mailto:{address}"));
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let wanted = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let (account, credentials) = builder.create(&wanted, settings.directory.to_string(), None).await.map_err(told)?;
    let kept = KeptAccount { directory: settings.directory.to_string(), credentials };
    keep(Secret::new(serde_json::to_vec(&kept).map_err(|error| error.to_string())?)).await?;
    Ok(account)
}

async fn order(
    account: &Account,
    challenge: Challenge,
    names: &[String],
    answers: &Answers,
    shown: &Shown,
    provider: &CryptoProvider,
) -> Result<Pair, Trouble> {
    let identifiers: Vec<Identifier> = names.iter().cloned().map(Identifier::Dns).collect();
    let mut order = account.new_order(&NewOrder::new(&identifiers)).await.map_err(told)?;
    let kind = match challenge {
        Challenge::Http01 => ChallengeType::Http01,
        Challenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
    };
    let mut laid_out = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(told)?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let Some(mut asked) = authorization.challenge(kind.clone()) else {
            return Err(format!("the authority does not offer {kind:?}: choose the other `web.acme_challenge`"));
        };
        let answer = asked.key_authorization();
        match challenge {
            Challenge::Http01 => answers.put(asked.token.clone(), answer.as_str().to_owned()),
            Challenge::TlsAlpn01 => {
                let name = asked.identifier().to_string();
                let certificate = alpn_certificate(&name, answer.digest().as_ref(), provider)?;
                laid_out.push((name, certificate));
                shown.challenge(laid_out.clone());
            }
        }
        asked.set_ready().await.map_err(told)?;
    }
    let patience = RetryPolicy::new().initial_delay(Duration::from_millis(500)).backoff(1.5).timeout(PATIENCE);
    let status = order.poll_ready(&patience).await.map_err(told)?;
    if status != OrderStatus::Ready {
        return Err(why_not(&mut order).await);
    }
    let key = new_key().map_err(|error| error.to_string())?;
    let mut params = CertificateParams::new(names.to_vec()).map_err(|error| error.to_string())?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    let request = params.serialize_request(&key).map_err(|error| error.to_string())?;
    order.finalize_csr(request.der()).await.map_err(told)?;
    let text = order.poll_certificate(&patience).await.map_err(told)?;
    let chain = CertificateDer::pem_slice_iter(text.as_bytes())
        .take(MAX_CHAIN)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("the authority sent what is no certificate: {error}"))?;
    let pair = Pair { chain, key: Secret::new(key.serialize_der()) };
    let ready = Ready::new(&pair, provider).map_err(|error| format!("the authority's certificate: {error}"))?;
    match names.iter().find(|name| !ready.paper.covers(name)) {
        Some(name) => Err(format!("the authority's certificate is not for {name}")),
        None => Ok(pair),
    }
}

/// What the authority found wrong with our answers.
async fn why_not(order: &mut instant_acme::Order) -> Trouble {
    let mut told_all = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let Ok(state) = authorization.refresh().await else { continue };
        let problems = state.challenges.iter().filter_map(|challenge| challenge.error.as_ref());
        told_all.extend(problems.map(|problem| shortened(&problem.to_string())));
    }
    if told_all.is_empty() {
        "the authority does not believe that the names are ours".into()
    } else {
        told_all.join("; ")
    }
}

pub(super) fn alpn_certificate(name: &str, digest: &[u8], provider: &CryptoProvider) -> Result<Ready, Trouble> {
    let make = || {
        let key = new_key()?;
        let mut params = CertificateParams::new(vec![name.to_owned()]).map_err(super::CertificateError::Make)?;
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
        let certificate = params.self_signed(&key).map_err(super::CertificateError::Make)?;
        let pair = Pair { chain: vec![certificate.der().clone()], key: Secret::new(key.serialize_der()) };
        Ready::for_challenge(&pair, provider)
    };
    make().map_err(|error| error.to_string())
}

fn told(error: instant_acme::Error) -> Trouble {
    shortened(&error.to_string())
}

/// A stranger's words: bounded, on one line.
fn shortened(text: &str) -> Trouble {
    text.chars().take(300).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
