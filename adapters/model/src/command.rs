//! What the hub asks a device to do.

use crate::observation::{DeviceRef, Value};

/// Where a command goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandTarget {
    /// Which device.
    pub device: DeviceRef,
    /// Which of its properties is to change: `state`, `position`, `brightness`.
    pub property: String,
}

/// One wish to change one property of one device. Its life (sent, confirmed, timed out, refused) is told elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Where it goes.
    pub target: CommandTarget,
    /// The value wanted.
    pub value: Value,
}
