//! What is asked about: verbs, kinds of things, and one thing. Plain values.

use domovoi_model::PersonId;

use super::Role;

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// Look at it; subscribe to it.
    See,
    /// Make it do something.
    Command,
    /// Change what it is, or make, or remove it.
    Edit,
    /// Hand something in: a reading, an act; publish.
    Submit,
    /// Take it away in bulk.
    Export,
}

impl Verb {
    /// All of them.
    pub const ALL: [Verb; 5] = [Verb::See, Verb::Command, Verb::Edit, Verb::Submit, Verb::Export];

    /// Its code on the wire and in the store.
    pub fn code(self) -> &'static str {
        match self {
            Verb::See => "see",
            Verb::Command => "command",
            Verb::Edit => "edit",
            Verb::Submit => "submit",
            Verb::Export => "export",
        }
    }

    /// The verb of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.code() == code)
    }
}

domovoi_model::codes! {
    /// A kind of thing.
    Kind {
        /// What anybody may see before signing in: the sign-in page, styles, the help about the hub's own CA.
        Threshold = "threshold",
        /// The home as a whole: its name, its front page, what happens in it.
        Home = "home",
        /// A room.
        Room = "room",
        /// A device, or one capability of it.
        Device = "device",
        /// What the house does by itself in danger: its rules, their test, what is open.
        Safety = "safety",
        /// A camera: to see it is to see what it shows now.
        Camera = "camera",
        /// What a camera recorded: to see it is to play it, to export it is to take it away.
        Recording = "recording",
        /// A metering point and its readings.
        Meter = "meter",
        /// An act: a signed statement of readings.
        Act = "act",
        /// The link with the portal and what is told it.
        Portal = "portal",
        /// A person's record: name, contacts, profile.
        Person = "person",
        /// A person's role, grants and delegations.
        Rights = "rights",
        /// A person's ways to sign in: passkeys, password, TOTP, recovery codes, PIN.
        Factor = "factor",
        /// Where a person is signed in.
        Session = "session",
        /// A person's API tokens and client certificates.
        Token = "token",
        /// What a person agreed to have sent where.
        Consent = "consent",
        /// The journal of deeds.
        Journal = "journal",
        /// What the household should know.
        Notice = "notice",
        /// An alert: to command it is to say "I know" and to tick its steps off.
        Alert = "alert",
        /// A message of the portal, or to it.
        Message = "message",
        /// The calendar and its events.
        Calendar = "calendar",
        /// What somebody wants to be told and how; what was told.
        Telling = "telling",
        /// A scenario: to command it is to start it or to stop its run.
        Scenario = "scenario",
        /// Whether somebody is at home: to command it is to say so.
        Presence = "presence",
        /// The link with a maker's cloud.
        Cloud = "cloud",
        /// MQTT credentials.
        Credential = "credential",
        /// An MQTT topic or filter.
        Topic = "topic",
        /// Named secrets and the keys that seal the store.
        Secret = "secret",
        /// The hub itself: its doctor, its certificate.
        System = "system",
    }
}

/// One thing, or all of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// What it is.
    pub kind: Kind,
    /// Which one; `None` is the whole kind.
    pub id: Option<String>,
    /// Whose it is, where it is somebody's.
    pub owner: Option<PersonId>,
    /// What that person is here, where it is known: the owner of the home looks after children and programs.
    pub owner_role: Option<Role>,
    /// The room it is in.
    pub room: Option<String>,
    /// The capability that is meant.
    pub capability: Option<String>,
    /// It can flood, bill or lock somebody out: a factor has to have been shown lately.
    pub dangerous: bool,
}

impl Object {
    /// The whole kind.
    pub fn all(kind: Kind) -> Self {
        Object { kind, id: None, owner: None, owner_role: None, room: None, capability: None, dangerous: false }
    }

    /// One of a kind.
    pub fn one(kind: Kind, id: impl Into<String>) -> Self {
        Object { id: Some(id.into()), ..Self::all(kind) }
    }

    /// Something of a person's.
    pub fn of(kind: Kind, owner: PersonId) -> Self {
        Object { owner: Some(owner), ..Self::all(kind) }
    }

    /// The same, dangerous.
    pub fn dangerous(self) -> Self {
        Object { dangerous: true, ..self }
    }
}
