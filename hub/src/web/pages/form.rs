//! A form as a browser sends it: capped, and taken only from our own pages. What a session's cookie authenticates needs
//! the session's token too; what nobody's cookie authenticates needs our own origin at least. What the fields mean is
//! the business of each page.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use domovoi_vault::Secret;

use super::multipart;
use super::refusal::Fault;
use crate::web::origin::{Site, site};
use crate::web::{Caller, Desk, same};

/// More fields than any of our forms has.
const MOST_FIELDS: usize = 200;

/// A urlencoded form has short fields only; what is larger is a file, and comes as multipart.
const MOST_URLENCODED: usize = 128 * 1024;

/// The fields of a form, in their order.
#[derive(Default)]
pub struct Form {
    fields: Vec<(String, String)>,
    file: Option<Vec<u8>>,
}

impl Form {
    /// A field without the spaces around it; one that is not there is empty.
    pub fn text(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// A field exactly as it was typed.
    fn raw(&self, name: &str) -> &str {
        self.fields.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
    }

    /// A secret, exactly as it was typed.
    pub fn secret(&self, name: &str) -> Secret<String> {
        Secret::new(self.raw(name).to_owned())
    }

    /// Whether a box is ticked.
    pub fn is(&self, name: &str) -> bool {
        !self.text(name).is_empty()
    }

    /// Every value of a field that may come several times.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.trim())
    }

    /// The file, if one was chosen.
    pub fn take_file(&mut self) -> Option<Vec<u8>> {
        self.file.take().filter(|bytes| !bytes.is_empty())
    }

    fn from_urlencoded(bytes: &[u8]) -> Result<Self, Fault> {
        if bytes.len() > MOST_URLENCODED {
            return Err(Fault::TooLarge);
        }
        let mut fields = Vec::new();
        for (key, value) in url::form_urlencoded::parse(bytes) {
            if fields.len() == MOST_FIELDS {
                return Err(Fault::BadForm);
            }
            fields.push((key.into_owned(), value.into_owned()));
        }
        Ok(Form { fields, file: None })
    }
}

impl FromRequest<Desk> for Form {
    type Rejection = Fault;

    async fn from_request(request: Request, desk: &Desk) -> Result<Self, Fault> {
        let caller = request.extensions().get::<Caller>().cloned().unwrap_or_else(Caller::nobody);
        // A form is a browser's: one that does not say where it comes from is none of ours.
        if site(&desk.front, request.headers(), request.uri()) != Site::Own {
            return Err(Fault::Forged);
        }
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = kind.unwrap_or_default().to_owned();
        let bytes = Bytes::from_request(request, desk).await.map_err(|_| Fault::TooLarge)?;
        let form = if kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
            Form::from_urlencoded(&bytes)?
        } else if let Some(boundary) = multipart::boundary(&kind) {
            let parts = multipart::read(&bytes, boundary, MOST_FIELDS).ok_or(Fault::BadForm)?;
            Form { fields: parts.fields, file: parts.file }
        } else {
            return Err(Fault::BadForm);
        };
        if let Some(session) = &caller.session
            && !same(form.raw("csrf").as_bytes(), session.csrf.expose().as_bytes())
        {
            return Err(Fault::Forged);
        }
        Ok(form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_counted() {
        let form = Form::from_urlencoded("a=1&b=%D0%B4%D0%BE%D0%BC+2&a=3&c".as_bytes()).unwrap_or_default();
        assert_eq!(form.text("a"), "1");
        assert_eq!(form.text("b"), "дом 2");
        assert_eq!(form.all("a").collect::<Vec<_>>(), ["1", "3"]);
        assert!(!form.is("c") && !form.is("d"));
        let many = "a=1&".repeat(MOST_FIELDS + 1);
        assert!(Form::from_urlencoded(many.as_bytes()).is_err());
        assert!(Form::from_urlencoded(&vec![b'a'; MOST_URLENCODED + 1]).is_err());
    }
}
