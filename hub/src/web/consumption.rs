//! What was used, in words and pictures, for the API and the page alike: numbers come from the room, sentences from the
//! locale files, and neither way in says anything that the other does not.

use domovoi_config::Language;
use domovoi_model::{Date, Id, MeteringPoint, Timestamp, Unit as Measure};
use rust_decimal::Decimal;

use super::Desk;
use crate::metering::insight::chart::{Bar, Chart};
use crate::metering::insight::compare::{Compared, compared, span_before};
use crate::metering::insight::days::Unit;
use crate::metering::insight::flow::Leak;
use crate::metering::insight::forecast::Forecast;
use crate::metering::insight::stretches::Gaps;
use crate::metering::insight::tariff::{Cost, Tariffs, Wrong};
use crate::metering::insight::unusual::Unusual;
use crate::metering::insight::usage::{Use, gathered};
use crate::metering::insight::{Consumption, Findings, InsightError, Unreadable};
use crate::words::words;

/// The longest span that is shown of each unit, in days: 400 days, 10 years of months or years.
const MOST: [i64; 3] = [400, 3_700, 3_700];

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// How finely.
    pub unit: Unit,
    /// The first day.
    pub from: Date,
    /// The day behind the last.
    pub to: Date,
    /// What becomes of gaps.
    pub gaps: Gaps,
}

impl Asked {
    /// What is meant where nothing is said: this month by days, this year by months, the last five years.
    pub fn usual(unit: Unit, today: Date) -> Self {
        let (from, to) = match unit {
            Unit::Day => (Unit::Month.begin(today), Unit::Month.end(today)),
            Unit::Month => (Unit::Year.begin(today), Unit::Year.end(today)),
            Unit::Year => {
                let first = Date::new(today.year().saturating_sub(4).max(1), 1, 1).unwrap_or(today);
                (first, Unit::Year.end(today))
            }
        };
        Asked { unit, from, to, gaps: Gaps::USUAL }
    }

    /// Whole periods, and not too many of them.
    pub fn checked(self) -> Result<Self, InsightError> {
        let most = MOST[self.unit as usize];
        let last = self.to.plus_days(-1).unwrap_or(self.to);
        let days = self.to.days_since_epoch() - self.from.days_since_epoch();
        if !(1..=most).contains(&days) {
            return Err(InsightError::Span(most));
        }
        Ok(Asked { from: self.unit.begin(self.from), to: self.unit.end(last), ..self })
    }
}

/// What a period costs by a tariff.
#[derive(Debug, Clone)]
pub struct Priced {
    /// Which tariff.
    pub id: Id,
    /// It.
    pub tariff: Tariffs,
    /// Without the fee.
    pub cost: Cost,
}

/// Everything that is said of a point.
#[derive(Debug, Clone)]
pub struct Report {
    /// What was asked.
    pub asked: Asked,
    /// What was used.
    pub used: Consumption,
    /// By the unit that was asked for.
    pub periods: Vec<Use>,
    /// Of each period the one that stands at its place in the span before.
    pub before: Vec<Option<Use>>,
    /// The whole span against the one before.
    pub compared: Option<Compared>,
    /// What each period costs, by each tariff.
    pub costs: Vec<Vec<Priced>>,
    /// What the month will come to, where the span has today in it.
    pub forecast: Option<Forecast>,
    /// What that is likely to cost.
    pub likely_costs: Vec<Priced>,
    /// What is found now.
    pub findings: Findings,
    /// The day that it is.
    pub today: Date,
    /// The moment.
    pub now: Timestamp,
}

/// Collects it.
pub async fn report(desk: &Desk, point: &str, asked: Asked) -> Result<Report, InsightError> {
    let asked = asked.checked()?;
    let insight = &desk.insight;
    let today = insight.today();
    let used = insight.consumption(point, asked.from, asked.to, asked.gaps).await?;
    let (from, to) = span_before(asked.from, asked.to);
    let earlier = insight.consumption(point, from, to, asked.gaps).await?;
    let periods = gathered(used.asked(), &used.unknown, asked.unit);
    let before = gathered(earlier.asked(), &earlier.unknown, asked.unit);
    // What was not read whole is no measure: a meter that came in the middle of the month before.
    let known = |period: &Use| period.covered_millis > 0 || !period.unknown.is_zero();
    let before = (0..periods.len()).map(|place| before.get(place).filter(|period| known(period)).cloned()).collect();
    let takes: Vec<(Id, Tariffs)> =
        insight.tariffs().into_iter().filter(|(_, tariff)| tariff.takes(used.point.id, used.point.resource)).collect();
    let priced = |period: &Use| -> Vec<Priced> {
        let one =
            |(id, tariff): &(Id, Tariffs)| Priced { id: *id, cost: used.cost(tariff, period), tariff: tariff.clone() };
        takes.iter().map(one).collect()
    };
    let costs = periods.iter().map(priced).collect();
    let is_now = asked.from <= today && today < asked.to;
    let (mut forecast, mut likely_costs) = (None, Vec::new());
    if is_now {
        let (past, said) = insight.forecast(point).await?;
        if let Some(said) = &said {
            likely_costs.extend(takes.iter().filter_map(|(id, tariff)| {
                let cost = insight.likely_cost(&past, said, tariff)?;
                Some(Priced { id: *id, tariff: tariff.clone(), cost })
            }));
        }
        forecast = said;
    }
    let now = desk.clock.wall();
    let findings = insight.findings(&used.point, now).await?;
    let compared = compared(used.asked(), earlier.asked(), today);
    Ok(Report { asked, used, periods, before, compared, costs, forecast, likely_costs, findings, today, now })
}

