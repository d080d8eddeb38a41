//! Stores elsewhere that speak the protocol of Amazon S3: sealed segments go there whole, are looked at before the copy
//! here goes, and are read back in parts. Behind it is `object_store`, over an HTTP client of ours (`wire`).
//! Deliberately no keys of days and no opening of seals: whoever runs the store has files that tell him nothing, and what
//! he gives back is verified by who opens it. Which segments there are, and when they go, the hub's rows say.

mod compare;
mod far;
mod spool;
#[cfg(test)]
mod tests;
mod wire;

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domovoi_vault::Secret;
use futures_util::StreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{BackoffConfig, GetOptions, GetRange, MultipartUpload, ObjectStore, ObjectStoreExt, RetryConfig};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use url::Url;

pub use compare::{Difference, compare};
pub use far::FarFile;
pub use spool::{Beyond, Held, Item, Report, Spool, WhenFull, beyond};
use wire::{Reply, Wire};

use crate::session::clean;

/// The smallest part that S3 takes, and so the most memory that an upload needs.
const PART: usize = 5 << 20;
/// Of one part of a multipart upload, of a reading and of a listing's page.
const STEP: Duration = Duration::from_secs(300);
/// No more is read at once: the largest record has 18 MiB.
const LARGEST_READ: u64 = 32 << 20;
/// What is read back of what was sent, from its beginning and from its end.
const PROBE: u64 = 64 << 10;
const LONGEST_KEY: usize = 512;

/// What is wrong with a store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Nobody answers, or it says that it cannot now: it will be tried again.
    #[error("the store does not answer: {why}")]
    Away { why: String },
    /// 401 or 403: the key is another one, or may not do this.
    #[error("the store refuses the key ({code})")]
    Refused { code: String },
    /// Its clock or ours is wrong: more than fifteen minutes lie between them.
    #[error("the store's clock and this one's are too far apart")]
    Clock,
    #[error("there is no such bucket")]
    NoBucket,
    /// There is no such object.
    #[error("the store has no such object")]
    NotFound,
    #[error("the store has no room left")]
    Full,
    /// It was said to be kept and is not what was sent.
    #[error("the store does not have what was sent: {what}")]
    Untrue { what: &'static str },
    /// A listing with more than was asked for, an answer beyond its bounds.
    #[error("the store's answer is beyond its bounds")]
    TooMuch,
    #[error("the store does not keep to the protocol: {text}")]
    Protocol { text: String },
    /// The file here.
    #[error("the file was not read: {why}")]
    Local { why: String },
    /// Settings that no client can be made of.
    #[error("the place cannot be used: {why}")]
    Setup { why: String },
}

impl Trouble {
    /// The stable name of the variant, for logs and the sentences of the page.
    pub fn code(&self) -> &'static str {
        match self {
            Trouble::Away { .. } => "away",
            Trouble::Refused { .. } => "refused",
            Trouble::Clock => "clock",
            Trouble::NoBucket => "no-bucket",
            Trouble::NotFound => "not-found",
            Trouble::Full => "full",
            Trouble::Untrue { .. } => "untrue",
            Trouble::TooMuch => "too-much",
            Trouble::Protocol { .. } => "protocol",
            Trouble::Local { .. } => "local",
            Trouble::Setup { .. } => "setup",
        }
    }

    /// It will not pass by itself: somebody has to change the key, the bucket, the clock or the room.
    pub fn needs_somebody(&self) -> bool {
        matches!(
            self,
            Trouble::Refused { .. } | Trouble::Clock | Trouble::NoBucket | Trouble::Full | Trouble::Setup { .. }
        )
    }
}

/// A place of the settings, with its key.
pub struct PlaceOptions {
    pub endpoint: Url,
    pub bucket: String,
    /// Below what in the bucket; empty: nothing.
    pub prefix: String,
    pub region: String,
    pub access_key: String,
    pub key: Secret<String>,
    /// Whether the bucket stands in the path, and not before the host.
    pub path_style: bool,
    /// PEM of the authority to trust instead of the usual ones.
    pub authority: Option<Vec<u8>>,
}

