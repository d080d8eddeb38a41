//! Tariff tables: what a unit of a resource costs from a day on, by zone and by step, and a fee per month; and what a use
//! costs by them. The house knows no prices: every number here was written by somebody who lives in it. Pure, exact.

use domovoi_model::{Date, Period, PointId, Resource};
use rust_decimal::{Decimal, RoundingStrategy};

use super::usage::{ByTariff, UnknownSpan, Use};

/// What is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Charge {
    /// «Холодная вода».
    ColdWater,
    /// «Горячая вода».
    HotWater,
    /// «Водоотведение»: as much as cold and hot water together.
    Sewage,
    /// «Электроэнергия».
    Electricity,
    /// «Газ».
    Gas,
    /// «Отопление».
    Heat,
}

impl Charge {
    /// All of them.
    pub const ALL: [Charge; 6] =
        [Charge::ColdWater, Charge::HotWater, Charge::Sewage, Charge::Electricity, Charge::Gas, Charge::Heat];

    /// `cold_water`, `sewage` and so on.
    pub fn code(self) -> &'static str {
        match self {
            Charge::ColdWater => "cold_water",
            Charge::HotWater => "hot_water",
            Charge::Sewage => "sewage",
            Charge::Electricity => "electricity",
            Charge::Gas => "gas",
            Charge::Heat => "heat",
        }
    }

    /// Reads what `code` spells.
    pub fn from_code(code: &str) -> Option<Self> {
        Charge::ALL.into_iter().find(|charge| charge.code() == code)
    }

    /// Whose use is charged.
    pub fn takes(self, resource: Resource) -> bool {
        match self {
            Charge::ColdWater => resource == Resource::ColdWater,
            Charge::HotWater => resource == Resource::HotWater,
            Charge::Sewage => matches!(resource, Resource::ColdWater | Resource::HotWater),
            Charge::Electricity => resource == Resource::Electricity,
            Charge::Gas => resource == Resource::Gas,
            Charge::Heat => resource == Resource::Heat,
        }
    }
}

/// Up to how much in a month a price counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Of all zones together, since the month began; `None` in the last.
    pub up_to: Option<Decimal>,
    /// The price of a unit in each zone. One price counts for all zones.
    pub prices: Vec<Decimal>,
}

/// Prices from a day on, until the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The first day.
    pub from: Date,
    /// What is paid for a month in which it counts on the first day that is charged, whatever is used.
    pub fee: Decimal,
    /// In rising order; at least one.
    pub steps: Vec<Step>,
}

/// A tariff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tariffs {
    /// What people call it.
    pub name: String,
    /// What is paid for.
    pub charge: Charge,
    /// Only for these points; for every point of the resource where there are none.
    pub points: Vec<PointId>,
    /// Three capital letters: `RUB`.
    pub currency: String,
    /// In the order of their days; at least one.
    pub versions: Vec<Version>,
}

/// Why a tariff cannot be what it says. Each has a sentence for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    Name,
    Currency,
    NoVersion,
    ManyVersions,
    SameDay,
    NoStep,
    ManySteps,
    StepsOrder,
    Prices,
    Amount,
    ManyPoints,
}

impl Wrong {
    /// The key of its sentence.
    pub fn code(self) -> &'static str {
        match self {
            Wrong::Name => "name",
            Wrong::Currency => "currency",
            Wrong::NoVersion => "no-version",
            Wrong::ManyVersions => "many-versions",
            Wrong::SameDay => "same-day",
            Wrong::NoStep => "no-step",
            Wrong::ManySteps => "many-steps",
            Wrong::StepsOrder => "steps-order",
            Wrong::Prices => "prices",
            Wrong::Amount => "amount",
            Wrong::ManyPoints => "many-points",
        }
    }
}

/// Twenty years of prices that change twice a year.
const MOST_VERSIONS: usize = 40;
const MOST_STEPS: usize = 6;
const MOST_POINTS: usize = 64;

/// A price, a fee or a step is no larger, and no finer than this many decimals.
const MOST_AMOUNT: i64 = 1_000_000_000;
const FINEST: u32 = 6;

fn amount_is_well(amount: Decimal) -> bool {
    (Decimal::ZERO..=Decimal::from(MOST_AMOUNT)).contains(&amount) && amount.normalize().scale() <= FINEST
}

