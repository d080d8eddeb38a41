//! One key frame to one JPEG: the test frame of a check, the picture that a notification carries.
//! A camera's bytes go through decoders that are young and slow on purpose-made input, so each runs on a thread of its own
//! with a deadline, two at once, and one that never comes back keeps its thread and nothing else.
//! Deliberately no video decoding, and no keeping of pictures.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};

mod colour;
mod decode;
mod jpeg;
#[cfg(test)]
pub(crate) mod tests;

use crate::frame::{VideoCodec, VideoTrack};

/// Pictures larger than this in one direction are refused by their parameters, before anything is decoded.
pub const LARGEST: u32 = 4096;
/// As a session bounds an access unit.
const FRAME_BYTES: usize = 4 << 20;
const DEADLINE: Duration = Duration::from_secs(5);
const AT_ONCE: usize = 2;
/// Decoders that missed their deadline and whose places were given to others. With more of them there are fewer places,
/// down to none.
const STUCK: usize = 2;
const STACK_BYTES: usize = 4 << 20;

/// A JPEG.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    pub jpeg: Bytes,
    pub width: u16,
    pub height: u16,
}

/// The width and height of a JPEG, as its frame header says.
pub fn jpeg_size(picture: Bytes) -> Result<(u16, u16), PictureError> {
    jpeg::check(picture).map(|sound| (sound.width, sound.height))
}

/// Why there is no picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    #[error("a picture of {width} x {height} is larger than {LARGEST} x {LARGEST}")]
    TooLarge { width: u32, height: u32 },
    #[error("a frame of {0} bytes is larger than {FRAME_BYTES}")]
    TooManyBytes(usize),
    /// A profile that the decoder does not know.
    #[error("the decoder does not know this: {0}")]
    Unsupported(String),
    #[error("the frame is damaged: {0}")]
    Damaged(String),
    #[error("decoding took longer than {} s", DEADLINE.as_secs())]
    Late,
    /// All places are taken, for good by frames that no decoder ends with.
    #[error("no place to decode was free within {} s", DEADLINE.as_secs())]
    NoPlace,
    #[error("the decoder gave way")]
    Panicked,
}

/// Where pictures are made. One for the whole hub; clones share its places.
#[derive(Clone)]
pub struct Darkroom(Arc<Places>);

struct Places {
    free: Arc<Semaphore>,
    stuck: Mutex<usize>,
}

impl Default for Darkroom {
    fn default() -> Darkroom {
        Darkroom(Arc::new(Places { free: Arc::new(Semaphore::new(AT_ONCE)), stuck: Mutex::new(0) }))
    }
}

/// What a thread and who waits for it agree on.
#[derive(Default)]
struct Case {
    done: bool,
    /// Its place was given to others.
    replaced: bool,
}

impl Darkroom {
    /// Makes a JPEG of a frame that starts a group, at most `widest` pixels wide. MJPEG is checked and passed on as it is,
    /// whatever its width.
    pub async fn develop(
        &self,
        track: &VideoTrack,
        frame: Bytes,
        widest: Option<u16>,
    ) -> Result<Picture, PictureError> {
        if frame.len() > FRAME_BYTES {
            return Err(PictureError::TooManyBytes(frame.len()));
        }
        let (codec, sets) = (track.codec, track.parameter_sets.clone());
        match codec {
            // Walking over its markers takes no time.
            VideoCodec::Jpeg => jpeg::check(frame),
            VideoCodec::H264 | VideoCodec::H265 => {
                self.guarded(DEADLINE, move || {
                    let planes = decode::decode(codec, &sets, &frame)?;
                    jpeg::encode(&planes, widest)
                })
                .await
            }
        }
    }

    async fn guarded<T: Send + 'static>(
        &self,
        within: Duration,
        work: impl FnOnce() -> Result<T, PictureError> + Send + 'static,
    ) -> Result<T, PictureError> {
        let until = Instant::now() + within;
        let Ok(Ok(place)) = timeout_at(until, Arc::clone(&self.0.free).acquire_owned()).await else {
            return Err(PictureError::NoPlace);
        };
        let case = Arc::new(Mutex::new(Case::default()));
        let (tell, told) = oneshot::channel();
        let (places, thread_case) = (Arc::clone(&self.0), Arc::clone(&case));
        // Not of tokio's blocking threads: those are waited for when the runtime ends.
        let thread = std::thread::Builder::new().name("picture".to_owned()).stack_size(STACK_BYTES).spawn(move || {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            places.leave(place, &thread_case);
            let _ = tell.send(outcome.unwrap_or(Err(PictureError::Panicked)));
        });
        if let Err(error) = thread {
            tracing::warn!("no thread for a picture: {error}");
            return Err(PictureError::NoPlace);
        }
        match timeout_at(until, told).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(PictureError::Panicked),
            Err(_) => {
                self.0.replace(&case);
                Err(PictureError::Late)
            }
        }
    }
}

impl Places {
    /// A decoder missed its deadline: its place is given to others, as long as there are not too many like it.
    fn replace(&self, case: &Mutex<Case>) {
        let mut case = case.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stuck = self.stuck.lock().unwrap_or_else(PoisonError::into_inner);
        if !case.done && *stuck < STUCK {
            case.replaced = true;
            *stuck += 1;
            self.free.add_permits(1);
        }
    }

    fn leave(&self, place: OwnedSemaphorePermit, case: &Mutex<Case>) {
        let mut case = case.lock().unwrap_or_else(PoisonError::into_inner);
        case.done = true;
        if case.replaced {
            place.forget();
            let mut stuck = self.stuck.lock().unwrap_or_else(PoisonError::into_inner);
            *stuck = stuck.saturating_sub(1);
        }
    }
}
