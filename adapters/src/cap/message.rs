//! One CAP message out of its tree. What is missing is what nobody said, and never a reason to lose the rest.

use domovoi_model::{AlertCategory, AlertUrgency, Certainty, Severity, Timestamp};

use super::tree::{Element, MAX_NOTES, short};
use super::{CapArea, CapInfo, CapMessage, CapNote, MessageType, Reference, numbers, time, words};

/// Messages in an envelope.
pub(super) const MAX_IN_ENVELOPE: usize = 64;

const MAX_INFOS: usize = 64;
const MAX_AREAS: usize = 1000;
const MAX_POLYGONS: usize = 500;
const MAX_CIRCLES: usize = 500;
const MAX_CODES: usize = 1000;
const MAX_REFERENCES: usize = 200;
const MAX_NAME: usize = 1000;
const MAX_LINE: usize = 500;
const MAX_TEXT: usize = 8000;

/// Reads a message.
pub(super) fn read(alert: &Element, is_cut: bool, notes: Vec<CapNote>) -> CapMessage {
    let mut reading = Reading { notes };
    // Of a document that breaks off, what was whole counts: a half list of areas would say that the home is not in it.
    let infos: Vec<CapInfo> =
        alert.all("info").filter(|info| info.is_whole).take(MAX_INFOS).map(|info| reading.info(info)).collect();
    reading.many("infos-many", alert, "info", MAX_INFOS);
    let (sender, sent) = (line(alert.text_of("sender"), MAX_NAME), reading.time(alert, "sent"));
    if sender.is_empty() {
        reading.note("sender-missing", "");
    }
    if sent.is_none() {
        reading.note("sent-missing", alert.text_of("sent"));
    }
    let mut identifier = line(alert.text_of("identifier"), MAX_NAME);
    if identifier.is_empty() {
        reading.note("identifier-missing", "");
        identifier = made_of(&sender, sent, &infos);
    }
    let status = match words::status(alert.text_of("status")) {
        Ok(status) => status,
        Err(taken) => {
            reading.note("status-unknown", alert.text_of("status"));
            Some(taken)
        }
    };
    let kind = words::kind(alert.text_of("msgtype")).unwrap_or_else(|| {
        reading.note("type-unknown", alert.text_of("msgtype"));
        MessageType::Alert
    });
    let references = reading.references(alert);
    let is_signed = alert.first("signature").is_some();
    if is_signed {
        reading.note("signed", "");
    }
    CapMessage {
        identifier,
        sender,
        sent,
        status,
        kind,
        scope: line(alert.text_of("scope"), 40),
        note: text(alert.text_of("note"), MAX_TEXT),
        references,
        infos,
        is_signed,
        is_cut,
        notes: reading.notes,
    }
}

/// A message from the elements that some feeds have in their entries (`cap:event`, `cap:areaDesc`): message, information and
/// area in one.
pub(super) fn read_inline(entry: &Element, identifier: &str) -> Option<CapMessage> {
    let says = |name: &str| !entry.text_of(name).is_empty();
    if !says("event") || !(says("areadesc") || says("polygon") || says("severity")) {
        return None;
    }
    let mut reading = Reading { notes: Vec::new() };
    let mut info = reading.info(entry);
    info.areas = vec![reading.area(entry)];
    if info.headline.is_empty() {
        info.headline = line(entry.text_of("title"), MAX_LINE);
    }
    if info.description.is_empty() {
        info.description = text(entry.text_of("summary"), MAX_TEXT);
    }
    let own = line(entry.text_of("identifier"), MAX_NAME);
    let sent = reading.time(entry, "sent").or_else(|| reading.time(entry, "updated"));
    Some(CapMessage {
        identifier: if own.is_empty() { identifier.to_owned() } else { own },
        sender: line(entry.text_of("sender"), MAX_NAME),
        sent,
        status: words::status(entry.text_of("status")).unwrap_or_else(Some),
        kind: words::kind(entry.text_of("msgtype"))
            .or_else(|| words::kind(entry.text_of("message_type")))
            .unwrap_or(MessageType::Alert),
        scope: String::new(),
        note: String::new(),
        references: reading.references(entry),
        infos: vec![info],
        is_signed: false,
        // The document itself may say more.
        is_cut: true,
        notes: reading.notes,
    })
}

