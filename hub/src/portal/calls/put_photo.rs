//! `PUT /acts/{act_id}/photos/{sha256}`: a photo that the act names by its hash. After the act itself.

use bytes::Bytes;
use domovoi_model::ActId;
use reqwest::Method;

use super::wire;
use crate::portal::{CallError, Portal};

const PHOTO_MAX: usize = 5 * 1024 * 1024;

/// `media_type` is `image/jpeg` or `image/png`. Sending it again is fine.
pub async fn call(
    portal: &Portal,
    act_id: ActId,
    sha256: &[u8; 32],
    media_type: &str,
    photo: impl Into<Bytes>,
) -> Result<(), CallError> {
    let photo = photo.into();
    let media_type = match media_type {
        "image/jpeg" => "image/jpeg",
        "image/png" => "image/png",
        other => {
            return Err(CallError::NotSent {
                detail: format!("a photo of type `{other}`; the portal takes JPEG and PNG"),
            });
        }
    };
    if photo.len() > PHOTO_MAX {
        let detail = format!("the photo has {} bytes; the portal takes {PHOTO_MAX}", photo.len());
        return Err(CallError::NotSent { detail });
    }
    let segments = ["acts", &act_id.to_string(), "photos", &wire::hex(sha256)];
    let outgoing = wire::request(portal, Method::PUT, &segments);
    portal.send(outgoing.body(media_type, photo)).await.map(|_| ())
}
