//! Whether an area is about this home, and why: shapes, codes, names. Pure.
//!
//! An area concerns the home if one of its shapes holds it, or one of its codes is the home's. A shape that does not hold
//! the home, or a code of a kind that the home has and that is another, says that it is elsewhere: then the area's name is
//! not asked any more, however it sounds. Only an area that can be judged by neither is judged by its name.

use domovoi_adapters::cap::{CapArea, GeoCircle, GeoPoint};
use domovoi_model::Concern;

use super::names;

/// The mean radius of the earth (IUGG).
const EARTH_KM: f64 = 6371.009;

/// A point that warns (a circle without a radius) is about those this near.
const AT_THE_POINT_KM: f64 = 1.0;

/// Where the home is, as far as the settings say.
#[derive(Debug, Clone, Default)]
pub struct Place {
    position: Option<GeoPoint>,
    regions: Vec<(String, Vec<String>)>,
    codes: Vec<(String, String)>,
}

impl Place {
    /// Of the settings.
    pub fn of(home: &domovoi_config::Home) -> Self {
        Place {
            position: home.position.map(|(latitude, longitude)| GeoPoint { latitude, longitude }),
            regions: home.regions.iter().map(|name| (name.clone(), names::normal(name))).collect(),
            codes: home.codes.iter().map(|(kind, code)| (kind_of(kind), plain(code))).collect(),
        }
    }

    /// Whether anything is known of it.
    pub fn is_known(&self) -> bool {
        self.position.is_some() || !self.regions.is_empty() || !self.codes.is_empty()
    }

    /// Why an area concerns the home; `None`: it does not.
    pub fn concern(&self, area: &CapArea) -> Option<Concern> {
        let name = || area.name.clone();
        let mut is_elsewhere = false;
        if let Some(home) = self.position {
            if area.polygons.iter().any(|line| holds(line, home)) {
                return Some(Concern::Polygon { area: name() });
            }
            if area.circles.iter().any(|circle| reaches(circle, home)) {
                return Some(Concern::Circle { area: name() });
            }
            // A bare point says where something is and not how far it reaches.
            is_elsewhere = !area.polygons.is_empty() || area.circles.iter().any(|circle| circle.radius_km > 0.0);
        }
        for (kind, values) in &area.codes {
            let kind_found = kind_of(kind);
            let mut own = self.codes.iter().filter(|(kind, _)| *kind == kind_found).peekable();
            if own.peek().is_none() {
                continue;
            }
            is_elsewhere = true;
            let words =
                values.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';')).filter(|word| !word.is_empty());
            for value in words {
                let plain = plain(value);
                if own.clone().any(|(_, code)| is_same_code(&kind_found, &plain, code)) {
                    return Some(Concern::Code { area: name(), name: kind.clone(), value: value.to_owned() });
                }
            }
        }
        if is_elsewhere {
            return None;
        }
        let parts = names::parts(&area.name);
        let named = self.regions.iter().find(|(_, region)| !region.is_empty() && parts.contains(region))?;
        Some(Concern::Region { area: name(), region: named.0.clone() })
    }
}

/// `EMMA_ID`, `emma-id` and `EmmaId` are one kind.
fn kind_of(text: &str) -> String {
    let kind: String = text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect();
    match kind.as_str() {
        "FIPS6" => "SAME".to_owned(),
        "EMMA" => "EMMAID".to_owned(),
        _ => kind,
    }
}

fn plain(code: &str) -> String {
    code.trim().to_uppercase()
}

/// Whether an area's code is, or takes in, the home's.
fn is_same_code(kind: &str, area: &str, home: &str) -> bool {
    if area == home {
        return true;
    }
    match kind {
        // A subject of the federation ends in zeros, and takes in its districts (ОК 033-2013, groups of 2, 3, 3 and 3).
        "OKTMO" | "OKATO" => {
            let mut covering = area;
            while covering.len() > 2 && covering.ends_with("000") {
                covering = covering.get(..covering.len().saturating_sub(3)).unwrap_or_default();
            }
            covering.len() >= 2 && home.starts_with(covering)
        }
        // PSSCCC: P is a part of the county, CCC of zeros the whole state, six zeros everywhere (47 CFR 11.31).
        "SAME" if area.len() == 6 && home.len() == 6 => {
            let (county, own) = (area.get(1..).unwrap_or_default(), home.get(1..).unwrap_or_default());
            let state = county.get(..2).unwrap_or_default();
            county == own || county == "00000" || (county.ends_with("000") && own.starts_with(state))
        }
        _ => false,
    }
}

