//! The words of `domovoi history`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum HistoryCommand {
    /// Every property of every device that was ever recorded
    Series,
    /// Raw samples, oldest first
    Show {
        #[command(flatten)]
        of: HistoryOf,
        #[command(flatten)]
        span: HistorySpan,
        /// How many at most
        #[arg(long, default_value_t = 1000)]
        limit: usize,
    },
    /// Least, mean, greatest, last and increase of each interval; those without samples are missing
    Rollup {
        #[command(flatten)]
        of: HistoryOf,
        #[command(flatten)]
        span: HistorySpan,
        /// 5m, 1h or 1d
        #[arg(long, default_value = "1h")]
        level: String,
    },
    /// The last sample at or before a moment
    At {
        #[command(flatten)]
        of: HistoryOf,
        /// As 2026-11-21T12:00:00Z, or milliseconds since 1970; now without it
        at: Option<String>,
    },
    /// What a counter counted between two moments
    Change {
        #[command(flatten)]
        of: HistoryOf,
        #[command(flatten)]
        span: HistorySpan,
    },
    /// Write samples to a file
    Export {
        /// csv or jsonl
        #[arg(long, default_value = "csv")]
        format: String,
        #[command(flatten)]
        span: HistorySpan,
        /// Only of this device, as DIALECT:ID
        #[arg(long, value_name = "DIALECT:ID")]
        device: Option<String>,
        /// Only this property
        #[arg(long)]
        property: Option<String>,
        /// Where to; - is standard output
        #[arg(long, value_name = "FILE", default_value = "-")]
        out: PathBuf,
    },
    /// Bring samples of the past in from a CSV file with the columns at, device, property, value
    Import {
        /// The file; - is standard input
        file: PathBuf,
    },
    /// What history takes on the disk, and what it has written
    Usage,
}

/// One property of one device.
#[derive(Debug, Clone, Args)]
pub struct HistoryOf {
    /// The device, as DIALECT:ID; `history series` lists them
    #[arg(value_name = "DIALECT:ID")]
    pub device: String,
    /// Its property
    pub property: String,
}

/// A span of time.
#[derive(Debug, Clone, Default, Args)]
pub struct HistorySpan {
    /// From this moment on, as 2026-11-21T12:00:00Z or milliseconds since 1970
    #[arg(long, value_name = "MOMENT")]
    pub from: Option<String>,
    /// Only before this moment; now without it
    #[arg(long, value_name = "MOMENT")]
    pub to: Option<String>,
}
