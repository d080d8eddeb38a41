//! How a passphrase becomes a master key: Argon2id, with its parameters and salt in a small file beside the store. The
//! file is no secret, but without it the passphrase opens nothing; it belongs into every backup.

use std::path::Path;

use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

use crate::master::{MasterError, create_private, hex_digit, read_hex, read_private};
use crate::random;

/// The first line of the file.
const HEADING: &str = "domovoi kdf argon2id v19";

/// Argon2id's parameters and salt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kdf {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
    /// 16 random bytes.
    pub salt: [u8; 16],
}

impl Kdf {
    /// 64 MiB, 3 passes, 1 lane (RFC 9106 section 4, second choice, with one lane because a Pi's other cores have a
    /// home to run), and a fresh salt.
    pub fn generate() -> Result<Self, MasterError> {
        Ok(Kdf { memory_kib: 64 * 1024, passes: 3, lanes: 1, salt: random()? })
    }

    /// Writes the parameters into a new file.
    pub fn create_file(&self, path: &Path) -> Result<(), MasterError> {
        let salt: String = self.salt.iter().flat_map(|b| [hex_digit(b >> 4), hex_digit(b & 15)]).collect();
        let text = format!(
            "{HEADING}\nmemory_kib {}\npasses {}\nlanes {}\nsalt {salt}\n",
            self.memory_kib, self.passes, self.lanes
        );
        create_private(path, text.as_bytes())
    }

    /// Reads the parameters. Weaker ones than 8 MiB and one pass are refused (somebody else wrote them), and stronger
    /// ones than 1 GiB and 64 passes (the start would never end).
    pub fn from_file(path: &Path) -> Result<Self, MasterError> {
        let content = read_private(path, 1024)?;
        let malformed = |why: &str| MasterError::Malformed { path: path.to_owned(), why: why.to_owned() };
        let text = std::str::from_utf8(&content).map_err(|_| malformed("it is not text"))?;
        let mut lines = text.lines();
        if lines.next() != Some(HEADING) {
            return Err(malformed("its first line is not the one this program writes"));
        }
        let mut field = |name: &str| {
            lines
                .next()
                .and_then(|line| line.strip_prefix(name)?.strip_prefix(' '))
                .ok_or_else(|| malformed(&format!("the line `{name}` is missing")))
        };
        let number = |text: &str| text.parse::<u32>().map_err(|_| malformed("a parameter is not a number"));
        let memory_kib = number(field("memory_kib")?)?;
        let passes = number(field("passes")?)?;
        let lanes = number(field("lanes")?)?;
        let digits = field("salt")?.as_bytes();
        let mut salt = [0u8; 16];
        if !read_hex(digits, &mut salt) {
            return Err(malformed("the salt is not 32 hex digits"));
        }
        let kdf = Kdf { memory_kib, passes, lanes, salt };
        kdf.check().map_err(|why| malformed(&why))?;
        Ok(kdf)
    }

    fn check(&self) -> Result<(), String> {
        let bounds = [
            ("memory_kib", self.memory_kib, 8 * 1024, 1024 * 1024),
            ("passes", self.passes, 1, 64),
            ("lanes", self.lanes, 1, 16),
        ];
        for (name, value, low, high) in bounds {
            if !(low..=high).contains(&value) {
                return Err(format!("{name} is {value}, outside {low}..={high}"));
            }
        }
        Ok(())
    }

    pub(crate) fn stretch(&self, passphrase: &str) -> Result<Zeroizing<[u8; 32]>, MasterError> {
        let refused = |why: String| MasterError::Passphrase { why };
        self.check().map_err(refused)?;
        if passphrase.is_empty() {
            return Err(refused("it is empty".to_owned()));
        }
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(32))
            .map_err(|error| refused(error.to_string()))?;
        let mut key = Zeroizing::new([0u8; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.as_bytes(), &self.salt, &mut *key)
            .map_err(|error| refused(error.to_string()))?;
        Ok(key)
    }
}
