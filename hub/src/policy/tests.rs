//! The policy's promises, as properties and as a few plain stories.
