//! The page in a real browser, as people use it: with a mouse, a keyboard, a passkey, a small phone, without scripts; and
//! as a hostile page uses it. Needs Chromium; a plain `cargo test` leaves these out.

mod cameras;
mod devices;
mod hostile;
mod insight;
mod look;
mod mappings;
mod portal_account;
mod reading;
mod scenarios;
mod threshold;
mod tour;
