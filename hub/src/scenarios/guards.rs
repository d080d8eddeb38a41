//! What keeps scenarios from running wild: how often one may begin, and how deep scenarios may cause each other. A command of
//! a run and the change that it brings about are one chain: whatever begins by that change stands one deeper. Pure.

use std::collections::VecDeque;

use super::plan::Place;

/// For so long a change of what a run has set is put down to it.
const CAUSED_FOR_MILLIS: i64 = 15_000;

/// How many commands are remembered for that.
const REMEMBERED: usize = 512;

/// So many tokens, and so many more in an hour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    tokens: f32,
    at_millis: i64,
}

impl Bucket {
    /// A full one.
    pub fn full(size: u32, now_millis: i64) -> Self {
        Bucket { tokens: size as f32, at_millis: now_millis }
    }

    /// Takes one if there is one.
    pub fn take(&mut self, size: u32, per_hour: u32, now_millis: i64) -> bool {
        let passed = now_millis.saturating_sub(self.at_millis).max(0);
        self.at_millis = now_millis;
        let more = passed as f64 * f64::from(per_hour) / 3_600_000.0;
        self.tokens = (self.tokens + more as f32).min(size as f32);
        let has = self.tokens >= 1.0;
        if has {
            self.tokens -= 1.0;
        }
        has
    }
}

/// What runs have set lately.
#[derive(Debug, Default)]
pub struct Chain(VecDeque<(Place, u8, i64)>);

impl Chain {
    /// A run that stands so deep sets this.
    pub fn sets(&mut self, at: Place, depth: u8, now_millis: i64) {
        if self.0.len() >= REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back((at, depth, now_millis.saturating_add(CAUSED_FOR_MILLIS)));
    }

    /// How deep a change stands: one deeper than the run that brought it about, 0 where none did. A toggle does not say
    /// what comes of it, so any change of what was set counts.
    pub fn depth_of(&mut self, at: &Place, now_millis: i64) -> u8 {
        while self.0.front().is_some_and(|(_, _, until)| *until < now_millis) {
            self.0.pop_front();
        }
        let caused = self.0.iter().rev().find(|(place, ..)| place == at);
        caused.map_or(0, |(_, depth, _)| depth.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use domovoi_model::DeviceRef;

    use super::*;

    #[test]
    fn a_bucket_fills_again_in_an_hour() {
        let mut bucket = Bucket::full(2, 0);
        assert!(bucket.take(2, 2, 0) && bucket.take(2, 2, 0) && !bucket.take(2, 2, 0));
        assert!(!bucket.take(2, 2, 1_700_000));
        assert!(bucket.take(2, 2, 1_900_000));
        assert!(bucket.take(2, 2, 90_000_000) && bucket.take(2, 2, 90_000_000) && !bucket.take(2, 2, 90_000_000));
    }

    #[test]
    fn what_a_run_sets_stands_one_deeper_for_a_while() {
        let at = |n: &str| Place { device: DeviceRef::new("d", n), property: "p".into() };
        let mut chain = Chain::default();
        chain.sets(at("1"), 2, 1000);
        assert_eq!((chain.depth_of(&at("1"), 2000), chain.depth_of(&at("2"), 2000)), (3, 0));
        assert_eq!(chain.depth_of(&at("1"), 17_000), 0);
    }
}
