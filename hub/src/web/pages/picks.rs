//! Properties to choose from in a form: device by device, as the reader may see them. What may not be seen is not offered.

use domovoi_model::DeviceRef;

use super::value;
use super::view::View;
use crate::devices::Standing;
use crate::policy::Verb;
use crate::web::Desk;

/// So many are offered: more would be no choice, and a page of megabytes.
const MOST: usize = 2000;

/// A device with its properties.
pub struct PickGroup {
    /// What the device is called.
    pub name: String,
    /// `device|property`, what it is called, whether it is chosen.
    pub properties: Vec<(String, String, bool)>,
}

/// The properties of accepted devices; `settable`: those only that can be told something.
pub fn properties(desk: &Desk, view: &View, settable: bool, chosen: &str) -> Vec<PickGroup> {
    let mut left = MOST;
    let mut groups = Vec::new();
    for device in desk.devices.list() {
        if Standing::of(&device.card) != Standing::Accepted {
            continue;
        }
        let reference = device.device();
        let verb = if settable { Verb::Command } else { Verb::See };
        let mut properties = Vec::new();
        for property in &device.properties {
            let (name, info) = (&property.state.property, property.info.as_ref());
            let fits = !settable || info.is_some_and(|info| info.writable);
            let mut object = desk.devices.object(reference, Some(name));
            object.dangerous = false;
            if left == 0 || !fits || !view.may(verb, &object) {
                continue;
            }
            left -= 1;
            let spelled = format!("{reference}|{name}");
            let is_chosen = spelled == chosen;
            properties.push((spelled, value::label(view, name, info), is_chosen));
        }
        if !properties.is_empty() {
            groups.push(PickGroup { name: device.name.clone(), properties });
        }
    }
    groups
}

/// What such a field says.
pub fn chosen(text: &str) -> Option<(DeviceRef, String)> {
    let (device, property) = text.split_once('|')?;
    Some((DeviceRef::parse(device)?, property.to_owned()))
}
