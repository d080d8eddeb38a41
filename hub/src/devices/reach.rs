//! Whether a device can be reached, from what several sources say. It is advice: nobody is kept from trying.

use std::collections::BTreeMap;

use domovoi_adapters::Reach;

/// What the sources of one group of a device's properties said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    said: BTreeMap<u8, bool>,
    last: Option<bool>,
}

impl Sources {
    /// Takes one source's word; says whether anything is another now.
    pub fn heard(&mut self, source: u8, available: bool) -> bool {
        let changed = self.said.insert(source, available) != Some(available) || self.last != Some(available);
        self.last = Some(available);
        changed
    }

    /// What each said.
    pub fn each(&self) -> impl Iterator<Item = (u8, bool)> {
        self.said.iter().map(|(source, available)| (*source, *available))
    }

    /// There are only so many sources now.
    pub fn keep(&mut self, many: u8) {
        self.said.retain(|source, _| *source < many);
    }

    /// What follows. `None`: nobody has said enough.
    pub fn together(&self, reach: Reach) -> Option<bool> {
        match reach {
            Reach::Latest => self.last,
            // One that says no is enough for a no; for a yes all must have spoken.
            Reach::All(many) => match self.said.values().all(|yes| *yes) {
                false => Some(false),
                true => (self.said.len() >= usize::from(many)).then_some(true),
            },
            Reach::Any => match self.said.values().any(|yes| *yes) {
                true => Some(true),
                false => (!self.said.is_empty()).then_some(false),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(said: &[(u8, bool)]) -> Sources {
        let mut sources = Sources::default();
        for (source, available) in said {
            sources.heard(*source, *available);
        }
        sources
    }

    #[test]
    fn several_sources_mean_what_their_mode_says() {
        for (said, latest, all_of_two, any) in [
            (&[][..], None, None, None),
            (&[(0, true)], Some(true), None, Some(true)),
            (&[(0, false)], Some(false), Some(false), Some(false)),
            (&[(0, true), (1, true)], Some(true), Some(true), Some(true)),
            (&[(0, true), (1, false)], Some(false), Some(false), Some(true)),
            (&[(1, false), (0, true)], Some(true), Some(false), Some(true)),
            (&[(1, false), (0, true), (1, true)], Some(true), Some(true), Some(true)),
        ] {
            let sources = sources(said);
            assert_eq!(sources.together(Reach::Latest), latest, "{said:?}");
            assert_eq!(sources.together(Reach::All(2)), all_of_two, "{said:?}");
            assert_eq!(sources.together(Reach::Any), any, "{said:?}");
        }
    }

    #[test]
    fn what_nobody_watches_can_always_be_reached() {
        assert_eq!(sources(&[]).together(Reach::All(0)), Some(true));
        let mut fewer = sources(&[(0, true), (1, false)]);
        fewer.keep(1);
        assert_eq!(fewer.together(Reach::All(1)), Some(true), "the one that said no is a source no more");
    }

    #[test]
    fn the_same_word_twice_is_no_news() {
        let mut sources = Sources::default();
        assert!(sources.heard(0, true));
        assert!(!sources.heard(0, true));
        assert!(sources.heard(1, false) && sources.heard(0, true), "the last word is another");
    }
}
