//! What is done to connect a device: by which way, under which user name, with which topics. Pure; nothing is issued here.
//! A device gets topics that have its own number in them, whatever its code wishes for.

use domovoi_config::catalogue::{ConnectBy, DeviceType, Maker, Named};
use domovoi_model::DeviceRef;
use domovoi_vault::Secret;
use url::Url;

use super::code::is_serial;
use super::{CodeError, DeviceCode, DevicesError, MakerPage, Surroundings};
use crate::policy::covers;

/// The least length of a number that topics are granted by: shorter ones are words that others use.
const LEAST_SERIAL: usize = 6;

/// The type of a device that is known by its code alone.
const BY_CODE: &str = "domovoi-code";

/// What somebody said of the device.
pub enum How {
    /// It is of a type of the catalogue.
    Type {
        id: String,
        /// Its hardware address, name or serial number, as the type asks.
        serial: Option<String>,
        /// Its maker's token, for a type with a code.
        token: Option<Secret<String>>,
        /// The bridge that it joins; the only one if none is named.
        bridge: Option<DeviceRef>,
        /// Its maker's page, if the hub is to enter the access there.
        maker_page: Option<MakerPage>,
    },
    /// Its code was read.
    Code(DeviceCode),
}

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The id of its type.
    pub type_id: String,
    pub by: ConnectBy,
    pub dialect: String,
    /// The user name of its access; empty where it gets none.
    pub username: String,
    pub publish: Vec<String>,
    pub subscribe: Vec<String>,
    pub is_bridge: bool,
    /// What the code calls it.
    pub name: Option<String>,
    pub model: Option<String>,
    pub(super) recognised: Vec<String>,
    pub(super) bridge: Option<DeviceRef>,
    pub(super) token: Option<Secret<String>>,
    pub(super) setup: Option<Url>,
    pub(super) maker: Option<Maker>,
    pub(super) maker_page: Option<MakerPage>,
}

impl From<CodeError> for DevicesError {
    fn from(error: CodeError) -> Self {
        DevicesError::Invalid(error.to_string())
    }
}

impl Plan {
    /// The role of its credential.
    pub fn role(&self) -> &'static str {
        if self.is_bridge { "bridge" } else { "device" }
    }

    /// Whether the hub gives the device its access itself.
    pub fn hands_over(&self) -> bool {
        self.setup.is_some() || self.maker_page.is_some()
    }

    pub(super) fn calls_itself(&self, model: &str) -> bool {
        let said = model.to_lowercase();
        self.recognised.is_empty() || self.recognised.iter().any(|own| said.contains(&own.to_lowercase()))
    }

    fn of(one: &DeviceType) -> Self {
        Plan {
            type_id: one.id.clone(),
            by: one.by,
            dialect: one.dialect.clone(),
            username: String::new(),
            publish: Vec::new(),
            subscribe: Vec::new(),
            is_bridge: one.is_bridge,
            name: None,
            model: Some(one.model.clone()).filter(|model| !model.is_empty()),
            recognised: one.recognised.clone(),
            bridge: None,
            token: None,
            setup: None,
            maker: one.maker,
            maker_page: None,
        }
    }
}

/// What is to be done for a device.
pub(super) fn plan(around: &Surroundings, how: How) -> Result<Plan, DevicesError> {
    match how {
        How::Type { id, serial, token, bridge, maker_page } => {
            let one = around.catalogue.find(&id);
            let one = one.ok_or_else(|| DevicesError::Invalid(format!("the catalogue has no type «{id}»")))?;
            let mut plan = Plan { bridge, ..Plan::of(one) };
            match one.by {
                ConnectBy::Bridge | ConnectBy::Heard => return Ok(plan),
                ConnectBy::Access => {
                    plan.maker_page = maker_page;
                    if plan.maker_page.is_some() && one.maker.is_none() {
                        return Err(DevicesError::Invalid("a person enters the access of this device".into()));
                    }
                }
                ConnectBy::Code => {
                    let missing = || DevicesError::Invalid("token: it stands beside the device's code".into());
                    plan.token = Some(super::code::token(token.ok_or_else(missing)?.expose())?);
                }
            }
            let named = Named::read(one.serial, serial.as_deref().unwrap_or_default());
            let named = named.map_err(|why| DevicesError::Invalid(why.to_string()))?;
            if one.by == ConnectBy::Code {
                check_serial(around, named.text())?;
            } else if !one.is_bridge && !named.text().is_empty() {
                not_reserved(around, named.text())?;
            }
            plan.username = match (one.by, named.text()) {
                (ConnectBy::Code, serial) => serial.to_owned(),
                (_, "") => one.id.clone(),
                (_, serial) => format!("{}-{}", one.id, serial.to_lowercase()),
            };
            let bases = |word: &str| {
                let of = around.bases.iter().find(|(known, _)| *known == word);
                of.map(|(_, bases)| bases.clone()).unwrap_or_default()
            };
            plan.publish = named.fill(&one.publish, bases);
            plan.subscribe = named.fill(&one.subscribe, bases);
            if plan.publish.is_empty() {
                return Err(DevicesError::Conflict(format!(
                    "the dialect «{}» is switched off in the settings",
                    one.dialect
                )));
            }
            Ok(plan)
        }
        How::Code(code) => of_code(around, code),
    }
}

