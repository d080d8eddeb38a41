//! Templates of real producers, and hostile ones.
