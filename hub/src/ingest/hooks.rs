//! Who hears what ingest reads before it is recorded: the reflex, the registry of devices, the life of commands. Each is
//! told once, before the doors open, and is called on the task that reads the socket: it must neither wait nor publish
//! (`Ingest::say` from another task).

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::OnceLock;

use domovoi_adapters::{Announcement, Outgoing, Reached, Reply, Road};
use domovoi_model::{DeviceRef, Moment, Observation};

use super::NotSaid;

/// Whether something was said just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// Just now.
    Fresh,
    /// A broker of others replays what it retained: it may be weeks old, and it is not recorded.
    Replayed,
}

/// Who can be told something again.
#[derive(Debug, Clone, Copy)]
pub enum Back<'a> {
    /// All that are behind a broker of others: a link to it is there.
    Link,
    /// A device that says that it can be reached.
    Device(&'a DeviceRef),
    /// Whoever has subscribed to these at our own broker.
    Subscribed(&'a BTreeSet<String>),
}

/// The publish in which something was said.
#[derive(Debug, Clone, Copy)]
pub struct Telling<'a> {
    /// The dialect that read it.
    pub dialect: &'static str,
    /// By which road it came.
    pub road: Road,
    /// Who said it: a credential's user name, the link's name.
    pub sender: &'a str,
    /// Its topic.
    pub topic: &'a str,
    /// Its payload.
    pub payload: &'a [u8],
    /// When.
    pub at: Moment,
    /// Whether just now.
    pub news: News,
    /// The devices of which it says something new.
    pub changed: &'a [DeviceRef],
}

type Felt = Box<dyn Fn(&Observation, Moment, News) + Send + Sync>;
type Said = Box<dyn Fn(&[Observation], &Telling<'_>) + Send + Sync>;
type Told = Box<dyn Fn(&[Announcement], &Telling<'_>) + Send + Sync>;
type ReachedBy = Box<dyn Fn(&[Reached], Moment) + Send + Sync>;
type Replied = Box<dyn Fn(Vec<Reply>) + Send + Sync>;

type ToClouds = Box<dyn Fn(Vec<Outgoing>, Option<NonZeroU32>) -> Result<(), NotSaid> + Send + Sync>;
type LockNews = Box<dyn Fn() + Send + Sync>;
type BackAgain = Box<dyn Fn(Back<'_>) + Send + Sync>;

/// All of them.
#[derive(Default)]
pub struct Hooks {
    pub(super) felt: OnceLock<Felt>,
    pub(super) said: OnceLock<Said>,
    pub(super) told: OnceLock<Told>,
    pub(super) reached: OnceLock<ReachedBy>,
    pub(super) replied: OnceLock<Replied>,
    pub(super) back: OnceLock<BackAgain>,
    pub(super) clouds: OnceLock<ToClouds>,
    pub(super) locks: OnceLock<LockNews>,
}

impl Hooks {
    /// The reflex: everything that a device says, as it is read, before it is recorded and also where there is no room to
    /// record it.
    pub fn felt_by(&self, felt: impl Fn(&Observation, Moment, News) + Send + Sync + 'static) {
        // Of each hook: told twice, the first counts.
        let _ = self.felt.set(Box::new(felt));
    }

    /// The same, a publish at a time, after the reflex.
    pub fn said_to(&self, said: impl Fn(&[Observation], &Telling<'_>) + Send + Sync + 'static) {
        let _ = self.said.set(Box::new(said));
    }

    /// What devices say about themselves, whether it is new or not.
    pub fn told_to(&self, told: impl Fn(&[Announcement], &Telling<'_>) + Send + Sync + 'static) {
        let _ = self.told.set(Box::new(told));
    }

    /// Whether devices can be reached.
    pub fn reached_by(&self, reached: impl Fn(&[Reached], Moment) + Send + Sync + 'static) {
        let _ = self.reached.set(Box::new(reached));
    }

    /// Who can be told something again, after nobody may have heard it.
    pub fn back_by(&self, back: impl Fn(Back<'_>) + Send + Sync + 'static) {
        let _ = self.back.set(Box::new(back));
    }

    /// What is said to devices behind makers' clouds, with the seconds for which it is worth anything.
    pub fn clouds_told_by(
        &self,
        clouds: impl Fn(Vec<Outgoing>, Option<NonZeroU32>) -> Result<(), NotSaid> + Send + Sync + 'static,
    ) {
        let _ = self.clouds.set(Box::new(clouds));
    }

    /// A meter's telegrams do not open, or do again: `Ingest::locked_meters` says which.
    pub fn locks_told_to(&self, told: impl Fn() + Send + Sync + 'static) {
        let _ = self.locks.set(Box::new(told));
    }

    pub(super) fn lock_is_news(&self) {
        if let Some(told) = self.locks.get() {
            told();
        }
    }

    /// Answers of bridges to errands.
    pub fn replied_to(&self, replied: impl Fn(Vec<Reply>) + Send + Sync + 'static) {
        let _ = self.replied.set(Box::new(replied));
    }
}
