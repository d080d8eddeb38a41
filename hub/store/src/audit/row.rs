//! The bytes of one row of the journal of deeds. They are what is sealed and what is hashed, exactly as written; nothing
//! is ever serialised a second time.
//!
//! ```text
//! prev 32 | row u64 BE | flags u8 | at i64 BE | len(body) u32 BE | body | parts u8
//!         | per part: person 16 | len u32 BE | sealed under the person's key, empty if the person was erased by then
//! flags: 1 = `at` is known (otherwise it is 0), 2 = the record of the end had been lost when this row was written
//! ```

use domovoi_model::{Id, PersonId, Timestamp};
use sha2::{Digest, Sha256};

/// Length of a hash.
pub(super) const HASH: usize = 32;

const HAS_TIME: u8 = 1;
const AFTER_LOSS: u8 = 2;

/// A personal part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub person: PersonId,
    pub sealed: Vec<u8>,
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AuditRow {
    pub prev: [u8; HASH],
    pub row: i64,
    pub after_loss: bool,
    pub at: Option<Timestamp>,
    pub body: Vec<u8>,
    pub parts: Vec<Part>,
}

impl AuditRow {
    pub fn to_bytes(&self) -> Vec<u8> {
        let parts: usize = self.parts.iter().map(|part| 20 + part.sealed.len()).sum();
        let mut out = Vec::with_capacity(HASH + 22 + self.body.len() + parts);
        out.extend_from_slice(&self.prev);
        out.extend_from_slice(&self.row.to_be_bytes());
        out.push(if self.at.is_some() { HAS_TIME } else { 0 } | if self.after_loss { AFTER_LOSS } else { 0 });
        out.extend_from_slice(&self.at.map_or(0, |at| at.0).to_be_bytes());
        out.extend_from_slice(&(self.body.len() as u32).to_be_bytes());
        out.extend_from_slice(&self.body);
        out.push(self.parts.len() as u8);
        for part in &self.parts {
            out.extend_from_slice(&part.person.0.0);
            out.extend_from_slice(&(part.sealed.len() as u32).to_be_bytes());
            out.extend_from_slice(&part.sealed);
        }
        out
    }

    /// `None` for anything that `to_bytes` does not write.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (prev, rest) = bytes.split_first_chunk::<HASH>()?;
        let (row, rest) = rest.split_first_chunk::<8>()?;
        let ([flags], rest) = rest.split_first_chunk::<1>()?;
        let (at, rest) = rest.split_first_chunk::<8>()?;
        let at = i64::from_be_bytes(*at);
        let (body, rest) = prefixed(rest)?;
        let ([count], mut rest) = rest.split_first_chunk::<1>()?;
        let mut parts = Vec::with_capacity(usize::from(*count).min(rest.len() / 20));
        for _ in 0..*count {
            let (person, behind) = rest.split_first_chunk::<16>()?;
            let (sealed, behind) = prefixed(behind)?;
            parts.push(Part { person: PersonId(Id(*person)), sealed: sealed.to_vec() });
            rest = behind;
        }
        let has_time = flags & HAS_TIME != 0;
        if !rest.is_empty() || flags & !(HAS_TIME | AFTER_LOSS) != 0 || (!has_time && at != 0) {
            return None;
        }
        Some(AuditRow {
            prev: *prev,
            row: i64::from_be_bytes(*row),
            after_loss: flags & AFTER_LOSS != 0,
            at: has_time.then_some(Timestamp(at)),
            body: body.to_vec(),
            parts,
        })
    }
}

fn prefixed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*len)).ok()?)
}

/// The hash by which the next row knows this one.
pub(crate) fn hash(plaintext: &[u8]) -> [u8; HASH] {
    Sha256::new().chain_update(b"domovoi audit 1").chain_update(plaintext).finalize().into()
}

/// Where a personal part belongs: it opens in no other row and in no other place of the row.
pub(super) fn place(row: i64, part: usize) -> [u8; 9] {
    let mut place = [0; 9];
    place[..8].copy_from_slice(&row.to_be_bytes());
    place[8] = part as u8;
    place
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows() -> impl Strategy<Value = AuditRow> {
        let part = (any::<[u8; 16]>(), proptest::collection::vec(any::<u8>(), 0..80))
            .prop_map(|(person, sealed)| Part { person: PersonId(Id(person)), sealed });
        (
            any::<[u8; HASH]>(),
            any::<i64>(),
            any::<bool>(),
            proptest::option::of(any::<i64>().prop_map(Timestamp)),
            proptest::collection::vec(any::<u8>(), 0..200),
            proptest::collection::vec(part, 0..4),
        )
            .prop_map(|(prev, row, after_loss, at, body, parts)| AuditRow {
                prev,
                row,
                after_loss,
                at,
                body,
                parts,
            })
    }

    proptest! {
        #[test]
        fn a_row_comes_back_as_it_was(row in rows()) {
            prop_assert_eq!(AuditRow::from_bytes(&row.to_bytes()), Some(row));
        }

        #[test]
        fn what_is_read_is_what_would_be_written(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Some(row) = AuditRow::from_bytes(&bytes) {
                prop_assert_eq!(row.to_bytes(), bytes);
            }
        }

        #[test]
        fn one_bit_more_or_less_is_another_row(row in rows(), at in any::<prop::sample::Index>(), bit in 0..8u8) {
            let mut bytes = row.to_bytes();
            let n = at.index(bytes.len());
            bytes[n] ^= 1 << bit;
            prop_assert_ne!(AuditRow::from_bytes(&bytes), Some(row.clone()));
            prop_assert_ne!(hash(&bytes), hash(&row.to_bytes()));
            bytes.pop();
            prop_assert!(AuditRow::from_bytes(&bytes).is_none_or(|other| other != row));
        }
    }
}
