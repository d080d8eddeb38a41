//! Bringing history in: a CSV file of any length, read as it comes, kept batch by batch. A batch with a line that cannot be
//! read is left out whole and said with line and column; what is there already is counted and left out, so that a mended
//! file is simply brought in again.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::{StatusCode, header};
use bytes::{Buf as _, Bytes};
use domovoi_model::{DeviceRef, Sample};
use futures_util::StreamExt as _;
use serde::Serialize;
use tokio::sync::mpsc;
use utoipa::ToSchema;

use super::ApiProblem;
use super::history::may;
use super::history_cells::{Column, Header, Wrong};
use crate::audit::Note;
use crate::policy::{Decision, Now, Verb};
use crate::web::{Caller, Desk};

/// As many lines are kept or left out together.
const BATCH: usize = 4000;

/// The longest line: a text has 4 KiB.
const MAX_LINE: u64 = 32 * 1024;

/// The longest file. Ten years of a home have a tenth of it.
const MAX_BODY: u64 = 4 << 30;

/// So many mistakes are told; whoever has more has one mistake many times.
const MISTAKES_TOLD: usize = 20;

/// A line that cannot be read.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MistakeView {
    /// From 1; the header is the first.
    pub line: u64,
    /// From 1.
    pub column: u64,
    pub what: String,
}

/// What an import did.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct ImportedView {
    /// New, and durable.
    pub kept: u64,
    /// Were there already.
    pub duplicates: u64,
    /// Lines that hold no sample: the export says in them what it could not read.
    pub troubles: u64,
    /// Lines that were left out: those that cannot be read, and those of the same batch of 4,000.
    pub refused: u64,
    /// The first of those that cannot be read.
    pub mistakes: Vec<MistakeView>,
}

/// What the reader of lines hands on.
enum Next {
    /// Lines that can be read, and how many more hold no sample.
    Batch(Vec<Sample>, u64),
    /// A batch that is left out: how many lines, and why.
    Refused(u64, Vec<MistakeView>),
    /// Nothing more can be read.
    Broken(ApiProblem),
}

/// Takes samples of the past in: CSV with a header that names `at`, `device`, `property`, `value` and, if it likes, `is`,
/// `unit`, `suspect`, `device_time`.
#[utoipa::path(post, path = "/api/v1/history/import", tag = "history", request_body(content = String, content_type = "text/csv"), responses((status = 200, body = ImportedView)))]
pub async fn import(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    request: Request,
) -> Result<Json<ImportedView>, ApiProblem> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/csv")) {
        let text = "the body has to be declared as text/csv";
        return Err(ApiProblem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-csv", text));
    }
    let mut view = ImportedView::default();
    let outcome = take_in(&desk, caller, request.into_body(), &mut view).await;
    let counts =
        [("kept", view.kept), ("duplicates", view.duplicates), ("troubles", view.troubles), ("refused", view.refused)];
    for (field, count) in counts {
        note.change(field, None, Some(count.to_string()));
    }
    match outcome {
        Ok(()) => Ok(Json(view)),
        Err(mut problem) if view.kept + view.duplicates > 0 => {
            let there = format!("{} samples before it were kept, {} were there already", view.kept, view.duplicates);
            problem.title = format!("{} ({there})", problem.title);
            Err(problem)
        }
        Err(problem) => Err(problem),
    }
}

async fn take_in(desk: &Desk, caller: Caller, body: Body, view: &mut ImportedView) -> Result<(), ApiProblem> {
    // Few and small: what waits for the disk waits at the sender.
    let (chunks, fed) = mpsc::channel::<Result<Bytes, String>>(4);
    let (batches, mut read) = mpsc::channel::<Next>(1);
    // Asked as of now for the whole file, however long it takes.
    let leave = Leave { caller, now: desk.now(), last: None };
    let parsing = tokio::task::spawn_blocking(move || lines(fed, &batches, leave));
    let feeding = async move {
        let mut stream = body.into_data_stream();
        let mut length = 0u64;
        while let Some(chunk) = stream.next().await {
            let chunk = match chunk {
                Ok(chunk) => {
                    length = length.saturating_add(chunk.len() as u64);
                    if length > MAX_BODY {
                        Err("the file is larger than 4 GiB: bring it in in parts".to_owned())
                    } else {
                        Ok(chunk)
                    }
                }
                Err(error) => Err(format!("the file did not arrive whole: {error}")),
            };
            let broken = chunk.is_err();
            if chunks.send(chunk).await.is_err() || broken {
                return;
            }
        }
    };
    let keeping = async {
        while let Some(next) = read.recv().await {
            match next {
                Next::Batch(samples, troubles) => {
                    view.troubles += troubles;
                    let imported = desk.store.history().import(samples).await?;
                    view.kept += imported.kept;
                    view.duplicates += imported.duplicates;
                }
                Next::Refused(lines, mistakes) => {
                    view.refused += lines;
                    let room = MISTAKES_TOLD.saturating_sub(view.mistakes.len());
                    view.mistakes.extend(mistakes.into_iter().take(room));
                }
                Next::Broken(problem) => return Err(problem),
            }
        }
        Ok(())
    };
    // Whoever is done first with an error leaves the others without a partner, and they end.
    let (kept, ()) = tokio::join!(keeping, feeding);
    drop(read);
    let _ = parsing.await;
    kept
}

