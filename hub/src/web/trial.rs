//! Trying a rule of the reflex out, for both ways in. A test in earnest is as dangerous as what the rule does, which the rule
//! of the door does not know: here the policy is asked, and what it refuses is written down.

use super::{Caller, Desk};
use crate::policy::{Kind, Object, Refusal, Verb, surely};
use crate::safety::{SafetyError, TestRun};

/// Why nothing was tried.
#[derive(Debug)]
pub enum NotTried {
    /// The policy says no, or wants a factor first.
    Refused(Refusal),
    /// The room does.
    Safety(SafetyError),
}

/// Tries a rule out: tells what it would do or, in earnest, does it.
pub async fn try_out(desk: &Desk, caller: &Caller, rule: &str, in_earnest: bool) -> Result<TestRun, NotTried> {
    let mut sure = None;
    if in_earnest {
        let object = Object::one(Kind::Safety, rule);
        match surely(&caller.who, Verb::Command, object, desk.now()) {
            Ok(yes) => sure = Some(yes),
            Err(refusal) => {
                let entry = caller.refused("safety-rule.tested", (Kind::Safety, rule.to_owned()), &refusal);
                desk.journal.note(entry).await;
                return Err(NotTried::Refused(refusal));
            }
        }
    }
    desk.safety.test(rule, sure.as_ref()).await.map_err(NotTried::Safety)
}
