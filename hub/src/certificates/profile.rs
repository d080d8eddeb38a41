//! The authority's certificate as a telephone of Apple wants it: a configuration profile (`.mobileconfig`), unsigned,
//! made anew at each request. It holds nothing that is secret.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// A profile that offers to trust one authority. `home` is shown to the person who installs it.
pub fn mobileconfig(der: &[u8], home: &str) -> String {
    let (payload, profile) = (identifier(der, "certificate"), identifier(der, "profile"));
    let (home, content) = (escaped(home), STANDARD.encode(der));
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict>
<key>PayloadContent</key><array><dict>
<key>PayloadType</key><string>com.apple.security.root</string>
<key>PayloadVersion</key><integer>1</integer>
<key>PayloadIdentifier</key><string>domovoi.authority.{payload}</string>
<key>PayloadUUID</key><string>{payload}</string>
<key>PayloadDisplayName</key><string>Domovoi: {home}</string>
<key>PayloadCertificateFileName</key><string>domovoi-ca.cer</string>
<key>PayloadContent</key><data>{content}</data>
</dict></array>
<key>PayloadType</key><string>Configuration</string>
<key>PayloadVersion</key><integer>1</integer>
<key>PayloadIdentifier</key><string>domovoi.profile.{profile}</string>
<key>PayloadUUID</key><string>{profile}</string>
<key>PayloadDisplayName</key><string>Domovoi: {home}</string>
<key>PayloadRemovalDisallowed</key><false/>
</dict></plist>
"#
    )
}

/// The same for the same authority, so that a second installation replaces the first.
fn identifier(der: &[u8], what: &str) -> String {
    let digest: [u8; 32] = Sha256::new().chain_update(what).chain_update(der).finalize().into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string().to_uppercase()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