/// Whose samples the caller may bring in.
struct Leave {
    caller: Caller,
    now: Now,
    /// A file goes on about the same property for a while.
    last: Option<(DeviceRef, String, bool)>,
}

impl Leave {
    fn covers(&mut self, sample: &Sample) -> bool {
        if let Some((device, property, covered)) = &self.last
            && (device, property) == (&sample.device, &sample.property)
        {
            return *covered;
        }
        let asked = may(&self.caller, Verb::Submit, &sample.device, &sample.property, self.now);
        let covered = asked == Decision::Allow;
        self.last = Some((sample.device.clone(), sample.property.clone(), covered));
        covered
    }
}

/// Reads lines until the end of the file, on a thread that may wait.
fn lines(fed: mpsc::Receiver<Result<Bytes, String>>, batches: &mpsc::Sender<Next>, mut leave: Leave) {
    let allowed = Arc::new(AtomicU64::new(MAX_LINE));
    let feed = Feed { fed, chunk: Bytes::new(), given: 0, allowed: Arc::clone(&allowed) };
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(feed);
    let mut record = csv::StringRecord::new();
    let mut header: Option<Header> = None;
    let mut batch = Vec::new();
    let (mut taken, mut mistakes) = (0u64, Vec::new());
    loop {
        allowed.store(reader.position().byte().saturating_add(MAX_LINE), Ordering::Relaxed);
        let line = reader.position().line();
        let broken = |line: u64, column: usize, what: &str| {
            Next::Broken(ApiProblem::invalid(format!("line {line}, column {column}: {what}")))
        };
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                let (line, column, what) = said(&error, line);
                let _ = batches.blocking_send(broken(line, column, &what));
                return;
            }
        }
        let line = record.position().map_or(line, csv::Position::line);
        let Some(header) = &header else {
            match Header::read(record.iter()) {
                Ok(read) => header = Some(read),
                Err(Wrong { column, what }) => {
                    let _ = batches.blocking_send(broken(line, column, &what));
                    return;
                }
            }
            continue;
        };
        taken += 1;
        let sample = header.sample(record.iter()).and_then(|sample| match sample {
            Some(sample) if !leave.covers(&sample) => {
                let what = "you may not bring in samples of this property".to_owned();
                Err(Wrong { column: header.place(Column::Property), what })
            }
            sample => Ok(sample),
        });
        match sample {
            Ok(sample) => batch.extend(sample),
            Err(Wrong { column, what }) if mistakes.len() < MISTAKES_TOLD => {
                mistakes.push(MistakeView { line, column: column as u64, what });
            }
            Err(_) => {}
        }
        if taken as usize >= BATCH && !hand_on(batches, &mut batch, &mut taken, &mut mistakes) {
            return;
        }
    }
    if header.is_none() {
        let what = "the file is empty: its first line names the columns";
        let _ = batches.blocking_send(Next::Broken(ApiProblem::invalid(format!("line 1, column 1: {what}"))));
        return;
    }
    if taken > 0 {
        hand_on(batches, &mut batch, &mut taken, &mut mistakes);
    }
}

/// All of a batch, or nothing of it. `false`: nobody wants more.
fn hand_on(
    batches: &mpsc::Sender<Next>,
    batch: &mut Vec<Sample>,
    taken: &mut u64,
    mistakes: &mut Vec<MistakeView>,
) -> bool {
    let (samples, lines, mistakes) = (std::mem::take(batch), std::mem::take(taken), std::mem::take(mistakes));
    let troubles = lines.saturating_sub(samples.len() as u64);
    let next = if mistakes.is_empty() { Next::Batch(samples, troubles) } else { Next::Refused(lines, mistakes) };
    batches.blocking_send(next).is_ok()
}

/// Where a file cannot be read any further, and why.
fn said(error: &csv::Error, line: u64) -> (u64, usize, String) {
    let at = error.position().map_or(line, csv::Position::line);
    match error.kind() {
        csv::ErrorKind::Utf8 { err, .. } => (at, err.field() + 1, "this is not UTF-8".to_owned()),
        csv::ErrorKind::Io(error) => (line, 1, error.to_string()),
        other => (at, 1, format!("{other:?}").chars().take(100).collect()),
    }
}

/// The body as something that can be read, up to where the line under way may end.
struct Feed {
    fed: mpsc::Receiver<Result<Bytes, String>>,
    chunk: Bytes,
    given: u64,
    allowed: Arc<AtomicU64>,
}

impl Read for Feed {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        while self.chunk.is_empty() {
            match self.fed.blocking_recv() {
                None => return Ok(0),
                Some(Ok(chunk)) => self.chunk = chunk,
                Some(Err(why)) => return Err(std::io::Error::other(why)),
            }
        }
        let left = self.allowed.load(Ordering::Relaxed).saturating_sub(self.given);
        if left == 0 {
            let why = format!("the line is longer than {MAX_LINE} bytes: a quotation mark that does not close?");
            return Err(std::io::Error::other(why));
        }
        let count = out.len().min(self.chunk.len()).min(usize::try_from(left).unwrap_or(usize::MAX));
        if let (Some(to), Some(from)) = (out.get_mut(..count), self.chunk.get(..count)) {
            to.copy_from_slice(from);
        }
        self.chunk.advance(count);
        self.given += count as u64;
        Ok(count)
    }
}