/// A number as the language writes it, no finer than a litre.
pub fn number(language: Language, value: Decimal) -> String {
    let text = value.round_dp(3).normalize().to_string();
    if language == Language::Russian { text.replace('.', ",") } else { text }
}

/// Money as the language writes it.
pub fn money(language: Language, value: Decimal, currency: &str) -> String {
    let mut value = crate::metering::insight::tariff::rounded(value);
    value.rescale(2);
    let text = value.to_string();
    let text = if language == Language::Russian { text.replace('.', ",") } else { text };
    if currency == "RUB" { format!("{text}\u{a0}₽") } else { format!("{text}\u{a0}{currency}") }
}

/// A unit as the language writes it.
pub fn unit(language: Language, unit: Measure) -> &'static str {
    match (language, unit) {
        (Language::Russian, Measure::CubicMetre) => "м³",
        (Language::Russian, Measure::KilowattHour) => "кВт·ч",
        (Language::Russian, Measure::Gigacalorie) => "Гкал",
        (_, unit) => unit.symbol(),
    }
}

impl Report {
    /// What everything of the span comes to.
    pub fn total(&self) -> Decimal {
        self.periods.iter().map(Use::total).sum()
    }

    fn point(&self) -> &MeteringPoint {
        &self.used.point
    }

    /// In sentences, the one that matters most first.
    pub fn sentences(&self, language: Language) -> Vec<String> {
        let say = |key: &str, variables: &[(&str, &str)]| words(language).say(key, variables);
        let (measure, name) = (unit(language, self.point().resource.unit()), self.point().name.as_str());
        let number = |value: Decimal| number(language, value);
        let mut said = Vec::new();
        if let Some(leak) = &self.findings.leak {
            said.push(leak_words(language, leak));
        }
        if let Some(unusual) = &self.findings.unusual {
            said.push(unusual_words(language, unusual, measure));
        }
        if let Some(since) = self.findings.silent_since {
            let hours = ((self.now.0 - since.0) / 3_600_000).to_string();
            said.push(say("insight-silent", &[("hours", &hours)]));
        }
        let total = number(self.total());
        said.push(say("insight-total", &[("point", name), ("total", &total), ("unit", measure)]));
        if let Some(compared) = &self.compared {
            let (now, before) = (number(compared.now), number(compared.before));
            let how = match compared.percent {
                None => "nothing",
                Some(0) => "same",
                Some(percent) if percent > 0 => "more",
                Some(_) => "less",
            };
            let percent = compared.percent.unwrap_or(0).unsigned_abs().to_string();
            let variables =
                [("how", how), ("percent", percent.as_str()), ("now", &now), ("before", &before), ("unit", measure)];
            said.push(say("insight-compared", &variables));
        }
        if let Some(forecast) = &self.forecast {
            said.push(forecast_words(language, forecast, measure));
        }
        let sum = |of: fn(&Use) -> Decimal| self.periods.iter().map(of).sum::<Decimal>();
        for (key, amount) in [("insight-spread", sum(|one| one.spread)), ("insight-unknown", sum(|one| one.unknown))] {
            if !amount.is_zero() {
                said.push(say(key, &[("amount", &number(amount)), ("unit", measure)]));
            }
        }
        if self.periods.iter().any(|period| period.touches_unknown) {
            said.push(say("insight-touches-unknown", &[]));
        }
        said
    }

