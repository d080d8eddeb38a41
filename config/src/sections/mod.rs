//! One file per room: its settings as plain values, their defaults, and the checks that need no other room.
//! Each `read` answers with something usable even when it has reported mistakes, so that all of them are found at once.

pub(crate) mod alerts;
pub(crate) mod calendar;
pub(crate) mod cameras;
pub(crate) mod channels;
pub(crate) mod clouds;
pub(crate) mod devices;
pub(crate) mod dialects;
pub(crate) mod external_broker;
pub(crate) mod history;
pub(crate) mod home;
pub(crate) mod log;
pub(crate) mod mail;
pub(crate) mod mqtt;
pub(crate) mod notify;
pub(crate) mod portal;
pub(crate) mod presence;
pub(crate) mod scenarios;
pub(crate) mod sift;
pub(crate) mod sign_in;
pub(crate) mod sms;
pub(crate) mod store;
pub(crate) mod submission;
pub(crate) mod supplier;
pub(crate) mod vault;
pub(crate) mod web;
pub(crate) mod window;
