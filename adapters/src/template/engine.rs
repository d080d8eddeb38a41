//! Templates with the real engine, for strangers: everything that costs time or memory has its price.
//!
//! The engine counts instructions, but one instruction may double a text, and forty of them fill any memory. So what
//! grows or walks values (`~`, `+`, `*`, comparisons, lists, filters, functions, methods) is replaced in the compiled
//! template by a call that is paid out of a purse by the size of what it touches ([`super::filters`]). Before that the
//! source itself is looked through ([`super::check`]): how long an expression is bounds the stack of every pass over it.
//!
//! There are two purses: a rendering's own, and one for all renderings of a message, so that a thousand entities on one
//! topic cost no more than a few. What a source compiles to is a pure function of it: whoever has the same shares it.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use domovoi_model::Timestamp;
use minijinja::machinery::{self, CodeGenerator, Instruction, Instructions};
use minijinja::value::{Object, ObjectRepr, Value};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior};
use self_cell::self_cell;

use super::{Given, check, filters};

/// Instructions of one rendering. A loop over a hundred readings takes two thousand.
const FUEL: u64 = 10_000;
/// The same where a comparison cannot be paid for (`a < b < c`): few of them are wanted.
const FUEL_UNPAID: u64 = 500;
/// What one rendering may touch: one for each value and for each sixteen bytes of text, two for each instruction.
const PURSE: u64 = 1_000_000;
/// What all renderings of one message may touch together, whoever's they are: some twenty milliseconds.
pub(super) const MESSAGE: u64 = 2_000_000;
/// What a rendering costs before it has done anything.
const BEGINNING: u64 = 50;
/// Bytes that a template may write, and the longest text it may make on the way.
pub(super) const MAX_OUTPUT: usize = 64 << 10;
/// Bytes of a payload that the engine is given. A plain template takes any.
const MAX_INPUT: usize = 128 << 10;
/// Frames of loops and macros within each other.
const MAX_FRAMES: usize = 40;
/// Bytes that all compiled templates of the house may take together. Whoever comes when they are used up is compiled at
/// each reading, and pays for it.
const MAX_KEPT: usize = 8 << 20;
/// Bytes of one program: the engine keeps room for 256 instructions from the beginning, for the rest as many as there are.
const PROGRAM: usize = 10_000;
const INSTRUCTION: usize = 40;

self_cell!(
    struct Compiled {
        owner: Arc<str>,
        #[not_covariant]
        dependent: Code,
    }
);

struct Code<'s> {
    instructions: Instructions<'s>,
    fuel: u64,
    /// It has a comparison of three (`a < b < c`), which is the engine's own.
    chained: bool,
    /// The most instructions that a rendering takes which ends before its time.
    at_most: u64,
}

/// A template that may be run: its source, and what that compiles to while there is room. All who have the same source
/// share it, and with the last of them it goes.
pub(crate) struct Program {
    source: Arc<str>,
    compiled: Option<Compiled>,
    weight: usize,
}

impl Program {
    pub(super) fn source(&self) -> &str {
        &self.source
    }
}

impl PartialEq for Program {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Program {}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Program").field(&self.source).finish()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        WEIGHT.fetch_sub(self.weight, Ordering::Relaxed);
    }
}

/// What the renderings of one message share: what they may still touch, and when the message came.
#[derive(Debug)]
pub(super) struct Budget {
    /// For whoever is rendered now.
    left: AtomicU64,
    /// For those after.
    pool: AtomicU64,
    at: Option<Timestamp>,
}

impl Object for Budget {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

impl Budget {
    pub(super) fn new(left: u64, at: Option<Timestamp>) -> Self {
        Budget { left: AtomicU64::new(left), pool: AtomicU64::new(0), at }
    }

    /// There is so much more for all, and so many between whom it is divided: the next of them has his share.
    pub(super) fn share(&self, more: u64, among: usize) {
        let all = self.pool.load(Ordering::Relaxed) + self.left.load(Ordering::Relaxed) + more;
        let share = all / u64::try_from(among.max(1)).unwrap_or(u64::MAX);
        self.left.store(share, Ordering::Relaxed);
        self.pool.store(all - share, Ordering::Relaxed);
    }

    /// Nothing is left.
    pub(super) fn is_spent(&self) -> bool {
        self.left.load(Ordering::Relaxed) <= BEGINNING
    }

    /// Pays as far as there is anything, and says whether there was enough.
    fn pay(&self, price: u64) -> bool {
        let left = self.left.load(Ordering::Relaxed);
        self.left.store(left.saturating_sub(price), Ordering::Relaxed);
        left >= price
    }
}

/// What a rendering has left, and what it noticed.
pub(super) struct Purse {
    left: u64,
    budget: Arc<Budget>,
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
        let enough = purse.budget.pay(price);
        purse.left = purse.left.checked_sub(price).filter(|_| enough).ok_or_else(too_much)?;
        Ok(())
    }

