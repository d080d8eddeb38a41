//! A small reader of our own HTML, strict where browsers are lenient: every element is closed in its order, attributes
//! are quoted, ids are unique, every field has a name that is read out.

use std::collections::BTreeSet;

/// Elements that have no end.
const VOID: [&str; 8] = ["meta", "link", "input", "br", "hr", "img", "path", "rect"];

/// An element's start.
#[derive(Debug, Clone)]
pub struct Tag {
    pub name: String,
    pub attributes: Vec<(String, String)>,
}

impl Tag {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

/// What stands in a page.
#[derive(Debug, Default)]
pub struct Page {
    pub tags: Vec<Tag>,
    pub complaints: Vec<String>,
    /// Text outside of tags, still escaped.
    pub text: String,
}

/// Reads a page.
pub fn read(html: &str) -> Page {
    let mut page = Page::default();
    let mut open: Vec<String> = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        page.text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(end) = end_of_tag(rest) else {
            page.complaints.push(format!("a tag is not closed: <{}", &rest[..rest.len().min(40)]));
            return page;
        };
        let inner = &rest[..end];
        rest = &rest[end + 1..];
        if inner.starts_with('!') {
            continue;
        }
        if let Some(name) = inner.strip_prefix('/') {
            match open.pop() {
                Some(wanted) if wanted == name.trim() => {}
                other => page.complaints.push(format!("</{name}> closes {other:?}")),
            }
            continue;
        }
        let closed = inner.ends_with('/');
        match tag(inner.trim_end_matches('/')) {
            Ok(mut tag) => {
                let within_svg = open.iter().any(|name| name == "svg");
                if !closed && !VOID.contains(&tag.name.as_str()) {
                    open.push(tag.name.clone());
                }
                // A picture names itself and its parts; the page has a title of its own.
                if within_svg && tag.name == "title" {
                    tag.name = "svg title".to_owned();
                }
                page.tags.push(tag);
            }
            Err(why) => page.complaints.push(why),
        }
    }
    page.text.push_str(rest);
    if !open.is_empty() {
        page.complaints.push(format!("left open: {open:?}"));
    }
    page
}

/// The `>` that ends a tag; one within quotes does not.
fn end_of_tag(text: &str) -> Option<usize> {
    let mut quoted = false;
    text.bytes().position(|byte| {
        if byte == b'"' {
            quoted = !quoted;
        }
        byte == b'>' && !quoted
    })
}

fn tag(text: &str) -> Result<Tag, String> {
    let (name, mut rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()) {
        return Err(format!("no element is called <{name}"));
    }
    let mut attributes: Vec<(String, String)> = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            break;
        }
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let key = rest[..end].to_owned();
        if key.contains(['"', '\'', '<']) {
            return Err(format!("<{name} has a strange attribute: {key}"));
        }
        rest = &rest[end..];
        let value = match rest.strip_prefix("=\"") {
            Some(quoted) => {
                let end = quoted.find('"').ok_or_else(|| format!("<{name} {key}: the quotes do not end"))?;
                rest = &quoted[end + 1..];
                quoted[..end].to_owned()
            }
            None if rest.starts_with('=') => return Err(format!("<{name} {key}: the value is not quoted")),
            None => String::new(),
        };
        if attributes.iter().any(|(known, _)| *known == key) {
            return Err(format!("<{name} says {key} twice"));
        }
        attributes.push((key, value));
    }
    Ok(Tag { name: name.to_owned(), attributes })
}

/// Everything that is wrong with a page, in words.
pub fn complaints(html: &str) -> Vec<String> {
    let page = read(html);
    let mut wrong = page.complaints.clone();
    let mut ids = BTreeSet::new();
    for tag in &page.tags {
        if let Some(id) = tag.get("id")
            && !ids.insert(id.to_owned())
        {
            wrong.push(format!("the id {id} is there twice"));
        }
        for (key, value) in &tag.attributes {
            let is_code = key.starts_with("on") || key == "style" || value.trim_start().starts_with("javascript:");
            if is_code {
                wrong.push(format!("<{} {key}={value}> is code within the page", tag.name));
            }
            let is_address = ["href", "src", "action", "formaction"].contains(&key.as_str());
            if is_address && !(value.starts_with('/') && !value.starts_with("//") || value.starts_with('#')) {
                wrong.push(format!("<{} {key}={value}> leads elsewhere", tag.name));
            }
        }
        if tag.name == "script" && !tag.has("src") {
            wrong.push("a script is written into the page".into());
        }
    }
    let labelled: Vec<&str> = page.tags.iter().filter_map(|tag| tag.get("for")).collect();
    for id in page.tags.iter().flat_map(|tag| {
        let refers = ["for", "aria-describedby", "aria-labelledby", "data-copy", "data-judges"];
        refers.into_iter().filter_map(|key| tag.get(key)).flat_map(str::split_whitespace).collect::<Vec<_>>()
    }) {
        if !ids.contains(id) {
            wrong.push(format!("{id} is referred to and not there"));
        }
    }
    for tag in page.tags.iter().filter(|tag| ["input", "select", "textarea"].contains(&tag.name.as_str())) {
        let silent = tag.get("type") == Some("hidden");
        let named = tag.get("id").is_some_and(|id| labelled.contains(&id)) || tag.has("aria-label");
        if !silent && !named {
            wrong.push(format!("a field has no label: {:?}", tag.attributes));
        }
    }
    let count = |name: &str| page.tags.iter().filter(|tag| tag.name == name).count();
    for (name, wanted) in [("h1", 1), ("main", 1), ("title", 1)] {
        if count(name) != wanted {
            wrong.push(format!("{} × <{name}>", count(name)));
        }
    }
    let html = page.tags.iter().find(|tag| tag.name == "html");
    if html.and_then(|tag| tag.get("lang")).is_none_or(|lang| lang != "ru" && lang != "en") {
        wrong.push("the page does not say its language".into());
    }
    wrong
}

#[test]
fn the_reader_sees_what_is_wrong() {
    let page = |body: &str| {
        complaints(&format!("<!doctype html><html lang=\"ru\"><head><title>a</title></head><body>{body}</body></html>"))
    };
    let good =
        "<main><h1>a</h1><label for=\"x\">b</label><input id=\"x\" type=\"text\" value=\"a &lt; &#34;b\"></main>";
    assert_eq!(page(good), Vec::<String>::new());
    for bad in [
        "<main><h1>a</h1><p></main></p>",
        "<main><h1>a</h1><input type=\"text\"></main>",
        "<main><h1>a</h1><p id=\"a\"></p><p id=\"a\"></p></main>",
        "<main><h1>a</h1><p onclick=\"x\"></p></main>",
        "<main><h1>a</h1><a href=\"https://evil.example\">a</a></main>",
        "<main><h1>a</h1><a href=\"//evil.example\">a</a></main>",
        "<main><h1>a</h1><script>x</script></main>",
        "<main><h1>a</h1><p title=x></p></main>",
        "<main><h1>a</h1><label for=\"y\">b</label></main>",
        "<main></main>",
    ] {
        assert!(!page(bad).is_empty(), "{bad}");
    }
}
