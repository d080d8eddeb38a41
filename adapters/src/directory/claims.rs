//! What somebody claims of a device, and how much of it counts: his rights, other owners' topics, the room there is. What does
//! not count is kept as contested. It decides about the word in hand; what is known is put in its place by `directory`.

use std::sync::Arc;

use domovoi_model::DeviceRef;

use super::Directory;
use super::index::{Index, Known};
use crate::announcement::Announcement;
use crate::announcer::{Announcer, Contest, Contested, Owner, Right, Scale, Usage};

/// Filters with wildcards of one device, and of all: each is compared with many topics.
const MAX_FILTERS_EACH: usize = 8;
const MAX_FILTERS: usize = 1024;
/// Contested claims that are kept of a device, and devices of which some are.
const MAX_CONTESTS_EACH: usize = 8;
const MAX_CONTESTED: usize = 512;

impl Directory {
    /// What of an announcement its sender may say; `None` if that is all of it.
    pub(super) fn narrowed(
        &self,
        announcement: &Announcement,
        by: &Announcer<'_>,
        owner: &Owner,
        contested: &mut Vec<Contest>,
    ) -> Option<Announcement> {
        let device = &announcement.device;
        let mut refuse = |what, at: &str| contested.push(Contest { what, by: owner.clone(), at: at.to_owned() });
        let mut speaks = Vec::with_capacity(announcement.speaks.len());
        for topic in &announcement.speaks {
            if by.may(Right::Speak, topic) { speaks.push(topic.clone()) } else { refuse(Contested::NotAllowed, topic) }
        }
        let mut shares = Vec::with_capacity(announcement.shares.len());
        let mut wild = 0;
        let others = self.dialects.values().map(|index| index.filters.count()).sum::<usize>();
        for topic in &announcement.shares {
            let own = match by.rights {
                Some(rights) => rights.narrowed(topic),
                None => vec![topic.clone()],
            };
            if own.is_empty() {
                refuse(Contested::NotAllowed, topic);
            }
            for filter in own {
                let is_wild = filter.contains(['+', '#']);
                wild += usize::from(is_wild);
                if is_wild && (wild > MAX_FILTERS_EACH || others + wild > MAX_FILTERS + MAX_FILTERS_EACH) {
                    refuse(Contested::Quota, topic);
                } else {
                    shares.push(filter);
                }
            }
        }
        let mut listens = Vec::with_capacity(announcement.listens.len());
        // What the owner of the home named for this one thing is its own, wherever it is.
        let is_its_own = by.rights.is_some() && by.scale == Scale::One;
        for topic in &announcement.listens {
            if !by.may(Right::Listen, topic) {
                refuse(Contested::NotAllowed, topic);
            } else if !is_its_own && self.is_below_another(&device.dialect, topic) {
                refuse(Contested::Foreign, topic);
            } else if self.is_anothers(device, owner, topic) {
                refuse(Contested::Topic, topic);
            } else {
                listens.push(topic.clone());
            }
        }
        let same = speaks == announcement.speaks && shares == announcement.shares && listens == announcement.listens;
        (!same).then(|| Announcement { speaks, shares, listens, ..announcement.clone() })
    }

    /// Whether a device of another owner takes commands there or above, or reports there.
    fn is_anothers(&self, device: &DeviceRef, owner: &Owner, topic: &str) -> bool {
        let differs = |known: &Known| known.owner != *owner && known.owner != Owner::Nobody;
        let speaks = |index: &Arc<Index>| {
            let other = index.speakers.get(topic).filter(|other| ***other != *device);
            other.and_then(|other| index.known.get(other)).is_some_and(|known| differs(known))
        };
        self.others_at(topic, device).any(differs) || self.dialects.values().any(speaks)
    }

    /// Whether a device says that it speaks under a topic that another one has.
    pub(super) fn is_rival(&self, device: &DeviceRef, topic: &str) -> bool {
        let index = self.index(&device.dialect);
        index.and_then(|index| index.rivals.get(topic)).is_some_and(|rivals| rivals.contains(device))
    }

    pub(super) fn has_its_topics(&self, announcement: &Announcement) -> bool {
        let Some(index) = self.index(&announcement.device.dialect) else { return announcement.speaks.is_empty() };
        announcement.speaks.iter().all(|topic| {
            let speaks = index.speakers.get(topic.as_str()).is_some_and(|own| **own == announcement.device);
            speaks || self.is_rival(&announcement.device, topic)
        })
    }

    pub(super) fn has_room(&self, before: Option<&Known>, new: &Known, by: &Announcer<'_>) -> bool {
        let had = before.map(Known::usage).unwrap_or_default();
        let now = new.usage();
        // Who takes something back is not held up.
        if before.is_some() && now.properties <= had.properties && now.bytes <= had.bytes {
            return true;
        }
        let own = self.usage.get(&new.owner).copied().unwrap_or_default();
        let own = if before.is_some_and(|before| before.owner == new.owner) { own.minus(had) } else { own };
        let all = self.usage.values().fold(Usage::default(), |all, usage| all.plus(*usage)).minus(had);
        own.plus(now).fits(by.scale.quota()) && all.plus(now).fits(Usage::ALL)
    }

    /// Keeps what is contested, and says what of it is new.
    pub(super) fn contest(&mut self, device: &DeviceRef, contested: Vec<Contest>) -> Vec<Contest> {
        let is_news = |contest: &Contest| !self.contests(device).contains(contest);
        let mut news: Vec<Contest> = contested.into_iter().filter(is_news).collect();
        if news.is_empty() || (self.contests.len() >= MAX_CONTESTED && !self.contests.contains_key(device)) {
            return news;
        }
        let kept = Arc::make_mut(&mut self.contests).entry(device.clone()).or_default();
        news.truncate(MAX_CONTESTS_EACH);
        kept.extend(news.iter().cloned());
        let over = kept.len().saturating_sub(MAX_CONTESTS_EACH);
        kept.drain(..over);
        news
    }

    /// The same for the owner's own word: what he does not claim any more is over.
    pub(super) fn settle(&mut self, device: &DeviceRef, owner: &Owner, contested: Vec<Contest>) -> Vec<Contest> {
        let is_over = |contest: &Contest| contest.by == *owner && !contested.contains(contest);
        if self.contests(device).iter().any(is_over) {
            let contests = Arc::make_mut(&mut self.contests);
            if let Some(kept) = contests.get_mut(device) {
                kept.retain(|contest| !is_over(contest));
                if kept.is_empty() {
                    contests.remove(device);
                }
            }
        }
        self.contest(device, contested)
    }
}
