//! To which topics of a device somebody has agreed. Who asks are the room of devices, for what people command, and the
//! reflex, for what it says by itself; both must be right about the same.

use domovoi_adapters::{Directory, Outgoing, Owner};
use domovoi_model::DeviceRef;

/// The first topic to which nobody has agreed. `agreed`: where the device took commands when it was accepted, if it had said
/// so; `credential`: the one that was issued for it alone.
pub fn not_agreed<'o>(
    device: &DeviceRef,
    agreed: Option<&[String]>,
    credential: Option<&str>,
    outgoing: &'o [Outgoing],
    directory: &Directory,
) -> Option<&'o str> {
    let agreed = agreed?;
    let own = credential.map(|username| Owner::Credential(username.to_owned()));
    if own.is_some() && own.as_ref() == directory.owner(device) {
        return None;
    }
    let is_agreed = |topic: &str| {
        let below = |base: &String| {
            topic.strip_prefix(base.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        agreed.iter().any(below) || directory.is_below_base(&device.dialect, topic)
    };
    outgoing.iter().map(|out| out.topic.as_str()).find(|topic| !is_agreed(topic))
}