/// What a listing tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Without the place's prefix.
    pub key: String,
    pub bytes: u64,
}

/// What the store has of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub bytes: u64,
    pub etag: Option<String>,
}

/// A store, as one place of the settings. Cheap to clone.
#[derive(Clone)]
pub struct Place {
    store: Arc<AmazonS3>,
    prefix: String,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({}, {})", self.store, self.prefix)
    }
}

impl Place {
    /// Asks nobody yet.
    pub fn new(options: &PlaceOptions) -> Result<Place, Trouble> {
        let wire = Wire::new(options.authority.as_deref())?;
        let plain = options.endpoint.scheme() == "http";
        let setup = |why: &dyn fmt::Display| Trouble::Setup { why: clean(&why.to_string(), &[]) };
        let mut endpoint = options.endpoint.clone();
        if !options.path_style {
            // The crate takes an endpoint with the bucket before its host.
            let host = endpoint.host_str().map(|host| format!("{}.{host}", options.bucket));
            endpoint.set_host(host.as_deref()).map_err(|why| setup(&why))?;
        }
        // One attempt: the spool knows how long to wait, and a page that plays would rather hear that it failed.
        let once = RetryConfig { max_retries: 0, retry_timeout: STEP, backoff: BackoffConfig::default() };
        let store = AmazonS3Builder::new()
            .with_endpoint(endpoint.as_str().trim_end_matches('/'))
            .with_virtual_hosted_style_request(!options.path_style)
            .with_bucket_name(&options.bucket)
            .with_region(&options.region)
            .with_access_key_id(&options.access_key)
            .with_secret_access_key(options.key.expose())
            .with_allow_http(plain)
            // object_store 0.14.2 looks each answer of DeleteObjects up among what it asked for, and panics when the store
            // names another.
            .with_disable_bulk_delete(true)
            .with_retry(once)
            .with_http_connector(wire)
            .build()
            .map_err(|error| setup(&error))?;
        Ok(Place { store: Arc::new(store), prefix: options.prefix.clone() })
    }

    /// Puts a file there and looks whether it is there: its size, its beginning and its end. Each part's SHA-256 is in its
    /// signature, so what arrived is what was sent. A file that is there already, from before a crash, is not sent again.
    pub async fn put(&self, key: &str, from: &FilePath) -> Result<Kept, Trouble> {
        let path = self.path(key)?;
        let mut file = File::open(from).await.map_err(local)?;
        let bytes = file.metadata().await.map_err(local)?.len();
        match self.stat(key).await {
            Ok(kept) if kept.bytes == bytes && self.compare(key, &mut file, bytes).await.is_ok() => return Ok(kept),
            // A key that may put and get but not list is told 403 of what is not there; why a key is refused stands in no
            // answer to HEAD. What the upload says counts.
            Ok(_) | Err(Trouble::NotFound | Trouble::Refused { .. }) => {}
            Err(trouble) => return Err(trouble),
        }
        file.rewind().await.map_err(local)?;
        let etag = if bytes <= PART as u64 {
            let content = read_part(&mut file).await?;
            step(self.store.put(&path, content.into())).await?.e_tag
        } else {
            let mut upload = step(self.store.put_multipart(&path)).await?;
            match parts(&mut *upload, &mut file).await {
                Ok(etag) => etag,
                Err(trouble) => {
                    // What is left of it costs its owner room. That this fails too is likely, and nothing can be done.
                    let _ = tokio::time::timeout(Duration::from_secs(10), upload.abort()).await;
                    return Err(trouble);
                }
            }
        };
        let kept = self.stat(key).await?;
        if kept.bytes != bytes {
            return Err(Trouble::Untrue { what: "its size is another" });
        }
        if etag.is_some() && kept.etag.is_some() && etag != kept.etag {
            return Err(Trouble::Untrue { what: "its entity tag is another" });
        }
        self.compare(key, &mut file, bytes).await?;
        Ok(kept)
    }

