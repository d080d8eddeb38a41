//! iCalendar (RFC 5545) both ways: what phones read of this calendar, and what is read of calendars elsewhere. Bytes to
//! events and back; it opens no socket and knows no clock.
//!
//! Written and read by code of our own: of the crates that do it, none writes a VTIMEZONE, and the nearest one asks the
//! machine's clock for what is missing and gives up a whole calendar for one bad line. It reads what we write in the tests.

mod lines;
mod reading;
mod times;
mod windows;
mod writing;
mod zones;

#[cfg(test)]
mod tests;

pub use reading::{Read, Reading, read};
pub use writing::write;
