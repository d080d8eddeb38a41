//! What the pretend bridge does when it is asked: let devices join, rename, remove, interview, group. Answers carry the
//! transaction of the question, as the real one's do. What it cannot do it says in the real one's words.

use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use super::{
    super::{
        faults::Faults,
        link::{Link, Message},
    },
    Bridge, Group,
    exposes::definition,
};

/// Zigbee's own bound.
const LONGEST_JOIN_S: u64 = 254;

type Done = Result<Value, String>;

fn text(asked: &Value, key: &str) -> Result<String, String> {
    asked[key].as_str().map(str::to_owned).ok_or_else(|| "Invalid payload".to_owned())
}

/// `{"id": …}` or the bare name.
fn subject(asked: &Value) -> Result<String, String> {
    asked.as_str().map(str::to_owned).map_or_else(|| text(asked, "id"), Ok)
}

impl Bridge {
    pub(super) fn answer(&mut self, request: &str, payload: &[u8], faults: &mut Faults, link: &mut Link) {
        let asked = serde_json::from_slice::<Value>(payload)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(payload).trim().to_owned()));
        let done = match request {
            "health_check" => Ok(json!({ "healthy": true })),
            "permit_join" => self.permit_join(&asked, link),
            "device/rename" => self.rename(&asked, faults, link),
            "device/remove" => self.remove(&asked, link),
            "device/interview" => self.interview(&asked, link),
            "device/configure" => subject(&asked).and_then(|id| self.known(&id)).map(|id| json!({ "id": id })),
            "device/options" => self.options(&asked),
            "group/add" => self.group_add(&asked, link),
            "group/remove" => self.group_remove(&asked, link),
            "group/members/add" | "group/members/remove" => self.group_members(&asked, request.ends_with("add"), link),
            "restart" => Ok(json!({})),
            _ => Err(format!("'{request}' is not in this pretend bridge")),
        };
        let mut answer = match done {
            Ok(data) => json!({ "status": "ok", "data": data }),
            Err(error) => json!({ "status": "error", "data": {}, "error": error }),
        };
        if let Some(transaction) = asked.get("transaction") {
            answer["transaction"] = transaction.clone();
        }
        let topic = self.topic(&format!("bridge/response/{request}"));
        link.send(Message::once(topic, answer.to_string()));
        if request == "restart" {
            self.say_everything(faults, link);
        }
    }

    fn known(&self, id: &str) -> Result<String, String> {
        self.ieee(id).ok_or_else(|| format!("Device '{id}' does not exist"))
    }

    fn permit_join(&mut self, asked: &Value, link: &mut Link) -> Done {
        let time_s = asked["time"].as_u64().or_else(|| asked.as_u64()).ok_or("Invalid payload")?;
        if time_s > LONGEST_JOIN_S {
            return Err(format!("Failed to permit join: time {time_s} is above {LONGEST_JOIN_S}"));
        }
        self.joining_until = (time_s > 0).then(|| Instant::now() + Duration::from_secs(time_s));
        self.say_info(link);
        Ok(json!({ "time": time_s }))
    }

    fn rename(&mut self, asked: &Value, faults: &mut Faults, link: &mut Link) -> Done {
        let (from, to) = (text(asked, "from")?, text(asked, "to")?);
        let ieee = self.known(&from)?;
        if to.is_empty() || to.contains(['+', '#']) {
            return Err(format!("Failed to rename: '{to}' is no name"));
        }
        if self.ieee(&to).is_some_and(|other| other != ieee) || self.groups.iter().any(|group| group.name == to) {
            return Err(format!("friendly_name '{to}' is already in use"));
        }
        self.empty(&ieee, link);
        self.names.insert(ieee.clone(), to.clone());
        self.say_devices(link);
        self.say_reach(&ieee, link);
        self.report(&ieee, None, faults, link);
        Ok(json!({ "from": from, "to": to, "homeassistant_rename": asked["homeassistant_rename"] == true }))
    }

    fn remove(&mut self, asked: &Value, link: &mut Link) -> Done {
        let id = subject(asked)?;
        let ieee = self.known(&id)?;
        self.empty(&ieee, link);
        let name = self.names.remove(&ieee);
        self.parts.things.remove(&ieee);
        self.unreachable.remove(&ieee);
        self.groups.iter_mut().for_each(|group| group.members.retain(|member| *member != ieee));
        self.event("device_leave", json!({ "ieee_address": ieee, "friendly_name": name }), link);
        self.say_devices(link);
        self.say_groups(link);
        Ok(json!({ "id": id, "block": asked["block"] == true, "force": asked["force"] == true }))
    }

    fn interview(&mut self, asked: &Value, link: &mut Link) -> Done {
        let id = subject(asked)?;
        let ieee = self.known(&id)?;
        if self.unreachable.contains(&ieee) {
            self.event(
                "device_interview",
                json!({ "ieee_address": ieee, "friendly_name": self.names.get(&ieee), "status": "failed" }),
                link,
            );
            return Err(format!("interview of '{id}' failed: no answer"));
        }
        self.tell_interview(&ieee, link);
        Ok(json!({ "id": id }))
    }

    pub(super) fn tell_interview(&mut self, ieee: &str, link: &mut Link) {
        let name = self.names.get(ieee).cloned();
        let Some(definition) = self.parts.things.get(ieee).map(definition) else { return };
        self.event(
            "device_interview",
            json!({ "ieee_address": ieee, "friendly_name": name, "status": "started" }),
            link,
        );
        self.event(
            "device_interview",
            json!({
                "ieee_address": ieee, "friendly_name": name, "status": "successful", "supported": true,
                "definition": definition,
            }),
            link,
        );
        self.say_devices(link);
    }

    /// Taken and forgotten: it has none.
    fn options(&self, asked: &Value) -> Done {
        let id = text(asked, "id")?;
        self.known(&id)?;
        Ok(json!({ "id": id, "from": {}, "to": asked["options"], "restart_required": false }))
    }

    fn group_add(&mut self, asked: &Value, link: &mut Link) -> Done {
        let name = asked.as_str().map(str::to_owned).map_or_else(|| text(asked, "friendly_name"), Ok)?;
        if self.ieee(&name).is_some() || self.groups.iter().any(|group| group.name == name) {
            return Err(format!("friendly_name '{name}' is already in use"));
        }
        let number = self.groups.iter().map(|group| group.number).max().unwrap_or(0).saturating_add(1);
        self.groups.push(Group { number, name: name.clone(), members: Vec::new() });
        self.say_groups(link);
        Ok(json!({ "friendly_name": name, "id": number }))
    }

    fn group_remove(&mut self, asked: &Value, link: &mut Link) -> Done {
        let name = subject(asked)?;
        let before = self.groups.len();
        self.groups.retain(|group| group.name != name && group.number.to_string() != name);
        if self.groups.len() == before {
            return Err(format!("Group '{name}' does not exist"));
        }
        self.say_groups(link);
        Ok(json!({ "id": name, "force": asked["force"] == true }))
    }

    fn group_members(&mut self, asked: &Value, add: bool, link: &mut Link) -> Done {
        let (name, device) = (text(asked, "group")?, text(asked, "device")?);
        let ieee = self.known(&device)?;
        let group = self.groups.iter_mut().find(|group| group.name == name);
        let group = group.ok_or_else(|| format!("Group '{name}' does not exist"))?;
        group.members.retain(|member| *member != ieee);
        if add {
            group.members.push(ieee);
        }
        self.say_groups(link);
        Ok(json!({ "device": device, "endpoint": "default", "group": name }))
    }
}
