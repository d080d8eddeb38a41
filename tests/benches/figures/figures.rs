//! Figures, their targets, and the table of them.

use std::path::PathBuf;

use serde_json::{Value, json};

/// What a figure is to be.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    None,
    AtLeast(f64),
    AtMost(f64),
}

#[derive(Debug)]
struct Figure {
    section: &'static str,
    what: String,
    value: f64,
    unit: &'static str,
    target: Target,
}

/// All that was measured.
#[derive(Debug, Default)]
pub struct Figures {
    pub json: Option<PathBuf>,
    pub brief: bool,
    pub section: &'static str,
    pub machine: Vec<String>,
    list: Vec<Figure>,
}

impl Figures {
    /// Takes a figure down.
    pub fn add(&mut self, what: impl Into<String>, value: f64, unit: &'static str, target: Target) {
        let figure = Figure { section: self.section, what: what.into(), value, unit, target };
        eprintln!("  {}: {} {}", figure.what, show(value), unit);
        self.list.push(figure);
    }

    /// Something that is no figure.
    pub fn note(&self, what: &str) {
        eprintln!("  {what}");
    }

    pub fn print(&self) {
        println!();
        for line in &self.machine {
            println!("{line}");
        }
        println!("\n| section | what | measured | target | of target | met |\n|---|---|---|---|---|---|");
        for figure in &self.list {
            let (target, ratio, met) = match figure.target {
                Target::None => (String::new(), String::new(), ""),
                Target::AtLeast(wanted) => judged("≥", wanted, figure.value, figure.value >= wanted),
                Target::AtMost(wanted) => judged("≤", wanted, figure.value, figure.value <= wanted),
            };
            let Figure { section, what, unit, .. } = figure;
            println!("| {section} | {what} | {} {unit} | {target} | {ratio} | {met} |", show(figure.value));
        }
        let Some(path) = &self.json else { return };
        let list: Vec<Value> = self.list.iter().map(Figure::json).collect();
        let all = json!({ "machine": self.machine, "figures": list });
        std::fs::write(path, serde_json::to_vec_pretty(&all).unwrap()).unwrap();
    }
}

impl Figure {
    fn json(&self) -> Value {
        let (bound, target) = match self.target {
            Target::None => (Value::Null, Value::Null),
            Target::AtLeast(wanted) => (json!("at least"), json!(wanted)),
            Target::AtMost(wanted) => (json!("at most"), json!(wanted)),
        };
        json!({
            "section": self.section, "what": self.what, "value": self.value, "unit": self.unit,
            "bound": bound, "target": target,
        })
    }
}

fn judged(sign: &str, wanted: f64, value: f64, met: bool) -> (String, String, &'static str) {
    (format!("{sign} {}", show(wanted)), format!("{:.2}", value / wanted), if met { "yes" } else { "NO" })
}

fn show(value: f64) -> String {
    match value.abs() {
        big if big >= 100.0 => format!("{value:.0}"),
        middle if middle >= 1.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}