fn of_code(around: &Surroundings, code: DeviceCode) -> Result<Plan, DevicesError> {
    check_serial(around, &code.serial)?;
    let statuses = around.bases.iter().filter(|(word, _)| *word == "prefix").flat_map(|(_, bases)| bases);
    let heard_by_all: Vec<String> = statuses.map(|prefix| format!("{prefix}/status")).collect();
    let own = |filter: &String| is_own(filter, &code.serial);
    let beyond = code.publish.iter().filter(|filter| !own(filter));
    let beyond = beyond.chain(code.subscribe.iter().filter(|filter| !own(filter) && !heard_by_all.contains(filter)));
    let beyond: Vec<&str> = beyond.map(String::as_str).collect();
    if !beyond.is_empty() {
        return Err(DevicesError::Invalid(format!(
            "the device wishes for more than its own topics ({}): it is not connected so",
            beyond.join(", ")
        )));
    }
    if code.publish.is_empty() {
        return Err(DevicesError::Invalid("the code names no topic on which the device would speak".into()));
    }
    if let Some(setup) = &code.setup {
        super::handover::check_setup(setup, around.setup_on_this_machine).map_err(DevicesError::Invalid)?;
    }
    let known = code.model.as_deref().and_then(|model| around.catalogue.recognise("homeassistant", model));
    Ok(Plan {
        type_id: known.map_or(BY_CODE, |one| &one.id).to_owned(),
        by: ConnectBy::Code,
        dialect: "homeassistant".into(),
        username: code.serial,
        publish: code.publish,
        subscribe: code.subscribe,
        is_bridge: false,
        name: code.name,
        model: code.model,
        recognised: Vec::new(),
        bridge: None,
        token: Some(code.token),
        setup: code.setup,
        maker: None,
        maker_page: None,
    })
}

/// A number by which topics are granted is one that no topic of others is called by.
fn check_serial(around: &Surroundings, serial: &str) -> Result<(), DevicesError> {
    let numbered = serial.bytes().any(|byte| byte.is_ascii_digit()) && serial.len() >= LEAST_SERIAL;
    if !is_serial(serial) || !numbered {
        return Err(DevicesError::Invalid(format!(
            "a serial number has at least {LEAST_SERIAL} letters and digits, and a digit among them"
        )));
    }
    not_reserved(around, serial)
}

fn not_reserved(around: &Surroundings, name: &str) -> Result<(), DevicesError> {
    const WORDS: [&str; 9] =
        ["tele", "stat", "cmnd", "tasmota", "shellies", "domovoi", "discovery", "config", "status"];
    let mut levels = around.bases.iter().flat_map(|(_, bases)| bases).flat_map(|base| base.split('/'));
    let reserved = levels.any(|level| level.eq_ignore_ascii_case(name));
    if reserved || WORDS.iter().any(|word| word.eq_ignore_ascii_case(name)) {
        return Err(DevicesError::Invalid(format!(
            "«{name}» is a word of the topics of others: name the device otherwise"
        )));
    }
    Ok(())
}

/// Whether a filter is a device's own: its number stands in a level, and no wildcard before it.
fn is_own(filter: &str, serial: &str) -> bool {
    let first = filter.split('/').next().unwrap_or_default();
    let mut named = filter.split('/').take_while(|level| !matches!(*level, "#" | "+"));
    !first.starts_with('$') && first != "domovoi" && named.any(|level| level.eq_ignore_ascii_case(serial))
}

/// Whether one may publish what the other may.
pub(super) fn overlap(some: &[String], others: &[String]) -> bool {
    some.iter().any(|one| others.iter().any(|other| covers(one, other) || covers(other, one)))
}

