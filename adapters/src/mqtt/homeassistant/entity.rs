//! One entity of Home Assistant: a handful of properties, the topics it hears, what it says for a command.
//!
//! A component's file builds it once from its options ([`Plan`]); afterwards nobody looks at the config again. What
//! components have in common is data ([`Reading`], [`Form`]); what one alone has is a function of its own.

use std::sync::Arc;

use domovoi_model::{Hazard, Unit, Value};
use rust_decimal::Decimal;

use super::components::Component;
use super::options::{Bad, Options};
use super::reading::Sink;
use super::saying::Form;
use crate::fault::printable;
use crate::template::{Out, Template};
use crate::{Category, PropertyInfo, Shape, What};

/// What an entity is recognised by, whatever topic its config has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) component: Component,
    /// The `unique_id`, or the config's topic and key where there is none.
    pub(super) id: Box<str>,
}

/// An entity.
#[derive(Debug, Clone)]
pub(super) struct Entity {
    pub(super) key: Key,
    /// The topic of its config.
    pub(super) at: Arc<str>,
    /// Its key among the components of a device's config.
    pub(super) part: Option<Box<str>>,
    /// What its properties are called after.
    pub(super) stem: Box<str>,
    pub(super) properties: Vec<Property>,
    pub(super) channels: Vec<Channel>,
    pub(super) availability: Option<Arc<super::availability::Availability>>,
    /// What only its component's own functions know.
    pub(super) extra: Extra,
    /// Left out of its device's last config: with the next one it goes.
    pub(super) left_out: bool,
    /// Of the config that it was built from.
    pub(super) digest: u64,
}

