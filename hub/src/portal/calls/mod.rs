//! One file per call of portal-api.yaml: what is asked, what is answered, each with its own DTO. They decide nothing.
//!
//! Unknown JSON members are let through (a portal may grow); an unknown word where the contract lists the words is not
//! guessed at, it is refused with the words that are known; but for the kind of a message, which is read as `other`.

pub mod delete_hub_key;
pub mod get_accounts;
pub mod get_act;
pub mod get_alert;
pub mod get_alerts;
pub mod get_charges;
pub mod get_notifications;
pub mod get_receipt;
pub mod get_service_requests;
pub mod mark_notification_read;
pub mod post_notification;
pub mod post_service_request;
pub mod put_act;
pub mod put_devices;
pub mod put_hub_key;
pub mod put_photo;
mod wire;

#[cfg(test)]
mod tests;

pub use self::get_accounts::{AccountStatus, PortalAccount, PortalPoint, Window, WindowDay};
pub use self::get_act::{ActProgress, ActStatus, ReadingStatus};
pub use self::get_alerts::Alerts;
pub use self::get_charges::Charge;
pub use self::get_notifications::{Notification, NotificationKind};
pub use self::get_service_requests::{RequestStatus, ServiceRequest};
pub use self::post_notification::OwnNotification;
pub use self::post_service_request::NewServiceRequest;
pub use self::put_devices::ShownDevice;

/// A part of a list, and where the rest begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What is in this part.
    pub items: Vec<T>,
    /// The cursor for the next part; opaque.
    pub next: Option<String>,
}
