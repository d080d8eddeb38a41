//! Expressions and texts that a person of the home writes: the same engine as for the templates of devices, with the same
//! price on everything, and questions that whoever asks answers. It knows nothing of what is asked.
//!
//! What is not known is not empty: an answer of `None` ends the expression, and it comes to [`Come::Unknown`].

use std::sync::Arc;

use rust_decimal::Decimal;

use crate::template::{Asked, Formula, MAX_SOURCE};

/// A value in an expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Term {
    /// A number.
    Number(Decimal),
    /// True or false.
    Bool(bool),
    /// A text.
    Text(String),
    /// Parts by name.
    Parts(Vec<(&'static str, Term)>),
    /// Parts by names that somebody gave.
    Named(Vec<(String, Term)>),
}

/// What an expression comes to, as it is printed: `True` and `False`, a number, a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Come {
    /// To this.
    To(String),
    /// Something that it needs is not known.
    Unknown,
}

/// Answers questions: the name of a function and what stands in its brackets. `Ok(None)`: nobody knows.
pub type Answers = Arc<dyn Fn(&str, &[Term]) -> Result<Option<Term>, String> + Send + Sync>;

/// An expression or a text that can be worked out. It takes some ten KiB while it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression(Formula);

impl Expression {
    /// `a > 1 and b`; the error is a sentence.
    pub fn new(source: &str) -> Result<Self, String> {
        if source.trim().is_empty() {
            return Err("an expression must not be empty".to_owned());
        }
        // A line break ends a comment of Jinja's lines, and nothing else.
        Self::text(&format!("{{{{ {source} }}}}"))
    }

    /// A text with `{{ … }}` in it.
    pub fn text(source: &str) -> Result<Self, String> {
        if source.len() > MAX_SOURCE {
            return Err(format!("it is longer than {} KiB", MAX_SOURCE >> 10));
        }
        Formula::new(source).map(Expression)
    }

    /// Works it out. `names`: which functions there are; `variables`: what is there by name.
    pub fn work_out(
        &self,
        names: &'static [&'static str],
        variables: &[(&'static str, Term)],
        answers: &Answers,
    ) -> Result<Come, String> {
        let asked = Asked { names, variables, answers };
        Ok(self.0.work_out(&asked)?.map_or(Come::Unknown, Come::To))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn come(source: &str) -> Result<Come, String> {
        let answers: Answers = Arc::new(|name, terms| match (name, terms) {
            ("state", [Term::Text(device), ..]) if device == "stove" => Ok(Some(Term::Number(Decimal::new(215, 1)))),
            ("state", [Term::Text(_), ..]) => Ok(None),
            _ => Err("state wants two texts".to_owned()),
        });
        let variables = [("vars", Term::Parts(vec![("n", Term::Number(2.into())), ("s", Term::Text("a".into()))]))];
        Expression::new(source)?.work_out(&["state"], &variables, &answers)
    }

    #[test]
    fn what_is_asked_is_answered_and_what_is_unknown_is_not_empty() {
        let to = |text: &str| Ok(Come::To(text.to_owned()));
        assert_eq!(come("state('stove', 't') > 20"), to("True"));
        assert_eq!(come("vars.n * 2 + 1"), to("5"));
        assert_eq!(come("vars.s ~ 'b'"), to("ab"));
        assert_eq!(come("not state('lamp', 'on')"), Ok(Come::Unknown));
        assert_eq!(come("vars.n == 2 or state('lamp', 'on')"), to("True"));
        assert_eq!(come("state('lamp', 'on') == 1 or true"), Ok(Come::Unknown));
        assert_eq!(come("vars.nothing"), Ok(Come::Unknown));
        assert!(come("state(1)").unwrap_err().contains("two texts"));
        assert!(come("nobody(1)").is_err());
        assert!(Expression::new("1 +").is_err());
        assert!(Expression::new(" ").is_err());
    }

    #[test]
    fn nothing_runs_without_end() {
        assert!(come("range(100000)|map('string')|join").is_err());
        let answers: Answers = Arc::new(|_, _| Ok(None));
        let long = "{% for a in range(1000) %}{% for b in range(1000) %}{{ a * b }}{% endfor %}{% endfor %}";
        assert!(Expression::text(long).and_then(|text| text.work_out(&[], &[], &answers)).is_err());
    }
}
