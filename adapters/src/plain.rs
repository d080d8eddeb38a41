//! What most dialects have in common, for those that have nothing of their own to say.

use domovoi_model::{Command, DeviceRef, Observation};

use crate::{Directory, EncodeError, Errand, Outgoing};

/// A command was carried out when its property has the value wanted.
pub(crate) fn confirms(command: &Command, report: &Observation, _: &Directory) -> bool {
    report.value == command.value
}

/// What a device does takes no time that it would speak of.
pub(crate) fn never_underway(_: &Command, _: &Observation, _: &Directory) -> bool {
    false
}

/// Nobody waits to be greeted.
pub(crate) fn no_greetings(_: &Directory) -> Vec<Outgoing> {
    Vec::new()
}

/// There is no bridge that could be asked.
pub(crate) fn no_errands(errand: &Errand, _: &str, _: &Directory) -> Result<Vec<Outgoing>, EncodeError> {
    Err(EncodeError::NoBridge(errand.device().clone()))
}

/// Nothing of a device is retained.
pub(crate) fn nothing_retained(_: &DeviceRef, _: &Directory) -> Vec<String> {
    Vec::new()
}