/// A name for a message that has none, by which it is known again.
fn made_of(sender: &str, sent: Option<Timestamp>, infos: &[CapInfo]) -> String {
    // FNV-1a: nothing depends on its being hard to forge, for who writes messages without identifiers can repeat them too.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut add = |text: &str| {
        for byte in text.bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    add(sender);
    add(&sent.map(|at| at.to_string()).unwrap_or_default());
    for info in infos {
        add(&info.event);
        add(&info.headline);
        add(&info.description);
        info.areas.iter().for_each(|area| add(&area.name));
    }
    format!("~{hash:016x}")
}

struct Reading {
    notes: Vec<CapNote>,
}

impl Reading {
    fn note(&mut self, code: &'static str, at: &str) {
        if self.notes.len() < MAX_NOTES {
            self.notes.push(CapNote { code, at: short(at) });
        }
    }

    fn many(&mut self, code: &'static str, of: &Element, name: &str, most: usize) {
        let count = of.all(name).count();
        if count > most {
            self.note(code, &count.to_string());
        }
    }

    fn time(&mut self, of: &Element, name: &str) -> Option<Timestamp> {
        let text = of.text_of(name);
        if text.is_empty() {
            return None;
        }
        let read = time::read(text);
        match read {
            None => self.note("time-unreadable", &format!("{name}: {text}")),
            Some(read) if !read.has_offset => self.note("time-without-offset", &format!("{name}: {text}")),
            Some(_) => {}
        }
        read.map(|read| read.at)
    }

    /// A word of a list; where it is missing or none of them, what stands for nobody having said so.
    fn word<T>(&mut self, of: &Element, name: &str, read: fn(&str) -> Option<T>, none: T, code: &'static str) -> T {
        let text = of.text_of(name);
        match read(text) {
            Some(value) => value,
            None => {
                self.note(code, text);
                none
            }
        }
    }

    fn info(&mut self, info: &Element) -> CapInfo {
        let mut categories: Vec<AlertCategory> = Vec::new();
        // Some write several into one element.
        for word in info.all("category").flat_map(|category| category.text.split([',', ' '])) {
            match words::category(word) {
                Some(category) if !categories.contains(&category) => categories.push(category),
                Some(_) => {}
                None if word.trim().is_empty() => {}
                None => self.note("category-unknown", word),
            }
        }
        self.many("areas-many", info, "area", MAX_AREAS);
        let mut event = line(info.text_of("event"), MAX_LINE);
        let headline = line(info.text_of("headline"), MAX_LINE);
        if event.is_empty() {
            self.note("event-missing", &headline);
            event = headline.clone();
        }
        CapInfo {
            language: line(info.text_of("language"), 20).to_lowercase(),
            categories,
            event,
            is_all_clear: info.all("responsetype").any(|kind| words::plain(&kind.text) == "allclear"),
            urgency: self.word(info, "urgency", words::urgency, AlertUrgency::Unknown, "urgency-unknown"),
            severity: self.word(info, "severity", words::severity, Severity::Unknown, "severity-unknown"),
            certainty: self.word(info, "certainty", words::certainty, Certainty::Unknown, "certainty-unknown"),
            event_codes: pairs(info, "eventcode"),
            effective: self.time(info, "effective"),
            onset: self.time(info, "onset"),
            expires: self.time(info, "expires"),
            sender_name: line(info.text_of("sendername"), MAX_LINE),
            headline,
            description: text(info.text_of("description"), MAX_TEXT),
            instruction: text(info.text_of("instruction"), MAX_TEXT),
            web: line(info.text_of("web"), MAX_NAME),
            contact: line(info.text_of("contact"), MAX_NAME),
            parameters: pairs(info, "parameter"),
            areas: info.all("area").take(MAX_AREAS).map(|area| self.area(area)).collect(),
        }
    }

