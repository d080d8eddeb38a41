//! The register of accounts, points and meters, as it stands in memory: what the ledger and the clerk look things up in.

use std::collections::HashMap;

use domovoi_model::{Account, AccountId, DeviceRef, Meter, MeterId, MeteringPoint, PointId, Resource, Tariff, Unit};

use super::MeteringError;

/// A property of a device that is a register of a meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// Where.
    pub point: PointId,
    /// The meter that hangs there now.
    pub meter: MeterId,
    /// Which register.
    pub tariff: Tariff,
    /// What is measured.
    pub resource: Resource,
    /// The unit to assume where the device names none.
    pub unit: Option<Unit>,
}

/// A snapshot; a change makes a new one.
#[derive(Debug, Clone, Default)]
pub struct Register {
    /// Every account.
    pub accounts: Vec<Account>,
    /// Every point.
    pub points: Vec<MeteringPoint>,
    /// Every meter, those taken out included.
    pub meters: Vec<Meter>,
    bound: HashMap<DeviceRef, HashMap<String, Bound>>,
}

impl Register {
    /// From what the store holds.
    pub fn new(accounts: Vec<Account>, points: Vec<MeteringPoint>, meters: Vec<Meter>) -> Self {
        let mut register = Register { accounts, points, meters, bound: HashMap::new() };
        let mut bound: HashMap<DeviceRef, HashMap<String, Bound>> = HashMap::new();
        for point in &register.points {
            let (Some(binding), Some(meter)) = (&point.binding, register.meter_at(point.id)) else { continue };
            for (tariff, property) in &binding.registers {
                let entry = Bound {
                    point: point.id,
                    meter: meter.id,
                    tariff: *tariff,
                    resource: point.resource,
                    unit: binding.unit,
                };
                bound.entry(binding.device.clone()).or_default().insert(property.clone(), entry);
            }
        }
        register.bound = bound;
        register
    }

    /// What a device's property is, if it is a register.
    pub fn bound(&self, device: &DeviceRef, property: &str) -> Option<Bound> {
        self.bound.get(device)?.get(property).copied()
    }

    /// The meter that hangs at a point now.
    pub fn meter_at(&self, point: PointId) -> Option<&Meter> {
        self.meters.iter().find(|meter| meter.point == point && meter.removed.is_none())
    }

    /// A meter and what it measures.
    pub fn meter(&self, id: MeterId) -> Option<(&Meter, Resource)> {
        let meter = self.meters.iter().find(|meter| meter.id == id)?;
        Some((meter, self.point(meter.point)?.resource))
    }

    /// A point by id.
    pub fn point(&self, id: PointId) -> Option<&MeteringPoint> {
        self.points.iter().find(|point| point.id == id)
    }

    /// An account by id.
    pub fn account(&self, id: AccountId) -> Option<&Account> {
        self.accounts.iter().find(|account| account.id == id)
    }

    /// The points of an account, in the order in which they were added.
    pub fn points_of(&self, account: AccountId) -> impl Iterator<Item = &MeteringPoint> {
        self.points.iter().filter(move |point| point.account == account)
    }

    /// A point as a person names it: its id, its name, or the serial number of its meter.
    pub fn find(&self, text: &str) -> Result<&MeteringPoint, MeteringError> {
        let wanted = text.trim();
        let hits: Vec<&MeteringPoint> = self
            .points
            .iter()
            .filter(|point| {
                point.id.to_string() == wanted
                    || point.name.to_lowercase() == wanted.to_lowercase()
                    || self.meters.iter().any(|meter| meter.point == point.id && meter.serial == wanted)
            })
            .collect();
        match hits.as_slice() {
            [one] => Ok(one),
            [] => Err(MeteringError::NoSuch(format!("metering point: «{wanted}»; `domovoi meter list` shows them"))),
            several => Err(MeteringError::Invalid(format!("«{wanted}» could be {} points; use the id", several.len()))),
        }
    }
}
