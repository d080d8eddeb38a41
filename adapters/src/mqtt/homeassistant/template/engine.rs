//! Templates with the real engine, for strangers: everything that costs time or memory has its price.
//!
//! The engine counts instructions, but one instruction may double a text, and forty of them fill any memory. So what
//! grows or walks values (`~`, `+`, `*`, comparisons, lists, filters, functions, methods) is replaced in the compiled
//! template by a call that is paid out of a purse by the size of what it touches ([`super::filters`]). Before that the
//! source itself is looked through ([`super::check`]): how long an expression is bounds the stack of every pass over it.
//!
//! What a source compiles to is a pure function of it, so it is kept for all who have the same; what is kept is bounded,
//! and whoever falls out is compiled again.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use domovoi_model::Timestamp;
use minijinja::machinery::{self, CodeGenerator, Instruction, Instructions};
use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior};
use self_cell::self_cell;

use super::{Given, Message, check, filters};

/// Instructions of one rendering. A loop over a hundred readings takes two thousand.
const FUEL: u64 = 10_000;
/// The same where a comparison cannot be paid for (`a < b < c`): few of them are wanted.
const FUEL_UNPAID: u64 = 500;
/// What a rendering may touch: one for each value and for each sixteen bytes of text.
const PURSE: u64 = 1_000_000;
/// Bytes that a template may write, and the longest text it may make on the way.
pub(super) const MAX_OUTPUT: usize = 64 << 10;
/// Bytes of a payload that the engine is given. A plain template takes any.
const MAX_INPUT: usize = 128 << 10;
/// Frames of loops and macros within each other.
const MAX_FRAMES: usize = 40;
/// Compiled templates that are kept, and the bytes of their sources.
const MAX_KEPT: usize = 512;
const MAX_KEPT_BYTES: usize = 512 << 10;

self_cell!(
    struct Program {
        owner: Arc<str>,
        #[not_covariant]
        dependent: Code,
    }
);

struct Code<'s> {
    instructions: Instructions<'s>,
    fuel: u64,
}

/// What a template is given.
pub(super) struct Variables<'a, 'm> {
    /// The payload, as `value` and `value_json`.
    pub(super) message: Option<&'a Message<'m>>,
    /// The variables of a command.
    pub(super) given: &'a [(&'a str, Given<'a>)],
}

/// What a rendering has left, and what it noticed.
pub(super) struct Purse {
    left: u64,
    /// Something that does not exist was printed.
    pub(super) undefined: bool,
    /// When the message came.
    pub(super) at: Option<Timestamp>,
    written: usize,
}

impl Purse {
    /// Pays, or says that there is not enough.
    pub(super) fn pay(state: &mut State<'_, '_>, price: u64) -> Result<(), Error> {
        let purse = Purse::of(state);
        purse.left = purse.left.checked_sub(price).ok_or_else(too_much)?;
        Ok(())
    }

    pub(super) fn of<'s>(state: &'s mut State<'_, '_>) -> &'s mut Purse {
        let at = if state.get_extension::<Purse>().is_some() {
            None
        } else {
            state.lookup(RECEIVED_AT).and_then(|at| i64::try_from(at).ok()).map(Timestamp)
        };
        state.get_or_insert_extension_with(|| Purse { left: PURSE, undefined: false, at, written: 0 })
    }
}

fn too_much() -> Error {
    Error::new(ErrorKind::OutOfFuel, "the template takes too much time or memory")
}

/// The variable that holds the time of the message; no template can spell it.
const RECEIVED_AT: &str = "received at";

static ENGINE: LazyLock<[Environment<'static>; 2]> = LazyLock::new(|| [environment(FUEL), environment(FUEL_UNPAID)]);

static KEPT: LazyLock<Mutex<Kept>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Kept {
    programs: HashMap<Arc<str>, Arc<Program>>,
    bytes: usize,
}

fn environment(fuel: u64) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(fuel));
    environment.set_recursion_limit(MAX_FRAMES);
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_formatter(write);
    filters::furnish(&mut environment);
    environment
}

/// Writes a value as Python does, into what is left of the output.
fn write(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let price = filters::price(value)?;
    Purse::pay(state, price)?;
    if value.is_undefined() {
        Purse::of(state).undefined = true;
        return Ok(());
    }
    let text = filters::print(value)?;
    let purse = Purse::of(state);
    purse.written += text.len();
    if purse.written > 4 * MAX_OUTPUT {
        return Err(too_much());
    }
    out.write_str(&text).map_err(|_| too_much())
}

/// A JSON document as a value of the engine.
pub(super) fn values(document: &str) -> Option<Value> {
    if document.len() > MAX_INPUT {
        return None;
    }
    serde_json::from_str(document).ok()
}

/// Whether a source is a template that may be run; the error is a sentence for a person.
pub(super) fn check(source: &str) -> Result<(), String> {
    program(&Arc::from(source)).map(drop)
}

