//! A scenario while it is being edited: its wire form, finished or not, and what buttons do to it. What is edited travels with
//! the page; only where somebody has to prove themselves in between it is kept for a while, in memory.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use domovoi_model::PersonId;
use serde_json::{Value as Json, json};

use super::form::Form;
use super::scenario_fields::{Family, Fields, fresh};
use crate::scenarios::ScenarioPaper;

/// The largest wire form that is edited by forms, in bytes; a larger one is edited as a file elsewhere.
const MAX_BYTES: usize = 96 * 1024;

/// So many people's are kept while they prove themselves.
const KEPT: usize = 64;

static DRAFTS: LazyLock<Mutex<HashMap<PersonId, String>>> = LazyLock::new(Mutex::default);

/// Keeps what somebody edits until they come back.
pub fn keep(person: PersonId, draft: &Draft) {
    let mut drafts = DRAFTS.lock().unwrap_or_else(PoisonError::into_inner);
    if drafts.len() >= KEPT && !drafts.contains_key(&person) {
        drafts.clear();
    }
    drafts.insert(person, draft.spelled());
}

/// What somebody edited, once.
pub fn kept(person: PersonId) -> Option<Draft> {
    let text = DRAFTS.lock().unwrap_or_else(PoisonError::into_inner).remove(&person)?;
    serde_json::from_str(&text).ok().map(Draft)
}

/// The wire form as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft(pub Json);

impl Draft {
    /// One that says nothing yet.
    pub fn empty() -> Self {
        Draft(json!({ "name": "", "triggers": [], "conditions": [], "actions": [] }))
    }

    /// Of a scenario.
    pub fn of(paper: &ScenarioPaper) -> Self {
        Draft(serde_json::to_value(paper).unwrap_or_default())
    }

    /// As the page sends it back.
    pub fn from_form(form: &Form) -> Option<Self> {
        let text = form.text("draft");
        let json: Json = serde_json::from_str(text).ok().filter(|_| text.len() <= MAX_BYTES)?;
        json.is_object().then_some(Draft(json))
    }

    /// As the page carries it.
    pub fn spelled(&self) -> String {
        self.0.to_string()
    }

    /// As the room reads it; what is wrong with its outermost shape, else.
    pub fn paper(&self) -> Result<ScenarioPaper, String> {
        serde_json::from_value(self.0.clone()).map_err(|error| error.to_string())
    }

    /// The part at a path.
    pub fn at(&mut self, path: &str) -> Option<&mut Json> {
        steps(path)?.into_iter().try_fold(&mut self.0, |part, step| match step {
            Step::Member(name) => part.get_mut(name),
            Step::Item(at) => part.get_mut(at),
        })
    }

    /// What stands in the form beside the parts: the name, the remark, what happens when it runs already.
    pub fn take_head(&mut self, form: &Form) {
        for name in ["name", "note", "mode"] {
            if form.all(name).next().is_some() {
                self.0[name] = json!(form.text(name));
            }
        }
        if form.all("most").next().is_some() {
            // What is no number is told when it is saved.
            let most = form.text("most");
            self.0["most"] = match most.parse::<u16>() {
                Ok(most) => json!(most),
                Err(_) if most.is_empty() => Json::Null,
                Err(_) => json!(0),
            };
        }
    }

