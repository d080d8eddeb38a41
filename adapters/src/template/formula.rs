//! What [`crate::expression`] asks of the engine: a template whose functions are answered from outside.

use std::collections::HashMap;
use std::sync::Arc;

use minijinja::value::{Rest, Value, ValueKind};
use minijinja::{Error, ErrorKind, State};

use super::engine::{self, Budget, Program, Purse};
use super::{Given, filters};
use crate::expression::{Answers, Term};

/// What a question costs.
const QUESTION: u64 = 500;

/// What a formula is worked out with.
pub(crate) struct Asked<'a> {
    pub(crate) names: &'static [&'static str],
    pub(crate) variables: &'a [(&'static str, Term)],
    pub(crate) answers: &'a Answers,
}

/// A compiled template with questions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Formula(Arc<Program>);

impl Formula {
    pub(crate) fn new(source: &str) -> Result<Self, String> {
        engine::program(source).map(Formula)
    }

    /// `None`: something that it needs is not known.
    pub(crate) fn work_out(&self, asked: &Asked<'_>) -> Result<Option<String>, String> {
        let budget = Arc::new(Budget::new(engine::MESSAGE, None));
        let mut root: HashMap<&'static str, Value> = HashMap::with_capacity(asked.names.len() + asked.variables.len());
        for name in asked.names {
            let answers = Arc::clone(asked.answers);
            let function = move |state: &mut State<'_, '_>, args: Rest<Value>| question(state, name, &args, &answers);
            root.insert(name, Value::from_function(function));
        }
        root.extend(asked.variables.iter().map(|(name, term)| (*name, value(term))));
        engine::render(&self.0, engine::with(root, &budget), &budget)
    }
}

fn question(state: &mut State<'_, '_>, name: &str, args: &[Value], answers: &Answers) -> Result<Value, Error> {
    Purse::pay(state, QUESTION)?;
    let wrong = |why: String| Error::new(ErrorKind::InvalidOperation, why);
    let terms = args.iter().map(term).collect::<Option<Vec<Term>>>();
    let terms = terms.ok_or_else(|| wrong(format!("{name}(…) takes texts and numbers")))?;
    match answers(name, &terms).map_err(wrong)? {
        Some(term) => Ok(value(&term)),
        None => Err(Error::new(ErrorKind::UndefinedError, format!("{name}(…) is not known"))),
    }
}

fn term(value: &Value) -> Option<Term> {
    match value.kind() {
        ValueKind::Bool => Some(Term::Bool(value.is_true())),
        ValueKind::String => value.as_str().map(|text| Term::Text(text.to_owned())),
        ValueKind::Number => value.to_string().parse().ok().map(Term::Number),
        _ => None,
    }
}

fn value(term: &Term) -> Value {
    match term {
        Term::Number(number) => filters::given(Given::Number(*number)),
        Term::Bool(flag) => Value::from(*flag),
        Term::Text(text) => Value::from(text.as_str()),
        Term::Parts(parts) => {
            Value::from(parts.iter().map(|(name, term)| (*name, value(term))).collect::<HashMap<_, _>>())
        }
        Term::Named(parts) => {
            Value::from(parts.iter().map(|(name, term)| (name.as_str(), value(term))).collect::<HashMap<_, _>>())
        }
    }
}
