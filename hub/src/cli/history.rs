//! `history`: what was recorded, as tables, and in and out as files. Nothing is computed here that the API does not say.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::args::{HistoryCommand, HistoryOf, HistorySpan};
use super::client::{Client, segment};
use super::commands::plain;
use super::text::{list, table};
use super::{Failure, Said, exit};

/// A spreadsheet's name for a file that stands for standard input or output.
const DASH: &str = "-";

pub async fn perform(client: &Client, command: HistoryCommand) -> Result<Said, Failure> {
    match command {
        HistoryCommand::Series => {
            let answer = client.list("/api/v1/history/series", "series", usize::MAX).await?;
            let rows: Vec<Vec<String>> = list(&answer, "series")
                .map(|one| ["device", "property", "unit", "newest"].map(|key| plain(&one[key])).to_vec())
                .collect();
            let text = if rows.is_empty() {
                "nothing was recorded yet".to_owned()
            } else {
                table(&["device", "property", "unit", "newest"], rows)
            };
            Ok(Said::new(answer, text))
        }
        HistoryCommand::Show { of, span, limit } => show(client, &of, &span, limit).await,
        HistoryCommand::Rollup { of, span, level } => {
            let path = format!("/api/v1/history/rollups?{}&{}level={}", of.query(), span.query(), segment(&level));
            let answer = client.get(&path).await?;
            let keys = ["from", "count", "min", "mean", "max", "last", "increase"];
            let rows = list(&answer, "buckets").map(|one| keys.map(|key| plain(&one[key])).to_vec()).collect();
            let mut text = table(&keys, rows);
            if let Some(since) = answer["since"].as_str() {
                text.push_str(&format!("\nbefore {since} only coarser rollups are kept"));
            }
            text.push_str(&troubles(&answer));
            Ok(Said::new(answer, text))
        }
        HistoryCommand::At { of, at } => {
            let at = at.map(|at| format!("&at={}", segment(&at))).unwrap_or_default();
            let answer = client.get(&format!("/api/v1/history/at?{}{at}", of.query())).await?;
            let mut text = match &answer["sample"] {
                Value::Null => "nothing is known from before it".to_owned(),
                sample => line(sample).join("  "),
            };
            text.push_str(inexact(&answer));
            text.push_str(&troubles(&answer));
            Ok(Said::new(answer, text))
        }
        HistoryCommand::Change { of, span } => {
            let path = format!("/api/v1/history/change?{}&{}", of.query(), span.query());
            let answer = client.get(path.trim_end_matches('&')).await?;
            let unit = plain(&answer["last"]["unit"]);
            let mut text = format!("{} {}", plain(&answer["increase"]), unit.trim_start_matches('–'));
            text.push_str(inexact(&answer));
            text.push_str(&troubles(&answer));
            if answer["resets"] != 0 {
                text.push_str(&format!("\n(it fell {} time(s): a reset, or another meter)", plain(&answer["resets"])));
            }
            Ok(Said::new(answer, text))
        }
        HistoryCommand::Export { format, span, device, property, out } => {
            let mut path = format!("/api/v1/history/export?format={}&{}", segment(&format), span.query());
            for (name, value) in [("device", device), ("property", property)] {
                if let Some(value) = value {
                    path.push_str(&format!("{name}={}&", segment(&value)));
                }
            }
            let path = path.trim_end_matches('&').to_owned();
            export_to(client, &path, &out).await
        }
        HistoryCommand::Import { file } => import(client, &file).await,
        HistoryCommand::Usage => {
            let answer = client.get("/api/v1/history/usage").await?;
            let text = usage(&answer);
            Ok(Said::new(answer, text))
        }
    }
}

impl HistoryOf {
    fn query(&self) -> String {
        format!("device={}&property={}", segment(&self.device), segment(&self.property))
    }
}

impl HistorySpan {
    /// With an ampersand behind each.
    fn query(&self) -> String {
        let one = |name: &str, value: &Option<String>| {
            value.as_ref().map(|value| format!("{name}={}&", segment(value))).unwrap_or_default()
        };
        one("from", &self.from) + &one("to", &self.to)
    }
}

/// Pages joined. Each says where it goes on.
async fn show(client: &Client, of: &HistoryOf, span: &HistorySpan, limit: usize) -> Result<Said, Failure> {
    /// As many as the API gives at once.
    const PAGE: usize = 10_000;
    let (mut whole, mut samples) = (Value::Null, Vec::new());
    let mut span = span.clone();
    loop {
        let wanted = limit.max(1).saturating_sub(samples.len()).min(PAGE);
        let path = format!("/api/v1/history/samples?{}&{}limit={wanted}", of.query(), span.query());
        let mut page = client.get(&path).await?;
        if let Some(found) = page["samples"].as_array_mut() {
            samples.append(found);
        }
        span =
            HistorySpan { from: page["next"].as_str().map(str::to_owned), to: page["to"].as_str().map(str::to_owned) };
        if whole.is_null() {
            whole = page;
        } else {
            whole["next"] = page["next"].take();
            let more = page["troubles"].as_array_mut().map(std::mem::take).unwrap_or_default();
            whole["troubles"].as_array_mut().into_iter().for_each(|all| all.extend(more.iter().cloned()));
        }
        if span.from.is_none() || samples.len() >= limit {
            break;
        }
    }
    let rows = samples.iter().map(line).collect();
    let mut text = table(&["at", "value", "unit", ""], rows);
    if let Some(since) = whole["raw_since"].as_str() {
        text.push_str(&format!("\nbefore {since} only rollups are kept: `domovoi history rollup`"));
    }
    if let Some(next) = whole["next"].as_str() {
        text.push_str(&format!("\nthere is more: --from {next}"));
    }
    text.push_str(&troubles(&whole));
    whole["samples"] = Value::Array(samples);
    Ok(Said::new(whole, text))
}

