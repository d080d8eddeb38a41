//! Templates with the real engine, for strangers: everything that costs time or memory has its price.
//!
//! The engine counts instructions, but one instruction may double a text, and forty of them fill any memory. So what
//! grows or walks values (`~`, `+`, `*`, comparisons, lists, filters, functions, methods) is replaced in the compiled
//! template by a call that is paid out of a purse by the size of what it touches ([`super::filters`]). Before that the
//! source itself is looked through ([`check`]): how long an expression is bounds the stack of every pass over it.
//!
//! What a source compiles to is a pure function of it, so it is kept for all who have the same; what is kept is bounded,
//! and whoever falls out is compiled again.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use domovoi_model::Timestamp;
use minijinja::machinery::ast::{BinOpKind, CallArg, Expr, Stmt};
use minijinja::machinery::{self, CodeGenerator, Instruction, Instructions};
use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior};
use self_cell::self_cell;

use super::{Given, Message, filters};

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
/// Operators, dots, brackets and filters of one expression.
const MAX_OPERATORS: usize = 160;
/// Statements of one template.
const MAX_STATEMENTS: usize = 400;
/// `elif` after `elif`: each stands within the one before.
const MAX_BRANCHES: usize = 80;
/// Compiled templates that are kept, and the bytes of their sources.
const MAX_KEPT: usize = 1024;
const MAX_KEPT_BYTES: usize = 1 << 20;

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
    bound(source)?;
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
    let mut names = Vec::new();
    namespaces(std::slice::from_ref(&ast), &mut names);
    statements(std::slice::from_ref(&ast), &names)?;
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

/// Looks through a source before any parser does: how many operators an expression has, how many statements there are.
fn bound(source: &str) -> Result<(), String> {
    let (mut operators, mut statements, mut branches) = (0usize, 0usize, 0usize);
    let mut quote: Option<u8> = None;
    let mut escaped = false;
    let mut word = String::new();
    for byte in source.bytes() {
        if let Some(open) = quote {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                _ if byte == open => quote = None,
                _ => {}
            }
            continue;
        }
        if byte.is_ascii_alphanumeric() || byte == b'_' {
            word.push(char::from(byte));
            continue;
        }
        if matches!(word.as_str(), "and" | "or" | "not" | "in" | "is" | "if" | "else") {
            operators += 1;
        }
        branches += usize::from(word == "elif");
        word.clear();
        match byte {
            b'"' | b'\'' => quote = Some(byte),
            b'%' | b'{' => {
                statements += usize::from(byte == b'{');
                operators += 1;
            }
            b'}' => operators = 0,
            b'.' | b'[' | b'(' | b'|' | b'~' | b'+' | b'-' | b'*' | b'/' | b'=' | b'<' | b'>' | b'!' => operators += 1,
            _ => {}
        }
        if operators > MAX_OPERATORS {
            return Err(format!("an expression has more than {MAX_OPERATORS} operators"));
        }
    }
    if branches > MAX_BRANCHES {
        return Err(format!("there are more than {MAX_BRANCHES} elif; a dictionary does the same"));
    }
    if statements > 2 * MAX_STATEMENTS {
        return Err(format!("there are more than {MAX_STATEMENTS} statements"));
    }
    Ok(())
}

/// The names that hold a namespace.
fn namespaces<'s>(list: &[Stmt<'s>], names: &mut Vec<&'s str>) {
    for statement in list {
        match statement {
            Stmt::Template(s) => namespaces(&s.children, names),
            Stmt::ForLoop(s) => {
                namespaces(&s.body, names);
                namespaces(&s.else_body, names);
            }
            Stmt::IfCond(s) => {
                namespaces(&s.true_body, names);
                namespaces(&s.false_body, names);
            }
            Stmt::WithBlock(s) => namespaces(&s.body, names),
            Stmt::SetBlock(s) => namespaces(&s.body, names),
            Stmt::FilterBlock(s) => namespaces(&s.body, names),
            Stmt::Macro(s) => namespaces(&s.body, names),
            Stmt::Set(s) => {
                if let (Expr::Var(name), Expr::Call(call)) = (&s.target, &s.expr)
                    && matches!(&call.expr, Expr::Var(callee) if callee.id == "namespace")
                {
                    names.push(name.id);
                }
            }
            _ => {}
        }
    }
}

