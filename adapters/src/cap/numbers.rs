//! Shapes as they are written: numbers in pairs, with commas and spaces in all places. A line that is not one is dropped
//! with a note, so that the area's codes or its name are asked instead; latitude and longitude are never swapped by guess.

use super::{GeoCircle, GeoPoint};

/// Points of a polygon.
pub(super) const MAX_POINTS: usize = 10_000;

/// What is wrong with a shape.
pub(super) type Wrong = &'static str;

fn numbers(text: &str, most: usize) -> Result<Vec<f64>, Wrong> {
    let words = text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';')).filter(|word| !word.is_empty());
    let mut found = Vec::new();
    for word in words {
        if found.len() >= most {
            return Err("shape-too-long");
        }
        let number: f64 = word.parse().map_err(|_| "shape-not-numbers")?;
        if !number.is_finite() {
            return Err("shape-not-numbers");
        }
        found.push(number);
    }
    Ok(found)
}

fn point(latitude: f64, longitude: f64) -> Result<GeoPoint, Wrong> {
    if latitude.abs() > 90.0 || longitude.abs() > 360.0 {
        return Err("shape-off-the-earth");
    }
    Ok(GeoPoint { latitude, longitude })
}

/// `lat,lon lat,lon …`; `Ok(None)` where it says nothing at all.
pub(super) fn polygon(text: &str, mut note: impl FnMut(Wrong)) -> Option<Vec<GeoPoint>> {
    let read = || -> Result<Vec<GeoPoint>, Wrong> {
        let numbers = numbers(text, MAX_POINTS.saturating_mul(2))?;
        let (pairs, rest) = numbers.as_chunks::<2>();
        if !rest.is_empty() {
            return Err("shape-odd");
        }
        pairs.iter().map(|[latitude, longitude]| point(*latitude, *longitude)).collect()
    };
    if text.trim().is_empty() {
        return None;
    }
    let mut line = match read() {
        Ok(line) => line,
        Err(wrong) => {
            note(wrong);
            return None;
        }
    };
    line.dedup();
    let (Some(first), Some(last)) = (line.first().copied(), line.last().copied()) else { return None };
    if first == last {
        line.pop();
    } else {
        note("shape-not-closed");
    }
    if line.len() < 3 {
        note("shape-too-few-points");
        return None;
    }
    line.push(first);
    Some(line)
}

/// `lat,lon radius`
pub(super) fn circle(text: &str, mut note: impl FnMut(Wrong)) -> Option<GeoCircle> {
    if text.trim().is_empty() {
        return None;
    }
    let read = match numbers(text, 3).as_deref() {
        Ok([latitude, longitude, radius_km]) if (0.0..=20_040.0).contains(radius_km) => {
            point(*latitude, *longitude).map(|middle| GeoCircle { middle, radius_km: *radius_km })
        }
        // A place without a radius.
        Ok([latitude, longitude]) => point(*latitude, *longitude).map(|middle| GeoCircle { middle, radius_km: 0.0 }),
        Ok(_) => Err("circle-wrong"),
        Err(wrong) => Err(*wrong),
    };
    read.map_err(&mut note).ok()
}
