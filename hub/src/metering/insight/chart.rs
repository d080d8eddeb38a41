//! Charts as inline SVG: bars with the tariff zones stacked, what was used when nobody knows hatched, the forecast shaded, the
//! period before beside it as a line. No script, no style attribute: colours are classes of the page's style sheet. Words
//! come in ready; numbers stand in a table beside the chart for whoever cannot see it. Pure.

use std::fmt::Write as _;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;

use super::usage::ByTariff;

/// A bar.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bar {
    /// Below it: `23`, `11`, `2026`.
    pub label: String,
    /// What is said when it is pointed at.
    pub title: String,
    /// What was used, by tariff register.
    pub amounts: ByTariff,
    /// Part of it is estimated.
    pub is_estimated: bool,
    /// Used somewhen in it: hatched.
    pub unknown: Decimal,
    /// Not used yet: shaded.
    pub forecast: Decimal,
    /// What the period before used at this place: a line.
    pub before: Option<Decimal>,
}

/// A chart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chart {
    /// Unique on its page: letters, digits and hyphens.
    pub id: String,
    /// Its name.
    pub title: String,
    /// What it shows, in a sentence.
    pub description: String,
    /// `m³`
    pub unit: String,
    /// From left to right.
    pub bars: Vec<Bar>,
}

/// The picture's own units; the page scales it.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 48.0;
const RIGHT: f64 = 6.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 22.0;

/// More labels than these run into one another.
const MOST_LABELS: usize = 16;

impl Chart {
    /// The picture.
    pub fn svg(&self) -> String {
        let id: String = self.id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        let heights = self.bars.iter().map(|bar| {
            let stack = bar.amounts.iter().sum::<Decimal>() + bar.unknown + bar.forecast;
            stack.max(bar.before.unwrap_or_default())
        });
        let (top, step) = scale(heights.max().and_then(|most| most.to_f64()).unwrap_or(0.0));
        let y = |value: f64| HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM);
        let mut svg = String::new();
        let _ = write!(
            svg,
            "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\
             <title id=\"{id}-t\">{}</title><desc id=\"{id}-d\">{}</desc>\
             <defs><pattern id=\"{id}-h\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" \
             patternTransform=\"rotate(45)\"><rect class=\"chart-hatch\" width=\"3\" height=\"6\"/></pattern></defs>",
            escaped(&self.title),
            escaped(&self.description),
        );
        let mut line = 0.0;
        while line <= top + step / 2.0 {
            let at = y(line);
            let _ = write!(
                svg,
                "<line class=\"chart-grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
                 <text class=\"chart-text\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                at + 4.0,
                number(line),
            );
            line += step;
        }
        let _ = write!(svg, "<text class=\"chart-text\" x=\"2\" y=\"10\">{}</text>", escaped(&self.unit));
        let room = (WIDTH - LEFT - RIGHT) / self.bars.len().max(1) as f64;
        let wide = (room * 0.7).clamp(1.0, 48.0);
        let every = self.bars.len().div_ceil(MOST_LABELS).max(1);
        for (place, bar) in self.bars.iter().enumerate() {
            let middle = LEFT + room * (place as f64 + 0.5);
            let x = middle - wide / 2.0;
            let _ = write!(svg, "<g><title>{}</title>", escaped(&bar.title));
            let mut base = 0.0;
            let zones = bar.amounts.iter().zip(["chart-t1", "chart-t2", "chart-t3", "chart-t4"]);
            let mut block = |amount: &Decimal, paint: &str| {
                let amount = amount.to_f64().unwrap_or(0.0);
                if amount > 0.0 {
                    let (from, to) = (y(base), y(base + amount));
                    base += amount;
                    let _ = write!(
                        svg,
                        "<rect {paint} x=\"{x:.1}\" y=\"{to:.1}\" width=\"{wide:.1}\" height=\"{:.1}\"/>",
                        from - to
                    );
                }
            };
            for (amount, class) in zones {
                let estimated = if bar.is_estimated { " chart-estimated" } else { "" };
                block(amount, &format!("class=\"{class}{estimated}\""));
            }
            block(&bar.unknown, &format!("class=\"chart-unknown\" fill=\"url(#{id}-h)\""));
            block(&bar.forecast, "class=\"chart-forecast\"");
            if let Some(before) = bar.before.and_then(|before| before.to_f64()) {
                let at = y(before);
                let _ = write!(
                    svg,
                    "<line class=\"chart-before\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>",
                    middle - room * 0.45,
                    middle + room * 0.45
                );
            }
            svg.push_str("</g>");
            if place % every == 0 {
                let _ = write!(
                    svg,
                    "<text class=\"chart-text\" x=\"{middle:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                    HEIGHT - 6.0,
                    escaped(&bar.label)
                );
            }
        }
        svg.push_str("</svg>");
        svg
    }
}

/// The top of the scale and the distance of its lines: 1, 2 or 5 of some power of ten, three to six lines.
fn scale(most: f64) -> (f64, f64) {
    if !most.is_finite() || most <= 0.0 {
        return (1.0, 0.5);
    }
    let rough = most / 4.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power).find(|step| *step >= rough).unwrap_or(10.0 * power);
    ((most / step).ceil() * step, step)
}

fn number(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text.is_empty() || text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Text inside XML; what XML cannot say at all is left out.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other if other.is_control() => {}
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_stacks_zones_hatches_the_unknown_shades_the_forecast_and_escapes_words() {
        let bar = Bar {
            label: "<1>".into(),
            title: "1 \"November\"".into(),
            amounts: [Decimal::ONE, Decimal::TWO, Decimal::ZERO, Decimal::ZERO],
            unknown: Decimal::ONE,
            forecast: Decimal::ONE,
            before: Some(Decimal::TEN),
            is_estimated: false,
        };
        let chart =
            Chart { id: "a\"b".into(), title: "T&T".into(), bars: vec![bar, Bar::default()], ..Chart::default() };
        let svg = chart.svg();
        for part in [
            "id=\"ab-t\"",
            "T&amp;T",
            "&lt;1&gt;",
            "1 &quot;November&quot;",
            "chart-t1",
            "chart-t2",
            "url(#ab-h)",
            "chart-forecast",
            "chart-before",
        ] {
            assert!(svg.contains(part), "{part} is not in {svg}");
        }
        assert!(!svg.contains("chart-t3") && !svg.contains("style="));
        // The scale goes to 10, so that 1 is a tenth of the 186 units between the lines.
        assert!(svg.contains("height=\"18.6\"") && svg.contains("height=\"37.2\""), "{svg}");
    }

    #[test]
    fn the_scale_has_round_lines_and_nothing_is_no_trouble() {
        assert_eq!(scale(0.0), (1.0, 0.5));
        assert_eq!(scale(f64::NAN), (1.0, 0.5));
        assert_eq!(scale(10.0), (10.0, 5.0));
        assert_eq!(scale(101.0), (150.0, 50.0));
        assert!(Chart::default().svg().ends_with("</svg>"));
    }
}
