//! The words of `domovoi calendar` and `domovoi messages`.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum CalendarCommand {
    /// What is in the calendar, what is overdue among it
    List(CalendarList),
    /// Write an event down
    Add(Box<CalendarAdd>),
    /// One event, whole
    Show {
        /// The event's id
        event: String,
    },
    /// Change an event as a whole: what is not named is as for a new one
    Change {
        /// The event's id
        event: String,
        #[command(flatten)]
        to: Box<CalendarAdd>,
    },
    /// Take an event away
    Remove {
        /// The event's id
        event: String,
    },
    /// Say that something is done
    Done {
        /// The event's id
        event: String,
        /// Which occurrence, as `list` shows it
        #[arg(allow_hyphen_values = true)]
        occurrence: i64,
        /// It is not done after all
        #[arg(long)]
        undo: bool,
    },
    /// Cancel one occurrence, or let it be as the others again
    Cancel {
        /// The event's id
        event: String,
        /// Which occurrence, as `list` shows it
        #[arg(allow_hyphen_values = true)]
        occurrence: i64,
        /// Let it be as the others again
        #[arg(long)]
        undo: bool,
    },
    /// Move one occurrence
    Move {
        /// The event's id
        event: String,
        /// Which occurrence, as `list` shows it
        #[arg(allow_hyphen_values = true)]
        occurrence: i64,
        /// 2026-11-24 or 2026-11-24T08:00
        to: String,
    },
    /// Secret addresses under which phones read the calendar
    #[command(subcommand)]
    Address(CalendarAddress),
    /// Calendars elsewhere that are read here
    #[command(subcommand)]
    Elsewhere(CalendarElsewhere),
}

#[derive(Debug, Args)]
pub struct CalendarList {
    /// From this moment, 2026-11-24T00:00:00Z; now, if nothing is said
    #[arg(long, value_name = "MOMENT")]
    pub from: Option<String>,
    /// To this moment; 31 days later, if nothing is said
    #[arg(long, value_name = "MOMENT")]
    pub to: Option<String>,
    /// Only these kinds, with commas: bill, window, verification, certificate, task, appointment, birthday, other
    #[arg(long, value_name = "KINDS")]
    pub kinds: Option<String>,
    /// With this in the title or the notes
    #[arg(long, value_name = "TEXT")]
    pub text: Option<String>,
    /// Only what is overdue
    #[arg(long)]
    pub overdue: bool,
    /// date, kind or priority
    #[arg(long, value_name = "ORDER", default_value = "date")]
    pub sort: String,
}

#[derive(Debug, Args)]
pub struct CalendarAdd {
    /// What to call it
    pub title: String,
    /// 2026-11-24 for a whole day, 2026-11-24T08:00 for a time
    pub start: String,
    /// How many minutes it takes; of whole days their number times 1440
    #[arg(long, value_name = "MINUTES", default_value_t = 0)]
    pub minutes: u32,
    /// How it comes again: FREQ=WEEKLY;BYDAY=MO
    #[arg(long, value_name = "RULE")]
    pub rule: Option<String>,
    /// Minutes before at which to remind; may be repeated
    #[arg(long, value_name = "MINUTES")]
    pub remind: Vec<u32>,
    /// No reminder at all
    #[arg(long, conflicts_with = "remind")]
    pub silent: bool,
    /// Somebody has to do it: it is overdue until it is ticked off
    #[arg(long)]
    pub todo: bool,
    /// bill, task, appointment, birthday or other
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
    /// high, normal or low
    #[arg(long, value_name = "PRIORITY")]
    pub priority: Option<String>,
    /// On the clocks of this zone: Europe/Moscow; the home's, if nothing is said
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<String>,
    /// More about it
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub notes: String,
}

#[derive(Debug, Subcommand)]
pub enum CalendarAddress {
    /// The addresses, without their secrets
    List,
    /// Make one; whoever has it reads the calendar
    Make {
        /// What it is for
        label: String,
    },
    /// Revoke one
    Revoke {
        /// Its id, as `list` shows it
        address: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum CalendarElsewhere {
    /// The calendars, and how the last look at each went
    List,
    /// Read one from now on. Its address is asked for, or read from standard input where nobody is there
    Add {
        /// What to call it
        label: String,
        /// Tell its own reminders here
        #[arg(long)]
        alarms: bool,
        /// What its events are about where they do not say
        #[arg(long, value_name = "KIND")]
        kind: Option<String>,
    },
    /// Look at one now
    Look {
        /// Its id, as `list` shows it
        calendar: String,
    },
    /// Do not read one any more; its events go with it
    Remove {
        /// Its id, as `list` shows it
        calendar: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum MessagesCommand {
    /// Messages of the portal, newest first
    List {
        /// Only those that nobody has read
        #[arg(long)]
        unread: bool,
    },
    /// Say that a message was read; the portal hears of it
    Read {
        /// Its id, as `list` shows it
        message: String,
    },
    /// Messages of the home to the portal, and how far each has come
    Outgoing,
    /// Send the portal a message
    Send {
        /// The words
        text: String,
        /// outage, planned_work, meter, charge, security or other
        #[arg(long, value_name = "KIND")]
        kind: Option<String>,
        /// The account that it concerns
        #[arg(long, value_name = "NUMBER")]
        account: Option<String>,
    },
    /// Take a message back that has not left
    Withdraw {
        /// Its id, as `outgoing` shows it
        message: String,
    },
}
