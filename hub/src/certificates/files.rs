//! The owner's own certificate: two PEM files that somebody else renews. They are read again when they change; while they
//! cannot be used, the hub's own certificate stands in for them and the reason is told.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::shown::Ready;

/// A chain and a key are a few kilobytes.
const MAX_FILE: u64 = 256 * 1024;

/// A longer chain no client would follow.
const MAX_CHAIN: usize = 10;

/// Two files, and what they were when they were last read.
pub struct Files {
    certificate: PathBuf,
    key: PathBuf,
    seen: Option<[(Option<SystemTime>, u64); 2]>,
}

impl Files {
    /// Nothing is read yet.
    pub fn new(certificate: &Path, key: &Path) -> Self {
        Files { certificate: certificate.to_owned(), key: key.to_owned(), seen: None }
    }

    /// Reads them, if they changed since the last look. `host` is whom the certificate has to speak for.
    pub fn look(&mut self, host: &str, provider: &CryptoProvider) -> Option<Result<Ready, String>> {
        let state = |path: &Path| {
            std::fs::metadata(path).map_or((None, 0), |metadata| (metadata.modified().ok(), metadata.len()))
        };
        let now = [state(&self.certificate), state(&self.key)];
        if self.seen == Some(now) {
            return None;
        }
        let read = self.read(host, provider);
        // What is wrong may be mended without the files' times changing (their owner, their mode).
        self.seen = read.is_ok().then_some(now);
        Some(read)
    }

    fn read(&self, host: &str, provider: &CryptoProvider) -> Result<Ready, String> {
        let named = |path: &Path, what: String| format!("{}: {what}", path.display());
        let bytes = pem(&self.certificate).map_err(|what| named(&self.certificate, what))?;
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
            .take(MAX_CHAIN)
            .collect::<Result<_, _>>()
            .map_err(|error| named(&self.certificate, error.to_string()))?;
        if chain.is_empty() {
            return Err(named(&self.certificate, "holds no certificate in PEM".into()));
        }
        let bytes = pem(&self.key).map_err(|what| named(&self.key, what))?;
        // What the library says of a key that it cannot read could quote it.
        let key = PrivateKeyDer::from_pem_slice(&bytes)
            .map_err(|_| named(&self.key, "holds no private key in PEM without a passphrase".into()))?;
        let ready = Ready::from_file(chain, key, provider).map_err(|error| match error {
            super::CertificateError::Tls(rustls::Error::InconsistentKeys(_)) => {
                format!("the key in {} is not the one of {}", self.key.display(), self.certificate.display())
            }
            other => named(&self.certificate, other.to_string()),
        })?;
        if !ready.paper.covers(host) {
            let names = ready.paper.names.join(", ");
            return Err(named(&self.certificate, format!("is not for {host}, but for: {names}")));
        }
        Ok(ready)
    }
}

fn pem(path: &Path) -> Result<Vec<u8>, String> {
    use std::io::Read as _;
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Err("is not an ordinary file".into());
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_FILE {
        return Err("is too large for a certificate or a key".into());
    }
    Ok(bytes)
}