    /// Bytes of an object, exactly these.
    pub async fn read_range(&self, key: &str, range: Range<u64>) -> Result<Bytes, Trouble> {
        let path = self.path(key)?;
        let length = range.end.saturating_sub(range.start);
        if length == 0 {
            return Ok(Bytes::new());
        }
        if length > LARGEST_READ {
            return Err(Trouble::TooMuch);
        }
        let options = GetOptions { range: Some(GetRange::Bounded(range.clone())), ..GetOptions::default() };
        let reading = async {
            let found = self.store.get_opts(&path, options).await?;
            // A store whose object is shorter gives what it has.
            if found.range != range {
                return Ok(None);
            }
            found.bytes().await.map(Some)
        };
        let bytes = step(reading).await?.filter(|bytes| bytes.len() as u64 == length);
        bytes.ok_or(Trouble::Untrue { what: "it is shorter than it was" })
    }

    /// What the store has under a key.
    pub async fn stat(&self, key: &str) -> Result<Kept, Trouble> {
        let path = self.path(key)?;
        let found = step(self.store.head(&path)).await?;
        Ok(Kept { bytes: found.size, etag: found.e_tag })
    }

    /// Deletes; what is not there is no error.
    pub async fn delete(&self, key: &str) -> Result<(), Trouble> {
        let path = self.path(key)?;
        match step(self.store.delete(&path)).await {
            Ok(()) | Err(Trouble::NotFound) => Ok(()),
            Err(trouble) => Err(trouble),
        }
    }

    /// All that is there below a part of a key (`CAMERA` or `CAMERA/DAY`; empty: all of the place), at most `most`: more is
    /// an error, so that nobody takes half a listing for a whole one.
    pub async fn list(&self, below: &str, most: usize) -> Result<Vec<Listed>, Trouble> {
        let whole = if below.is_empty() { self.prefix.clone() } else { self.full(below) };
        let path = if whole.is_empty() { None } else { Some(parsed(&whole)?) };
        let mut stream = self.store.list(path.as_ref());
        let mut listed = Vec::new();
        while let Some(found) = step(async { stream.next().await.transpose() }).await? {
            if listed.len() >= most {
                return Err(Trouble::TooMuch);
            }
            let key = found.location.as_ref();
            let key = match self.prefix.as_str() {
                "" => Some(key),
                prefix => key.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/')),
            };
            // The store was asked for what is below the prefix only.
            let key =
                key.ok_or_else(|| Trouble::Protocol { text: "a listing names what was not asked for".to_owned() })?;
            listed.push(Listed { key: key.to_owned(), bytes: found.size });
        }
        Ok(listed)
    }

    /// Whether the place can be used: writes, reads and deletes a few bytes. For the moment when a person sets it up, and
    /// for the doctor.
    pub async fn check(&self) -> Result<(), Trouble> {
        let random: [u8; 16] = domovoi_vault::random().map_err(|error| Trouble::Local { why: error.to_string() })?;
        let name: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let key = format!("domovoi-check-{name}");
        let path = self.path(&key)?;
        let content = Bytes::copy_from_slice(&random);
        step(self.store.put(&path, content.clone().into())).await?;
        let back = self.read_range(&key, 0..random.len() as u64).await;
        self.delete(&key).await?;
        if back? == content { Ok(()) } else { Err(Trouble::Untrue { what: "it gives back something else" }) }
    }

