//! What a template is looked through for before it is compiled: size, depth, and what has no price.
//!
//! Every pass over a template (parser, compiler, the dropping of its tree) goes down the stack once for each operator of
//! an expression, so that the operators are counted first, on the bare words.

use minijinja::machinery::ast::{BinOpKind, CallArg, Expr, Stmt};
use minijinja::machinery::{self, Instruction, Instructions, Token};
use minijinja::{Environment, Error, ErrorKind};

/// Operators, dots, brackets and filters of one expression.
const MAX_OPERATORS: usize = 160;
/// Statements of one template.
const MAX_STATEMENTS: usize = 400;
/// `elif` after `elif`: each stands within the one before.
const MAX_BRANCHES: usize = 80;

/// Looks through a parsed template.
pub(super) fn meaning(template: &Stmt<'_>) -> Result<(), String> {
    let mut names = Vec::new();
    namespaces(std::slice::from_ref(template), &mut names);
    statements(std::slice::from_ref(template), &names)
}

/// Looks through a source before any parser does: how many operators an expression has, how many statements there are. The
/// engine's own reading into words is used for it, which goes down no stack: what begins a text, a comment or an
/// expression is then never another thing here than there. One apostrophe in front of a tag once switched this off.
pub(super) fn bound(source: &str) -> Result<(), String> {
    let (mut operators, mut statements, mut branches) = (0usize, 0usize, 0usize);
    for word in machinery::tokenize(source, false, Default::default()) {
        // Where it cannot be read, the parser stops as well, and says so better.
        let Ok((token, _)) = word else { return Ok(()) };
        match token {
            Token::VariableStart | Token::BlockStart => statements += 1,
            Token::VariableEnd | Token::BlockEnd => operators = 0,
            Token::Ident("and" | "or" | "not" | "in" | "is" | "if" | "else") => operators += 1,
            Token::Ident("elif") => branches += 1,
            Token::TemplateData(_)
            | Token::Ident(_)
            | Token::Str(_)
            | Token::String(_)
            | Token::Int(_)
            | Token::Int128(_)
            | Token::Float(_)
            | Token::Comma
            | Token::Colon
            | Token::Assign
            | Token::BracketClose
            | Token::ParenClose
            | Token::BraceClose => {}
            _ => operators += 1,
        }
        if operators > MAX_OPERATORS {
            return Err(format!("an expression has more than {MAX_OPERATORS} operators"));
        }
    }
    if branches > MAX_BRANCHES {
        return Err(format!("there are more than {MAX_BRANCHES} elif; a dictionary does the same"));
    }
    if statements > MAX_STATEMENTS {
        return Err(format!("there are more than {MAX_STATEMENTS} statements"));
    }
    Ok(())
}

/// Refuses filters and tests that nobody has, as Jinja does when it reads a template: its entity says so at once, and not with
/// each message.
pub(super) fn names(instructions: &Instructions<'_>, environment: &Environment<'_>) -> Result<(), String> {
    let mut state = environment.empty_state();
    let is = |error: Option<Error>, kind| error.is_some_and(|error| error.kind() == kind);
    let mut at = 0;
    while let Some(instruction) = instructions.get(at) {
        at += 1;
        // Asked without anything to work on, they have nothing to do but to be there.
        match instruction {
            Instruction::ApplyFilter(name, ..) if is(state.apply_filter(name, &[]).err(), ErrorKind::UnknownFilter) => {
                return Err(format!("the filter «{name}» is not available in a device's template"));
            }
            Instruction::PerformTest(name, ..) if is(state.perform_test(name, &[]).err(), ErrorKind::UnknownTest) => {
                return Err(format!("the test «{name}» is not available in a device's template"));
            }
            _ => {}
        }
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
