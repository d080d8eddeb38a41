//! What a pretend device is underneath, whatever it speaks: a lamp that shines, a shutter on its way, a floor that is wet.
//! One physics for all the tongues, so that one `truth()` can be held against what the hub says. Knows no topics.

use std::collections::BTreeMap;

use super::colour::Colour;

/// What an alarm smells or feels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hazard {
    Leak,
    Smoke,
    Gas,
    CarbonMonoxide,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heating {
    Off,
    Heat,
    Auto,
}

/// One thing as it really is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Thing {
    Alarm {
        hazard: Hazard,
        on: bool,
    },
    Switch {
        on: bool,
    },
    /// A socket that measures.
    Socket {
        on: bool,
        /// What is plugged in draws so much when it is on.
        load_w: u32,
        energy_wh: u64,
    },
    Valve {
        open: bool,
    },
    Lamp {
        on: bool,
        brightness_permille: u16,
        colour: Colour,
    },
    Thermostat {
        mode: Heating,
        setpoint_tenths_c: i32,
        room_tenths_c: i32,
    },
    /// 100 is open. On its way while `target_percent` is another.
    Cover {
        position_percent: u8,
        target_percent: u8,
    },
    Lock {
        locked: bool,
    },
    Button {
        presses: u64,
        last: Option<String>,
    },
    Climate {
        tenths_c: i32,
        humidity_percent: u8,
    },
}

/// What is asked of a thing, by an order or by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// On, wet, smoking, open, locked: what the thing can be.
    On(bool),
    Toggle,
    BrightnessPermille(u16),
    Colour(Colour),
    SetpointTenthsC(i32),
    Heating(Heating),
    PositionPercent(u8),
    Stop,
    /// A button's.
    Press(String),
    /// A weather of the room.
    Room {
        tenths_c: i32,
        humidity_percent: u8,
    },
    /// What is plugged into a socket.
    LoadW(u32),
}

/// So far a shutter goes in one step.
const STRIDE_PERCENT: u8 = 10;

impl Thing {
    /// `false`: it cannot do that, and nothing changed.
    pub(crate) fn obey(&mut self, order: &Order) -> bool {
        match (self, order) {
            (
                Self::Alarm { on, .. }
                | Self::Switch { on }
                | Self::Socket { on, .. }
                | Self::Valve { open: on }
                | Self::Lock { locked: on }
                | Self::Lamp { on, .. },
                Order::On(_) | Order::Toggle,
            ) => *on = if let Order::On(wanted) = order { *wanted } else { !*on },
            (Self::Lamp { on, brightness_permille, .. }, Order::BrightnessPermille(wanted)) => {
                *on = *wanted > 0;
                if *wanted > 0 {
                    *brightness_permille = (*wanted).min(1000);
                }
            }
            (Self::Lamp { colour, .. }, Order::Colour(wanted)) => *colour = *wanted,
            (Self::Thermostat { setpoint_tenths_c, .. }, Order::SetpointTenthsC(wanted)) => {
                *setpoint_tenths_c = (*wanted).clamp(50, 300);
            }
            (Self::Thermostat { mode, .. }, Order::Heating(wanted)) => *mode = *wanted,
            (Self::Thermostat { room_tenths_c: room, .. }, Order::Room { tenths_c, .. }) => *room = *tenths_c,
            (Self::Climate { tenths_c: room, humidity_percent: damp }, Order::Room { tenths_c, humidity_percent }) => {
                (*room, *damp) = (*tenths_c, (*humidity_percent).min(100));
            }
            (Self::Cover { target_percent, .. }, Order::PositionPercent(wanted)) => {
                *target_percent = (*wanted).min(100);
            }
            (Self::Cover { target_percent, .. }, Order::On(open)) => *target_percent = if *open { 100 } else { 0 },
            (Self::Cover { position_percent, target_percent }, Order::Stop) => *target_percent = *position_percent,
            (Self::Button { presses, last }, Order::Press(action)) => {
                *presses += 1;
                *last = Some(action.clone());
            }
            (Self::Socket { load_w, .. }, Order::LoadW(wanted)) => *load_w = *wanted,
            _ => return false,
        }
        true
    }

    /// What an impostor would say after that order: as if all of it were done.
    pub(crate) fn finish(&mut self) {
        if let Self::Cover { position_percent, target_percent } = self {
            *position_percent = *target_percent;
        }
    }

    pub(crate) fn moving(&self) -> bool {
        matches!(self, Self::Cover { position_percent, target_percent } if position_percent != target_percent)
    }

    /// One step of what is on its way.
    pub(crate) fn step(&mut self) {
        if let Self::Cover { position_percent: at, target_percent: to } = self {
            let stride = at.abs_diff(*to).min(STRIDE_PERCENT);
            *at = if *to > *at { *at + stride } else { *at - stride };
        }
    }

    /// Time has passed between two reports.
    pub(crate) fn advance(&mut self) {
        match self {
            Self::Socket { on: true, load_w, energy_wh } => {
                *energy_wh = energy_wh.saturating_add(u64::from(*load_w) / 100)
            }
            Self::Thermostat { mode, setpoint_tenths_c, room_tenths_c } => {
                let heats = *mode != Heating::Off && *room_tenths_c < *setpoint_tenths_c;
                *room_tenths_c = if heats { *room_tenths_c + 1 } else { (*room_tenths_c - 1).max(100) };
            }
            _ => {}
        }
    }

    /// Runs on a battery: sleeps, and cannot be asked.
    pub(crate) fn sleeps(&self) -> bool {
        matches!(self, Self::Alarm { .. } | Self::Button { .. } | Self::Climate { .. })
    }

    pub(crate) fn heats(&self) -> bool {
        matches!(self, Self::Thermostat { mode, setpoint_tenths_c, room_tenths_c }
            if *mode != Heating::Off && room_tenths_c < setpoint_tenths_c)
    }
}

/// Things by their stable ids.
pub type Things = BTreeMap<String, Thing>;

/// 21.5 from 215, as firmware spells it.
pub(crate) fn celsius(tenths: i32) -> f64 {
    f64::from(tenths) / 10.0
}

/// The nearest tenth. What is no temperature at all becomes the bound.
#[allow(clippy::cast_possible_truncation, reason = "clamped to what an i32 holds")]
pub(crate) fn tenths(celsius: f64) -> i32 {
    (celsius * 10.0).round().clamp(-2730.0, 20_000.0) as i32
}

/// `value` of `full` in permille, and back: lossless for the scales in the field (100, 254, 255).
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=1000")]
pub(crate) fn permille(value: f64, full: f64) -> u16 {
    (value / full * 1000.0).round().clamp(0.0, 1000.0) as u16
}

pub(crate) fn scaled(permille: u16, full: u32) -> u32 {
    (u32::from(permille) * full + 500) / 1000
}

/// From Wh, as firmware spells it.
pub(crate) fn kwh(wh: u64) -> f64 {
    f64::from(u32::try_from(wh).unwrap_or(u32::MAX)) / 1000.0
}
