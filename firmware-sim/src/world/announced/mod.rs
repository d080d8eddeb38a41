//! Devices that announce themselves by Home Assistant's discovery: one config per component, one config for the device, or
//! as ESPHome does it (abbreviations, `<name>/status`, retained states, everything again at a hub's birth). No groups, no
//! attributes, no encodings but UTF-8.

mod entities;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{
    colour::Colour,
    device::{Body, Handle},
    faults::{Faults, Ghost, spoilt, utc},
    link::{BrokerAddress, Credentials, Link, LinkSettings, LinkTruth, Message},
    parts::{Pace, Parts},
    simulator::{Simulator, Touch, Truth},
    things::{Hazard, Heating, Order, Thing},
};
use crate::Clock;
use entities::{Entity, entities, ordered, said};

/// How a device announces itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `<prefix>/<component>/<node>/<object>/config`; states are plain, one topic each; `~` for the base.
    Single,
    /// `<prefix>/device/<node>/config`; one state topic with JSON, read by templates.
    Device,
    /// As `Single`, abbreviated, states retained.
    Esphome,
}

#[derive(Debug, Clone)]
pub struct AnnouncedSettings {
    pub credentials: Credentials,
    pub prefix: String,
    pub form: Form,
    /// Stable: part of every id and topic. `[a-z0-9_-]`.
    pub node: String,
    /// All its topics begin with it.
    pub root: String,
    pub name: String,
    /// Twelve hex digits.
    pub mac: String,
    pub maker: String,
    pub model: String,
    /// Id, name, thing.
    pub parts: Vec<(String, String, Thing)>,
    pub pace: Pace,
    pub interval: Option<Duration>,
}

impl AnnouncedSettings {
    fn of(form: Form, node: &str, name: &str, mac: &str, parts: &[(&str, &str, Thing)]) -> Self {
        Self {
            credentials: Credentials { client_id: node.into(), username: node.into(), password: String::new() },
            prefix: "homeassistant".into(),
            form,
            node: node.into(),
            root: node.into(),
            name: name.into(),
            mac: mac.into(),
            maker: "DIY".into(),
            model: "board".into(),
            parts: parts.iter().map(|(id, name, thing)| ((*id).into(), (*name).into(), thing.clone())).collect(),
            pace: Pace { answer: Duration::from_millis(60), ..Pace::default() },
            interval: Some(Duration::from_secs(30)),
        }
    }

    /// A boiler room's board, one config per component.
    pub fn single() -> Self {
        Self::of(
            Form::Single,
            "boiler-room",
            "Котельная",
            "3c61051a2b01",
            &[
                ("gas", "Газ", Thing::Alarm { hazard: Hazard::Gas, on: false }),
                ("co", "Угарный газ", Thing::Alarm { hazard: Hazard::CarbonMonoxide, on: false }),
                ("valve", "Газовый кран", Thing::Valve { open: true }),
                ("siren", "Сирена", Thing::Switch { on: false }),
                ("air", "Воздух", Thing::Climate { tenths_c: 180, humidity_percent: 40 }),
            ],
        )
    }

    /// A living room's board, one config in all.
    pub fn device() -> Self {
        Self::of(
            Form::Device,
            "living-room",
            "Гостиная",
            "3c61051a2b02",
            &[
                (
                    "heating",
                    "Отопление",
                    Thing::Thermostat { mode: Heating::Heat, setpoint_tenths_c: 220, room_tenths_c: 214 },
                ),
                ("blind", "Жалюзи", Thing::Cover { position_percent: 50, target_percent: 50 }),
                ("socket", "Розетка", Thing::Socket { on: true, load_w: 60, energy_wh: 3_210 }),
                ("door", "Дверь", Thing::Lock { locked: true }),
                ("button", "Кнопка", Thing::Button { presses: 0, last: None }),
            ],
        )
    }