/// Whether a closed line holds a point; the line itself belongs to it. Between two points it goes the shorter way around the
/// earth, so that a line over the 180th meridian is one, whether it is written as −179 or as 181.
pub(super) fn holds(line: &[GeoPoint], point: GeoPoint) -> bool {
    let Some(first) = line.first() else { return false };
    let mut straight: Vec<(f64, f64)> = Vec::with_capacity(line.len().saturating_add(3));
    let mut east = first.longitude;
    let mut before = first.longitude;
    for corner in line {
        let mut step = corner.longitude - before;
        // From −180 to 180 is all around the earth, as whoever frames the world means it.
        if step.abs() < 360.0 {
            while step > 180.0 {
                step -= 360.0;
            }
            while step < -180.0 {
                step += 360.0;
            }
        }
        east += step;
        before = corner.longitude;
        straight.push((east, corner.latitude));
    }
    // A line that comes back a turn further goes around a pole, and what it holds is the side of the pole.
    if (east - first.longitude).abs() > 180.0 {
        let mean = line.iter().map(|corner| corner.latitude).sum::<f64>() / line.len() as f64;
        let pole = if mean < 0.0 { -90.0 } else { 90.0 };
        straight.push((east, pole));
        straight.push((first.longitude, pole));
        straight.push((first.longitude, first.latitude));
    }
    // The line may lie up to two turns away from where the point is written.
    (-3..=3).any(|turn| inside(&straight, point.longitude + f64::from(turn) * 360.0, point.latitude))
}

/// The even-odd rule, and the line itself.
fn inside(line: &[(f64, f64)], x: f64, y: f64) -> bool {
    let mut is_inside = false;
    for [(x1, y1), (x2, y2)] in line.array_windows() {
        let cross = (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1);
        let is_between = x >= x1.min(*x2) && x <= x1.max(*x2) && y >= y1.min(*y2) && y <= y1.max(*y2);
        if cross.abs() < 1e-9 && is_between {
            return true;
        }
        if (*y1 > y) != (*y2 > y) && x < (x2 - x1) * (y - y1) / (y2 - y1) + x1 {
            is_inside = !is_inside;
        }
    }
    is_inside
}

fn reaches(circle: &GeoCircle, home: GeoPoint) -> bool {
    distance_km(circle.middle, home) <= circle.radius_km.max(AT_THE_POINT_KM)
}

/// The great circle (haversine).
pub(super) fn distance_km(one: GeoPoint, other: GeoPoint) -> f64 {
    let (lat1, lat2) = (one.latitude.to_radians(), other.latitude.to_radians());
    let (dlat, dlon) = (lat2 - lat1, (other.longitude - one.longitude).to_radians());
    let a = (dlat / 2.0).sin().powi(2) + lat1.cos() * lat2.cos() * (dlon / 2.0).sin().powi(2);
    2.0 * EARTH_KM * a.sqrt().min(1.0).asin()
}

#[cfg(test)]
mod tests {
    use domovoi_config::Settings;

    use super::*;

    fn line(points: &[(f64, f64)]) -> Vec<GeoPoint> {
        let mut line: Vec<GeoPoint> = points.iter().map(|(lat, lon)| at(*lat, *lon)).collect();
        line.push(line[0]);
        line
    }

    fn at(latitude: f64, longitude: f64) -> GeoPoint {
        GeoPoint { latitude, longitude }
    }

    fn place(text: &str) -> Place {
        let settings = Settings::parse(&format!("[home]\n{text}"), "t", std::path::Path::new("/")).unwrap();
        Place::of(&settings.home)
    }

    fn code(kind: &str, value: &str) -> CapArea {
        CapArea { name: "Somewhere".into(), codes: vec![(kind.into(), value.into())], ..CapArea::default() }
    }

    #[test]
    fn a_line_holds_what_is_in_it_and_on_it() {
        let square = line(&[(55.0, 37.0), (56.0, 37.0), (56.0, 38.0), (55.0, 38.0)]);
        assert!(holds(&square, at(55.5, 37.5)));
        assert!(holds(&square, at(55.0, 37.5)) && holds(&square, at(56.0, 38.0)), "its edge belongs to it");
        assert!(!holds(&square, at(54.999, 37.5)) && !holds(&square, at(55.5, 38.001)));
        let hollow =
            line(&[(0.0, 0.0), (0.0, 10.0), (10.0, 10.0), (10.0, 0.0), (8.0, 0.0), (8.0, 8.0), (2.0, 8.0), (2.0, 0.0)]);
        assert!(!holds(&hollow, at(5.0, 4.0)), "the bay of a horseshoe is outside");
        assert!(holds(&hollow, at(5.0, 9.0)));
    }

