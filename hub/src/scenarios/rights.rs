//! What a scenario may do: what its author may, asked of the policy when it is saved and again each time it is done. Who
//! saves something dangerous shows a factor then, as for the command itself; nobody is there to show one later.

use domovoi_model::Value;

use super::plan::{Action, Given, Place, Scenario, Step};
use super::{Deed, DeedWhat, Surroundings};
use crate::policy::{Decision, Kind, Now, Object, Refusal, Verb, Who, decide};

/// Whether a deed may be done now.
pub fn may(deed: &Deed, around: &Surroundings, now: Now) -> Result<(), Refusal> {
    let who = match deed.author {
        // There is no such person any more, so nobody answers for it.
        Some(author) => (around.author)(author).ok_or(Refusal::SignIn)?,
        None => Who::console(),
    };
    let who = Who { proved_at: deed.sure.then_some(now.at), ..who };
    let (verb, object) = match &deed.what {
        DeedWhat::Command(command) => {
            let at = Place { device: command.target.device.clone(), property: command.target.property.clone() };
            let object = (around.object)(&at);
            let dangerous = (around.is_dangerous)(&at, Some(&command.value));
            (Verb::Command, if dangerous { object.dangerous() } else { object })
        }
        DeedWhat::Reading { point, .. } => (Verb::Submit, Object::one(Kind::Meter, point.to_string())),
        // To tell the household something is no more than to have a scenario.
        DeedWhat::Notify { .. } => (Verb::See, Object::all(Kind::Scenario)),
    };
    match decide(&who, verb, &object, now) {
        Decision::Allow => Ok(()),
        Decision::Refuse(refusal) => Err(refusal),
    }
}

/// Whether `by` may save this; whether something of it is dangerous. The error names the step.
pub fn may_save(by: &Who, scenario: &Scenario, around: &Surroundings, now: Now) -> Result<bool, (String, Refusal)> {
    let mut dangerous = false;
    let asked = Asked { by, around, now };
    asked.steps("actions", &scenario.actions, &mut dangerous)?;
    Ok(dangerous)
}

struct Asked<'a> {
    by: &'a Who,
    around: &'a Surroundings,
    now: Now,
}

impl Asked<'_> {
    fn steps(&self, path: &str, steps: &[Step], dangerous: &mut bool) -> Result<(), (String, Refusal)> {
        for (n, step) in steps.iter().enumerate() {
            let path = format!("{path}[{n}]");
            match &step.action {
                Action::Command { at, value, .. } => self.command(&path, at, value, dangerous)?,
                Action::Scene { commands, .. } => {
                    for (n, (at, value)) in commands.iter().enumerate() {
                        self.command(&format!("{path}.commands[{n}]"), at, value, dangerous)?;
                    }
                }
                Action::Reading { point, .. } => {
                    self.ask(&path, Verb::Submit, Object::one(Kind::Meter, point.to_string()))?;
                }
                Action::Start(scenario) | Action::Stop(scenario) => {
                    self.ask(&path, Verb::Command, Object::one(Kind::Scenario, scenario.to_string()))?;
                }
                Action::Choose { branches, otherwise } => {
                    for (n, branch) in branches.iter().enumerate() {
                        self.steps(&format!("{path}.branches[{n}].then"), &branch.steps, dangerous)?;
                    }
                    self.steps(&format!("{path}.else"), otherwise, dangerous)?;
                }
                Action::Repeat { steps, .. } => self.steps(&format!("{path}.steps"), steps, dangerous)?,
                Action::Wait { .. }
                | Action::Until { .. }
                | Action::Notify { .. }
                | Action::Set { .. }
                | Action::End => {}
            }
        }
        Ok(())
    }

    fn command(&self, path: &str, at: &Place, value: &Given, dangerous: &mut bool) -> Result<(), (String, Refusal)> {
        let value: Option<&Value> = match value {
            Given::Value(value) => Some(value),
            // What it will come to nobody knows yet.
            Given::Expression(_) => None,
        };
        let object = (self.around.object)(at);
        let is_dangerous = (self.around.is_dangerous)(at, value);
        *dangerous |= is_dangerous;
        self.ask(path, Verb::Command, if is_dangerous { object.dangerous() } else { object })
    }

    fn ask(&self, path: &str, verb: Verb, object: Object) -> Result<(), (String, Refusal)> {
        match decide(self.by, verb, &object, self.now) {
            Decision::Allow => Ok(()),
            Decision::Refuse(refusal) => Err((path.to_owned(), refusal)),
        }
    }
}
