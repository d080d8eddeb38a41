//! The temperature at home: rooms that are watched, for how many hours each was colder than the norm, and a sheet to print
//! for a recalculation of the heating fee.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use domovoi_model::{Date, Id, Timestamp, Unit as Measure};
use rust_decimal::Decimal;
use serde::Deserialize;

use super::form::Form;
use super::refusal::Fault;
use super::trouble::Trouble;
use super::view::View;
use super::{go, said, shown, wrong};
use crate::audit::Note;
use crate::metering::insight::chart::{Bar, Chart};
use crate::metering::insight::days::Unit;
use crate::metering::insight::{InsightError, Place, Warmth, WarmthPaper};
use crate::policy::{Kind, Object, Verb};
use crate::web::Desk;
use crate::web::api::evidence::{hours, noted, sentences};
use crate::web::consumption::{error_words, number};

/// So many stretches stand on a page; a season's are in the file.
const MOST_STRETCHES: usize = 200;

struct Line {
    id: String,
    name: String,
    sensor: String,
    norm: String,
}

struct Sensor {
    value: String,
    words: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "warmth.html")]
struct ListPage {
    v: View,
    trouble: Trouble,
    places: Vec<Line>,
    sensors: Vec<Sensor>,
    name: String,
    corner: bool,
    norm: String,
    night: String,
    holds: String,
    edits: bool,
}

struct MonthRow {
    month: String,
    below: String,
    known: String,
    unknown: String,
    degree_hours: String,
    lowest: String,
}

struct Stretch {
    from: String,
    to: String,
    hours: String,
    lowest: String,
    mean: String,
}

#[derive(Template)]
#[template(path = "warmth-place.html")]
struct PlacePage {
    v: View,
    id: String,
    sheet: Sheet,
    from: String,
    to: String,
    edits: bool,
}

#[derive(Template)]
#[template(path = "warmth-print.html")]
struct PrintPage {
    v: View,
    sheet: Sheet,
    printed: String,
}

/// What stands on the page and on the printed sheet alike.
struct Sheet {
    name: String,
    span: String,
    sentences: Vec<String>,
    source: String,
    norm: String,
    digest: String,
    months: Vec<MonthRow>,
    cold: Vec<Stretch>,
    gaps: Vec<Stretch>,
    more: Option<String>,
    svg: String,
}

fn may_see(desk: &Desk, view: &View, place: &Place) -> bool {
    view.may(Verb::See, &desk.devices.object(&place.sensor, Some(&place.property)))
}

fn name_of(desk: &Desk, device: &domovoi_model::DeviceRef) -> String {
    desk.devices.show(device).map_or_else(|| device.to_string(), |shown| shown.name)
}

/// Thermometers that the reader may see.
async fn sensors(desk: &Desk, view: &View, chosen: &str) -> Result<Vec<Sensor>, Fault> {
    let series = desk.store.history().series().await?;
    let mut sensors: Vec<Sensor> = series
        .iter()
        .filter(|one| one.unit == Measure::Celsius)
        .filter(|one| view.may(Verb::See, &desk.devices.object(&one.device, Some(&one.property))))
        .map(|one| {
            let value = format!("{}|{}", one.device, one.property);
            let name = name_of(desk, &one.device);
            Sensor { words: format!("{name}, {}", one.property), chosen: value == chosen, value }
        })
        .collect();
    sensors.sort_by(|a, b| a.words.cmp(&b.words));
    Ok(sensors)
}

async fn list_page(desk: &Desk, view: View, chosen: &str) -> Result<ListPage, Fault> {
    let all = desk.insight.places();
    let places = all.iter().filter(|(_, place)| may_see(desk, &view, place)).map(|(id, place)| Line {
        id: id.to_string(),
        name: place.name.clone(),
        sensor: name_of(desk, &place.sensor),
        norm: format!("{} °C", number(view.language(), place.norm.day)),
    });
    let places = places.collect();
    Ok(ListPage {
        trouble: Trouble::default(),
        places,
        sensors: sensors(desk, &view, chosen).await?,
        name: String::new(),
        corner: false,
        norm: String::new(),
        night: "3".to_owned(),
        holds: "120".to_owned(),
        edits: view.may(Verb::Edit, &Object::all(Kind::Device)),
        v: view,
    })
}

