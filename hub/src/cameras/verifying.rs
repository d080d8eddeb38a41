//! Whether what is kept is still what was written: in the background, slowly, one closed segment after another, round and
//! round; and at once, when somebody asks. What is damaged is named; nothing is mended.

use std::sync::Arc;
use std::time::Duration;

use domovoi_model::{Id, Timestamp};
use domovoi_store::{BrokenLink, Cursor, Segment, SegmentPlace, SegmentState, StoreError};
use domovoi_video::archive::{Expected, Verdict, verify};
use tokio::sync::watch;

use super::{ArchiveState, Cameras, CamerasError, Inner, naming};

/// So many bytes a second are read in the background: a terabyte in a week, and no disk feels it.
const BYTES_A_SECOND: u64 = 2_000_000;

/// Between two segments, at least.
const PAUSE: Duration = Duration::from_secs(5);

/// When there is nothing to verify, and after a round.
const REST: Duration = Duration::from_secs(600);

/// Of each page of rows.
const A_PAGE: u32 = 100;

/// What is wrong with an archive, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// A segment is not as it was written: the code of a verdict, perhaps with what belongs to it.
    Damaged {
        /// Which.
        segment: Id,
        /// What was found.
        what: String,
    },
    /// Its file is not there.
    Missing {
        /// Which.
        segment: Id,
    },
    /// The key of its day was destroyed: it cannot be read by anybody.
    NoKey {
        /// Which.
        segment: Id,
    },
    /// Its row was changed by somebody else.
    Row {
        /// Which.
        segment: Id,
    },
    /// What this one follows was removed, and not by the house; `None`: the newest was.
    Removed {
        /// Which.
        before: Option<Id>,
    },
}

/// The code of a verdict, as it is kept in a row and said in a notice; `None`: it is sound.
pub(super) fn code_of(verdict: &Verdict) -> Option<String> {
    Some(match verdict {
        Verdict::Sound(_) => return None,
        Verdict::NotOurs => "not-ours".to_owned(),
        Verdict::HeaderAltered => "header-altered".to_owned(),
        Verdict::Swapped { found } => format!("swapped {}", Id(*found)),
        Verdict::WrongKey => "wrong-key".to_owned(),
        Verdict::NoTrailer { whole } => format!("no-trailer {whole}"),
        Verdict::Truncated { whole } => format!("truncated {whole}"),
        Verdict::Altered { record } => format!("altered {record}"),
        Verdict::Moved { record, from } => format!("moved {record} {from}"),
        Verdict::Foreign { record, of } => format!("foreign {record} {}", Id(*of)),
        Verdict::FooterAltered => "footer-altered".to_owned(),
        Verdict::Overlong { from } => format!("overlong {from}"),
        Verdict::Replaced => "replaced".to_owned(),
        Verdict::ChainBroken { .. } => "chain-broken".to_owned(),
    })
}

