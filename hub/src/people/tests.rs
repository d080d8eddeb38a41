//! The people against a real store.
