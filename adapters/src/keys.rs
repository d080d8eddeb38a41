//! Keys of meters that encrypt what they say by radio. Printed as stars, and compared by nobody but a directory with itself.

use std::collections::BTreeMap;
use std::fmt;

/// Keys by the id of the meter.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Keys(BTreeMap<String, [u8; 16]>);

impl Keys {
    pub(crate) fn set(&mut self, id: &str, key: Option<[u8; 16]>) {
        let id = id.to_ascii_lowercase();
        match key {
            Some(key) => drop(self.0.insert(id, key)),
            None => drop(self.0.remove(&id)),
        }
    }

    pub(crate) fn get(&self, id: &str) -> Option<&[u8; 16]> {
        self.0.get(&id.to_ascii_lowercase())
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({} × ***)", self.0.len())
    }
}
