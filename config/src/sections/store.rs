//! `[store]` and `[control]`: where the data lie, how long a commit may wait, what the disk has to bear, where the command
//! line knocks.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::mistake::Wrong;
use crate::reader::Section;

/// `sun_path` of a Unix socket holds 108 bytes with the closing zero (unix(7)).
const MAX_SOCKET_PATH: usize = 107;

const MB: u64 = 1_000_000;

/// Where and how data are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSection {
    /// The data folder. One daemon per folder.
    pub data_dir: PathBuf,
    /// How long a group commit collects samples before it is written, 0..=2 s. Hazards and registers never wait.
    pub commit_every: Duration,
    /// How many bytes may be written in a day before commits wait up to 2 s for company.
    pub write_budget_per_day: u64,
    /// Below so many free bytes telemetry is not kept, so that registers and hazards are.
    pub reserve: u64,
}

/// The way in for the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// The Unix socket of the daemon (mode 0600).
    pub socket: PathBuf,
}

pub(crate) fn read(mut section: Section<'_>) -> StoreSection {
    let base_dir = section.base_dir();
    let store = StoreSection {
        data_dir: section.take_path("data_dir", base_dir).unwrap_or_else(|| base_dir.join("domovoi-data")),
        commit_every: section
            .take_duration("commit_every", Duration::ZERO..=Duration::from_secs(2))
            .unwrap_or(Duration::from_millis(20)),
        write_budget_per_day: section.take_size("write_budget_per_day", MB..=1_000_000 * MB).unwrap_or(500 * MB),
        reserve: section.take_size("reserve", 0..=1_000_000 * MB).unwrap_or(64 << 20),
    };
    section.finish();
    store
}

pub(crate) fn read_control(mut section: Section<'_>, data_dir: &Path) -> Control {
    let at = section.place_of("socket");
    let socket = section.take_path("socket", data_dir).unwrap_or_else(|| data_dir.join("control.sock"));
    let length = socket.as_os_str().len();
    // Only where it was written here: a default that is too long is the fault of the place, which `doctor` sees.
    if at.is_some() && length > MAX_SOCKET_PATH {
        section.wrong_at(
            at,
            "socket",
            Wrong::new(format!("is {length} bytes long, and the path of a socket may have {MAX_SOCKET_PATH}"))
                .hint("write a shorter one, like \"/run/domovoi/control.sock\""),
        );
    }
    section.finish();
    Control { socket }
}
