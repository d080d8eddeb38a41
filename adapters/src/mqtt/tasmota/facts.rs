//! What only this dialect knows of a device beside its announcement: what its configuration said, what its sensors said
//! they measure, how each property is commanded. The two discovery messages come in any order, so each is kept until
//! the other is there.

use super::Announcement;

/// Of one device. Two are the same if all that was heard is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// `config`, once it was heard.
    pub(super) config: Option<Config>,
    /// `sensors` as it was heard: which switch a name in it means, only the configuration says.
    pub(super) sensors: Option<String>,
    /// How its properties are commanded.
    pub(super) orders: Vec<(String, Order)>,
}

/// What of `config` is needed to read the device's messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Config {
    /// OFF, ON, TOGGLE, HOLD in the device's own words (StateText).
    pub(super) words: [String; 4],
    /// Where it may listen, answer and report; two if the full topic can be read in two ways.
    pub(super) routes: Vec<Route>,
    /// By number, from 1.
    pub(super) switches: Vec<Switch>,
    /// By number, from 1.
    pub(super) shutters: Vec<Shutter>,
    /// How many of the device's properties come from here; the rest are its sensors'.
    pub(super) own: usize,
    /// Its lamp has colours.
    pub(super) has_colour: bool,
}

/// Where a device listens, answers and reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) listens: String,
    pub(super) stat: String,
    pub(super) tele: String,
}

/// A switch at an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Switch {
    pub(super) number: usize,
    /// The name under which it stands in messages.
    pub(super) name: String,
    pub(super) mode: Mode,
}

/// What `SwitchMode` makes of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// It has two states.
    State,
    /// It has two states, and holding or pressing it is told besides (TOGGLE, HOLD).
    StateAndPress,
    /// Only presses are told (0 TOGGLE, 7, 8, 11, 12).
    Press,
    /// Only the beginning is told (13 PUSHON, 14): motion sensors.
    Begin,
}

impl Mode {
    /// `None` for −1 and for numbers that no firmware has: not in use.
    pub(super) fn of(number: i64) -> Option<Self> {
        Some(match number {
            0 | 7 | 8 | 11 | 12 => Mode::Press,
            1 | 2 | 15 | 16 => Mode::State,
            3..=6 | 9 | 10 => Mode::StateAndPress,
            13 | 14 => Mode::Begin,
            _ => return None,
        })
    }
}

/// A shutter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Shutter {
    /// Its 0 is open and its 100 closed (ShutterOptions, bit 0).
    pub(super) is_inverted: bool,
    /// The least and the greatest angle of its slats, where they turn.
    pub(super) tilt: Option<(i64, i64)>,
}

/// How a property is commanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Order {
    /// ON or OFF to this command.
    Flag(String),
    /// A whole number to this command.
    Number(String),
    /// A whole number to this command, counted from the other end.
    Inverted(String),
    /// A colour, with what is appended to it.
    Colour(&'static str),
    /// ShutterOpen, ShutterClose, ShutterStop of this number.
    Shutter(usize),
}

impl Facts {
    /// How the property is commanded.
    pub(super) fn order(&self, property: &str) -> Option<&Order> {
        self.orders.iter().find(|(name, _)| name == property).map(|(_, order)| order)
    }
}

impl Config {
    /// The switch that messages call so.
    pub(super) fn switch(&self, name: &str) -> Option<&Switch> {
        self.switches.iter().find(|switch| switch.name == name)
    }
}

/// What is known of a device.
pub(super) fn of(known: Option<&Announcement>) -> Option<&Facts> {
    known?.lore.as_ref()?.get()
}
