//! What a place has against what the rows say it has: a pure comparison of a listing with what is expected. It deletes
//! nothing and decides nothing: an object that nobody knows may be another home's, or this one's from before its store was
//! put back from a backup.

use std::collections::BTreeMap;

use super::Listed;

/// Where a listing and the rows differ, each in the order of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Objects that no row knows: to be told, never to be deleted.
    pub orphans: Vec<Listed>,
    /// Keys of rows whose object is not there.
    pub missing: Vec<String>,
    /// Keys of rows whose object has another size.
    pub altered: Vec<String>,
}

/// Compares a whole listing with the keys and sizes that the rows of the same part of the place have.
pub fn compare(listed: &[Listed], expected: impl IntoIterator<Item = (String, u64)>) -> Difference {
    let mut there: BTreeMap<&str, u64> = listed.iter().map(|one| (one.key.as_str(), one.bytes)).collect();
    let mut difference = Difference::default();
    for (key, bytes) in expected {
        match there.remove(key.as_str()) {
            None => difference.missing.push(key),
            Some(found) if found != bytes => difference.altered.push(key),
            Some(_) => {}
        }
    }
    difference.missing.sort_unstable();
    difference.altered.sort_unstable();
    let orphan = |(key, bytes): (&str, u64)| Listed { key: key.to_owned(), bytes };
    difference.orphans = there.into_iter().map(orphan).collect();
    difference
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn listed(key: &str, bytes: u64) -> Listed {
        Listed { key: key.to_owned(), bytes }
    }

    #[test]
    fn each_difference_is_named() {
        let there = [listed("c", 3), listed("a", 1), listed("b", 2)];
        let rows = [("a".to_owned(), 1), ("b".to_owned(), 7), ("d".to_owned(), 4)];
        let difference = compare(&there, rows);
        assert_eq!(difference.orphans, [listed("c", 3)]);
        assert_eq!(difference.missing, ["d"]);
        assert_eq!(difference.altered, ["b"]);
    }

    proptest! {
        #[test]
        fn nothing_is_left_out_and_nothing_told_twice(
            there in proptest::collection::btree_map("[a-e]", 0u64..3, 0..5),
            rows in proptest::collection::btree_map("[a-e]", 0u64..3, 0..5),
        ) {
            let listing: Vec<Listed> = there.iter().map(|(key, bytes)| listed(key, *bytes)).collect();
            let difference = compare(&listing, rows.clone());
            for (key, bytes) in &there {
                let is_orphan = difference.orphans.contains(&listed(key, *bytes));
                prop_assert_eq!(is_orphan, !rows.contains_key(key));
            }
            for (key, bytes) in &rows {
                prop_assert_eq!(difference.missing.contains(key), !there.contains_key(key));
                let other = there.get(key).is_some_and(|found| found != bytes);
                prop_assert_eq!(difference.altered.contains(key), other);
            }
            let told = difference.orphans.len() + difference.missing.len() + difference.altered.len();
            prop_assert!(told <= there.len() + rows.len());
        }
    }
}
