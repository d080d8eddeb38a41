//! The page: HTML made here, styles and scripts beside it, all embedded; works without JavaScript. It calls the rooms as
//! the API does and knows no rule of its own.

use super::{Desk, Doors};

/// The largest form taken: a reading with its photo.
const MAX_FORM: usize = 8 << 20;

/// Every door of the page.
pub fn doors(desk: &Desk) -> Doors {
    // SKELETON: to be filled.
    Doors::new(desk, MAX_FORM)
}
