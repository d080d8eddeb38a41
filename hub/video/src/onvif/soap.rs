//! SOAP 1.2 as ONVIF uses it: an envelope with the user's token of WS-Security in it, and what an answer's envelope holds.
//! The token is a digest (OASIS Web Services Security UsernameToken Profile 1.1, 3.1): SHA-1 of a nonce, the time and the
//! password, for which the camera's own clock counts.
//! Deliberately never a password in clear, over TLS either: a certificate that was pinned in haste may be anybody's.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::digest;

use super::Failure;
use super::date;
use super::xml::{self, Element, escaped};
use crate::address::Login;
use crate::session::{Trouble, clean};

const SOAP: &str = "http://www.w3.org/2003/05/soap-envelope";
/// Some answer a fault in the envelope of SOAP 1.1.
const SOAP_11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const ENVELOPES: &[&str] = &[SOAP, SOAP_11];

const SECURITY: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const UTILITY: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
const DIGEST: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest";
const BASE64_BINARY: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary";

/// Who asks.
pub(super) struct Token {
    user: String,
    digest: String,
    nonce: String,
    created: String,
}

impl Token {
    /// `now_ms` is the time by the camera's clock: most take a token that is no more than a few seconds old.
    pub(super) fn new(login: &Login, nonce: [u8; 16], now_ms: i64) -> Token {
        let created = date::iso(now_ms);
        let mut hash = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
        hash.update(&nonce);
        hash.update(created.as_bytes());
        hash.update(login.password.expose().as_bytes());
        Token {
            user: login.user.clone(),
            digest: BASE64_STANDARD.encode(hash.finish()),
            nonce: BASE64_STANDARD.encode(nonce),
            created,
        }
    }
}

/// A request: `body` is XML of ours.
pub(super) fn envelope(body: &str, token: Option<&Token>) -> String {
    let header = token.map_or_else(String::new, |token| {
        format!(
            "<s:Header><w:Security s:mustUnderstand=\"1\" xmlns:w=\"{SECURITY}\" xmlns:u=\"{UTILITY}\">\
             <w:UsernameToken><w:Username>{}</w:Username><w:Password Type=\"{DIGEST}\">{}</w:Password>\
             <w:Nonce EncodingType=\"{BASE64_BINARY}\">{}</w:Nonce><u:Created>{}</u:Created>\
             </w:UsernameToken></w:Security></s:Header>",
            escaped(&token.user),
            token.digest,
            token.nonce,
            token.created,
        )
    });
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <s:Envelope xmlns:s=\"{SOAP}\">{header}<s:Body>{body}</s:Body></s:Envelope>"
    )
}

/// The element in the body of an answer: the response that was asked for, or what the fault says.
pub(super) fn opened(call: &'static str, bytes: &[u8]) -> Result<Element, Failure> {
    let envelope = xml::read(bytes).map_err(|why| Failure::Xml { call, why })?;
    if !envelope.is(ENVELOPES, "Envelope") {
        return Err(Failure::Missing { call, what: "Envelope" });
    }
    let mut children = envelope.children.into_iter();
    let body = children.find(|child| child.is(ENVELOPES, "Body")).ok_or(Failure::Missing { call, what: "Body" })?;
    let content = body.children.into_iter().next().ok_or(Failure::Missing { call, what: "Body" })?;
    if content.is(ENVELOPES, "Fault") { Err(fault(call, &content)) } else { Ok(content) }
}