fn line(sample: &Value) -> Vec<String> {
    let suspect = sample["suspect"].as_str().map(|words| format!("suspect: {words}")).unwrap_or_default();
    vec![plain(&sample["at"]), plain(&sample["value"]), plain(&sample["unit"]), suspect]
}

/// Why an answer is not exact, where no trouble says it.
fn inexact(answer: &Value) -> &'static str {
    let told = answer["exact"] == true || list(answer, "troubles").next().is_some();
    if told { "" } else { "\n(as rollups have it: samples of that time are gone)" }
}

fn troubles(answer: &Value) -> String {
    let told =
        |one: &Value| format!("\nnot read: {} to {}: {}", plain(&one["from"]), plain(&one["to"]), plain(&one["what"]));
    list(answer, "troubles").map(told).collect()
}

fn usage(answer: &Value) -> String {
    let number = |key: &str| answer[key].as_u64().unwrap_or_default();
    let (samples, bytes) =
        (number("journal_samples") + number("block_samples"), number("journal_bytes") + number("block_bytes"));
    let each = if samples == 0 { String::new() } else { format!(", {:.1} bytes each", bytes as f64 / samples as f64) };
    format!(
        "{samples} samples in {bytes} bytes{each}\n  journal: {} in {} bytes\n  blocks:  {} in {} bytes\n  rollups: {} bytes\n\
         written since the start: {} bytes in {} commits; {} bytes left of today's budget",
        number("journal_samples"),
        number("journal_bytes"),
        number("block_samples"),
        number("block_bytes"),
        number("rollup_bytes"),
        number("written_bytes"),
        number("commits"),
        number("budget_left"),
    )
}

pub(super) async fn export_to(client: &Client, path: &str, out: &Path) -> Result<Said, Failure> {
    let failed = |error: std::io::Error| Failure::new(exit::FAILED, format!("{}: {error}", out.display()));
    if out == Path::new(DASH) {
        let bytes = client.download(path, &mut std::io::stdout().lock()).await?;
        // Standard output is the file.
        return Ok(Said::new(json!({ "bytes": bytes }), "").silent());
    }
    // Not over another file, and the whole or nothing: half an export that looks like one is worse than none.
    let part = super::offline::beside(out, "part");
    let mut file = File::options().write(true).create_new(true).open(&part).map_err(failed)?;
    let outcome = async {
        let bytes = client.download(path, &mut file).await?;
        file.sync_all().map_err(failed)?;
        std::fs::hard_link(&part, out).map_err(failed)?;
        Ok(bytes)
    };
    let outcome: Result<u64, Failure> = outcome.await;
    let _ = std::fs::remove_file(&part);
    let bytes = outcome?;
    let file = out.display().to_string();
    Ok(Said::new(json!({ "file": file, "bytes": bytes }), format!("written: {file}, {bytes} bytes")))
}

async fn import(client: &Client, file: &PathBuf) -> Result<Said, Failure> {
    let source: Box<dyn Read + Send> = if file == Path::new(DASH) {
        Box::new(std::io::stdin())
    } else {
        let opened = File::open(file);
        Box::new(opened.map_err(|error| Failure::new(exit::FAILED, format!("{}: {error}", file.display())))?)
    };
    let answer = client.upload("/api/v1/history/import", "text/csv", source).await?;
    let mut text = format!(
        "kept: {}; there already: {}; refused: {}",
        plain(&answer["kept"]),
        plain(&answer["duplicates"]),
        plain(&answer["refused"])
    );
    if answer["troubles"].as_u64().is_some_and(|lines| lines > 0) {
        let lines = plain(&answer["troubles"]);
        text.push_str(&format!("\nno sample in {lines} lines: whoever wrote the file could not read what was there"));
    }
    for mistake in list(&answer, "mistakes") {
        let (line, column) = (plain(&mistake["line"]), plain(&mistake["column"]));
        text.push_str(&format!("\nline {line}, column {column}: {}", plain(&mistake["what"])));
    }
    if answer["refused"] == 0 {
        return Ok(Said::new(answer, text));
    }
    text.push_str("\nmend these lines and bring the file in again: what is there already is left out");
    Err(Failure { detail: Some(answer), ..Failure::new(exit::FAILED, text) })
}

/// Writes to whoever takes it, and counts.
pub(super) fn write_all(out: &mut dyn Write, bytes: &[u8]) -> Result<u64, Failure> {
    out.write_all(bytes).map_err(|error| Failure::new(exit::FAILED, format!("the file cannot be written: {error}")))?;
    Ok(bytes.len() as u64)
}
