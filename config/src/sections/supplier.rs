//! `[[supplier]]`: who takes readings, when, and how they want them.

use domovoi_model::{Resource, Unit};
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use crate::mistake::Wrong;
use crate::reader::Section;
use crate::scalar;
use crate::sections::window::{PlacedWindow, read_windows};
use crate::window::Window;

const MAX_SUPPLIERS: usize = 32;

/// One who sells a resource to the household and takes readings for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Supplier {
    /// `[a-z0-9_-]{1,64}`, unique in the file; accounts in the store and at the portal refer to it.
    pub id: String,
    /// As people know it.
    pub name: String,
    /// In which its days are counted.
    pub time_zone: TimeZone,
    /// Whether a fourth tariff register is sent too (ГИС ЖКХ knows three).
    pub takes_t4: bool,
    /// What becomes of an act that was not handed in before its window closed.
    pub late: Late,
    /// What it sells; at least one, each once.
    pub resources: Vec<Resource>,
    /// When it takes readings; every resource is in at least one, and no two that share a resource are open together.
    pub windows: Vec<Window>,
    /// How it wants the readings of each resource; one per resource, in the order of `resources`.
    pub services: Vec<Service>,
}

impl Supplier {
    /// How it wants the readings of a resource; `None` if it does not sell it.
    pub fn service(&self, resource: Resource) -> Option<&Service> {
        self.services.iter().find(|service| service.resource == resource)
    }

    /// When it takes the readings of a resource.
    pub fn windows_for(&self, resource: Resource) -> impl Iterator<Item = &Window> {
        self.windows.iter().filter(move |window| window.resources.contains(&resource))
    }
}

/// What becomes of an act that was not handed in before its window closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Late {
    /// It waits for the next window, and goes before that one's act.
    Hold,
    /// It is handed in late; the supplier decides.
    Send,
}

/// How a supplier wants the readings of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Of what.
    pub resource: Resource,
    /// How many decimals it takes, 0..=7.
    pub decimals: u8,
    /// What becomes of the decimals beyond.
    pub rounding: Rounding,
    /// More than this in a month, in `unit`, is not believed without a person's word.
    pub max_per_month: Option<Decimal>,
}

impl Service {
    /// As the supplier has it who said nothing else.
    fn standard(resource: Resource) -> Self {
        Service { resource, decimals: 3, rounding: Rounding::Down, max_per_month: None }
    }

    /// The unit of its readings, which is the one that the resource is billed in.
    pub fn unit(&self) -> Unit {
        self.resource.unit()
    }
}

/// What becomes of decimals that a supplier does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rounding {
    /// They are cut off. A register that is rounded up would state what has not been used.
    Down,
}

/// All suppliers, each with the line of its header.
pub(crate) fn read_all(root: &mut Section<'_>, home: &TimeZone) -> Vec<(usize, Supplier)> {
    let mut suppliers: Vec<(usize, Supplier)> = Vec::new();
    let mut ids: Vec<(String, usize)> = Vec::new();
    for mut section in root.take_tables("supplier", MAX_SUPPLIERS) {
        let line = section.line();
        section.must_have("id", "\"mosvodokanal\"");
        let id_at = section.place_of("id");
        let id = section.take_parsed("id", scalar::name);
        if let Some(id) = &id {
            if let Some((_, first)) = ids.iter().find(|(other, _)| other == id) {
                let here = section.line_of(id_at);
                let wrong =
                    Wrong::new(format!("\"{id}\" at line {here} is already the id of the supplier at line {first}"));
                section.wrong_at(id_at, "id", wrong.hint("give each supplier an id of its own"));
            }
            ids.push((id.clone(), line));
        }
        let supplier = read(section, id.unwrap_or_default(), home);
        suppliers.push((line, supplier));
    }
    suppliers
}