fn fault(call: &'static str, fault: &Element) -> Failure {
    let mut codes = Vec::new();
    if let Some(code) = fault.child(ENVELOPES, "Code") {
        codes.extend(code.text_at(ENVELOPES, &["Value"]));
        // As deep as subcodes go in the specification, and once more.
        let mut within = code.child(ENVELOPES, "Subcode");
        for _ in 0..3 {
            let Some(subcode) = within else { break };
            codes.extend(subcode.text_at(ENVELOPES, &["Value"]));
            within = subcode.child(ENVELOPES, "Subcode");
        }
    }
    // SOAP 1.1 has its parts in no namespace.
    codes.extend(fault.text_at(&[""], &["faultcode"]));
    // The prefix of a code is the camera's own choice and stands in a text, so only what follows it is compared.
    let codes: Vec<&str> = codes.into_iter().map(|code| code.rsplit(':').next().unwrap_or(code)).collect();
    let refuses = |code: &&str| {
        matches!(*code, "NotAuthorized" | "SenderNotAuthorized" | "FailedAuthentication" | "InvalidSecurityToken")
    };
    if codes.iter().any(refuses) {
        return Failure::Trouble(Trouble::Unauthorized { given: true });
    }
    let reason = fault
        .text_at(ENVELOPES, &["Reason", "Text"])
        .or_else(|| fault.text_at(&[""], &["faultstring"]))
        .unwrap_or_default();
    Failure::Fault { call, code: clean(codes.last().copied().unwrap_or_default(), &[]), reason: clean(reason, &[]) }
}

#[cfg(test)]
mod tests {
    use domovoi_vault::Secret;

    use super::*;

    /// The example of ONVIF's Application Programmer's Guide 1.0, section 6.1.1.3.
    #[test]
    fn a_digest_is_that_of_the_guide() {
        let nonce = BASE64_STANDARD.decode("LKqI6G/AikKCQrN0zqZFlg==").unwrap();
        let login = Login { user: "user".to_owned(), password: Secret::new("userpassword".to_owned()) };
        let made = date::millis((2010, 9, 16), (7, 50, 45)).unwrap();
        let token = Token::new(&login, nonce.try_into().unwrap(), made);
        // The guide's time has no milliseconds; ours is hashed as it is sent.
        assert_eq!(token.created, "2010-09-16T07:50:45.000Z");
        let mut hash = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
        for part in [&BASE64_STANDARD.decode(&token.nonce).unwrap()[..], b"2010-09-16T07:50:45Z", b"userpassword"] {
            hash.update(part);
        }
        assert_eq!(BASE64_STANDARD.encode(hash.finish()), "tuOSpGlFlIXsozq4HFNeeGeFLEI=");
    }

    #[test]
    fn nothing_of_ours_breaks_the_envelope() {
        let login = Login { user: "a<b>&\"".to_owned(), password: Secret::new("]]></s:Body>".to_owned()) };
        let token = Token::new(&login, [7; 16], 0);
        let text = envelope("<x xmlns=\"urn:x\"/>", Some(&token));
        assert!(!text.contains("]]>") && text.contains("a&lt;b&gt;&amp;&quot;"));
        let content = opened("X", text.as_bytes()).unwrap();
        assert!(content.is(&["urn:x"], "x"));
    }

    #[test]
    fn faults_of_both_versions_are_told() {
        let twelve = format!(
            "<e:Envelope xmlns:e='{SOAP}' xmlns:t='urn:t'><e:Body><e:Fault><e:Code><e:Value>e:Sender</e:Value><e:Subcode>\
             <e:Value>t:NotAuthorized</e:Value></e:Subcode></e:Code><e:Reason><e:Text>no\u{1b}</e:Text></e:Reason></e:Fault>\
             </e:Body></e:Envelope>"
        );
        // XML has no such character at all, and the camera may send it.
        let told = opened("X", twelve.replace('\u{1b}', "").as_bytes());
        assert_eq!(told, Err(Failure::Trouble(Trouble::Unauthorized { given: true })));
        let eleven = format!(
            "<e:Envelope xmlns:e='{SOAP_11}'><e:Body><e:Fault><faultcode>e:Server</faultcode><faultstring>busy \n now\
             </faultstring></e:Fault></e:Body></e:Envelope>"
        );
        let fault = Failure::Fault { call: "X", code: "Server".to_owned(), reason: "busy now".to_owned() };
        assert_eq!(opened("X", eleven.as_bytes()), Err(fault));
        assert_eq!(opened("X", b"<a/>"), Err(Failure::Missing { call: "X", what: "Envelope" }));
        let empty = format!("<e:Envelope xmlns:e='{SOAP}'><e:Body/></e:Envelope>");
        assert_eq!(opened("X", empty.as_bytes()), Err(Failure::Missing { call: "X", what: "Body" }));
    }
}
