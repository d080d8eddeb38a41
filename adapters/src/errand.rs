//! What is asked of a bridge rather than of a device, and what it answers.

use domovoi_model::DeviceRef;

/// One errand. What a dialect has no words for it refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Errand {
    /// New devices may join for so many seconds; 0 ends it.
    PermitJoin {
        /// The bridge, or a router through which alone they may join.
        via: DeviceRef,
        /// At most 254.
        seconds: u16,
    },
    /// The device's topics are to call it so.
    Rename {
        /// Which device.
        device: DeviceRef,
        /// The new name.
        to: String,
    },
    /// The device is to leave the network.
    Remove {
        /// Which device.
        device: DeviceRef,
        /// Also one that does not answer.
        force: bool,
    },
    /// What the device is, is asked anew.
    Interview(DeviceRef),
    /// Its reports are set up anew.
    Configure(DeviceRef),
    /// What it last knew is asked for again.
    Refresh(DeviceRef),
}

impl Errand {
    /// The device, or the bridge, that it is about.
    pub fn device(&self) -> &DeviceRef {
        match self {
            Errand::PermitJoin { via: device, .. }
            | Errand::Rename { device, .. }
            | Errand::Remove { device, .. }
            | Errand::Interview(device)
            | Errand::Configure(device)
            | Errand::Refresh(device) => device,
        }
    }
}

/// A bridge's answer to an errand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The transaction that the errand named.
    pub transaction: String,
    /// Why it was not done; `None` if it was. The bridge's own words, printable and short.
    pub error: Option<String>,
}