#[cfg(test)]
mod tests {
    use domovoi_config::catalogue::Catalogue;

    use super::*;

    fn around() -> Surroundings {
        Surroundings {
            catalogue: Catalogue::built_in(),
            bases: vec![
                ("prefix", vec!["homeassistant".into()]),
                ("zigbee2mqtt", vec!["zigbee2mqtt".into(), "home/zigbee-2".into()]),
                ("wmbusmeters", vec!["wmbusmeters".into()]),
            ],
            hosts: Vec::new(),
            setup_on_this_machine: false,
            kick: Box::new(|_| {}),
        }
    }

    fn code(serial: &str, publish: &[&str], subscribe: &[&str]) -> How {
        let mut text = url::form_urlencoded::Serializer::new(String::from("domovoi://device?v=1&"));
        text.append_pair("serial", serial).append_pair("token", "00112233445566778899aabbccddeeff");
        text.extend_pairs(publish.iter().map(|filter| ("publish", filter)));
        text.extend_pairs(subscribe.iter().map(|filter| ("subscribe", filter)));
        How::Code(DeviceCode::read(&text.finish()).unwrap())
    }

    fn of_type(id: &str, serial: &str) -> How {
        How::Type { id: id.into(), serial: Some(serial.into()), token: None, bridge: None, maker_page: None }
    }

    #[test]
    fn a_code_gets_what_has_its_own_number_in_it_and_nothing_else() {
        let around = around();
        let serial = "ESP-7C9EBD4A5B6C";
        let own = ["esp/esp-7c9ebd4a5b6c/#", "homeassistant/device/esp-7c9ebd4a5b6c/config"];
        let heard = ["esp/esp-7c9ebd4a5b6c/#", "homeassistant/status"];
        let plan = plan(&around, code(serial, &own, &heard)).unwrap();
        assert_eq!((plan.username.as_str(), plan.role(), plan.type_id.as_str()), (serial, "device", BY_CODE));
        for (serial, publish, subscribe) in [
            (serial, &["#"][..], &[][..]),
            (serial, &["+/esp-7c9ebd4a5b6c/x"], &[]),
            (serial, &["zigbee2mqtt/#"], &[]),
            (serial, &["$SYS/esp-7c9ebd4a5b6c"], &[]),
            (serial, &["domovoi/esp-7c9ebd4a5b6c"], &[]),
            (serial, &own, &["zigbee2mqtt/#"]),
            (serial, &own, &["homeassistant/#"]),
            (serial, &[], &[]),
            // The number is a word of others.
            ("zigbee2mqtt", &["zigbee2mqtt/#"], &[]),
            ("zigbee-2", &["home/zigbee-2/#"], &[]),
            ("lamp", &["lamp/#"], &[]),
            ("kitchen", &["kitchen/#"], &[]),
        ] {
            assert!(
                super::plan(&around, code(serial, publish, subscribe)).is_err(),
                "{serial} {publish:?} {subscribe:?}"
            );
        }
    }

    #[test]
    fn a_type_gets_its_topics_and_a_user_name_of_its_own() {
        let around = around();
        let plan = |how| plan(&around, how);
        let plug = plan(of_type("tasmota-plug", "5c:cf:7f:a1:b2:d1")).unwrap();
        assert_eq!(plug.username, "tasmota-plug-5ccf7fa1b2d1");
        assert!(plug.publish.contains(&"tele/tasmota_A1B2D1/#".to_owned()));
        let bridge = plan(of_type("zigbee2mqtt", "")).unwrap();
        assert_eq!((bridge.username.as_str(), bridge.role()), ("zigbee2mqtt", "bridge"));
        assert_eq!(bridge.publish, ["zigbee2mqtt/#", "home/zigbee-2/#"]);
        assert!(plan(of_type("aqara-leak", "")).unwrap().username.is_empty());
        for (id, serial) in [
            ("none", ""),
            ("tasmota-plug", ""),
            ("tasmota-plug", "lamp"),
            ("esphome", "a/b"),
            ("esphome", "homeassistant"),
            ("esphome", "zigbee2mqtt"),
            ("domovoi-code", "ESP-7C9EBD4A5B6C"),
        ] {
            assert!(plan(of_type(id, serial)).is_err(), "{id} {serial}");
        }
        let (one, other) = (plan(of_type("esphome", "bath")).unwrap(), plan(of_type("esphome", "hall")).unwrap());
        assert!(!overlap(&one.publish, &other.publish) && overlap(&one.publish, &one.publish));
    }
}