    /// The picture.
    pub fn chart(&self, language: Language) -> Chart {
        let measure = unit(language, self.point().resource.unit());
        let number = |value: Decimal| number(language, value);
        let ahead = |period: &Use| -> Decimal {
            let Some(Forecast::Says { ahead, .. }) = &self.forecast else { return Decimal::ZERO };
            ahead.iter().filter(|(day, _)| period.from <= *day && *day < period.to).map(|(_, amount)| amount).sum()
        };
        let bar = |(period, before): (&Use, &Option<Use>)| Bar {
            label: label(self.asked.unit, period.from),
            title: format!("{}: {} {measure}", label_long(self.asked.unit, period.from), number(period.total())),
            amounts: period.amounts,
            is_estimated: !period.spread.is_zero(),
            unknown: period.unknown,
            forecast: ahead(period),
            before: before.as_ref().map(Use::total),
        };
        let id: String = self.point().id.to_string();
        let last = self.asked.to.plus_days(-1).unwrap_or(self.asked.to);
        let (from, to, total) = (self.asked.from.to_string(), last.to_string(), number(self.total()));
        let variables = [("from", from.as_str()), ("to", &to), ("total", &total), ("unit", measure)];
        Chart {
            id: format!("use-{id}"),
            title: words(language).say("insight-chart-title", &[("point", &self.point().name)]),
            description: words(language).say("insight-chart-about", &variables),
            unit: measure.to_owned(),
            bars: self.periods.iter().zip(&self.before).map(bar).collect(),
        }
    }
}

/// `23`, `11`, `2026`.
fn label(unit: Unit, day: Date) -> String {
    match unit {
        Unit::Day => day.day().to_string(),
        Unit::Month => day.month().to_string(),
        Unit::Year => day.year().to_string(),
    }
}

/// `2026-11-23`, `2026-11`, `2026`.
pub fn label_long(unit: Unit, day: Date) -> String {
    match unit {
        Unit::Day => day.to_string(),
        Unit::Month => day.period().to_string(),
        Unit::Year => day.year().to_string(),
    }
}

/// Why a leak is suspected.
pub fn leak_words(language: Language, leak: &Leak) -> String {
    let (hours, used) = match leak {
        Leak::NeverRests { hours, used } | Leak::NobodyHome { hours, used } => (*hours, *used),
        Leak::Nights { nights, least } => (i64::try_from(*nights).unwrap_or(0), *least),
    };
    let (hours, used) = (hours.to_string(), number(language, used));
    words(language).say("insight-leak", &[("why", leak.code()), ("hours", &hours), ("used", &used)])
}

fn unusual_words(language: Language, unusual: &Unusual, measure: &str) -> String {
    let (day, used) = (unusual.day.to_string(), number(language, unusual.used));
    let (usual, days) = (number(language, unusual.usual), unusual.days.to_string());
    let variables = [("day", day.as_str()), ("used", &used), ("usual", &usual), ("days", &days), ("unit", measure)];
    words(language).say("insight-unusual", &variables)
}

/// What the month will come to, or why that cannot be said.
pub fn forecast_words(language: Language, forecast: &Forecast, measure: &str) -> String {
    match forecast {
        Forecast::TooEarly { days, wanted } => {
            let (days, wanted) = (days.to_string(), wanted.to_string());
            words(language).say("insight-forecast-early", &[("days", &days), ("wanted", &wanted)])
        }
        Forecast::Says { likely, low, high, method, days, .. } => {
            let [likely, low, high] = [likely, low, high].map(|amount| number(language, *amount));
            let days = days.to_string();
            let variables = [
                ("likely", likely.as_str()),
                ("low", &low),
                ("high", &high),
                ("unit", measure),
                ("days", &days),
                ("method", method.code()),
            ];
            words(language).say("insight-forecast", &variables)
        }
    }
}

/// A mistake of the room in the reader's language.
pub fn error_words(language: Language, error: &InsightError) -> String {
    let say = |key: &str, variables: &[(&str, &str)]| words(language).say(key, variables);
    match error {
        InsightError::NoSuch("tariff") => say("insight-no-tariff", &[]),
        InsightError::NoSuch(_) => say("insight-no-place", &[]),
        InsightError::Unreadable(unreadable) => unreadable_words(language, unreadable),
        InsightError::Full(most) => say("insight-full", &[("most", &most.to_string())]),
        InsightError::Span(most) => say("insight-span", &[("most", &most.to_string())]),
        InsightError::Metering(error) => error.to_string(),
        InsightError::Store(error) => error.to_string(),
    }
}

fn unreadable_words(language: Language, unreadable: &Unreadable) -> String {
    match unreadable {
        Unreadable::Text(text) => words(language).say("insight-unreadable", &[("text", text)]),
        Unreadable::Norm => words(language).say("insight-norm-wrong", &[]),
        Unreadable::Wrong(wrong) => wrong_words(language, *wrong),
    }
}

fn wrong_words(language: Language, wrong: Wrong) -> String {
    words(language).say(&format!("insight-wrong-{}", wrong.code()), &[])
}
