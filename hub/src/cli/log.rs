//! The log of the daemon: lines on stderr, written by a thread of their own. Whoever logs never waits for whoever reads:
//! journald on a stalled card stops reading its socket, and a line that is written while a lock is held would hold the
//! reflex. What does not fit any more is counted, and told once there is room.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

/// How much may wait to be written, in bytes.
const MOST_BYTES: usize = 1 << 20;

/// The longest line, in bytes.
const LONGEST: usize = 16 << 10;

/// So long the end of the program waits for its last lines.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Where lines go. Clones are the same place.
#[derive(Clone)]
pub struct Lines {
    queue: mpsc::Sender<Vec<u8>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Bytes that wait.
    waiting: AtomicUsize,
    /// Lines that found no room since it was last said how many.
    lost: AtomicU64,
}

impl Lines {
    /// To this writer, by a thread of its own.
    pub fn to(mut out: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, lines) = mpsc::channel::<Vec<u8>>();
        let shared = Arc::new(Shared::default());
        let ours = Arc::clone(&shared);
        std::thread::Builder::new().name("log".into()).spawn(move || {
            for line in lines {
                // Nobody reads it: there is nowhere left to say so.
                let _ = out.write_all(&line);
                let lost = ours.lost.swap(0, Ordering::Relaxed);
                if lost > 0 {
                    let _ = writeln!(out, "{lost} lines of the log were lost: nobody read them in time");
                }
                ours.waiting.fetch_sub(line.len(), Ordering::AcqRel);
            }
        })?;
        Ok(Lines { queue, shared })
    }

    fn say(&self, line: Vec<u8>) {
        let len = line.len();
        let before = self.shared.waiting.fetch_add(len, Ordering::AcqRel);
        if before.saturating_add(len) > MOST_BYTES || self.queue.send(line).is_err() {
            self.shared.waiting.fetch_sub(len, Ordering::AcqRel);
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until all is written, for a moment.
    fn finish(&self) {
        let until = Instant::now() + LAST_LINES;
        while self.shared.waiting.load(Ordering::Acquire) > 0 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// One line on its way; it is handed over when it is whole.
pub struct Line {
    bytes: Vec<u8>,
    to: Lines,
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = LONGEST.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        if bytes.is_empty() {
            return;
        }
        if bytes.last() != Some(&b'\n') {
            bytes.push(b'\n');
        }
        self.to.say(bytes);
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { bytes: Vec::new(), to: self.clone() }
    }
}

static STDERR: OnceLock<Lines> = OnceLock::new();

/// Logs go to stderr, so that stdout stays what was asked for. Without this only the answer is printed.
pub fn to_stderr(filter: &str, format: domovoi_config::LogFormat) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = match Lines::to(io::stderr()) {
        Ok(lines) => STDERR.get_or_init(|| lines).clone(),
        Err(error) => {
            eprintln!("domovoi: nothing is logged: no thread for it: {error}");
            return;
        }
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines).with_target(false);
    // An error means that a subscriber is installed already, which is a test's business.
    let _ = match format {
        domovoi_config::LogFormat::Json => builder.json().try_init(),
        domovoi_config::LogFormat::Text => builder.try_init(),
    };
}

/// The program ends: its last lines are written, if anybody reads them.
pub fn finish() {
    if let Some(lines) = STDERR.get() {
        lines.finish();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A reader that reads only while its door is open.
    #[derive(Clone, Default)]
    struct Reader {
        door: Arc<Mutex<()>>,
        read: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _open = self.door.lock().unwrap();
            self.read.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn settled(lines: &Lines) {
        while lines.shared.waiting.load(Ordering::Acquire) > 0 {
            lines.finish();
        }
    }

    #[test]
    fn who_logs_waits_for_nobody_and_what_is_lost_is_counted() {
        let reader = Reader::default();
        let lines = Lines::to(reader.clone()).unwrap();
        let shut = reader.door.lock().unwrap();
        let many = 2 * MOST_BYTES / LONGEST;
        for _ in 0..many {
            // Would never come back if it waited for the reader.
            lines.make_writer().write_all(&vec![b'x'; 2 * LONGEST]).unwrap();
        }
        drop(shut);
        settled(&lines);
        let read = String::from_utf8(reader.read.lock().unwrap().clone()).unwrap();
        let (long, told): (Vec<&str>, Vec<&str>) = read.lines().partition(|line| line.starts_with('x'));
        assert!(long.iter().all(|line| line.len() <= LONGEST));
        let lost: usize = told.iter().map(|line| line.split(' ').next().unwrap().parse::<usize>().unwrap()).sum();
        assert!(lost > 0, "not all of it fits");
        assert_eq!(long.len() + lost, many, "each line was written or counted");
        lines.make_writer().write_all(b"again").unwrap();
        settled(&lines);
        assert!(reader.read.lock().unwrap().ends_with(b"again\n"));
    }
}