    /// Does what a button says, and which part is open then.
    pub fn press(&mut self, op: &str, form: &Form, open: &str) -> Option<String> {
        let (word, path) = op.split_once(':').unwrap_or((op, ""));
        match word {
            "edit" => return Some(path.to_owned()),
            "add" => {
                let family = match path.rsplit(['.', ']']).next() {
                    Some("triggers") => Family::Trigger,
                    Some("actions" | "then" | "else" | "steps") => Family::Action,
                    _ => Family::Condition,
                };
                let kind = form.text(&format!("kind:{path}"));
                let kind = family.kinds().iter().find(|known| **known == kind)?;
                let list = self.list_at(path)?;
                let item = fresh(family, kind, list);
                list.push(item);
                return Some(format!("{path}[{}]", list.len() - 1));
            }
            "branch" => {
                let branches = self.at(path)?.get_mut("branches")?.as_array_mut()?;
                branches.push(json!({ "if": [], "then": [] }));
            }
            "up" | "down" | "remove" => {
                let (list, at) = parent(path)?;
                let list = self.at(list)?.as_array_mut()?;
                match word {
                    "up" if at > 0 && at < list.len() => list.swap(at, at - 1),
                    "down" if at + 1 < list.len() => list.swap(at, at + 1),
                    "remove" if at < list.len() => {
                        list.remove(at);
                    }
                    _ => {}
                }
            }
            "done" => {}
            _ => return Some(open.to_owned()),
        }
        None
    }

    /// What is written into the open part.
    pub fn take_open(&mut self, fields: &Fields<'_>, form: &Form, open: &str) {
        if let Some(item) = Some(open).filter(|open| !open.is_empty()).and_then(|open| self.at(open)) {
            fields.take(form, item);
        }
    }

    /// The list at a path; `else` of a choice is there as soon as something is put into it.
    fn list_at(&mut self, path: &str) -> Option<&mut Vec<Json>> {
        if let Some((choice, "else")) = path.rsplit_once('.') {
            let choice = self.at(choice)?.as_object_mut()?;
            return choice.entry("else").or_insert_with(|| json!([])).as_array_mut();
        }
        self.at(path)?.as_array_mut()
    }
}

/// `actions[2].branches[0]` as the list and the place in it.
fn parent(path: &str) -> Option<(&str, usize)> {
    let (list, at) = path.strip_suffix(']')?.rsplit_once('[')?;
    Some((list, at.parse().ok()?))
}

enum Step<'p> {
    Member(&'p str),
    Item(usize),
}

fn steps(path: &str) -> Option<Vec<Step<'_>>> {
    let mut found = Vec::new();
    for part in path.split('.') {
        let (name, mut rest) = part.find('[').map_or((part, ""), |at| part.split_at(at));
        found.push(Step::Member(name));
        while let Some(inner) = rest.strip_prefix('[') {
            let (number, after) = inner.split_once(']')?;
            found.push(Step::Item(number.parse().ok()?));
            rest = after;
        }
        if !rest.is_empty() {
            return None;
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pressed(draft: &mut Draft, op: &str) -> Option<String> {
        draft.press(op, &Form::default(), "")
    }

    #[test]
    fn parts_are_moved_taken_away_and_found_by_their_path() {
        let mut draft = Draft(json!({ "actions": [
            { "do": "end" },
            { "do": "choose", "branches": [{ "if": [], "then": [{ "do": "wait", "seconds": 1 }, { "do": "end" }] }] },
        ] }));
        assert_eq!(draft.at("actions[1].branches[0].then[0].seconds"), Some(&mut json!(1)));
        pressed(&mut draft, "down:actions[1].branches[0].then[0]");
        assert_eq!(draft.at("actions[1].branches[0].then[1].do"), Some(&mut json!("wait")));
        pressed(&mut draft, "up:actions[1]");
        pressed(&mut draft, "remove:actions[1]");
        assert_eq!(draft.0["actions"].as_array().map(Vec::len), Some(1));
        pressed(&mut draft, "branch:actions[0]");
        assert_eq!(draft.at("actions[0].branches").and_then(|list| list.as_array().map(Vec::len)), Some(2));
        assert_eq!(pressed(&mut draft, "edit:actions[0]").as_deref(), Some("actions[0]"));
        let before = draft.clone();
        for nonsense in [
            "remove:actions[9]",
            "up:actions[0]",
            "down:",
            "remove:x[0]",
            "branch:name",
            "add:actions",
            "edit",
            "x:y",
            "up:a[[",
            "remove:actions[0]x",
        ] {
            pressed(&mut draft, nonsense);
            assert_eq!(draft, before, "{nonsense}");
        }
    }
}
