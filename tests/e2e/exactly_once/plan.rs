//! What a run does: dealt from its seed, before anything happens.

use std::collections::BTreeSet;

use e2e::Dice;
use firmware_sim::portal::{Endpoint, Misbehaviour, Reach};

/// How many kinds of misbehaviour there are.
pub const KINDS: u64 = 19;
/// How long a run is.
pub const MONTHS: u64 = 3;

/// One of everything that the sandbox can do wrong.
pub fn misbehaviour(kind: u64, dice: &mut Dice) -> Misbehaviour {
    match kind {
        0 => Misbehaviour::AnswerLostAfterCommit,
        1 => Misbehaviour::AnswerLostBeforeCommit,
        2 => Misbehaviour::ServerError500,
        3 => Misbehaviour::BadGateway502Html,
        4 => Misbehaviour::TooManyRequests { retry_after_s: dice.below(100) },
        5 => Misbehaviour::SlowDown,
        6 => Misbehaviour::ExpireAccessTokens,
        7 => Misbehaviour::WithdrawConsent,
        8 => Misbehaviour::WindowClosed { opens_at: "2026-11-25T00:00:00+03:00".into() },
        9 => Misbehaviour::PartialAcceptance { reject: 1, code: "odd".into() },
        10 => Misbehaviour::SlowReadBack { polls: 1 + dice.below(4) as u32 },
        11 => Misbehaviour::Html200,
        12 => Misbehaviour::HugeAnswer,
        13 => Misbehaviour::WrongHashInStatus,
        14 => Misbehaviour::RefreshAnswerLost,
        15 => Misbehaviour::SlowAnswer { millis: 50 + dice.below(300) },
        16 => Misbehaviour::AccountPending,
        17 => Misbehaviour::AccountBlocked,
        _ => Misbehaviour::NonceChallenge,
    }
}

/// `SlowAnswer { millis: 3 }` → `SlowAnswer`
pub fn name(shown: &str) -> String {
    shown.split([' ', '{', '(']).next().unwrap_or_default().to_owned()
}

/// Misbehaviours that any endpoint can show.
fn strikes_anywhere(what: &Misbehaviour) -> bool {
    matches!(
        name(&format!("{what:?}")).as_str(),
        "AnswerLostAfterCommit"
            | "AnswerLostBeforeCommit"
            | "ServerError500"
            | "BadGateway502Html"
            | "TooManyRequests"
            | "ExpireAccessTokens"
            | "Html200"
            | "HugeAnswer"
            | "NonceChallenge"
    )
}

fn some_reach(what: &Misbehaviour, dice: &mut Dice) -> Reach {
    // A PUT that is still asleep in the portal when its hub goes away may be done after the next hub has asked: then a
    // second handing-in is right. Such delays belong to `process.rs`.
    if matches!(what, Misbehaviour::SlowAnswer { .. }) {
        let calm = [Endpoint::GetAct, Endpoint::Receipt, Endpoint::HubKey, Endpoint::Token];
        return Reach::Only(calm[dice.below(calm.len() as u64) as usize]);
    }
    if !strikes_anywhere(what) {
        return what.usual_reach();
    }
    match dice.below(12) {
        0 | 1 => what.usual_reach(),
        2 => Reach::Any,
        3 => Reach::OauthServer,
        4 => Reach::ActStatus,
        5 | 6 => Reach::Only(Endpoint::PutAct),
        7 | 8 => Reach::Only(Endpoint::GetAct),
        9 => Reach::Only(Endpoint::Receipt),
        10 => Reach::Only(Endpoint::HubKey),
        _ => Reach::Only(Endpoint::Token),
    }
}

/// What stays wrong until somebody mends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    None,
    WindowClosed,
    Pending,
    Blocked,
    ConsentWithdrawn,
}

/// What happens in a month.
#[derive(Debug)]
pub struct Month {
    pub faults: Vec<(Reach, Misbehaviour, u32)>,
    pub trouble: Trouble,
    /// Before the telegrams are acknowledged, after them, after the signing.
    pub restarts: [bool; 3],
    /// The month ends before the portal has said anything.
    pub hasty: bool,
    pub corrected: bool,
}

/// One run, as its seed has it.
#[derive(Debug)]
pub struct Plan {
    pub accounts: usize,
    pub require_nonce: bool,
    pub verdict_after_polls: u32,
    pub months: Vec<Month>,
}

impl Plan {
    /// The last byte of the seed deals the misbehaviours round, so that 19 seeds in a row have them all.
    pub fn deal(seed: u64, dice: &mut Dice) -> Plan {
        let turn = seed & 0xFF;
        let mut months: Vec<Month> = (0..MONTHS)
            .map(|_| Month {
                faults: Vec::new(),
                trouble: match dice.below(8) {
                    0 => Trouble::WindowClosed,
                    1 => Trouble::Pending,
                    2 => Trouble::Blocked,
                    3 => Trouble::ConsentWithdrawn,
                    _ => Trouble::None,
                },
                restarts: [dice.below(4) == 0, dice.below(4) == 0, dice.below(3) == 0],
                hasty: dice.below(4) == 0,
                corrected: dice.below(4) == 0,
            })
            .collect();
        for kind in [turn % KINDS, (7 * turn + 3) % KINDS] {
            let what = misbehaviour(kind, dice);
            if what == Misbehaviour::RefreshAnswerLost {
                // Somebody has to refresh.
                let expired = Misbehaviour::ExpireAccessTokens;
                months[0].faults.push((Reach::Only(Endpoint::PutAct), expired, 1));
            }
            // In the first month, and where it is sure to strike: a linking, a sending and a read-back happen in it.
            let calm = matches!(what, Misbehaviour::SlowAnswer { .. });
            let reach = if calm { some_reach(&what, dice) } else { what.usual_reach() };
            months[0].faults.push((reach, what, 1));
        }
        for _ in 0..3 + dice.below(5) {
            let what = misbehaviour(dice.below(KINDS), dice);
            let reach = some_reach(&what, dice);
            let times = if strikes_anywhere(&what) { 1 + dice.below(3) as u32 } else { 1 };
            // A poll of the linking that fails doubles the seconds to the next one, as RFC 8628 wants it.
            let times = if reach == Reach::Only(Endpoint::Token) { 1 } else { times };
            if what != Misbehaviour::SlowDown {
                months[dice.below(MONTHS) as usize].faults.push((reach, what, times));
            }
        }
        Plan {
            accounts: 1 + dice.below(2) as usize,
            require_nonce: dice.below(4) == 0,
            verdict_after_polls: dice.below(3) as u32,
            months,
        }
    }

    pub fn kinds(&self) -> BTreeSet<String> {
        self.months.iter().flat_map(|month| &month.faults).map(|(_, what, _)| name(&format!("{what:?}"))).collect()
    }
}
