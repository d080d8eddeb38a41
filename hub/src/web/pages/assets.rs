//! Styles, scripts and pictures: compiled in, each under an address that names its content, so that a browser keeps it
//! for good and never shows an old one. Nothing here is read from a disk and nothing is fetched from elsewhere.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};

struct Asset {
    name: &'static str,
    address: String,
    media_type: &'static str,
    text: String,
}

/// name, media type, content. `api.js` comes first: the other modules import it by the address that it gets here.
const FILES: [(&str, &str, &str); 14] = [
    ("api.js", "text/javascript; charset=utf-8", include_str!("../../../assets/api.js")),
    ("passkey.js", "text/javascript; charset=utf-8", include_str!("../../../assets/passkey.js")),
    ("password.js", "text/javascript; charset=utf-8", include_str!("../../../assets/password.js")),
    ("setup.js", "text/javascript; charset=utf-8", include_str!("../../../assets/setup.js")),
    ("pairing.js", "text/javascript; charset=utf-8", include_str!("../../../assets/pairing.js")),
    ("connect.js", "text/javascript; charset=utf-8", include_str!("../../../assets/connect.js")),
    ("live.js", "text/javascript; charset=utf-8", include_str!("../../../assets/live.js")),
    ("watch.js", "text/javascript; charset=utf-8", include_str!("../../../assets/watch.js")),
    ("archive.js", "text/javascript; charset=utf-8", include_str!("../../../assets/archive.js")),
    ("camera-form.js", "text/javascript; charset=utf-8", include_str!("../../../assets/camera-form.js")),
    ("page.js", "text/javascript; charset=utf-8", include_str!("../../../assets/page.js")),
    ("domovoi.css", "text/css; charset=utf-8", include_str!("../../../assets/domovoi.css")),
    ("icons.svg", "image/svg+xml", include_str!("../../../assets/icons.svg")),
    ("mark.svg", "image/svg+xml", include_str!("../../../assets/mark.svg")),
];

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let mut assets: Vec<Asset> = Vec::new();
    for (name, media_type, text) in FILES {
        let mut text = text.to_owned();
        // A module's import names another file: the address that it has here is put in its place.
        for known in &assets {
            text = text.replace(&format!("\"./{}\"", known.name), &format!("\"{}\"", known.address));
        }
        let hash: String = Sha256::digest(&text).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        assets.push(Asset { name, address: format!("/assets/{stem}.{hash}.{extension}"), media_type, text });
    }
    assets
});

/// Where a file is.
pub fn address(name: &str) -> &'static str {
    let found = ASSETS.iter().find(|asset| asset.name == name);
    #[cfg(test)]
    assert!(found.is_some(), "there is no asset {name}");
    found.map_or("/assets/none", |asset| asset.address.as_str())
}

/// Serves a file. Only an address that was given out is one: there is no path to walk.
pub async fn serve(Path(file): Path<String>) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.address.strip_prefix("/assets/") == Some(&file)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers =
        [(header::CONTENT_TYPE, asset.media_type), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
    (headers, asset.text.as_str()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_import_by_the_addresses_that_are_served() {
        for asset in ASSETS.iter().filter(|asset| asset.name.ends_with(".js")) {
            for part in asset.text.split("from \"").skip(1) {
                let wanted = part.split('"').next().unwrap();
                assert!(ASSETS.iter().any(|other| other.address == wanted), "{}: {wanted}", asset.name);
            }
        }
    }

    #[test]
    fn nothing_is_asked_of_others() {
        for asset in ASSETS.iter() {
            let ours = asset.text.replace("http://www.w3.org/2000/svg", "");
            assert!(!ours.contains("http://") && !ours.contains("https://"), "{} names another host", asset.name);
            assert!(!ours.contains("eval(") && !ours.contains("innerHTML"), "{} makes code out of text", asset.name);
        }
    }
}
