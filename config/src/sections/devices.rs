//! `[devices]`: the household's own catalogue of devices, and where devices that are being connected may have their set-up
//! page.

use std::path::PathBuf;

use crate::reader::Section;

/// How devices are connected.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DevicesSection {
    /// A folder with catalogue files that add to the built-in ones and replace types of the same id.
    pub catalogue: Option<PathBuf>,
    /// Whether a device's set-up page may be on this very machine: for pretend devices.
    pub setup_on_this_machine: bool,
}

pub(crate) fn read(mut section: Section<'_>) -> DevicesSection {
    let base = section.base_dir();
    let devices = DevicesSection {
        catalogue: section.take_path("catalogue", base),
        setup_on_this_machine: section.take_bool("setup_on_this_machine").unwrap_or(false),
    };
    section.finish();
    devices
}