    fn area(&mut self, area: &Element) -> CapArea {
        self.many("polygons-many", area, "polygon", MAX_POLYGONS);
        self.many("codes-many", area, "geocode", MAX_CODES);
        let polygons = area
            .all("polygon")
            .take(MAX_POLYGONS)
            .filter_map(|polygon| numbers::polygon(&polygon.text, |wrong| self.note(wrong, &polygon.text)));
        let polygons = polygons.collect();
        let circles = area
            .all("circle")
            .take(MAX_CIRCLES)
            .filter_map(|circle| numbers::circle(&circle.text, |wrong| self.note(wrong, &circle.text)));
        let circles = circles.collect();
        CapArea { name: line(area.text_of("areadesc"), MAX_TEXT), polygons, circles, codes: pairs(area, "geocode") }
    }

    /// `sender,identifier,sent` with white space between the triples, and wherever else somebody put it.
    fn references(&mut self, alert: &Element) -> Vec<Reference> {
        let mut found: Vec<Reference> = Vec::new();
        let text = alert.all("references").map(|one| one.text.as_str()).collect::<Vec<_>>().join(" ");
        // "sender, identifier, sent": the space after a comma is none between triples.
        let mut joined = String::with_capacity(text.len());
        let mut words = text.split_whitespace().peekable();
        while let Some(word) = words.next() {
            joined.push_str(word);
            let goes_on = word.ends_with(',') || words.peek().is_some_and(|next| next.starts_with(','));
            if !goes_on {
                joined.push(' ');
            }
        }
        for triple in joined.split_whitespace() {
            if found.len() >= MAX_REFERENCES {
                self.note("references-many", "");
                break;
            }
            // A sender may hold a comma, though it must not; an identifier too. The time is last, and what is no time may
            // be part of an identifier.
            let (front, last) = triple.rsplit_once(',').unwrap_or((triple, ""));
            let sent = time::read(last);
            if sent.is_none() {
                self.note("reference-without-time", triple);
            }
            let front = if sent.is_some() { front } else { triple };
            match front.split_once(',') {
                Some((sender, identifier)) if !identifier.is_empty() => {
                    let identifier = match (&sent, identifier.rsplit_once(',')) {
                        (None, Some((identifier, _))) => identifier,
                        _ => identifier,
                    };
                    found.push(Reference {
                        sender: sender.to_owned(),
                        identifier: identifier.to_owned(),
                        sent: sent.map(|read| read.at),
                    });
                }
                _ => self.note("reference-unreadable", triple),
            }
        }
        found
    }
}

/// `<valueName>`, `<value>`; CAP 1.0 has `name=value`. Atom feeds have one pair of lists.
fn pairs(of: &Element, name: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for element in of.all(name) {
        let names: Vec<&Element> = element.all("valuename").collect();
        let values: Vec<&Element> = element.all("value").collect();
        if names.is_empty() {
            if let Some((key, value)) = element.text.split_once('=') {
                found.push((line(key, MAX_LINE), line(value, MAX_TEXT)));
            }
        } else if names.len() == values.len() || values.len() < 2 {
            for (key, value) in names.iter().zip(&values) {
                // Several codes in one value, as feeds have them.
                found.push((line(&key.text, MAX_LINE), line(&value.text, MAX_TEXT)));
            }
        } else if let Some(key) = names.first() {
            found.extend(values.iter().map(|value| (line(&key.text, MAX_LINE), line(&value.text, MAX_TEXT))));
        }
        if found.len() >= MAX_CODES {
            found.truncate(MAX_CODES);
            break;
        }
    }
    found.retain(|(key, value)| !key.is_empty() && !value.is_empty());
    found
}

/// One line: white space becomes one space, what is too long ends in `…`.
pub(super) fn line(text: &str, most: usize) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    cut(&words.collect::<Vec<_>>().join(" "), most)
}

/// Text with its lines, without control characters.
pub(super) fn text(text: &str, most: usize) -> String {
    let mut lines: Vec<String> = text.lines().map(|one| line(one, most)).collect();
    lines.dedup_by(|next, before| next.is_empty() && before.is_empty());
    cut(lines.join("\n").trim(), most)
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default().trim_end()),
    }
}
