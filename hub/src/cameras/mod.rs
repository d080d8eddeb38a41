//! Cameras of the home. So far its rules, each a pure function of what it is given: when a camera is recorded (`schedule`,
//! `event`), what is deleted before a file is opened and how many days will be held (`retention`), what files are called
//! (`naming`). No clock, no disk and no stream here: whoever performs what these decide hands them in.

pub mod event;
pub mod naming;
pub mod retention;
pub mod schedule;