    pub(super) fn of<'s>(state: &'s mut State<'_, '_>) -> &'s mut Purse {
        let budget = if state.get_extension::<Purse>().is_some() {
            None
        } else {
            state.lookup(BUDGET).and_then(|budget| budget.downcast_object::<Budget>())
        };
        state.get_or_insert_extension_with(|| {
            let budget = budget.unwrap_or_else(|| Arc::new(Budget::new(0, None)));
            Purse { left: PURSE, undefined: false, at: budget.at, budget, written: 0 }
        })
    }
}

pub(super) fn too_much() -> Error {
    Error::new(ErrorKind::OutOfFuel, "the template takes too much time or memory")
}

/// The variable that holds the budget; no template can spell it.
const BUDGET: &str = "the budget";

static ENGINE: LazyLock<[Environment<'static>; 3]> = LazyLock::new(|| {
    let mut chained = environment(FUEL_UNPAID);
    // What is not there stands in no order; elsewhere that is said by what stands for the comparison.
    chained.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    [environment(FUEL), environment(FUEL_UNPAID), chained]
});

/// Who has a template of this source already.
static KEPT: LazyLock<Mutex<HashMap<Arc<str>, Weak<Program>>>> = LazyLock::new(Mutex::default);

/// Bytes of all that is compiled.
static WEIGHT: AtomicUsize = AtomicUsize::new(0);

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

/// What the template of a message is given: the payload as `value`, as `value_json` where it is JSON.
pub(super) fn heard(text: &str, values: Option<&Value>, budget: &Arc<Budget>) -> Result<Value, String> {
    if text.len() > MAX_INPUT {
        return Err("the message is too long for a template".to_owned());
    }
    let mut context: HashMap<&str, Value> = HashMap::with_capacity(3);
    context.insert("value", Value::from(text));
    if let Some(values) = values {
        context.insert("value_json", values.clone());
    }
    context.insert(BUDGET, Value::from_dyn_object(Arc::clone(budget)));
    Ok(Value::from(context))
}

