//! Numbers of few bytes: LEB128, zigzag, and a reader that never panics. Knows no format of its own.

/// The bytes are not what this program writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Small negative numbers become small positive ones: 0, -1, 1, -2 → 0, 1, 2, 3.
pub(crate) fn zigzag(number: i128) -> u128 {
    ((number << 1) ^ (number >> 127)) as u128
}

pub(crate) fn unzigzag(number: u128) -> i128 {
    (number >> 1) as i128 ^ -((number & 1) as i128)
}

/// Appends an unsigned LEB128 number.
pub(crate) fn put_number(bytes: &mut Vec<u8>, mut number: u128) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Appends a length and the text.
pub(crate) fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put_number(bytes, text.len() as u128);
    bytes.extend_from_slice(text.as_bytes());
}

/// What is left to read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed)
    }

    pub fn byte(&mut self) -> Result<u8, Malformed> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    pub fn number(&mut self) -> Result<u128, Malformed> {
        let mut number = 0u128;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            let bits = u128::from(byte & 0x7f);
            if shift == 126 && bits > 3 {
                return Err(Malformed);
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Malformed)
    }

    /// A length or a count, which fits into memory at all.
    pub fn size(&mut self) -> Result<usize, Malformed> {
        usize::try_from(self.number()?).map_err(|_| Malformed)
    }

    /// A zigzag number of 64 bits.
    pub fn signed(&mut self) -> Result<i64, Malformed> {
        i64::try_from(unzigzag(self.number()?)).map_err(|_| Malformed)
    }

    /// A length and so many bytes.
    pub fn blob(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.size()?;
        self.take(len)
    }

    pub fn str(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.blob()?).map_err(|_| Malformed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(number in any::<i128>(), small in any::<i64>(), text in ".{0,9}") {
            let mut bytes = Vec::new();
            put_number(&mut bytes, zigzag(number));
            put_number(&mut bytes, zigzag(small.into()));
            put_text(&mut bytes, &text);
            let mut reader = Reader(&bytes);
            prop_assert_eq!(reader.number().map(unzigzag), Ok(number));
            prop_assert_eq!(reader.signed(), Ok(small));
            prop_assert_eq!(reader.str(), Ok(text.as_str()));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn noise_does_not_panic(noise in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut reader = Reader(&noise);
            while reader.blob().is_ok() && !reader.is_empty() {}
            let _ = Reader(&noise).signed();
        }
    }

    #[test]
    fn a_number_of_more_than_128_bits_is_none() {
        assert_eq!(Reader(&[0xff; 30]).number(), Err(Malformed));
        let mut greatest = [0xff; 19];
        greatest[18] = 3;
        assert_eq!(Reader(&greatest).number(), Ok(u128::MAX));
        greatest[18] = 4;
        assert_eq!(Reader(&greatest).number(), Err(Malformed));
    }
}
