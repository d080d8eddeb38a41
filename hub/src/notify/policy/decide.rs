//! The decision itself: somebody, a piece of news, a moment → by which ways now, or not before when, or only in the inbox;
//! and why. Total: whatever is handed in is answered, and never without a reason.

use domovoi_model::{Id, Severity, Timestamp};
use jiff::tz::TimeZone;

use super::quiet::{QuietSpan, quiet_until};
use super::reason::Reason;
use super::wishes::Wishes;
use crate::notify::Topic;

/// What is to be told, as far as the policy asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matter<'a> {
    /// What people choose by.
    pub topic: Topic,
    /// How bad.
    pub severity: Severity,
    /// Somebody may die of not hearing it now.
    pub life: bool,
    /// It is an exercise or a test.
    pub drill: bool,
    /// The room it is about.
    pub room: Option<&'a str>,
}

impl Matter<'_> {
    /// Life is at stake in earnest.
    pub fn is_life(&self) -> bool {
        self.life && !self.drill
    }
}

/// Why it is told now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// For the first time, or anew because it is worse.
    First,
    /// Nobody has answered.
    Again,
    /// Nobody has answered, and ways that cost money may be taken.
    Costly,
    /// It is over.
    AllClear,
    /// What was kept back is told in one letter.
    Digest,
}

/// A way of reaching the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way<'a> {
    /// Which.
    pub id: Id,
    /// By which channel.
    pub channel: &'a str,
    /// A letter costs money.
    pub costs: bool,
    /// It is not to be used: switched off, or nobody is at the address any more.
    pub off: bool,
    /// So many letters that life does not hang on went by it within the time of the rate.
    pub lately: u32,
    /// So many that life hangs on went by it within a minute.
    pub life_lately: u32,
}

/// Somebody who may be told.
#[derive(Debug, Clone, Copy)]
pub struct Listener<'a> {
    /// What the person wants.
    pub wishes: &'a Wishes,
    /// The person's ways, in the order in which they are tried.
    pub ways: &'a [Way<'a>],
    /// At home, as far as it is known.
    pub at_home: Option<bool>,
}

/// The moment that counts.
#[derive(Debug, Clone, Copy)]
pub struct Now<'a> {
    /// UTC.
    pub at: Timestamp,
    /// The home's.
    pub zone: &'a TimeZone,
    /// Whether the clock is trusted.
    pub trusted: bool,
}

/// What counts in this home.
#[derive(Debug, Clone, Copy)]
pub struct Habits<'a> {
    /// Quiet hours of whoever has none.
    pub quiet: &'a [QuietSpan],
    /// So many letters by one way within the time of the rate.
    pub rate: u32,
    /// So many that life hangs on within a minute.
    pub life_rate: u32,
}

/// When it is told, if not now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Later {
    /// After quiet hours, in a digest.
    AfterQuiet(Timestamp),
    /// With others in one letter, as soon as there is room.
    WithOthers,
}

/// What the policy says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// By these ways, all at once.
    pub now: Vec<Id>,
    /// Not now.
    pub later: Option<Later>,
    /// It stands in the inbox.
    pub inbox: bool,
    /// Why so; never empty.
    pub why: Vec<Reason>,
}

/// Whether, when and by which ways.
pub fn decide(who: &Listener<'_>, matter: Matter<'_>, call: Call, habits: &Habits<'_>, now: Now<'_>) -> Decision {
    let mut decision = Decision { inbox: true, ..Decision::default() };
    if matter.drill {
        decision.why.push(Reason::Drill);
    }
    if matter.is_life() {
        decision.why.push(Reason::Life);
        for_life(who, habits, &mut decision);
    } else if is_wanted(who, matter, call, now, &mut decision) {
        if let Some(until) = quiet(who, habits, now) {
            decision.why.push(Reason::Quiet(until));
            decision.later = Some(Later::AfterQuiet(until));
        } else if matter.drill && !now.trusted {
            // It may be night, and an exercise wakes nobody.
            decision.why.push(Reason::ClockUnknown);
        } else {
            by_ways(who, matter, call, habits, now, &mut decision);
        }
    }
    decision
}

/// Until when the person wants to hear nothing that can wait. While nobody knows the time there are no quiet hours: being
/// told at night is the smaller harm.
pub fn quiet(who: &Listener<'_>, habits: &Habits<'_>, now: Now<'_>) -> Option<Timestamp> {
    let spans = who.wishes.quiet.as_deref().unwrap_or(habits.quiet);
    quiet_until(spans, now.at, now.zone).filter(|_| now.trusted)
}