/// Renders. `None` when it printed only what does not exist, or stumbled over it: what was known stays.
pub(super) fn render(
    source: &Arc<str>,
    variables: &Variables<'_, '_>,
    at: Option<Timestamp>,
) -> Result<Option<String>, String> {
    let mut context: HashMap<&str, Value> = HashMap::new();
    if let Some(message) = variables.message {
        if message.text.len() > MAX_INPUT {
            return Err("the message is too long for a template".to_owned());
        }
        context.insert("value", Value::from(message.text));
        if let Some(values) = message.values() {
            context.insert("value_json", values.clone());
        }
    }
    for (name, given) in variables.given {
        context.insert(name, filters::given(*given));
    }
    let program = program(source)?;
    if let Some(at) = at {
        context.insert(RECEIVED_AT, Value::from(at.0));
    }
    match program.with_dependent(|_, code| run(code, Value::from(context))) {
        Ok((text, undefined)) if undefined && text.trim().is_empty() => Ok(None),
        Ok((text, _)) => Ok(Some(text.trim().to_owned())),
        Err(error) if is_undefined(&error) => Ok(None),
        Err(error) => Err(sentence(&error)),
    }
}

fn run<'s>(code: &'s Code<'s>, root: Value) -> Result<(String, bool), Error> {
    let at = usize::from(code.fuel == FUEL_UNPAID);
    let Some(environment) = ENGINE.get(at) else { return Err(too_much()) };
    let environment: &'s Environment<'s> = environment;
    let mut text = String::new();
    let blocks = std::collections::BTreeMap::new();
    let undefined = {
        let mut out = machinery::make_string_output(&mut text);
        let (_, mut state) =
            machinery::eval(environment, &code.instructions, root, &blocks, &mut out, AutoEscape::None)?;
        Purse::of(&mut state).undefined
    };
    if text.len() > MAX_OUTPUT { Err(too_much()) } else { Ok((text, undefined)) }
}

fn is_undefined(error: &Error) -> bool {
    let mut at: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = at {
        if error.downcast_ref::<Error>().is_some_and(|error| error.kind() == ErrorKind::UndefinedError) {
            return true;
        }
        at = error.source();
    }
    false
}

fn sentence(error: &Error) -> String {
    let mut out = error.kind().to_string();
    if let Some(detail) = error.detail() {
        out = format!("{out}: {detail}");
    }
    match error.line() {
        Some(line) if line > 1 => format!("{out} (line {line})"),
        _ => out,
    }
}

/// What the source compiles to, from what is kept or anew.
fn program(source: &Arc<str>) -> Result<Arc<Program>, String> {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(program) = kept.programs.get(source) {
        return Ok(Arc::clone(program));
    }
    drop(kept);
    check::bound(source)?;
    let program = Arc::new(Program::try_new(Arc::clone(source), |source| compile(source))?);
    kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.programs.len() >= MAX_KEPT || kept.bytes + source.len() > MAX_KEPT_BYTES {
        *kept = Kept::default();
    }
    kept.bytes += source.len();
    kept.programs.insert(Arc::clone(source), Arc::clone(&program));
    Ok(program)
}

fn compile(source: &str) -> Result<Code<'_>, String> {
    let ast = machinery::parse(source, "template", Default::default()).map_err(|error| sentence(&error))?;
    check::meaning(&ast)?;
    let mut generator = CodeGenerator::new("template", source);
    generator.compile_stmt(&ast);
    let (mut instructions, _) = generator.finish();
    let (mut at, mut fuel, mut raw) = (0, FUEL, 0);
    while let Some(instruction) = instructions.get_mut(at) {
        let filter = |name| Instruction::ApplyFilter(name, Some(2), u8::MAX);
        let paid = match instruction {
            Instruction::Add => filter("add!"),
            Instruction::Sub => filter("sub!"),
            Instruction::Mul => filter("mul!"),
            Instruction::StringConcat => filter("concat!"),
            Instruction::Eq => filter("eq!"),
            Instruction::Ne => filter("ne!"),
            Instruction::Lt => filter("lt!"),
            Instruction::Lte => filter("le!"),
            Instruction::Gt => filter("gt!"),
            Instruction::Gte => filter("ge!"),
            Instruction::In => filter("in!"),
            Instruction::BuildList(Some(count)) | Instruction::BuildTuple(Some(count)) => {
                let count = u16::try_from(*count).map_err(|_| "a list is too long")?;
                Instruction::CallFunction("list!", Some(count))
            }
            Instruction::BuildMap(count) => {
                let count = u16::try_from(*count * 2).map_err(|_| "a dictionary is too long")?;
                Instruction::CallFunction("map!", Some(count))
            }
            Instruction::BuildList(None) | Instruction::BuildTuple(None) => {
                return Err("`*` in a list is not available in a device's template".to_owned());
            }
            Instruction::CompareAndPreserve(_) => {
                fuel = FUEL_UNPAID;
                at += 1;
                continue;
            }
            Instruction::EmitRaw(text) => {
                raw = raw.max(text.len());
                at += 1;
                continue;
            }
            _ => {
                at += 1;
                continue;
            }
        };
        *instruction = paid;
        at += 1;
    }
    // Text between the tags is written without being paid for: a long one may not stand in a long loop.
    if raw > 256 {
        fuel = FUEL_UNPAID;
    }
    Ok(Code { instructions, fuel })
}

impl fmt::Debug for Purse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Purse({})", self.left)
    }
}