    pub fn esphome() -> Self {
        let lamp = Thing::Lamp { on: false, brightness_permille: 500, colour: Colour::White { mired: 300 } };
        let parts = [
            ("lamp", "Ночник", lamp),
            ("leak", "Под ванной", Thing::Alarm { hazard: Hazard::Leak, on: false }),
            ("fan", "Вытяжка", Thing::Switch { on: false }),
            ("air", "Воздух", Thing::Climate { tenths_c: 243, humidity_percent: 61 }),
        ];
        let of = Self::of(Form::Esphome, "bathroom-node", "Ванная", "3c61051a2b03", &parts);
        Self { maker: "Espressif".into(), model: "esp32dev".into(), ..of }
    }

    /// Where its configs are retained.
    pub(super) fn discovery_topics(&self) -> Vec<String> {
        let Self { prefix, node, .. } = self;
        if self.form == Form::Device {
            return vec![format!("{prefix}/device/{node}/config")];
        }
        let each = self.parts.iter().flat_map(|(id, name, thing)| entities(id, name, thing));
        each.map(|entity| format!("{prefix}/{}/{node}/{}/config", entity.component, entity.object)).collect()
    }
}

pub(crate) fn start(broker: &BrokerAddress, settings: AnnouncedSettings, clock: Clock) -> Simulator {
    let status = format!("{}/status", settings.root);
    let online = Message::retained(status.clone(), "online");
    let link = Link::start(LinkSettings {
        broker: broker.clone(),
        credentials: settings.credentials.clone(),
        will: Some(Message::retained(status, "offline")),
        subscriptions: vec![format!("{}/#", settings.root), format!("{}/status", settings.prefix)],
        birth: Arc::new(move || vec![online.clone()]),
    });
    let things = settings.parts.iter().map(|(id, _, thing)| (id.clone(), thing.clone())).collect();
    let (interval, parts) = (settings.interval, Parts::new(things, settings.pace));
    Simulator(Handle::start(Announced { parts, settings, clock, births_answered: 0 }, interval, link))
}

struct Announced {
    settings: AnnouncedSettings,
    parts: Parts,
    clock: Clock,
    births_answered: u64,
}

impl Announced {
    fn entities(&self) -> impl Iterator<Item = (&str, Entity)> {
        self.settings.parts.iter().flat_map(|(id, name, thing)| {
            entities(id, name, thing).into_iter().map(move |entity| (id.as_str(), entity))
        })
    }

    /// Where this entity says or hears this.
    fn topic(&self, entity: &Entity, leaf: &str) -> String {
        let leaf = match (self.settings.form, leaf) {
            (Form::Esphome, "set") => "command",
            _ => leaf,
        };
        format!("{}/{}/{}/{leaf}", self.settings.root, entity.component, entity.object)
    }

    fn device(&self) -> Value {
        let AnnouncedSettings { node, name, mac, maker, model, .. } = &self.settings;
        let pairs: Vec<&str> = (0..mac.len() / 2).filter_map(|at| mac.get(at * 2..at * 2 + 2)).collect();
        json!({
            "identifiers": [node], "connections": [["mac", pairs.join(":")]], "name": name, "manufacturer": maker,
            "model": model, "sw_version": "2026.4.0",
        })
    }

    fn config(&self, entity: &Entity) -> Map<String, Value> {
        let form = self.settings.form;
        let mut config = entity.options.clone();
        config.insert("name".into(), entity.name.clone().into());
        config.insert("unique_id".into(), format!("{}_{}", self.settings.node, entity.object).into());
        for (topic_key, template_key, leaf) in &entity.says {
            if form == Form::Device && !template_key.is_empty() {
                config.insert((*topic_key).into(), format!("{}/state", self.settings.root).into());
                config.insert((*template_key).into(), format!("{{{{ value_json.{}_{leaf} }}}}", entity.object).into());
            } else {
                config.insert((*topic_key).into(), self.based(self.topic(entity, leaf)));
            }
        }
        for (topic_key, leaf) in &entity.hears {
            config.insert((*topic_key).into(), self.based(self.topic(entity, leaf)));
        }
        config
    }

    /// `~` in place of the root, where the form has it.
    fn based(&self, topic: String) -> Value {
        match (self.settings.form, topic.strip_prefix(&self.settings.root)) {
            (Form::Single, Some(rest)) => format!("~{rest}").into(),
            _ => topic.into(),
        }
    }