    #[test]
    fn the_180th_meridian_is_a_line_like_another() {
        for chukotka in [
            line(&[(64.0, 175.0), (70.0, 175.0), (70.0, -170.0), (64.0, -170.0)]),
            line(&[(64.0, 175.0), (70.0, 175.0), (70.0, 190.0), (64.0, 190.0)]),
            line(&[(64.0, -185.0), (70.0, -185.0), (70.0, -170.0), (64.0, -170.0)]),
        ] {
            for inside in [176.0, 180.0, -180.0, -175.0] {
                assert!(holds(&chukotka, at(66.0, inside)), "{inside}");
            }
            for outside in [37.0, 174.0, -169.0, 0.0] {
                assert!(!holds(&chukotka, at(66.0, outside)), "{outside}");
            }
        }
        let russia = line(&[(41.0, 19.0), (82.0, 19.0), (82.0, 191.0), (41.0, 191.0)]);
        assert!(holds(&russia, at(55.75, 37.6)) && holds(&russia, at(66.0, -172.0)));
        assert!(!holds(&russia, at(48.8, 2.3)) && !holds(&russia, at(60.0, -160.0)));
        let world = line(&[(-90.0, -180.0), (90.0, -180.0), (90.0, 180.0), (-90.0, 180.0)]);
        assert!(holds(&world, at(55.75, 37.6)) && holds(&world, at(-30.0, -70.0)));
        let arctic = line(&[(70.0, 0.0), (70.0, 90.0), (70.0, 180.0), (70.0, -90.0)]);
        assert!(holds(&arctic, at(80.0, 37.0)) && !holds(&arctic, at(55.0, 37.0)), "around the pole");
    }

    #[test]
    fn distances_are_those_of_the_earth() {
        let moscow_petersburg = distance_km(at(55.7558, 37.6173), at(59.9386, 30.3141));
        assert!((moscow_petersburg - 634.0).abs() < 2.0, "{moscow_petersburg}");
        assert!(distance_km(at(0.0, 179.5), at(0.0, -179.5)) < 112.0);
        assert!(distance_km(at(0.0, 0.0), at(0.0, 180.0)) > 20_000.0);
    }

    #[test]
    fn shapes_go_before_names() {
        let home = place("position = \"55.7558, 37.6173\"\nregions = [\"Москва\", \"Moscow\"]\n");
        let away = line(&[(59.0, 30.0), (60.0, 30.0), (60.0, 31.0), (59.0, 31.0)]);
        let elsewhere = CapArea { name: "Moscow".into(), polygons: vec![away.clone()], ..CapArea::default() };
        assert_eq!(home.concern(&elsewhere), None, "a shape that leaves the home out is not overruled by a name");
        let named = CapArea { name: "Moscow".into(), ..CapArea::default() };
        assert!(matches!(home.concern(&named), Some(Concern::Region { .. })));
        let point = GeoCircle { middle: at(59.0, 30.0), radius_km: 0.0 };
        let epicentre = CapArea { name: "Moscow".into(), circles: vec![point], ..CapArea::default() };
        assert!(matches!(home.concern(&epicentre), Some(Concern::Region { .. })), "a bare point leaves nobody out");
        let near = GeoCircle { middle: at(55.9, 37.6), radius_km: 20.0 };
        let circle = CapArea { circles: vec![near], polygons: vec![away], ..CapArea::default() };
        assert!(matches!(home.concern(&circle), Some(Concern::Circle { .. })));
        let nowhere = place("regions = [\"Moscow\"]\n");
        assert!(nowhere.concern(&elsewhere).is_some(), "who does not know where the home is goes by the name");
    }

    #[test]
    fn codes_are_compared_as_their_lists_are_built() {
        let home =
            place("codes = [\"EMMA_ID=RU012\", \"OKTMO=46744000\", \"SAME=048113\"]\nregions = [\"Somewhere\"]\n");
        for (kind, value) in [
            ("EMMA_ID", "RU012"),
            ("emma_id", " ru012 "),
            ("OKTMO", "46744000"),
            ("OKTMO", "46000000"),
            ("OKTMO", "46000000000"),
            ("SAME", "048113"),
            ("SAME", "148113"),
            ("SAME", "048000"),
            ("FIPS6", "048085 048113"),
        ] {
            assert!(matches!(home.concern(&code(kind, value)), Some(Concern::Code { .. })), "{kind} {value}");
        }
        for (kind, value) in [("EMMA_ID", "RU01"), ("OKTMO", "46745000"), ("OKTMO", "45000000"), ("SAME", "048114")] {
            assert_eq!(home.concern(&code(kind, value)), None, "{kind} {value}: another, so the name is not asked");
        }
        let foreign = home.concern(&code("NUTS3", "PL127"));
        assert!(matches!(foreign, Some(Concern::Region { .. })), "a kind that the home has not says nothing");
    }
}
