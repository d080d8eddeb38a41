//! The heap of the program: one that all threads share, and that gives back at once what it no longer uses. The C
//! library's keeps a heap per thread and gives back little of it: under minutes of load the daemon grew to twice what it
//! held (docs/decisions/0007-heap.md). It decides nothing about who keeps what.

use std::os::unix::process::CommandExt;
use std::process::Command;

#[global_allocator]
static HEAP: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// For how many milliseconds the heap keeps what was freed. It reads this once, before `main` begins.
const GIVE_BACK: &str = "MIMALLOC_PURGE_DELAY";

/// For a daemon: makes the heap give back at once, by starting this program anew in the same process with the setting. Who
/// has set it already, for measurements, has decided otherwise.
pub fn give_back_at_once() {
    if std::env::var_os(GIVE_BACK).is_some() {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut words = std::env::args_os();
    let mut anew = Command::new(program);
    if let Some(name) = words.next() {
        anew.arg0(name);
    }
    // Comes back only if it could not be done; then memory costs more, and nothing else is different.
    let error = anew.args(words).env(GIVE_BACK, "0").exec();
    eprintln!("domovoi: the heap keeps its defaults: {error}");
}