/// What an entity of one component knows besides.
#[derive(Debug, Clone, Default)]
pub(super) enum Extra {
    #[default]
    Nothing,
    Light(Box<super::components::light::Lamp>),
    /// The words of a state, and what they mean.
    Words(Vec<(Box<str>, Box<str>)>),
    /// Words that have topics of their own.
    Orders(Vec<(&'static str, Arc<str>, Option<Template>)>),
    /// How off is said, where it is said otherwise than on.
    Off(Box<Template>),
}

/// One property of an entity.
#[derive(Debug, Clone)]
pub(super) struct Property {
    /// What stands behind the stem; empty for the main value.
    pub(super) suffix: &'static str,
    /// All but the name.
    pub(super) info: PropertyInfo,
    pub(super) reading: Reading,
    pub(super) say: Option<Box<Say>>,
    /// How far a report may be from a command that it confirms.
    pub(super) tolerance: Decimal,
}

/// How a text becomes a value.
#[derive(Debug, Clone)]
pub(super) enum Reading {
    /// A number where it is one, else a text.
    Any,
    /// A number and nothing else.
    Number,
    /// A number, or this word for none.
    NumberOr(Box<str>),
    /// A number on another scale: (raw − zero) × 100 ÷ (full − zero).
    Percent { zero: Decimal, full: Decimal },
    /// Any text.
    Text,
    /// One of these texts.
    Choice,
    /// These texts, as yes and no.
    Flag { on: Box<str>, off: Box<str> },
    /// The numbers of a colour in this mode.
    Colour(&'static str),
    /// These texts, as these values; others are not understood.
    Words(Vec<(Box<str>, Value)>),
}

/// How a command is said.
#[derive(Debug, Clone)]
pub(super) struct Say {
    pub(super) topic: Arc<str>,
    pub(super) template: Option<Template>,
    pub(super) form: Form,
}

/// A topic that is heard, and for what.
#[derive(Debug, Clone)]
pub(super) struct Channel {
    pub(super) topic: Arc<str>,
    pub(super) template: Template,
    pub(super) hears: Hears,
}

/// For what a topic is heard.
#[derive(Clone, Copy)]
pub(super) enum Hears {
    /// The value of the property at this place.
    Property(u8),
    /// What the component makes of it.
    Own(fn(&Entity, &Out<'_>, &mut Sink<'_, '_>)),
    /// Attributes, each a value of its own.
    Attributes,
    /// A moment, not a state: a replay is no event.
    Event(fn(&Entity, &Out<'_>, &mut Sink<'_, '_>)),
}

impl std::fmt::Debug for Hears {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Hears::Property(_) => "Property",
            Hears::Own(_) => "Own",
            Hears::Attributes => "Attributes",
            Hears::Event(_) => "Event",
        })
    }
}

impl Entity {
    /// Its property with this suffix.
    pub(super) fn place(&self, suffix: &str) -> Option<usize> {
        self.properties.iter().position(|property| property.suffix == suffix)
    }

    /// Whether it tells of a danger.
    pub(super) fn is_hazard(&self) -> bool {
        self.properties.iter().any(|property| property.info.hazard.is_some())
    }
}

/// An entity under construction.
pub(super) struct Plan<'o, 'a> {
    pub(super) options: &'o Options<'a>,
    pub(super) entity: Entity,
    category: Category,
    label: Option<Arc<str>>,
    class: Option<Arc<str>>,
}

impl<'o, 'a> Plan<'o, 'a> {
    pub(super) fn new(options: &'o Options<'a>, entity: Entity) -> Result<Self, Bad> {
        let category = match options.text("entity_category").as_deref() {
            None => Category::Main,
            Some("config") => Category::Setting,
            Some("diagnostic") => Category::Diagnostic,
            Some(_) => return Err(Bad::new(What::WrongType, "entity_category", "is neither config nor diagnostic")),
        };
        let label = options.text("name").filter(|name| !name.trim().is_empty()).map(|name| printable(&name).into());
        let class = options.text("device_class").filter(|class| !class.is_empty() && class != "None");
        Ok(Plan { options, entity, category, label, class: class.map(|class| printable(&class).into()) })
    }

    pub(super) fn class(&self) -> Option<&str> {
        self.class.as_deref()
    }

    /// One more property; the first is what the entity is there for and carries its class.
    pub(super) fn property(&mut self, suffix: &'static str, shape: Shape, reading: Reading) -> &mut Property {
        let component = self.entity.key.component.word();
        let mut info = PropertyInfo::new(String::new(), shape);
        info.category = self.category;
        info.label = match (&self.label, suffix) {
            (label, "") => label.clone(),
            (Some(label), suffix) => Some(format!("{label} {}", suffix.replace('_', " ")).into()),
            (None, _) => None,
        };
        info.class = match (&self.class, suffix) {
            (Some(class), "") => Some(class.clone()),
            (None, "") if matches!(component, "sensor" | "binary_sensor") => None,
            (None, "") => Some(component.into()),
            (_, suffix) => Some(format!("{component}.{suffix}").into()),
        };
        info.kind = Some(component.into());
        info.kind_class.clone_from(&self.class);
        info.reported = false;
        let places = self.entity.properties.len();
        self.entity.properties.push(Property { suffix, info, reading, say: None, tolerance: Decimal::ZERO });
        // It was pushed just now.
        &mut self.entity.properties[places]
    }

    /// Whether there are properties yet.
    pub(super) fn is_empty(&self) -> bool {
        self.entity.properties.is_empty()
    }

    /// The last property is heard on the topic of one key, through the template of another.
    pub(super) fn hears(&mut self, topic: &str, template: &str) -> Result<bool, Bad> {
        let Some(topic) = self.options.hears(topic)? else { return Ok(false) };
        // Here one template may stand for all that have none of their own.
        let shared = matches!(self.entity.key.component, Component::Climate | Component::WaterHeater);
        let template = if shared && !self.options.has(template) { "value_template" } else { template };
        let template = self.options.template(template)?.unwrap_or(Template::Value);
        let Some(place) = self.entity.properties.len().checked_sub(1) else { return Ok(false) };
        self.listen(topic, template, place);
        Ok(true)
    }

    pub(super) fn listen(&mut self, topic: Arc<str>, template: Template, place: usize) {
        let Ok(at) = u8::try_from(place) else { return };
        self.entity.channels.push(Channel { topic, template, hears: Hears::Property(at) });
        if let Some(property) = self.entity.properties.get_mut(place) {
            property.info.reported = true;
        }
    }

    /// The topic of one key is heard through the template of another by the component itself, which reports these.
    pub(super) fn own(&mut self, topic: &str, template: &str, hears: Hears, reports: &[&str]) -> Result<bool, Bad> {
        let Some(topic) = self.options.hears(topic)? else { return Ok(false) };
        let template = self.options.template(template)?.unwrap_or(Template::Value);
        self.entity.channels.push(Channel { topic, template, hears });
        for property in &mut self.entity.properties {
            property.info.reported |= reports.contains(&property.suffix);
        }
        Ok(true)
    }

    /// The last property takes commands on the topic of one key, through the template of another.
    pub(super) fn says(&mut self, topic: &str, template: &str, form: Form) -> Result<bool, Bad> {
        let Some(topic) = self.options.says(topic)? else { return Ok(false) };
        let template = self.options.template(template)?;
        if let Some(property) = self.entity.properties.last_mut() {
            property.say = Some(Box::new(Say { topic, template, form }));
            property.info.writable = true;
        }
        Ok(true)
    }

    /// A main value of yes and no, heard and said as switches are.
    pub(super) fn switch(&mut self, on: &str, off: &str) -> Result<(), Bad> {
        let options = self.options;
        let (on, off) = (options.text_or("payload_on", on), options.text_or("payload_off", off));
        let reading = Reading::Flag {
            on: options.text_or("state_on", &on).into(),
            off: options.text_or("state_off", &off).into(),
        };
        let shape = Shape::Switch { on: Value::Text(on.clone()), off: Value::Text(off.clone()) };
        self.property("", shape, reading);
        Ok(())
    }
}

/// The danger that a class of binary sensors tells of. `safety` and `problem` name none: nobody knows which valve to close.
pub(super) fn hazard(class: &str) -> Option<Hazard> {
    Some(match class {
        "moisture" => Hazard::WaterLeak,
        "gas" => Hazard::Gas,
        "smoke" => Hazard::Smoke,
        "carbon_monoxide" => Hazard::CarbonMonoxide,
        _ => return None,
    })
}

/// The unit of a config.
pub(super) fn measure(info: &mut PropertyInfo, options: &Options<'_>) {
    if let Some(spelling) = options.text("unit_of_measurement") {
        info.measured_in(Unit::parse(&spelling), &spelling);
    }
}