impl Cameras {
    /// Reads everything that is kept of a camera, and names what is wrong with it. What is found is written down and told.
    pub async fn verify(&self, camera: Id) -> Result<Vec<Finding>, CamerasError> {
        self.0.seat(camera)?;
        if self.0.archive.look().await != ArchiveState::There {
            return Err(CamerasError::NoArchive);
        }
        let mut findings = Vec::new();
        let mut after = None;
        loop {
            let (from, to) = (Timestamp(i64::MIN), Timestamp(i64::MAX));
            let looked = self.0.store.segments().list(camera, from, to, after, A_PAGE).await?;
            findings.extend(looked.damaged.iter().map(|brief| Finding::Row { segment: brief.id }));
            for segment in &looked.segments {
                findings.extend(self.0.verify_one(segment).await?);
            }
            match looked.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        for link in self.0.store.segments().broken_links(camera).await? {
            findings.push(Finding::Removed {
                before: match link {
                    BrokenLink::Before { segment, .. } => Some(segment),
                    BrokenLink::Newest => None,
                },
            });
        }
        Ok(findings)
    }
}

impl Inner {
    async fn verify_one(&self, segment: &Segment) -> Result<Option<Finding>, StoreError> {
        let id = segment.id;
        let local = matches!(segment.place, SegmentPlace::Local | SegmentPlace::Spool);
        match segment.state {
            SegmentState::Done | SegmentState::Damaged if local => {}
            SegmentState::Missing => return Ok(Some(Finding::Missing { segment: id })),
            _ => return Ok(None),
        }
        let Some(day) = self.store.cameras().key(segment.key).await? else {
            return Ok(Some(Finding::NoKey { segment: id }));
        };
        let path = self.archive.folder.join(naming::segment_file(segment.camera, segment.day, id));
        let (key, tag, bytes) = (segment.key, segment.chained.tag, segment.bytes);
        let (camera, previous) = (segment.camera, segment.chained.previous);
        let started_ms = naming::began(id).0;
        let checked = tokio::task::spawn_blocking(move || {
            let expected = Expected {
                segment: Some(id.0),
                camera: Some(camera.0),
                key_id: Some(key),
                // Rows are put right when the clock was wrong; files stay as they are.
                started_ms: (started_ms > 0).then_some(started_ms),
                bytes: tag.is_some().then_some(bytes),
                tag,
                previous: tag.is_some().then_some(previous),
                neighbours: &[],
            };
            verify(&path, &day.key, &expected)
        });
        let verdict = match checked.await.map_err(|error| StoreError::Io(error.to_string()))? {
            Ok(verdict) => verdict,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                // Retention may have taken it meanwhile; or the disk went.
                let now = self.store.segments().get(id).await?;
                if now.is_none_or(|now| now.state == SegmentState::Garbage)
                    || self.archive.look().await != ArchiveState::There
                {
                    return Ok(None);
                }
                self.found_damaged(segment, SegmentState::Missing, "missing").await?;
                return Ok(Some(Finding::Missing { segment: id }));
            }
            Err(error) => return Err(StoreError::Io(error.to_string())),
        };
        match code_of(&verdict) {
            None => Ok(None),
            Some(what) => {
                if segment.trouble != what {
                    self.found_damaged(segment, SegmentState::Damaged, &what).await?;
                }
                Ok(Some(Finding::Damaged { segment: id, what }))
            }
        }
    }

    /// Verifies in the background until the house stops.
    pub(super) async fn verify_on(self: &Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut cursors: std::collections::HashMap<Id, Option<Cursor>> = std::collections::HashMap::new();
        loop {
            let mut read = 0u64;
            for seat in self.seats().values() {
                if !self.archive.is_there() {
                    break;
                }
                let cursor = cursors.entry(seat.id).or_default();
                let (from, to) = (Timestamp(i64::MIN), Timestamp(i64::MAX));
                let Ok(looked) = self.store.segments().list(seat.id, from, to, *cursor, 1).await else { continue };
                *cursor = looked.next;
                for segment in &looked.segments {
                    read = read.saturating_add(segment.bytes);
                    if let Err(error) = self.verify_one(segment).await {
                        tracing::warn!(camera = %seat.id, segment = %segment.id, "not verified: {error}");
                    }
                }
            }
            let pause = match read {
                0 => REST,
                read => PAUSE.max(Duration::from_secs(read / BYTES_A_SECOND)),
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Whether segments were removed by somebody else: each place is told once.
    pub(super) async fn look_for_removed(&self) {
        for seat in self.seats().values() {
            let broken = match self.store.segments().broken_links(seat.id).await {
                Ok(broken) => broken,
                Err(error) => {
                    tracing::warn!("the chain of a camera's recordings cannot be followed: {error}");
                    continue;
                }
            };
            for link in broken {
                let (what, at) = match link {
                    BrokenLink::Before { segment, started } => {
                        tracing::error!(camera = %seat.id, segment = %segment, "a recording before this one was removed");
                        ("removed", started)
                    }
                    BrokenLink::Newest => {
                        tracing::error!(camera = %seat.id, "the newest recording was removed");
                        ("removed-newest", self.now())
                    }
                };
                let at = self.zone.to_datetime(super::schedule::instant(at));
                self.tell_damaged(seat, what, at.strftime("%d.%m.%Y %H:%M").to_string()).await;
            }
        }
    }
}