fn read(mut section: Section<'_>, id: String, home: &TimeZone) -> Supplier {
    section.must_have("name", "\"Мосводоканал\"");
    section.must_have("resources", "[\"cold_water\"]");
    let name = section.take_string("name", 200).unwrap_or_default();
    let time_zone = section.take_parsed("time_zone", scalar::time_zone).unwrap_or_else(|| home.clone());
    let takes_t4 = section.take_bool("takes_t4").unwrap_or(false);
    let late = section.take_enum("late", &[("hold", Late::Hold), ("send", Late::Send)]).unwrap_or(Late::Hold);
    let resources = take_resources(&mut section, None);
    let windows = read_windows(&mut section, resources.as_deref());
    let services = read_services(&mut section, resources.as_deref());
    if let Some(resources) = &resources {
        every_resource_has_a_window(&section, resources, &windows);
    }
    section.finish();
    Supplier {
        id,
        name,
        time_zone,
        takes_t4,
        late,
        resources: resources.unwrap_or_default(),
        windows: windows.into_iter().map(|placed| placed.window).collect(),
        services,
    }
}

/// `resources` of a supplier, or of one of its windows, which may only name what the supplier has.
pub(crate) fn take_resources(section: &mut Section<'_>, of: Option<&[Resource]>) -> Option<Vec<Resource>> {
    let mut seen = Vec::new();
    section.take_list("resources", 1..=Resource::ALL.len(), |item| {
        item.parsed(|text| {
            let resource = resource(text, of)?;
            if seen.contains(&resource) {
                return Err(Wrong::new(format!("{resource} is in the list twice")));
            }
            seen.push(resource);
            Ok(resource)
        })
    })
}

fn resource(text: &str, of: Option<&[Resource]>) -> Result<Resource, Wrong> {
    let resource = scalar::choice(text, &Resource::ALL.map(|r| (r.code(), r)))?;
    if of.is_some_and(|of| !of.contains(&resource)) {
        return Err(Wrong::new(format!("{resource} is not among the supplier's `resources`")).hint("add it there"));
    }
    Ok(resource)
}

fn every_resource_has_a_window(section: &Section<'_>, resources: &[Resource], windows: &[PlacedWindow]) {
    // Windows that could not be read have their own mistakes; then nobody knows what they would have covered.
    if windows.is_empty() || windows.iter().any(|placed| !placed.sound) {
        return;
    }
    for resource in resources.iter().filter(|r| !windows.iter().any(|placed| placed.window.resources.contains(r))) {
        section.wrong(
            Wrong::new(format!("no window takes the readings of {resource}"))
                .hint("add a `[[supplier.window]]` for it, or remove it from `resources`"),
        );
    }
}

fn read_services(supplier: &mut Section<'_>, resources: Option<&[Resource]>) -> Vec<Service> {
    let mut services: Vec<(usize, Service)> = Vec::new();
    for mut section in supplier.take_tables("service", Resource::ALL.len()) {
        section.must_have("resource", "\"cold_water\"");
        let line = section.line();
        let resource_at = section.place_of("resource");
        let resource = section.take_parsed("resource", |text| resource(text, resources));
        section.take_parsed("unit", |text| unit(text, resource));
        let decimals = section.take_int("decimals", 0..=7).and_then(|n| u8::try_from(n).ok()).unwrap_or(3);
        let rounding = section.take_enum("rounding", &[("down", Rounding::Down)]).unwrap_or(Rounding::Down);
        let max_per_month = section.take_parsed("max_per_month", scalar::amount);
        if let Some(resource) = resource {
            if let Some((first, _)) = services.iter().find(|(_, service)| service.resource == resource) {
                let wrong = Wrong::new(format!("{resource} at line {line} has a service at line {first} already"));
                section.wrong_at(resource_at, "resource", wrong.hint("remove one of them"));
            }
            services.push((line, Service { resource, decimals, rounding, max_per_month }));
        }
        section.finish();
    }
    let chosen = |r: &Resource| services.iter().find(|(_, service)| service.resource == *r).map(|(_, s)| s.clone());
    resources.unwrap_or_default().iter().map(|r| chosen(r).unwrap_or_else(|| Service::standard(*r))).collect()
}

/// The unit says nothing that the resource does not say; it is there to be read by people, and so it has to be true.
fn unit(text: &str, resource: Option<Resource>) -> Result<(), Wrong> {
    let Some(resource) = resource else { return Ok(()) };
    if Unit::parse(text) == Some(resource.unit()) {
        return Ok(());
    }
    let right = resource.unit().symbol();
    Err(Wrong::new(format!("{} is the wrong unit: {resource} is billed in {right}", scalar::quoted(text)))
        .hint(format!("write `unit = \"{right}\"`")))
}
