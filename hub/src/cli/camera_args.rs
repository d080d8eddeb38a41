//! The words of `domovoi camera`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum CameraCommand {
    /// The cameras, how they stand, whether they are recorded
    List,
    /// One camera, and how it is connected
    Show {
        /// By id or name
        camera: String,
    },
    /// Cameras in the home's network that are not known yet
    Search,
    /// Look at a camera within ten seconds: what it sends, and what is wrong
    Check(Box<CameraAt>),
    /// Add a camera; it is looked at first
    Add(Box<CameraAdd>),
    /// Switch a camera on
    On {
        /// By id or name
        camera: String,
    },
    /// Switch a camera off: nothing is asked of it, nothing is recorded
    Off {
        /// By id or name
        camera: String,
    },
    /// Remove a camera
    Forget {
        /// By id or name
        camera: String,
        /// Erase what it recorded, now and for good; without it, that stays until its time is over
        #[arg(long)]
        erase_recordings: bool,
        /// Without being asked
        #[arg(long)]
        yes: bool,
    },
    /// When a camera recorded, and when it did not
    Timeline {
        /// By id or name
        camera: String,
        #[command(flatten)]
        span: CameraSpan,
    },
    /// Take a span of its recordings away as one film
    Export(Box<CameraExport>),
    /// Read everything that is kept of a camera, and name what is not as it was written
    Verify {
        /// By id or name
        camera: String,
    },
    /// Whether the archive's disk is there, and how full
    Archive,
}

#[derive(Debug, Clone, Args)]
pub struct CameraSpan {
    /// From this moment: 2026-11-21T22:00:00Z
    #[arg(long, value_name = "MOMENT")]
    pub from: String,
    /// To this moment
    #[arg(long, value_name = "MOMENT")]
    pub to: String,
}

#[derive(Debug, Clone, Args)]
pub struct CameraAt {
    /// rtsp:// or rtsps://, host, port, path
    pub address: String,
    /// The user name. The password is asked for, or read from standard input where nobody is there
    #[arg(long, value_name = "NAME")]
    pub login: Option<String>,
    /// Path of the small stream at the same host
    #[arg(long, value_name = "PATH")]
    pub sub: Option<String>,
    /// SHA-256 of the camera's certificate, after somebody has looked at it
    #[arg(long, value_name = "SHA256")]
    pub certificate: Option<String>,
    /// Over UDP: whoever is in the network can read it
    #[arg(long)]
    pub udp: bool,
    /// Write the test frame to this file
    #[arg(long, value_name = "FILE")]
    pub frame: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub struct CameraAdd {
    /// What to call it
    #[arg(long)]
    pub name: String,
    #[command(flatten)]
    pub at: CameraAt,
    /// The room it is in, by id or name
    #[arg(long, value_name = "ROOM")]
    pub room: Option<String>,
    /// always, never, or event (motion in its room)
    #[arg(long, value_name = "MODE", default_value = "always")]
    pub mode: String,
    /// Where to keep recordings: a place of the settings
    #[arg(long, value_name = "PLACE")]
    pub place: Option<String>,
    /// Add it even if it does not answer now
    #[arg(long)]
    pub unchecked: bool,
}

#[derive(Debug, Clone, Args)]
pub struct CameraExport {
    /// By id or name
    pub camera: String,
    #[command(flatten)]
    pub span: CameraSpan,
    /// The file; it must not be there yet. `-` is standard output
    pub out: PathBuf,
    /// Which part, where the camera's settings changed within the span
    #[arg(long, value_name = "NUMBER")]
    pub part: Option<usize>,
    /// Leave pauses as long as they were
    #[arg(long)]
    pub keep_gaps: bool,
    /// Seal it for this recipient of age (age1…); may be repeated
    #[arg(long, value_name = "RECIPIENT")]
    pub seal_for: Vec<String>,
}