pub async fn list(State(desk): State<Desk>, view: View) -> Result<Response, Fault> {
    Ok(shown(&list_page(&desk, view, "").await?))
}

pub async fn add(
    State(desk): State<Desk>,
    view: View,
    Extension(note): Extension<Note>,
    form: Form,
) -> Result<Response, Fault> {
    let (device, property) = form.text("sensor").rsplit_once('|').unwrap_or_default();
    let paper = WarmthPaper {
        name: form.text("name").to_owned(),
        device: device.to_owned(),
        property: property.to_owned(),
        norm: Some(form.text("norm").to_owned()),
        corner: form.is("corner"),
        night_tolerance: Some(form.text("night").to_owned()),
        night: None,
        holds_minutes: form.text("holds").parse().ok(),
    };
    // A thermometer that the reader may not see cannot be watched through the back door.
    let read = crate::metering::insight::read_warmth(&paper).map_err(InsightError::Unreadable);
    let kept = match read {
        Ok(place) if !may_see(&desk, &view, &place) => return Err(Fault::NotFound),
        Ok(_) => desk.insight.keep_place(None, &paper).await,
        Err(error) => Err(error),
    };
    match kept {
        Ok((id, place)) => {
            note.change("name", None, Some(place.name));
            Ok(go(&format!("/warmth/{id}")))
        }
        Err(InsightError::Unreadable(unreadable)) => {
            let words = error_words(view.language(), &InsightError::Unreadable(unreadable));
            let mut page = list_page(&desk, view, form.text("sensor")).await?;
            page.trouble.add("room", words);
            (page.name, page.corner) = (paper.name, paper.corner);
            page.norm = form.text("norm").to_owned();
            page.night = form.text("night").to_owned();
            page.holds = form.text("holds").to_owned();
            Ok(wrong(&page))
        }
        Err(error) => Err(Fault::of_insight(&view, error)),
    }
}

/// What is asked. What cannot be read is as if it was not there.
#[derive(Debug, Default, Deserialize)]
pub struct Span {
    from: Option<String>,
    to: Option<String>,
}

async fn warmth(desk: &Desk, view: &View, place: &str, span: &Span) -> Result<(Id, Warmth, Date, Date), Fault> {
    let id = place.parse::<Id>().map_err(|_| Fault::NotFound)?;
    let kept = desk.insight.place(id).map_err(|error| Fault::of_insight(view, error))?;
    if !may_see(desk, view, &kept) {
        return Err(Fault::NotFound);
    }
    let today = desk.insight.today();
    let read = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<Date>().ok());
    let from = read(&span.from).unwrap_or_else(|| Unit::Month.begin(today));
    let last = read(&span.to).unwrap_or(today);
    let warmth = desk.insight.warmth(id, from, Unit::Day.end(last)).await;
    Ok((id, warmth.map_err(|error| Fault::of_insight(view, error))?, from, last))
}