    fn discovery(&self) -> Vec<Message> {
        let AnnouncedSettings { prefix, node, root, .. } = &self.settings;
        let origin = json!({ "name": "firmware-sim", "sw_version": env!("CARGO_PKG_VERSION") });
        if self.settings.form == Form::Device {
            let components: Map<String, Value> = self
                .entities()
                .map(|(_, entity)| {
                    let mut config = self.config(&entity);
                    config.insert("platform".into(), entity.component.into());
                    (entity.object, Value::Object(config))
                })
                .collect();
            let config = json!({
                "device": self.device(), "origin": origin, "components": components,
                "availability_topic": format!("{root}/status"),
            });
            return vec![Message::retained(format!("{prefix}/device/{node}/config"), config.to_string())];
        }
        let each = self.entities().map(|(_, entity)| {
            let mut config = self.config(&entity);
            config.insert("device".into(), self.device());
            config.insert("origin".into(), origin.clone());
            config.insert("availability_topic".into(), self.based(format!("{root}/status")));
            if self.settings.form == Form::Single {
                config.insert("~".into(), root.clone().into());
            } else {
                config = abbreviated(config);
            }
            let topic = format!("{prefix}/{}/{node}/{}/config", entity.component, entity.object);
            Message::retained(topic, Value::Object(config).to_string())
        });
        each.collect()
    }

    fn message(&self, topic: String, payload: Vec<u8>) -> Message {
        Message { retain: self.settings.form == Form::Esphome, ..Message::once(topic, payload) }
    }

    /// `part`: only this one's, as far as the form can.
    fn report(&self, part: Option<&str>, faults: &mut Faults, link: &mut Link) {
        let mut together = Map::new();
        for (id, entity) in self.entities() {
            let Some(thing) = self.parts.shown(id) else { continue };
            for (_, template_key, leaf) in &entity.says {
                let Some(value) = said(thing, leaf) else { continue };
                if self.settings.form == Form::Device && !template_key.is_empty() {
                    together.insert(format!("{}_{leaf}", entity.object), value);
                } else if part.is_none_or(|part| part == id) {
                    let plain = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    let payload = spoilt(faults.next_spoil(), &plain, "120");
                    link.send(self.message(self.topic(&entity, leaf), payload));
                }
            }
        }
        if !together.is_empty() {
            together.insert("time".into(), utc(&self.clock, faults.clock_offset_s).into());
            let payload = spoilt(faults.next_spoil(), &Value::Object(together).to_string(), "120");
            link.send(self.message(format!("{}/state", self.settings.root), payload));
        }
    }

    fn press(&self, part: &str, action: &str, link: &mut Link) {
        for (_, entity) in self.entities().filter(|(id, entity)| *id == part && entity.component == "event") {
            let payload = json!({ "event_type": action }).to_string();
            link.send(Message::once(self.topic(&entity, "event"), payload));
        }
    }

    fn id(&self, id_or_name: &str) -> Option<String> {
        let mut parts = self.settings.parts.iter();
        parts.find(|(id, name, _)| id == id_or_name || name == id_or_name).map(|(id, ..)| id.clone())
    }
}

/// As ESPHome shortens its configs.
fn abbreviated(config: Map<String, Value>) -> Map<String, Value> {
    let short = |key: &str| match key {
        "availability_topic" => "avty_t",
        "command_topic" => "cmd_t",
        "connections" => "cns",
        "device" => "dev",
        "device_class" => "dev_cla",
        "identifiers" => "ids",
        "manufacturer" => "mf",
        "model" => "mdl",
        "origin" => "o",
        "state_class" => "stat_cla",
        "state_topic" => "stat_t",
        "supported_color_modes" => "sup_clrm",
        "sw_version" => "sw",
        "unique_id" => "uniq_id",
        "unit_of_measurement" => "unit_of_meas",
        "value_template" => "val_tpl",
        _ => "",
    };
    let each = config.into_iter().map(|(key, value)| {
        let value = match (key.as_str(), value) {
            ("device" | "origin", Value::Object(inner)) => Value::Object(abbreviated(inner)),
            (_, value) => value,
        };
        let shorter = short(&key);
        (if shorter.is_empty() { key } else { shorter.to_owned() }, value)
    });
    each.collect()
}

