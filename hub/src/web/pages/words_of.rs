//! Words of what the policy and the rooms name by code: roles, verbs, kinds, refusals. Where a room has no words, the
//! code is shown rather than nothing.

use super::view::View;
use crate::policy::{Kind, Role, Verb};
use crate::signin::FactorKind;

/// «взрослый».
pub fn role(view: &View, role: Role) -> String {
    view.say_or(&format!("role-{}", role.code()), role.code())
}

/// «смотреть».
pub fn verb(view: &View, verb: Verb) -> String {
    view.say_or(&format!("verb-{}", verb.code()), verb.code())
}

/// «счётчики».
pub fn kind(view: &View, kind: Kind) -> String {
    view.say_or(&format!("kind-{}", kind.code()), kind.code())
}

/// «ключ доступа».
pub fn factor(view: &View, kind: FactorKind) -> String {
    view.t(&format!("page-factor-{}", kind.code()))
}

/// «07:30».
pub fn minute(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}
