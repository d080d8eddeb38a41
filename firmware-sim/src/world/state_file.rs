//! A device's registers on its own flash: one small JSON file, replaced whole and synced before the value is spoken, so
//! that a meter never runs backwards over a restart.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};

/// Without a folder it remembers nothing.
pub(crate) struct StateFile(Option<PathBuf>);

impl StateFile {
    pub(crate) fn open(folder: Option<&Path>, device: &str) -> io::Result<Self> {
        let Some(folder) = folder else { return Ok(Self(None)) };
        fs::create_dir_all(folder)?;
        let path = folder.join(format!("{device}.json"));
        if let Ok(bytes) = fs::read(&path) {
            serde_json::from_slice::<serde_json::Value>(&bytes)
                .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?;
        }
        Ok(Self(Some(path)))
    }

    /// What was saved last, if it has this shape.
    pub(crate) fn load<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&fs::read(self.0.as_ref()?).ok()?).ok()
    }

    pub(crate) fn save<T: Serialize>(&self, value: &T) {
        let Some(path) = &self.0 else { return };
        let saved = serde_json::to_vec(value)
            .map_err(io::Error::from)
            .and_then(|bytes| crate::portal::replace_file(path, &bytes));
        if let Err(error) = saved {
            tracing::warn!(%error, path = %path.display(), "a pretend device could not save its registers");
        }
    }
}

/// Exact decimals as text: `rust_decimal` is built without serde here.
pub(crate) mod decimal_text {
    use rust_decimal::Decimal;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(crate) fn serialize<S: Serializer>(value: &Decimal, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Decimal, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}
