//! The command line: words in, one answer out, as text or as JSON, and an exit code that scripts can rely on.

mod alert_args;
mod alerts;
pub mod args;
mod calendar;
mod calendar_args;
mod camera_args;
mod cameras;
mod client;
mod cloud_args;
mod clouds;
mod commands;
mod connect;
mod consumption;
mod consumption_args;
mod device_args;
mod devices;
mod heap;
mod history;
mod history_args;
mod linking;
mod log;
mod mapping_args;
mod mappings;
mod messages;
mod offline;
mod people;
mod safety;
mod safety_args;
mod scenario;
mod scenario_args;
mod telling;
mod telling_args;
mod text;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;
use domovoi_config::{Mistake, Settings};
use serde_json::{Value, json};

use args::{Cli, Command, Common};

pub use client::Client;

/// Exit codes; README.md lists them.
pub mod exit {
    /// It failed.
    pub const FAILED: u8 = 1;
    /// The command line was wrong.
    pub const USAGE: u8 = 2;
    /// The settings have mistakes.
    pub const SETTINGS: u8 = 3;
    /// `doctor` or `act verify` found something wrong.
    pub const UNWELL: u8 = 4;
    /// There is no such thing.
    pub const NOT_FOUND: u8 = 5;
    /// Not now, or not like this.
    pub const REFUSED: u8 = 6;
}

/// A command that did not do what was asked.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    /// The sentence for the person; empty where everything was said already.
    sentence: String,
    /// More, for JSON.
    detail: Option<Value>,
}

impl Failure {
    fn new(code: u8, sentence: impl Into<String>) -> Self {
        Failure { code, sentence: sentence.into(), detail: None }
    }

    fn mistakes(mistakes: &[Mistake]) -> Self {
        let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        let detail: Vec<Value> = mistakes
            .iter()
            .map(|m| {
                json!({
                    "file": m.file, "line": m.line, "column": m.column, "key": m.key,
                    "message": m.message, "suggestion": m.suggestion,
                })
            })
            .collect();
        Failure { code: exit::SETTINGS, sentence: lines.join("\n"), detail: Some(json!({ "mistakes": detail })) }
    }
}

/// What a command has to say.
struct Said {
    json: Value,
    text: String,
    code: u8,
}

impl Said {
    fn new(json: Value, text: impl Into<String>) -> Self {
        Said { json, text: text.into(), code: 0 }
    }

    /// Standard output was the answer: nothing is added to it.
    fn silent(self) -> Self {
        Said { json: Value::Null, text: String::new(), ..self }
    }
}

/// The whole program.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => ExitCode::from(exit::USAGE),
            };
        }
    };
    if matches!(cli.command, Command::Run) {
        heap::give_back_at_once();
    }
    // One provider of cryptography for the whole process. An error means that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("domovoi: the runtime does not start: {error}");
            return ExitCode::from(exit::FAILED);
        }
    };
    let as_json = cli.common.json;
    let outcome = runtime.block_on(Box::pin(perform(cli)));
    // A linking or a rotation that is still polling must not keep the process.
    runtime.shutdown_background();
    log::finish();
    match outcome {
        Ok(said) => {
            let line = if as_json && !said.json.is_null() { said.json.to_string() } else { said.text };
            if !line.is_empty() && writeln!(std::io::stdout(), "{}", line.trim_end()).is_err() {
                return ExitCode::from(exit::FAILED);
            }
            ExitCode::from(said.code)
        }
        Err(failure) => {
            if as_json {
                let mut out = json!({ "error": failure.sentence, "code": failure.code });
                if let (Some(Value::Object(detail)), Value::Object(out)) = (failure.detail, &mut out) {
                    out.extend(detail);
                }
                println!("{out}");
            } else if !failure.sentence.is_empty() {
                eprintln!("{}", failure.sentence);
            }
            ExitCode::from(failure.code)
        }
    }
}

async fn perform(cli: Cli) -> Result<Said, Failure> {
    let Cli { common, command } = cli;
    match command {
        Command::Run => Box::pin(offline::run(&common)).await,
        #[cfg(feature = "demo")]
        Command::Demo(args) => {
            log::to_stderr("warn", domovoi_config::LogFormat::Text);
            let options = crate::demo::Options {
                folder: args.folder,
                seconds: args.seconds,
                until_receipt: args.until_receipt,
                json: common.json,
            };
            let outcome = Box::pin(crate::demo::run(options)).await;
            outcome.map_err(|error| Failure::new(exit::FAILED, format!("{error:#}")))?;
            Ok(Said::new(json!({ "state": "stopped" }), ""))
        }
        Command::Check => offline::check(&common),
        Command::Act(args::ActCommand::Verify { file, signature, key }) => {
            offline::verify(&file, signature.as_deref(), &key)
        }
        other => {
            let settings = settings(&common)?;
            let language = settings.home.language;
            let client = Client::connect(settings).await?;
            let outcome = Box::pin(commands::perform(&client, other, &common, language)).await;
            client.close().await;
            outcome
        }
    }
}

/// The settings: the file if there is one; defaults where the default file is not there.
fn settings(common: &Common) -> Result<Settings, Failure> {
    if !common.config.exists() && common.config == Path::new("domovoi.toml") {
        return Ok(Settings::defaults(Path::new(".")));
    }
    Settings::load(&common.config).map_err(|mistakes| Failure::mistakes(&mistakes))
}