/// What the template of a command is given.
pub(super) fn told(variables: &[(&str, Given<'_>)], budget: &Arc<Budget>) -> Value {
    let mut context: HashMap<&str, Value> = HashMap::with_capacity(variables.len() + 1);
    for (name, given) in variables {
        context.insert(name, filters::given(*given));
    }
    context.insert(BUDGET, Value::from_dyn_object(Arc::clone(budget)));
    Value::from(context)
}

/// What a formula is given.
pub(super) fn with(mut context: HashMap<&'static str, Value>, budget: &Arc<Budget>) -> Value {
    context.insert(BUDGET, Value::from_dyn_object(Arc::clone(budget)));
    Value::from(context)
}

/// Renders. `None` when it printed only what does not exist, or stumbled over it: what was known stays.
pub(super) fn render(program: &Program, root: Value, budget: &Budget) -> Result<Option<String>, String> {
    let answer = match &program.compiled {
        Some(compiled) => {
            if !budget.pay(BEGINNING) {
                return Err(sentence(&too_much()));
            }
            compiled.with_dependent(|_, code| run(code, root, budget))
        }
        None => {
            // There was no room to keep it: this is what it costs to make it again.
            if !budget.pay(1000 + 10 * program.source.len() as u64) {
                return Err(sentence(&too_much()));
            }
            run(&compile(&program.source)?, root, budget)
        }
    };
    match answer {
        Ok((text, undefined)) if undefined && text.trim().is_empty() => Ok(None),
        Ok((text, _)) => Ok(Some(text.trim().to_owned())),
        Err(error) if is_undefined(&error) => Ok(None),
        Err(error) => Err(sentence(&error)),
    }
}

fn run<'s>(code: &'s Code<'s>, root: Value, budget: &Budget) -> Result<(String, bool), Error> {
    let at = if code.chained { 2 } else { usize::from(code.fuel == FUEL_UNPAID) };
    let Some(environment) = ENGINE.get(at) else { return Err(too_much()) };
    let environment: &'s Environment<'s> = environment;
    let mut text = String::new();
    let blocks = std::collections::BTreeMap::new();
    let undefined = {
        let mut out = machinery::make_string_output(&mut text);
        match machinery::eval(environment, &code.instructions, root, &blocks, &mut out, AutoEscape::None) {
            Ok((_, mut state)) => {
                let (taken, _) = state.fuel_levels().unwrap_or((code.at_most, 0));
                budget.pay(2 * taken);
                Purse::of(&mut state).undefined
            }
            Err(error) => {
                // The engine does not say how far it came.
                budget.pay(2 * code.at_most);
                return Err(error);
            }
        }
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

/// The template of a source, from whoever has it already or compiled; the error is a sentence for a person.
pub(super) fn program(source: &str) -> Result<Arc<Program>, String> {
    let known = |kept: &HashMap<Arc<str>, Weak<Program>>| kept.get(source).and_then(Weak::upgrade);
    if let Some(program) = known(&KEPT.lock().unwrap_or_else(PoisonError::into_inner)) {
        return Ok(program);
    }
    check::bound(source)?;
    let source: Arc<str> = source.into();
    let mut instructions = 0;
    let compiled = Compiled::try_new(Arc::clone(&source), |source| {
        compile(source).inspect(|code| instructions = length(&code.instructions))
    })?;
    let weight = PROGRAM + 2 * source.len() + instructions * INSTRUCTION;
    let fits = WEIGHT.fetch_add(weight, Ordering::Relaxed) + weight <= MAX_KEPT;
    let program = if fits {
        Program { source: Arc::clone(&source), compiled: Some(compiled), weight }
    } else {
        WEIGHT.fetch_sub(weight, Ordering::Relaxed);
        Program { source: Arc::clone(&source), compiled: None, weight: 0 }
    };
    let program = Arc::new(program);
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    // Those whom nobody has any more are swept out when the table would grow.
    if kept.len() == kept.capacity() {
        kept.retain(|_, program| program.strong_count() > 0);
    }
    kept.insert(source, Arc::downgrade(&program));
    Ok(program)
}

fn length(instructions: &Instructions<'_>) -> usize {
    let mut length = 0;
    while u32::try_from(length).ok().and_then(|at| instructions.get(at)).is_some() {
        length += 1;
    }
    length
}

fn compile(source: &str) -> Result<Code<'_>, String> {
    let ast = machinery::parse(source, "template", Default::default()).map_err(|error| sentence(&error))?;
    check::meaning(&ast)?;
    let mut generator = CodeGenerator::new("template", source);
    generator.compile_stmt(&ast);
    let (mut instructions, _) = generator.finish();
    if let Some(environment) = ENGINE.first() {
        check::names(&instructions, environment)?;
    }
    let (mut at, mut fuel, mut raw, mut turns, mut chained) = (0, FUEL, 0, false, false);
    while let Some(instruction) = instructions.get_mut(at) {
        let filter = |name| Instruction::ApplyFilter(name, Some(2), u8::MAX);
        let paid = match instruction {
            Instruction::Add => filter("add!"),
            Instruction::Sub => filter("sub!"),
            Instruction::Mul => filter("mul!"),
            Instruction::Rem => filter("rem!"),
            Instruction::StringConcat => filter("concat!"),
            Instruction::Eq => filter("eq!"),
            Instruction::Ne => filter("ne!"),
            Instruction::Lt => filter("lt!"),
            Instruction::Lte => filter("le!"),
            Instruction::Gt => filter("gt!"),
            Instruction::Gte => filter("ge!"),
            Instruction::In => filter("in!"),
            Instruction::GetItem => filter("item!"),
            Instruction::Slice => Instruction::ApplyFilter("cut!", Some(4), u8::MAX),
            Instruction::BuildList(Some(count)) | Instruction::BuildTuple(Some(count)) => {
                let count = u16::try_from(*count).map_err(|_| "a list is too long")?;
                Instruction::CallFunction("list!", Some(count))
            }
            Instruction::BuildMap(count) => {
                let count = u16::try_from(*count * 2).map_err(|_| "a dictionary is too long")?;
                Instruction::CallFunction("map!", Some(count))
            }
            // A loop with a condition gathers what passes: no more than it has turns.
            Instruction::BuildList(None) => {
                at += 1;
                continue;
            }
            Instruction::BuildTuple(None) => {
                return Err("`*` in a list is not available in a device's template".to_owned());
            }
            Instruction::CompareAndPreserve(_) => {
                (fuel, chained) = (FUEL_UNPAID, true);
                at += 1;
                continue;
            }
            Instruction::EmitRaw(text) => {
                raw = raw.max(text.len());
                at += 1;
                continue;
            }
            // Whatever comes more than once in a rendering has one of these before it.
            Instruction::Iterate(_) | Instruction::BuildMacro(..) => {
                turns = true;
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
    let at_most = if turns { fuel } else { fuel.min(u64::from(at)) };
    Ok(Code { instructions, fuel, chained, at_most })
}

impl fmt::Debug for Purse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Purse({})", self.left)
    }
}
