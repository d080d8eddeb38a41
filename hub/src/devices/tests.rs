//! Tests of the room, with a whole house behind it.
