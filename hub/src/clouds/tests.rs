//! The room against a pretended cloud.