fn sheet(desk: &Desk, view: &View, warmth: &Warmth, from: Date, last: Date, most: usize) -> Sheet {
    let language = view.language();
    let number = |value: Decimal| number(language, value);
    let stretch = |from: Timestamp, to: Timestamp, lowest: String, mean: String| Stretch {
        from: view.moment(&from),
        to: view.moment(&to),
        hours: number(hours(to.0 - from.0)),
        lowest,
        mean,
    };
    let evidence = &warmth.evidence;
    let (norm, place) = (&warmth.place.norm, &warmth.place);
    let (day, night) = (number(norm.day), number(norm.day - norm.night_tolerance));
    let (night_from, night_to, holds) =
        (norm.night.0.to_string(), norm.night.1.to_string(), norm.holds_minutes.to_string());
    let (samples, minutes) = (evidence.samples.to_string(), (warmth.interval_millis / 60_000).to_string());
    let (intervals, device) = (warmth.intervals.to_string(), name_of(desk, &place.sensor));
    let device = format!("{device} ({})", place.sensor);
    let bars = evidence.months.iter().map(|month| Bar {
        label: month.period.to_string(),
        title: format!("{}: {}", said::period(language, month.period), number(hours(month.below_millis))),
        amounts: [hours(month.below_millis), Decimal::ZERO, Decimal::ZERO, Decimal::ZERO],
        ..Bar::default()
    });
    let cut = evidence.cold.len() > most || evidence.gaps.len() > most;
    Sheet {
        name: place.name.clone(),
        span: format!("{} – {}", view.date(&from), view.date(&last)),
        sentences: sentences(warmth, language),
        source: view.say(
            "page-warmth-source",
            &[
                ("device", &device),
                ("property", &place.property),
                ("samples", &samples),
                ("minutes", &minutes),
                ("intervals", &intervals),
            ],
        ),
        norm: view.say(
            "page-warmth-norm-line",
            &[
                ("norm", &day),
                ("night", &night),
                ("night_from", &night_from),
                ("night_to", &night_to),
                ("holds", &holds),
            ],
        ),
        digest: view.t1("page-warmth-digest", "digest", &warmth.digest),
        months: evidence
            .months
            .iter()
            .map(|month| MonthRow {
                month: said::period(language, month.period),
                below: number(hours(month.below_millis)),
                known: number(hours(month.known_millis)),
                unknown: number(hours(month.gap_millis)),
                degree_hours: number(month.degree_hours),
                lowest: month.lowest.map(number).unwrap_or_default(),
            })
            .collect(),
        cold: evidence
            .cold
            .iter()
            .take(most)
            .map(|cold| stretch(cold.from, cold.to, number(cold.lowest), number(cold.mean)))
            .collect(),
        gaps: evidence
            .gaps
            .iter()
            .take(most)
            .map(|gap| stretch(gap.from, gap.to, String::new(), String::new()))
            .collect(),
        more: cut.then(|| view.t1("page-warmth-more", "count", most)),
        svg: Chart {
            id: "warmth".to_owned(),
            title: view.t1("page-warmth-chart", "room", &place.name),
            description: view.t("page-warmth-chart-about"),
            unit: view.t("page-warmth-hour-unit"),
            bars: bars.collect(),
        }
        .svg(),
    }
}

pub async fn show(
    State(desk): State<Desk>,
    view: View,
    Path(place): Path<String>,
    Query(span): Query<Span>,
) -> Result<Response, Fault> {
    let (id, warmth, from, last) = warmth(&desk, &view, &place, &span).await?;
    Ok(shown(&PlacePage {
        id: id.to_string(),
        sheet: sheet(&desk, &view, &warmth, from, last, MOST_STRETCHES),
        from: from.to_string(),
        to: last.to_string(),
        edits: view.may(Verb::Edit, &Object::all(Kind::Device)),
        v: view,
    }))
}

/// A sheet to print: the journal has that it was made, and of which data.
pub async fn print(
    State(desk): State<Desk>,
    view: View,
    Extension(note): Extension<Note>,
    Path(place): Path<String>,
    Query(span): Query<Span>,
) -> Result<Response, Fault> {
    let (_, warmth, from, last) = warmth(&desk, &view, &place, &span).await?;
    noted(&note, &warmth);
    let printed = view.t1("page-warmth-printed", "at", view.moment(&view.now));
    Ok(shown(&PrintPage { sheet: sheet(&desk, &view, &warmth, from, last, usize::MAX), printed, v: view }))
}

pub async fn remove(
    State(desk): State<Desk>,
    view: View,
    Extension(note): Extension<Note>,
    Path(place): Path<String>,
    _form: Form,
) -> Result<Response, Fault> {
    let id = place.parse::<Id>().map_err(|_| Fault::NotFound)?;
    let removed = desk.insight.remove_place(id).await.map_err(|error| Fault::of_insight(&view, error))?;
    note.change("name", Some(removed.name), None);
    Ok(go("/warmth"))
}
