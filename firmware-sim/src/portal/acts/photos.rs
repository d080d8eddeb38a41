//! Photos that an act names by hash. The bytes are compared with the hash and with the kind of image they claim to be;
//! they are not decoded.

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::unknown;
use crate::portal::{
    Portal,
    guard::{authorise, body},
    jose::sha256_hex,
    problem::Problem,
};

const PHOTO_CAP_BYTES: usize = 5 * 1024 * 1024;

pub(crate) async fn put_photo(
    State(portal): State<Arc<Portal>>,
    Path((act_id, sha256)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, content) = request.into_parts();
    // Read before any refusal: a peer that is still sending would see a reset instead of the answer.
    let bytes = body(content, PHOTO_CAP_BYTES).await?;
    authorise(&portal, &parts, "acts.write")?;
    let claimed = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (extension, magic): (_, &[u8]) = match claimed {
        "image/jpeg" => ("jpg", &[0xFF, 0xD8, 0xFF]),
        "image/png" => ("png", &[0x89, b'P', b'N', b'G']),
        _ => return Err(Problem::bad("a photo is image/jpeg or image/png")),
    };
    if !bytes.starts_with(magic) {
        return Err(Problem::bad(format!("the bytes are no {claimed}")));
    }
    if sha256_hex(&bytes) != sha256 {
        return Err(Problem::bad("the bytes do not have this hash"));
    }
    portal.update(|state| {
        let act = state.acts.iter().find(|act| act.act_id == act_id).ok_or_else(unknown)?;
        if !act.readings.iter().any(|reading| reading.photo_sha256.as_ref() == Some(&sha256)) {
            return Err(Problem::bad("the act names no such photo"));
        }
        if state.photos.contains_key(&sha256) {
            return Ok(StatusCode::OK.into_response());
        }
        if let Some(disk) = portal.open_disk().map_err(|error| Problem::disk(&error))? {
            disk.write(&format!("photos/{sha256}.{extension}"), &bytes).map_err(|error| Problem::disk(&error))?;
        }
        state.photos.insert(sha256, extension.to_owned());
        Ok(StatusCode::CREATED.into_response())
    })
}
