//! The one end-to-end test binary. Each file is a story; the harness is the library beside it.

mod flow;
mod tidy;
