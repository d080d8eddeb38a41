//! Opaque 128-bit identifiers. They are made elsewhere (UUIDs); here they are only carried, compared and spelled.

use std::fmt;
use std::str::FromStr;

/// 128 bits, spelled as a UUID: `8-4-4-4-12` lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(pub [u8; 16]);

/// The text is not a UUID in its usual spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseIdError;

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an id: expected 32 hex digits as 8-4-4-4-12")
    }
}

impl std::error::Error for ParseIdError {}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Id {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let bytes = text.as_bytes();
        if bytes.len() != 36 {
            return Err(ParseIdError);
        }
        let mut out = [0u8; 16];
        let mut nibbles = 0;
        for (i, byte) in bytes.iter().enumerate() {
            if matches!(i, 8 | 13 | 18 | 23) {
                if *byte != b'-' {
                    return Err(ParseIdError);
                }
                continue;
            }
            let nibble = (*byte as char).to_digit(16).ok_or(ParseIdError)? as u8;
            out[nibbles / 2] = (out[nibbles / 2] << 4) | nibble;
            nibbles += 1;
        }
        Ok(Id(out))
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub Id);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                text.parse().map($name)
            }
        }
    )+};
}

ids! {
    /// The household's contract with one supplier («лицевой счёт»).
    AccountId,
    /// The place where a resource is measured. Outlives every meter that hangs there.
    PointId,
    /// One physical meter, with its serial number.
    MeterId,
    /// One reading inside an act: the idempotency key towards the portal (`TransportGUID`).
    ReadingId,
    /// One signed act.
    ActId,
    /// One photo of a meter's face.
    PhotoId,
    /// A person of the household, or a program that was given a name here.
    PersonId,
    /// One run of the daemon; times measured before the clock was trusted refer to it.
    BootId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelled_and_read_back() {
        let id = Id(std::array::from_fn(|i| (i * 17) as u8));
        assert_eq!(id.to_string(), "00112233-4455-6677-8899-aabbccddeeff");
        assert_eq!(id.to_string().parse::<Id>(), Ok(id));
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "",
            "00112233445566778899aabbccddeeff",
            "00112233-4455-6677-8899-aabbccddeefg",
            "0011223344-55-6677-8899-aabbccddeeff",
        ] {
            assert_eq!(text.parse::<Id>(), Err(ParseIdError), "{text}");
        }
    }
}
