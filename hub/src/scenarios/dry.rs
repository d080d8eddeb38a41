//! What a scenario would do, without doing it: the machine runs as ever, waits pass at once and each deed is said to have
//! been done. What a step would have changed does not stand in the world, so what looks at it sees how it stands now.

use std::sync::Arc;

use domovoi_model::Id;

use super::Outcome;
use super::due::Now;
use super::machine::{Effect, Event, step};
use super::plan::Scenario;
use super::run::{Cause, Doing, Run};
use super::view::{DryRun, Line, What};
use super::world::{Look, Standing, World};

/// How many steps are looked ahead.
const STEPS: usize = 300;

/// Looks ahead.
pub fn run(plan: &Scenario, trigger: Option<&str>, world: &Arc<dyn World>, now: &Now) -> DryRun {
    let id = Id([0; 16]);
    let cause = Cause::by(trigger.unwrap_or("hand"));
    let mut run = Run::new(id, plan.id, cause, plan.guards.max_run_s, now);
    let mut begins = true;
    let mut asked = Vec::new();
    for (n, condition) in plan.conditions.iter().enumerate() {
        let mut look = Look::new(world, now, Some(&run));
        let standing = look.condition(condition);
        let (what, said) = match (standing, look.wrong.take()) {
            (_, Some(why)) => (What::Wrong, why),
            (Standing::So, None) => (What::So, String::new()),
            (Standing::NotSo, None) => (What::NotSo, String::new()),
            (Standing::Unknown, None) => (What::Unknown, String::new()),
        };
        begins &= standing == Standing::So;
        asked.push(Line { at: now.moment(), path: format!("if.{}", n + 1), what, said, seen: look.seen() });
    }
    let mut lines = Vec::new();
    let mut next: u8 = 0;
    let mut new_id = || {
        next = next.wrapping_add(1);
        Id([next; 16])
    };
    let mut stepped = step(&mut run, plan, &Event::Go, world, now, &mut new_id);
    for _ in 0..STEPS {
        lines.extend(run.lines.drain(..).map(|line| Line::from(&line)));
        if stepped.end.is_some() {
            break;
        }
        let deed = stepped.effects.iter().find_map(|effect| match effect {
            Effect::Do { id, .. } => Some(*id),
            _ => None,
        });
        stepped = match (deed, &run.doing) {
            (Some(id), _) => {
                step(&mut run, plan, &Event::Outcome(id, Outcome::Done(String::new())), world, now, &mut new_id)
            }
            (None, Doing::Wait(_) | Doing::Until(_)) => {
                run.pass();
                step(&mut run, plan, &Event::Go, world, now, &mut new_id)
            }
            (None, _) => step(&mut run, plan, &Event::Go, world, now, &mut new_id),
        };
    }
    lines.extend(run.lines.drain(..).map(|line| Line::from(&line)));
    // The first line says that it begins; what its conditions came to stands after it.
    let at = lines.len().min(1);
    lines.splice(at..at, asked);
    // Nothing was done, so nothing is said to have been.
    lines.retain(|line| !(line.what == What::Did && line.said.is_empty()));
    DryRun { begins, lines }
}
