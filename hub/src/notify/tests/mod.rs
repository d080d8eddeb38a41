//! Tests of the room: cases of the policy with a clock turned by hand, properties, and the whole of it on a real store with
//! channels that carry to nowhere.

mod cases;
mod laws;
mod life;
mod room;
mod scene;