/// Refuses what has no price: a namespace as a value (it could hold itself, which nobody would ever free), a text times a
/// number (which would be worked out while compiling), and what belongs to files of templates.
fn statements(list: &[Stmt<'_>], names: &[&str]) -> Result<(), String> {
    let walk = |expr: &Expr<'_>| expression(expr, names);
    for statement in list {
        match statement {
            Stmt::Template(s) => statements(&s.children, names)?,
            Stmt::EmitExpr(s) => walk(&s.expr)?,
            Stmt::EmitRaw(_) | Stmt::Continue(_) | Stmt::Break(_) => {}
            Stmt::ForLoop(s) => {
                walk(&s.iter)?;
                s.filter_expr.iter().try_for_each(walk)?;
                statements(&s.body, names)?;
                statements(&s.else_body, names)?;
            }
            Stmt::IfCond(s) => {
                walk(&s.expr)?;
                statements(&s.true_body, names)?;
                statements(&s.false_body, names)?;
            }
            Stmt::WithBlock(s) => {
                s.assignments.iter().try_for_each(|(_, expr)| walk(expr))?;
                statements(&s.body, names)?;
            }
            Stmt::Set(s) => match (&s.target, &s.expr) {
                (Expr::Var(_), Expr::Call(call)) if matches!(&call.expr, Expr::Var(v) if v.id == "namespace") => {
                    call.args.iter().try_for_each(|argument| walk(inner(argument)))?;
                }
                (_, expr) => walk(expr)?,
            },
            Stmt::SetBlock(s) => {
                s.filter.iter().try_for_each(walk)?;
                statements(&s.body, names)?;
            }
            Stmt::FilterBlock(s) => {
                walk(&s.filter)?;
                statements(&s.body, names)?;
            }
            Stmt::Macro(s) => {
                s.defaults.iter().try_for_each(walk)?;
                statements(&s.body, names)?;
            }
            Stmt::Do(s) => {
                walk(&s.call.expr)?;
                s.call.args.iter().try_for_each(|argument| walk(inner(argument)))?;
            }
            _ => return Err("blocks, includes, imports and calls are not available in a device's template".to_owned()),
        }
    }
    Ok(())
}

fn expression(expr: &Expr<'_>, names: &[&str]) -> Result<(), String> {
    let walk = |expr: &Expr<'_>| expression(expr, names);
    let arguments = |args: &[CallArg<'_>]| args.iter().try_for_each(|argument| walk(inner(argument)));
    match expr {
        Expr::Var(v) if v.id == "namespace" || names.contains(&v.id) => {
            Err(format!("«{}» is a namespace: only its attributes may be used", v.id))
        }
        Expr::Var(_) | Expr::Const(_) => Ok(()),
        Expr::Slice(s) => {
            walk(&s.expr)?;
            [&s.start, &s.stop, &s.step].into_iter().flatten().try_for_each(walk)
        }
        Expr::UnaryOp(s) => walk(&s.expr),
        Expr::BinOp(s) => {
            if matches!(s.op, BinOpKind::Mul) && (is_text(&s.left) || is_text(&s.right)) {
                return Err("a text or a list times a number is not available in a device's template".to_owned());
            }
            walk(&s.left)?;
            walk(&s.right)
        }
        Expr::Compare(s) => {
            walk(&s.expr)?;
            s.ops.iter().try_for_each(|op| walk(&op.expr))
        }
        Expr::IfExpr(s) => {
            walk(&s.test_expr)?;
            walk(&s.true_expr)?;
            s.false_expr.iter().try_for_each(walk)
        }
        Expr::Filter(s) => {
            s.expr.iter().try_for_each(walk)?;
            arguments(&s.args)
        }
        Expr::Test(s) => {
            walk(&s.expr)?;
            arguments(&s.args)
        }
        Expr::GetAttr(s) if matches!(&s.expr, Expr::Var(v) if names.contains(&v.id)) => Ok(()),
        Expr::GetAttr(s) => walk(&s.expr),
        Expr::GetItem(s) => {
            walk(&s.expr)?;
            walk(&s.subscript_expr)
        }
        Expr::Call(s) => {
            walk(&s.expr)?;
            arguments(&s.args)
        }
        Expr::List(s) => s.items.iter().try_for_each(walk),
        Expr::Tuple(s) => s.items.iter().try_for_each(walk),
        Expr::Map(s) => {
            s.keys.iter().try_for_each(walk)?;
            s.values.iter().try_for_each(walk)
        }
    }
}

fn inner<'a, 's>(argument: &'a CallArg<'s>) -> &'a Expr<'s> {
    match argument {
        CallArg::Pos(expr) | CallArg::Kwarg(_, expr) | CallArg::PosSplat(expr) | CallArg::KwargSplat(expr) => expr,
    }
}

/// Whether an expression is, or may be worked out while compiling to, a text or a list.
fn is_text(expr: &Expr<'_>) -> bool {
    match expr {
        Expr::Const(c) => c.value.as_str().is_some(),
        Expr::List(_) | Expr::Tuple(_) | Expr::Map(_) => true,
        Expr::BinOp(s) => {
            matches!(s.op, BinOpKind::Add | BinOpKind::Mul | BinOpKind::Concat | BinOpKind::ScAnd | BinOpKind::ScOr)
                && (is_text(&s.left) || is_text(&s.right) || matches!(s.op, BinOpKind::Concat))
        }
        _ => false,
    }
}

impl fmt::Debug for Purse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Purse({})", self.left)
    }
}