impl Tariffs {
    /// Puts versions in order and refuses what cannot be.
    pub fn checked(mut self) -> Result<Self, Wrong> {
        self.name = self.name.trim().to_owned();
        if self.name.is_empty() || self.name.chars().count() > 100 || self.name.chars().any(char::is_control) {
            return Err(Wrong::Name);
        }
        if self.currency.len() != 3 || !self.currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(Wrong::Currency);
        }
        if self.points.len() > MOST_POINTS {
            return Err(Wrong::ManyPoints);
        }
        match self.versions.len() {
            0 => return Err(Wrong::NoVersion),
            n if n > MOST_VERSIONS => return Err(Wrong::ManyVersions),
            _ => {}
        }
        self.versions.sort_by_key(|version| version.from);
        if self.versions.windows(2).any(|pair| pair[0].from == pair[1].from) {
            return Err(Wrong::SameDay);
        }
        for version in &self.versions {
            match version.steps.len() {
                0 => return Err(Wrong::NoStep),
                n if n > MOST_STEPS => return Err(Wrong::ManySteps),
                _ => {}
            }
            let mut before = Decimal::ZERO;
            for (place, step) in version.steps.iter().enumerate() {
                let is_last = place + 1 == version.steps.len();
                match step.up_to {
                    Some(up_to) if !is_last && up_to > before && amount_is_well(up_to) => before = up_to,
                    None if is_last => {}
                    _ => return Err(Wrong::StepsOrder),
                }
                if !(1..=4).contains(&step.prices.len()) || step.prices.len() != version.steps[0].prices.len() {
                    return Err(Wrong::Prices);
                }
            }
            let amounts = version.steps.iter().flat_map(|step| &step.prices).chain([&version.fee]);
            if !amounts.copied().all(amount_is_well) {
                return Err(Wrong::Amount);
            }
        }
        Ok(self)
    }

    /// The prices of a day; none before the first version.
    pub fn on(&self, day: Date) -> Option<&Version> {
        self.versions.iter().rev().find(|version| version.from <= day)
    }

    /// Whether a point's use is charged by it.
    pub fn takes(&self, point: PointId, resource: Resource) -> bool {
        self.charge.takes(resource) && (self.points.is_empty() || self.points.contains(&point))
    }
}

/// What a use costs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cost {
    /// For what was used, exact.
    pub used: Decimal,
    /// For the months themselves.
    pub fee: Decimal,
    /// Amounts that no price was found for: of a zone without one, or before the first version.
    pub unpriced: Decimal,
}

impl Cost {
    /// All of it, to the hundredth, halves away from zero.
    pub fn total(&self) -> Decimal {
        rounded(self.used + self.fee)
    }
}

/// Money as it is written on a bill.
pub fn rounded(money: Decimal) -> Decimal {
    let mut money = money.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
    money.rescale(2);
    money
}

/// What the days of one calendar month cost, in their order, the first of the month first: steps count from there. `unknown`
/// is what was used somewhen in the month; it is priced as if it was used last, in the first zone.
pub fn month(tariffs: &Tariffs, days: &[(Date, ByTariff)], unknown: Decimal) -> Cost {
    let mut cost = Cost::default();
    let mut used = Decimal::ZERO;
    // The fee: by the version that counts on the first day of the month that any counts on.
    if let Some(version) = days.iter().find_map(|(day, _)| tariffs.on(*day)) {
        cost.fee = version.fee;
    }
    for (day, amounts) in days {
        price(tariffs, *day, amounts, &mut used, &mut cost);
    }
    if let Some((day, _)) = days.last()
        && !unknown.is_zero()
    {
        let zero = Decimal::ZERO;
        price(tariffs, *day, &[unknown, zero, zero, zero], &mut used, &mut cost);
    }
    cost
}

/// Prices one day. Where a step ends within it, what every zone used is cut in the same proportion.
fn price(tariffs: &Tariffs, day: Date, amounts: &ByTariff, used: &mut Decimal, cost: &mut Cost) {
    let total: Decimal = amounts.iter().sum();
    if total.is_zero() {
        return;
    }
    let before = *used;
    *used += total;
    let Some(version) = tariffs.on(day) else {
        cost.unpriced += total;
        return;
    };
    let mut low = before;
    for step in &version.steps {
        let high = step.up_to.map_or(*used, |up_to| up_to.min(*used)).max(low);
        let part = high - low;
        low = high;
        if part.is_zero() {
            continue;
        }
        for (zone, amount) in amounts.iter().enumerate().filter(|(_, amount)| !amount.is_zero()) {
            let cut = || amount.checked_mul(part).map_or_else(|| *amount / total * part, |product| product / total);
            let piece = if part == total { *amount } else { cut() };
            match step.prices.get(if step.prices.len() == 1 { 0 } else { zone }) {
                Some(price) => cost.used = cost.used.saturating_add(piece.saturating_mul(*price)),
                None => cost.unpriced += piece,
            }
        }
    }
}

/// What days of one or several months cost. The days must begin with the first of a month where steps are to count right;
/// `charged_from` leaves the earlier ones out of the sum.
pub fn span(tariffs: &Tariffs, days: &[Use], unknown: &[UnknownSpan], charged_from: Date, with_fee: bool) -> Cost {
    let mut sum = Cost::default();
    let mut months: Vec<(Period, Vec<&Use>)> = Vec::new();
    for day in days {
        match months.last_mut().filter(|(period, _)| *period == day.from.period()) {
            Some((_, days)) => days.push(day),
            None => months.push((day.from.period(), vec![day])),
        }
    }
    for (_, days) in months {
        let all: Vec<(Date, ByTariff)> = days.iter().map(|day| (day.from, day.amounts)).collect();
        let first = all.iter().position(|(day, _)| *day >= charged_from).unwrap_or(all.len());
        if first == all.len() {
            continue;
        }
        let unknown = |days: &[&Use]| -> Decimal {
            let (Some(first), Some(last)) = (days.first(), days.last()) else { return Decimal::ZERO };
            let within = unknown.iter().filter(|span| span.from >= first.begin && span.to <= last.end);
            within.map(|span| span.amount).sum()
        };
        let until_end = month(tariffs, &all, unknown(&days));
        let before = month(tariffs, &all[..first], unknown(&days[..first]));
        sum.used += until_end.used - before.used;
        sum.unpriced += until_end.unpriced - before.unpriced;
        if with_fee {
            sum.fee += until_end.fee;
        }
    }
    sum
}