    async fn compare(&self, key: &str, file: &mut File, bytes: u64) -> Result<(), Trouble> {
        let head = 0..bytes.min(PROBE);
        let tail = bytes.saturating_sub(PROBE).max(head.end)..bytes;
        for range in [head, tail] {
            let there = self.read_range(key, range.clone()).await?;
            let mut here = vec![0; there.len()];
            file.seek(io::SeekFrom::Start(range.start)).await.map_err(local)?;
            file.read_exact(&mut here).await.map_err(local)?;
            if there != here {
                return Err(Trouble::Untrue { what: "its bytes are others" });
            }
        }
        Ok(())
    }

    fn full(&self, key: &str) -> String {
        if self.prefix.is_empty() { key.to_owned() } else { format!("{}/{key}", self.prefix) }
    }

    fn path(&self, key: &str) -> Result<Path, Trouble> {
        parsed(&self.full(key))
    }
}

/// Keys are ours: `CAMERA/DAY/SEGMENT.segment` in hex digits and figures.
fn parsed(key: &str) -> Result<Path, Trouble> {
    let fits = |part: &str| {
        !part.is_empty()
            && !matches!(part, "." | "..")
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    let wrong = || Trouble::Setup { why: "the key is none of an object of ours".to_owned() };
    if key.len() > LONGEST_KEY || !key.split('/').all(fits) {
        return Err(wrong());
    }
    Path::parse(key).map_err(|_| wrong())
}

async fn parts(upload: &mut dyn MultipartUpload, file: &mut File) -> Result<Option<String>, Trouble> {
    loop {
        let part = read_part(file).await?;
        if part.is_empty() {
            break;
        }
        step(upload.put_part(part.into())).await?;
    }
    Ok(step(upload.complete()).await?.e_tag)
}

/// The next part of a file; the last one is shorter.
async fn read_part(file: &mut File) -> Result<Bytes, Trouble> {
    let mut part = Vec::new();
    file.take(PART as u64).read_to_end(&mut part).await.map_err(local)?;
    Ok(part.into())
}

fn local(error: io::Error) -> Trouble {
    Trouble::Local { why: error.to_string() }
}

async fn step<T>(asked: impl Future<Output = object_store::Result<T>>) -> Result<T, Trouble> {
    match tokio::time::timeout(STEP, asked).await {
        Err(_) => Err(Trouble::Away { why: format!("no answer within {} s", STEP.as_secs()) }),
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(told(&error)),
    }
}

/// What an error of the crate's means: what our own wire said, if it did.
fn told(error: &object_store::Error) -> Trouble {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    let mut last = String::new();
    while let Some(found) = cause {
        if let Some(reply) = found.downcast_ref::<Reply>() {
            return replied(reply);
        }
        if found.is::<http_body_util::LengthLimitError>() {
            return Trouble::TooMuch;
        }
        if let Some(broken) = found.downcast_ref::<reqwest::Error>() {
            let why = broken.source().map_or_else(|| broken.to_string(), innermost);
            return Trouble::Away { why: clean(&why, &[]) };
        }
        last = found.to_string();
        cause = found.source();
    }
    Trouble::Protocol { text: clean(&last, &[]) }
}

fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut error = error;
    while let Some(inner) = error.source() {
        error = inner;
    }
    error.to_string()
}

/// The codes are Amazon's; MinIO, Ceph and Garage use the same, and `XMinioStorageFull` is MinIO's own.
fn replied(reply: &Reply) -> Trouble {
    let Reply { status, code } = reply;
    match (*status, code.as_str()) {
        (_, "RequestTimeTooSkewed") => Trouble::Clock,
        (_, "NoSuchBucket") => Trouble::NoBucket,
        (_, "XMinioStorageFull" | "QuotaExceeded" | "InsufficientStorage") | (507, _) => Trouble::Full,
        (401 | 403, _) => Trouble::Refused { code: code.clone() },
        (404, _) => Trouble::NotFound,
        (408 | 429 | 500.., _) => Trouble::Away { why: reply.to_string() },
        _ => Trouble::Protocol { text: reply.to_string() },
    }
}
