//! A set of numbers that are given out one after the other: a bit for each.

/// A set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bits {
    words: Vec<u64>,
    count: u64,
}

impl Bits {
    /// Puts a number in; false if it was there.
    pub fn insert(&mut self, number: u64) -> bool {
        let (word, bit) = ((number / 64) as usize, 1 << (number % 64));
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let Some(word) = self.words.get_mut(word) else { return false };
        let new = *word & bit == 0;
        *word |= bit;
        self.count += u64::from(new);
        new
    }

    /// Whether a number is there.
    pub fn contains(&self, number: u64) -> bool {
        self.words.get((number / 64) as usize).is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    /// How many are there.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether none is there.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// All of them, rising.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        let numbers = |(word, bits): (usize, &u64)| {
            let bits = *bits;
            (0..64).filter(move |bit| bits & (1 << bit) != 0).map(move |bit| word as u64 * 64 + bit)
        };
        self.words.iter().enumerate().flat_map(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_there_once() {
        let mut bits = Bits::default();
        assert!([0, 63, 64, 1000].into_iter().all(|number| bits.insert(number)));
        assert!(!bits.insert(64));
        assert_eq!((bits.len(), bits.iter().collect::<Vec<_>>()), (4, vec![0, 63, 64, 1000]));
        assert!(bits.contains(63) && !bits.contains(65) && !bits.contains(1 << 40));
    }
}
