//! The home daemon as a library: rooms that talk by bus events and the named functions of their `mod.rs`.
//! The binary `domovoi` is a thin edge around it. The map is docs/architecture.md.

pub mod clock;
pub mod portal;