impl Body for Announced {
    type Knob = Touch;
    type Truth = Truth;

    fn advance(&mut self) {
        self.parts.advance();
    }

    fn publish(&mut self, faults: &mut Faults, link: &mut Link) {
        self.report(None, faults, link);
    }

    fn connected(&mut self, faults: &mut Faults, link: &mut Link) {
        for message in self.discovery() {
            link.send(message);
        }
        self.report(None, faults, link);
    }

    fn turn(&mut self, knob: Touch, faults: &mut Faults, link: &mut Link) {
        match knob {
            Touch::Thing { id, order } => {
                let Some(id) = self.id(&id) else { return };
                if self.parts.touch(&id, &order) && !faults.silent {
                    if let Order::Press(action) = &order {
                        self.press(&id, action, link);
                    }
                    self.report(Some(&id), faults, link);
                }
            }
            Touch::Retire => {
                let mut topics = self.settings.discovery_topics();
                topics.push(format!("{}/status", self.settings.root));
                if self.settings.form == Form::Esphome {
                    for (_, entity) in self.entities() {
                        topics.extend(entity.says.iter().map(|(.., leaf)| self.topic(&entity, leaf)));
                    }
                }
                for topic in topics {
                    link.send(Message::retained(topic, ""));
                }
            }
            // It has no bridge.
            Touch::Reach { .. } | Touch::Join { .. } => {}
        }
    }

    fn heard(&mut self, topic: &str, payload: &[u8], faults: &mut Faults, link: &mut Link) {
        if faults.silent {
            return;
        }
        if topic == format!("{}/status", self.settings.prefix) {
            if payload == b"online" {
                self.births_answered += 1;
                self.connected(faults, link);
            }
            return;
        }
        let mut orders = Vec::new();
        for (id, entity) in self.entities() {
            let Some(thing) = self.parts.things.get(id) else { continue };
            for (_, leaf) in entity.hears.iter().filter(|(_, leaf)| self.topic(&entity, leaf) == topic) {
                orders.extend(ordered(thing, leaf, payload).into_iter().map(|order| (id.to_owned(), order)));
            }
        }
        for (id, order) in orders {
            self.parts.order(&id, order, faults);
        }
    }

    fn acknowledged(&mut self, _: u64) {}

    fn next_due(&self) -> Option<Instant> {
        self.parts.next_due()
    }

    fn due(&mut self, faults: &mut Faults, link: &mut Link) {
        for id in self.parts.due() {
            if !faults.silent {
                self.report(Some(&id), faults, link);
            }
        }
    }

    fn ghosts(&self, ghost: Ghost) -> Vec<Message> {
        match ghost {
            Ghost::Command => {
                let switched = self.entities().filter(|(_, entity)| matches!(entity.component, "switch" | "valve"));
                let word = |entity: &Entity| if entity.component == "valve" { "OPEN" } else { "ON" };
                switched.map(|(_, entity)| Message::retained(self.topic(&entity, "set"), word(&entity))).collect()
            }
            Ghost::Discovery => {
                let config = json!({
                    "name": "Призрак", "unique_id": "ghost_leak", "state_topic": "ghost/leak", "device_class": "moisture",
                    "device": { "identifiers": ["ghost"], "name": "Призрак" },
                });
                let topic = format!("{}/binary_sensor/ghost/leak/config", self.settings.prefix);
                vec![Message::retained(topic, config.to_string())]
            }
        }
    }

    fn truth(&self, link: LinkTruth) -> Truth {
        let names = self.settings.parts.iter().map(|(id, name, _)| (id.clone(), name.clone()));
        Truth {
            things: self.parts.things.clone(),
            names: names.collect::<BTreeMap<_, _>>(),
            unreachable: BTreeSet::new(),
            orders: self.parts.orders,
            births_answered: self.births_answered,
            joining: false,
            link,
        }
    }
}
