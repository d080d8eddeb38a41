//! Long lists in pages: `limit` and `cursor` in, `next` in the body and in a `Link` header (RFC 8288) out. A cursor names
//! the last thing that was shown; it is opaque to whoever carries it.

use axum::Json;
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use super::ApiProblem;

/// As many as are shown where nobody says how many.
pub const USUAL: usize = 100;

/// As many as are shown at the most.
pub const MOST: usize = 500;

/// The longest cursor of ours, twice.
const MAX_CURSOR: usize = 256;

/// Which part of a list is wanted.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// At most so many, 1 to 500; 100 if nothing is said.
    pub limit: Option<usize>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

impl Paging {
    /// How many are wanted.
    pub fn limit(&self) -> Result<usize, ApiProblem> {
        match self.limit {
            None => Ok(USUAL),
            Some(limit) if (1..=MOST).contains(&limit) => Ok(limit),
            Some(_) => Err(ApiProblem::invalid(format!("limit: 1 to {MOST}"))),
        }
    }

    /// After which thing it goes on.
    pub fn after(&self) -> Result<Option<String>, ApiProblem> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let bytes = if cursor.len() <= MAX_CURSOR { URL_SAFE_NO_PAD.decode(cursor).ok() } else { None };
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        text.map(Some).ok_or_else(|| ApiProblem::invalid("cursor: use `next` of the page before as it is"))
    }

    /// The page of a list that is whole in memory; `key` names a thing for good.
    pub fn cut<T>(&self, all: Vec<T>, key: impl Fn(&T) -> String) -> Result<(Vec<T>, Option<String>), ApiProblem> {
        self.walk(all, key, Some)
    }

    /// The same where much is made of each thing, and of some nothing: only what is on the page is made, and what tells
    /// whether there is another page.
    pub fn walk<T, U>(
        &self,
        all: Vec<T>,
        key: impl Fn(&T) -> String,
        made: impl Fn(T) -> Option<U>,
    ) -> Result<(Vec<U>, Option<String>), ApiProblem> {
        let limit = self.limit()?;
        let start = match self.after()? {
            None => 0,
            Some(after) => match all.iter().position(|one| key(one) == after) {
                Some(position) => position + 1,
                None => return Err(ApiProblem::invalid("cursor: what it named is gone; begin without it")),
            },
        };
        let (mut page, mut last) = (Vec::new(), String::new());
        for one in all.into_iter().skip(start) {
            let key = key(&one);
            let Some(made) = made(one) else { continue };
            if page.len() == limit {
                return Ok((page, Some(cursor_of(&last))));
            }
            page.push(made);
            last = key;
        }
        Ok((page, None))
    }
}

/// The cursor that names a thing.
pub fn cursor_of(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(key)
}

/// A page as it is answered: the body, and where it goes on.
pub fn answer<T: Serialize>(body: T, next: Option<&str>, uri: &Uri) -> Response {
    let mut response = Json(body).into_response();
    if let Some(next) = next {
        let others = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(others.filter(|(name, _)| name != "cursor"));
        query.append_pair("cursor", next);
        let link = format!("<{}?{}>; rel=\"next\"", uri.path(), query.finish());
        if let Ok(value) = HeaderValue::try_from(link) {
            response.headers_mut().insert(header::LINK, value);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_join_into_the_whole_list() {
        let all: Vec<u32> = (0..7).collect();
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let paging = Paging { limit: Some(3), cursor };
            let (page, next) = paging.cut(all.clone(), u32::to_string).unwrap();
            seen.extend(page);
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, all);
        let whole = Paging { limit: Some(7), cursor: None };
        assert_eq!(whole.cut(all, u32::to_string).unwrap().1, None, "a full last page has no next");
    }

    #[test]
    fn what_is_no_page_of_ours_is_refused() {
        let cut = |limit, cursor: Option<&str>| {
            Paging { limit, cursor: cursor.map(str::to_owned) }.cut(vec![1, 2], i32::to_string)
        };
        for (limit, cursor) in [(Some(0), None), (Some(501), None), (None, Some("%")), (None, Some("NDcxMQ"))] {
            assert_eq!(cut(limit, cursor).unwrap_err().status, 422);
        }
        assert_eq!(cut(None, Some(&"A".repeat(300))).unwrap_err().status, 422);
    }

    #[test]
    fn the_link_keeps_the_rest_of_the_question_and_cannot_break_out_of_its_header() {
        let uri: Uri = "/api/v1/journal?text=%3E%22%0d%0a&cursor=old&limit=2".parse().unwrap();
        let response = answer(serde_json::json!({}), Some("bmV3"), &uri);
        let link = response.headers()[header::LINK].to_str().unwrap();
        assert_eq!(link, "</api/v1/journal?text=%3E%22%0D%0A&limit=2&cursor=bmV3>; rel=\"next\"");
    }
}