/// Every way, at any hour, whatever it costs. A wish for some channels counts as far as it leaves one.
fn for_life(who: &Listener<'_>, habits: &Habits<'_>, decision: &mut Decision) {
    let usable = || who.ways.iter().filter(|way| !way.off);
    let wished = |way: &&Way<'_>| who.wishes.life_by.iter().any(|name| name == way.channel);
    let by_wish = !who.wishes.life_by.is_empty() && usable().any(|way| wished(&way));
    let ways: Vec<&Way<'_>> = usable().filter(|way| !by_wish || wished(way)).collect();
    if ways.is_empty() {
        decision.why.push(Reason::NoWay);
        return;
    }
    decision.now = ways.iter().filter(|way| way.life_lately < habits.life_rate).map(|way| way.id).collect();
    if decision.now.is_empty() {
        decision.why.push(Reason::TooMany);
        decision.later = Some(Later::WithOthers);
    }
}

/// Whether it is told by a way at all, or stands in the inbox only, or not even there.
fn is_wanted(who: &Listener<'_>, matter: Matter<'_>, call: Call, now: Now<'_>, decision: &mut Decision) -> bool {
    let wish = who.wishes.of(matter.topic);
    // Of these it was decided before that they are told.
    let settled = matches!(call, Call::Digest | Call::AllClear);
    let against = if settled {
        None
    } else if !wish.on {
        decision.inbox = false;
        Some(Reason::NotWanted)
    } else if matter.severity < wish.from {
        Some(Reason::NotBadEnough)
    } else if !follows(&who.wishes.rooms, matter.room) {
        Some(Reason::OtherRoom)
    } else {
        // Muted until a time that nobody knows to have come: muted.
        who.wishes.muted_until(matter.topic, now.at).map(Reason::Muted)
    };
    match against {
        Some(reason) => {
            decision.why.push(reason);
            false
        }
        None => true,
    }
}

fn follows(rooms: &[String], room: Option<&str>) -> bool {
    rooms.is_empty() || room.is_none_or(|room| rooms.iter().any(|followed| followed == room))
}

fn by_ways(
    who: &Listener<'_>,
    matter: Matter<'_>,
    call: Call,
    habits: &Habits<'_>,
    now: Now<'_>,
    decision: &mut Decision,
) {
    let usable: Vec<&Way<'_>> = who.ways.iter().filter(|way| !way.off).collect();
    if usable.is_empty() {
        decision.why.push(Reason::NoWay);
        return;
    }
    let in_hours =
        |span: &QuietSpan| !now.trusted || quiet_until(std::slice::from_ref(span), now.at, now.zone).is_some();
    let rule = who.wishes.rules.iter().position(|rule| {
        rule.fits(matter.topic, matter.severity, who.at_home, rule.hours.as_ref().is_some_and(in_hours))
    });
    let named = |way: &Way<'_>| {
        let rule = rule.and_then(|number| who.wishes.rules.get(number));
        rule.is_none_or(|rule| rule.by.iter().any(|name| name == way.channel))
    };
    if let Some(number) = rule {
        decision.why.push(Reason::ByRule(number));
    }
    let wanted: Vec<&Way<'_>> = usable.into_iter().filter(|way| named(way)).collect();
    if wanted.is_empty() {
        return;
    }
    let free: Vec<&Way<'_>> = wanted.iter().copied().filter(|way| !way.costs).collect();
    let chosen: Vec<&Way<'_>> = match call {
        Call::Costly if !matter.drill => {
            decision.why.push(Reason::CostsNow);
            wanted
        }
        _ if free.is_empty() => {
            decision.why.push(Reason::OnlyCosts);
            return;
        }
        Call::First | Call::Again if rule.is_some() => free,
        Call::First | Call::Again if matter.severity >= Severity::Severe => {
            decision.why.push(Reason::AllWays);
            free
        }
        _ => {
            decision.why.push(Reason::FirstWay);
            free.into_iter().take(1).collect()
        }
    };
    if chosen.iter().any(|way| way.lately >= habits.rate) {
        decision.why.push(Reason::TooMany);
        decision.later = Some(Later::WithOthers);
    } else {
        decision.now = chosen.iter().map(|way| way.id).collect();
    }
}
