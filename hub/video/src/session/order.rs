//! Decoding times. RTP says when a picture is shown and brings pictures in the order of decoding; with B-frames these differ
//! (retina's issue 61), and a file needs both. The time of decoding is the `depth`-th last of the times shown in ascending
//! order, as an encoder assigns it, and what is shown is shifted by that depth.
//! Deliberately no waiting for later frames: each is placed as it comes.

/// A depth of H.264 and H.265 is at most 16 pictures.
const DEEPEST: usize = 16;

pub(super) struct Order {
    depth: usize,
    /// Times shown that no decoding time was taken from yet, ascending; at most `depth` between two calls.
    waiting: Vec<i64>,
    placed: usize,
    last: Option<i64>,
    frame_ticks: i64,
}

/// Where a frame was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) decoded: i64,
    pub(super) shown: i64,
    /// It had to be moved to keep the order: the stream is deeper than was said.
    pub(super) moved: bool,
}

impl Order {
    /// `frame_ticks`: the nominal length of a frame, for the frames before `depth` ones are known.
    pub(super) fn new(depth: usize, frame_ticks: i64) -> Order {
        let depth = depth.min(DEEPEST);
        Order { depth, waiting: Vec::with_capacity(depth + 1), placed: 0, last: None, frame_ticks: frame_ticks.max(1) }
    }

    /// How many frames the next one may be shown after all that came, so that those which it overtakes find room.
    pub(super) fn reach(&self) -> i64 {
        i64::try_from(self.depth).unwrap_or(0).saturating_add(1)
    }

    /// By how much everything is shown later.
    pub(super) fn delay(&self) -> i64 {
        i64::try_from(self.depth).unwrap_or(0).saturating_mul(self.frame_ticks)
    }

    /// `ticks`: when it is shown, since the run's first frame.
    pub(super) fn place(&mut self, ticks: i64) -> Place {
        let at = self.waiting.partition_point(|other| *other <= ticks);
        self.waiting.insert(at, ticks);
        let decoded = if self.placed < self.depth {
            i64::try_from(self.placed).unwrap_or(0).saturating_mul(self.frame_ticks)
        } else {
            self.waiting.remove(0).saturating_add(self.delay())
        };
        self.placed = self.placed.saturating_add(1);
        let decoded = self.last.map_or(decoded, |last| decoded.max(last.saturating_add(1)));
        self.last = Some(decoded);
        let shown = ticks.saturating_add(self.delay());
        Place { decoded, shown: shown.max(decoded), moved: shown < decoded }
    }

    /// The last time of decoding, where there is one.
    pub(super) fn last(&self) -> Option<i64> {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn without_b_frames_both_times_are_the_same() {
        let mut order = Order::new(0, 6_000);
        for i in 0..10 {
            assert_eq!(order.place(i * 6_000), Place { decoded: i * 6_000, shown: i * 6_000, moved: false });
        }
    }

    #[test]
    fn b_frames_are_shown_after_they_are_decoded_and_in_their_order() {
        // I P B B P B B with a depth of one, and a pyramid of depth two.
        for (depth, shown) in [(1, vec![0, 3, 1, 2, 6, 4, 5, 9, 7, 8]), (2, vec![0, 4, 2, 1, 3, 8, 6, 5, 7])] {
            let mut order = Order::new(depth, 100);
            let placed: Vec<Place> = shown.iter().map(|t| order.place(t * 100)).collect();
            assert!(placed.iter().all(|p| p.shown >= p.decoded && !p.moved), "{placed:?}");
            let decoded: Vec<i64> = placed.iter().map(|p| p.decoded).collect();
            assert_eq!(decoded, (0..i64::try_from(shown.len()).unwrap()).map(|i| i * 100).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_depth_that_was_not_said_is_noticed() {
        let mut order = Order::new(0, 100);
        let placed: Vec<Place> = [0, 300, 100, 200, 600].iter().map(|t| order.place(*t)).collect();
        assert!(placed.iter().any(|p| p.moved));
    }

    proptest! {
        #[test]
        fn decoding_times_rise_and_nothing_is_shown_before(
            depth in 0usize..20,
            steps in proptest::collection::vec(-200_000i64..400_000, 1..200),
        ) {
            let mut order = Order::new(depth, 3_000);
            let mut last = None;
            let mut ticks = 0i64;
            for step in steps {
                ticks += step;
                let place = order.place(ticks);
                prop_assert!(place.shown >= place.decoded);
                prop_assert!(last.is_none_or(|last| place.decoded > last));
                last = Some(place.decoded);
            }
        }
    }
}
