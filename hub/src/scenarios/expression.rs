//! Expressions of scenarios: which questions may be asked in them and which variables there are. The engine, its sandbox and
//! its prices are [`domovoi_adapters::expression`]; here nothing is looked up, whoever asks brings the answers.

use std::collections::VecDeque;
use std::str::FromStr;
use std::sync::{LazyLock, Mutex, PoisonError};

use domovoi_adapters::expression::{Answers, Come, Expression, Term};
use domovoi_model::Value;
use rust_decimal::Decimal;

/// What may be asked: `state('device', 'property')`, `known('device', 'property')`, `is_home('name')`, `anybody_home()`.
pub const FUNCTIONS: &[&str] = &["state", "known", "is_home", "anybody_home"];

/// How many are kept compiled. Each takes ten KiB and more; a thousand scenarios do not have them all at once.
const KEPT: usize = 64;

static COMPILED: LazyLock<Mutex<VecDeque<(String, Expression)>>> = LazyLock::new(Mutex::default);

/// Whether an expression can be compiled; the error is a sentence.
pub fn check(source: &str) -> Result<(), String> {
    Expression::new(source).map(drop)
}

/// Whether a text with `{{ … }}` in it can.
pub fn check_text(source: &str) -> Result<(), String> {
    if source.contains('{') { Expression::text(source).map(drop) } else { Ok(()) }
}

/// Works an expression out.
pub fn work_out(source: &str, variables: &[(&'static str, Term)], answers: &Answers) -> Result<Come, String> {
    compiled(source, Expression::new)?.work_out(FUNCTIONS, variables, answers)
}

/// Works a text out. One without `{{ … }}` is what it says.
pub fn work_out_text(source: &str, variables: &[(&'static str, Term)], answers: &Answers) -> Result<Come, String> {
    if !source.contains('{') {
        return Ok(Come::To(source.to_owned()));
    }
    // The spelling of a text is never that of an expression: that one is put into braces.
    compiled(&format!("\u{0}{source}"), |kept| Expression::text(kept.trim_start_matches('\u{0}')))?
        .work_out(FUNCTIONS, variables, answers)
}

fn compiled(key: &str, make: impl Fn(&str) -> Result<Expression, String>) -> Result<Expression, String> {
    let mut kept = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(at) = kept.iter().position(|(source, _)| source == key)
        && let Some(found) = kept.remove(at)
    {
        let expression = found.1.clone();
        kept.push_back(found);
        return Ok(expression);
    }
    drop(kept);
    let expression = make(key)?;
    let mut kept = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() >= KEPT {
        kept.pop_front();
    }
    kept.push_back((key.to_owned(), expression.clone()));
    Ok(expression)
}

/// What was printed, as a value: true and false, a number, or else a text.
pub fn value_of(printed: &str) -> Value {
    match printed {
        "True" | "true" => Value::Bool(true),
        "False" | "false" => Value::Bool(false),
        _ => match Decimal::from_str(printed) {
            Ok(number) => Value::Number(number.normalize()),
            Err(_) => Value::Text(printed.to_owned()),
        },
    }
}

/// A value as the engine knows it.
pub fn term_of(value: &Value) -> Term {
    match value {
        Value::Bool(flag) => Term::Bool(*flag),
        Value::Number(number) => Term::Number(*number),
        Value::Text(text) => Term::Text(text.clone()),
    }
}
