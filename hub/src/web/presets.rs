//! Rules for danger that fit a device: offered when it is connected, and added at a word. What a rule does is the reflex's
//! business; here it is only put together from what the device is.

use domovoi_adapters::{Category, PropertyInfo, Shape};
use domovoi_model::{DeviceRef, Hazard, Unit, Value};

use super::Desk;
use crate::devices::{DeviceView, Standing};
use crate::safety::{Answer, Danger, Place, Rule, SafetyError, Sensors};

/// At and below so many °C pipes are in danger.
const FROST_BELOW: i64 = 5;

/// A rule that could be added.
#[derive(Debug, Clone)]
pub struct Offer {
    /// Its code: `leak-closes`, `gas-closes`, `smoke-cuts`, `frost-tells`, `closed-by-leaks`, `cut-by-smoke`.
    pub preset: &'static str,
    /// The device's own property that it is about.
    pub place: Place,
    /// What it may close or cut, with names to choose by; nothing where it needs no other device.
    pub others: Vec<(Place, String)>,
}

fn is_switch(info: &PropertyInfo) -> bool {
    let switches = matches!(info.shape, Shape::Switch { .. } | Shape::Unknown);
    info.writable && info.broken.is_none() && info.category == Category::Main && switches
}

fn is_of(info: &PropertyInfo, classes: &[&str]) -> bool {
    info.class.as_deref().is_some_and(|class| classes.contains(&class))
}

/// Something that lets water or gas flow, perhaps under another name: many valves call themselves a switch.
fn may_close(info: &PropertyInfo) -> bool {
    is_switch(info) && !is_of(info, &["light", "lock", "siren"])
}

fn may_cut(info: &PropertyInfo) -> bool {
    is_switch(info) && !is_of(info, &["valve", "lock", "siren"])
}

fn infos(view: &DeviceView) -> impl Iterator<Item = &PropertyInfo> {
    view.properties.iter().filter_map(|property| property.info.as_ref())
}

/// What fits an accepted device, of what whoever asks may see.
pub fn offers(desk: &Desk, device: &DeviceRef, sees: impl Fn(&Place) -> bool) -> Vec<Offer> {
    let Some(view) = desk.devices.show(device).filter(|view| Standing::of(&view.card) == Standing::Accepted) else {
        return Vec::new();
    };
    let all: Vec<DeviceView> =
        desk.devices.list().into_iter().filter(|view| Standing::of(&view.card) == Standing::Accepted).collect();
    let others = |fits: fn(&PropertyInfo) -> bool| {
        let mut found: Vec<(bool, Place, String)> = Vec::new();
        for other in all.iter().filter(|other| other.device() != device) {
            let seen = |info: &&PropertyInfo| sees(&Place::new(other.device().clone(), info.name.clone()));
            for info in infos(other).filter(|info| fits(info)).filter(seen) {
                let label = info.label.as_deref().filter(|_| infos(other).filter(|info| fits(info)).count() > 1);
                let name = label.map_or_else(|| other.name.clone(), |label| format!("{}: {label}", other.name));
                found.push((!is_of(info, &["valve"]), Place::new(other.device().clone(), info.name.clone()), name));
            }
        }
        // Valves that say that they are come first.
        found.sort_by(|a, b| (a.0, &a.2).cmp(&(b.0, &b.2)));
        found.into_iter().map(|(_, place, name)| (place, name)).take(50).collect::<Vec<_>>()
    };
    let mut offers = Vec::new();
    let mut add = |preset, info: &PropertyInfo, others: Option<Vec<(Place, String)>>| {
        let place = Place::new(device.clone(), info.name.clone());
        if sees(&place) && others.as_ref().is_none_or(|others| !others.is_empty()) {
            offers.push(Offer { preset, place, others: others.unwrap_or_default() });
        }
    };
    for info in infos(&view).filter(|info| info.broken.is_none()) {
        match info.hazard {
            Some(Hazard::WaterLeak) => add("leak-closes", info, Some(others(may_close))),
            Some(Hazard::Gas) => add("gas-closes", info, Some(others(may_close))),
            Some(Hazard::Smoke) => add("smoke-cuts", info, Some(others(may_cut))),
            Some(Hazard::CarbonMonoxide) | None => {}
        }
        if info.unit == Unit::Celsius && info.category == Category::Main && !info.writable {
            add("frost-tells", info, None);
        }
    }
    if let Some(info) = infos(&view).find(|info| may_close(info)) {
        add("closed-by-leaks", info, None);
    }
    if let Some(info) = infos(&view).find(|info| may_cut(info)) {
        add("cut-by-smoke", info, None);
    }
    let standing = desk.safety.standing();
    offers.retain(|offer| {
        let made = rule_of(offer, offer.others.first().map(|(place, _)| place), String::new());
        let same = |rule: &&Rule| rule.is_on && rule.danger == made.danger && rule.sensors == made.sensors;
        // With another to choose it may be wanted once more; without, once is enough.
        !offer.others.is_empty() || !standing.rules.iter().filter(same).any(|rule| rule.answers == made.answers)
    });
    offers
}

fn rule_of(offer: &Offer, other: Option<&Place>, name: String) -> Rule {
    let off = |place: &Place| Answer::Set(place.clone(), Value::Bool(false));
    let own = || Sensors::These(vec![offer.place.clone()]);
    let answers = other.map(off).into_iter().collect();
    let (danger, sensors, answers) = match offer.preset {
        "leak-closes" => (Danger::WaterLeak, own(), answers),
        "gas-closes" => (Danger::Gas, own(), answers),
        "smoke-cuts" => (Danger::Smoke, own(), answers),
        "frost-tells" => (Danger::Freezing, own(), Vec::new()),
        "closed-by-leaks" => (Danger::WaterLeak, Sensors::Any, vec![off(&offer.place)]),
        _ => (Danger::Smoke, Sensors::Any, vec![off(&offer.place)]),
    };
    let below = (danger == Danger::Freezing).then(|| FROST_BELOW.into());
    Rule { id: String::new(), name, is_on: true, danger, sensors, below, silent_after_s: None, answers }
}

/// Why a preset was not added.
#[derive(Debug)]
pub enum NotAdded {
    /// It does not fit the device, or the other device does not fit it.
    Unfit,
    Safety(SafetyError),
}

/// Adds the rule of a preset; `name` is what people are to call it.
pub async fn add(
    desk: &Desk,
    device: &DeviceRef,
    preset: &str,
    other: Option<&Place>,
    name: String,
    sees: impl Fn(&Place) -> bool,
) -> Result<Rule, NotAdded> {
    let offer = offers(desk, device, sees).into_iter().find(|offer| offer.preset == preset).ok_or(NotAdded::Unfit)?;
    let other = match (offer.others.is_empty(), other) {
        (true, _) => None,
        (false, Some(wanted)) => offer.others.iter().map(|(place, _)| place).find(|place| *place == wanted),
        (false, None) => offer.others.first().map(|(place, _)| place).filter(|_| offer.others.len() == 1),
    };
    if other.is_none() && !offer.others.is_empty() {
        return Err(NotAdded::Unfit);
    }
    let mut id = [0u8; 8];
    getrandom::fill(&mut id).map_err(|_| NotAdded::Safety(SafetyError::Stopping))?;
    let mut rule = rule_of(&offer, other, name.chars().take(64).collect());
    rule.id = id.iter().map(|byte| format!("{byte:02x}")).collect();
    desk.safety.put_rule(rule).await.map_err(NotAdded::Safety)
}
