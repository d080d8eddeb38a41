//! The policy's promises: each as a property over everybody and everything, and a few as plain stories.

use domovoi_model::{Id, PersonId, Timestamp};
use proptest::prelude::*;

use super::table::has;
use super::*;

const NOON: Timestamp = Timestamp(1_795_176_000_000);
const ME: PersonId = PersonId(Id([1; 16]));
const OTHER: PersonId = PersonId(Id([2; 16]));

/// What nobody gets over others by any grant.
const WAYS_IN: [Kind; 7] =
    [Kind::Rights, Kind::Factor, Kind::Session, Kind::Token, Kind::Consent, Kind::Credential, Kind::Secret];

fn now() -> Now {
    Now { at: NOON, minute: 12 * 60, trusted: true }
}

fn person(role: Role) -> Who {
    let until = (role == Role::Guest).then_some(Timestamp(NOON.0 + 1));
    Who::at_best(ME, role, Vec::new(), until, false, now())
}

fn allow(verb: Verb, kind: Kind) -> Grant {
    Grant { id: "g".into(), ..Grant::new(Effect::Allow, vec![verb], kind) }
}

fn why(who: &Who, verb: Verb, object: &Object) -> Option<Refusal> {
    match decide(who, verb, object, now()) {
        Decision::Allow => None,
        Decision::Refuse(refusal) => Some(refusal),
    }
}

// --- everybody and everything

fn verb() -> impl Strategy<Value = Verb> {
    proptest::sample::select(Verb::ALL.to_vec())
}

/// Any but the threshold, on which everything is allowed.
fn kind() -> impl Strategy<Value = Kind> {
    proptest::sample::select(Kind::ALL.iter().copied().filter(|kind| *kind != Kind::Threshold).collect::<Vec<_>>())
}

fn name() -> impl Strategy<Value = Option<String>> {
    proptest::option::of(proptest::sample::select(vec!["a".to_owned(), "b".to_owned()]))
}

fn hours() -> impl Strategy<Value = Option<Hours>> {
    proptest::option::of((0u16..1440, 0u16..1440).prop_map(|(from_minute, to_minute)| Hours { from_minute, to_minute }))
}

fn moment() -> impl Strategy<Value = Timestamp> {
    proptest::sample::select(vec![NOON.0 - 400_000, NOON.0 - 200_000, NOON.0 - 1, NOON.0, NOON.0 + 1, NOON.0 + 90_000])
        .prop_map(Timestamp)
}

fn at() -> impl Strategy<Value = Now> {
    (0u16..1440, any::<bool>()).prop_map(|(minute, trusted)| Now { at: NOON, minute, trusted })
}

fn grant(kinds: impl Strategy<Value = Kind>) -> impl Strategy<Value = Grant> {
    let scope = (kinds, name(), name(), name());
    let when = (hours(), any::<bool>(), proptest::option::of(moment()), proptest::option::of(Just(OTHER)));
    (any::<bool>(), proptest::collection::vec(verb(), 0..4), scope, when).prop_map(
        |(gives, verbs, (kind, id_is, room, capability), (hours, home_only, until, from))| Grant {
            id: "g".into(),
            id_is,
            room,
            capability,
            hours,
            home_only,
            until,
            from,
            ..Grant::new(if gives { Effect::Allow } else { Effect::Deny }, verbs, kind)
        },
    )
}

fn object() -> impl Strategy<Value = Object> {
    let owner = proptest::sample::select(vec![None, Some(ME), Some(OTHER)]);
    let owner_role = proptest::option::of(proptest::sample::select(Role::ALL.to_vec()));
    (kind(), name(), owner, owner_role, name(), name(), any::<bool>()).prop_map(
        |(kind, id, owner, owner_role, room, capability, dangerous)| Object {
            kind,
            id,
            owner,
            owner_role,
            room,
            capability,
            dangerous,
        },
    )
}

fn scopes() -> impl Strategy<Value = Option<Vec<Scope>>> {
    let scope = (verb(), proptest::option::of(kind())).prop_map(|(verb, kind)| Scope { verb, kind });
    proptest::option::of(proptest::collection::vec(scope, 0..6))
}

fn subject() -> impl Strategy<Value = (Subject, Option<Role>)> {
    let filters = || proptest::collection::vec("[ab]|#|\\+", 0..2);
    prop_oneof![
        6 => proptest::sample::select(Role::ALL.to_vec()).prop_map(|role| (Subject::Person(ME), Some(role))),
        1 => Just((Subject::Person(ME), None)),
        1 => Just((Subject::Nobody, None)),
        1 => Just((Subject::House, None)),
        1 => Just((Subject::Console, Some(Role::Owner))),
        1 => (filters(), filters()).prop_map(|(publish, subscribe)| {
            (Subject::Credential { username: "u".into(), publish, subscribe }, Some(Role::Service))
        }),
    ]
}

fn anybody() -> impl Strategy<Value = Who> {
    who(subject())
}

fn a_person() -> impl Strategy<Value = Who> {
    who(proptest::sample::select(Role::ALL.to_vec()).prop_map(|role| (Subject::Person(ME), Some(role))))
}

fn who(subject: impl Strategy<Value = (Subject, Option<Role>)>) -> impl Strategy<Value = Who> {
    let network = proptest::sample::select(vec![Network::Console, Network::Home, Network::Outside]);
    let all = [Assurance::None, Assurance::Pin, Assurance::Single, Assurance::Strong];
    let known = (proptest::sample::select(all.to_vec()), proptest::option::of(moment()), scopes());
    let standing = (proptest::option::of(moment()), proptest::bool::weighted(0.1));
    let grants = proptest::collection::vec(grant(kind()), 0..4);
    (subject, grants, network, known, standing).prop_map(
        |((subject, role), grants, network, (assurance, proved_at, scopes), (until, locked))| Who {
            subject,
            role,
            grants,
            network,
            assurance,
            proved_at,
            scopes,
            until,
            locked,
        },
    )
}

/// The same question with a grant that hits it more often than chance.
fn hit(mut grant: Grant, verb: Verb, object: &Object) -> Grant {
    grant.kind = object.kind;
    grant.verbs.push(verb);
    grant
}

proptest! {
    #![proptest_config(ProptestConfig { max_global_rejects: 100_000, ..ProptestConfig::with_cases(1_000) })]

    /// Whoever is a person and has a right taken away by name and without conditions does not have it.
    #[test]
    fn what_is_taken_away_stays_away(mut who in a_person(), verb in verb(), object in object(), now in at(), extra in grant(kind())) {
        who.grants.push(hit(Grant { effect: Effect::Allow, ..extra }, verb, &object));
        who.grants.push(Grant { effect: Effect::Deny, ..allow(verb, object.kind) });
        prop_assert!(!decide(&who, verb, &object, now).is_allowed());
    }

    /// One that takes away never adds, one that gives never takes.
    #[test]
    fn grants_do_what_they_are_called(who in anybody(), verb in verb(), object in object(), now in at(), extra in grant(kind())) {
        let extra = hit(extra, verb, &object);
        let before = decide(&who, verb, &object, now).is_allowed();
        let mut with = who.clone();
        with.grants.push(extra.clone());
        let after = decide(&with, verb, &object, now).is_allowed();
        match extra.effect {
            Effect::Allow => prop_assert!(after || !before, "{extra:?} took it away"),
            Effect::Deny => prop_assert!(before || !after, "{extra:?} gave it"),
        }
    }

    /// The reasons that concern the person as a whole come before everything but the threshold.
    #[test]
    fn the_expired_and_the_locked_may_nothing(who in a_person(), verb in verb(), object in object(), now in at()) {
        let over = match who.until {
            Some(until) => !now.trusted || until <= now.at,
            None => who.role == Some(Role::Guest),
        };
        if who.locked || over || who.assurance == Assurance::None {
            prop_assert!(!decide(&who, verb, &object, now).is_allowed());
        }
    }

    /// A PIN looks and commands; it opens no way in, shows no journal, takes nothing away, and does nothing dangerous.
    #[test]
    fn a_pin_is_for_lamps(mut who in a_person(), verb in verb(), object in object(), now in at()) {
        who.assurance = Assurance::Pin;
        if decide(&who, verb, &object, now).is_allowed() {
            prop_assert!(!object.dangerous && matches!(verb, Verb::See | Verb::Command));
            // To see and to leave a session of one's own opens nothing.
            let own_session = object.kind == Kind::Session && object.owner == Some(ME);
            prop_assert!(own_session || !WAYS_IN.contains(&object.kind));
            prop_assert!(!matches!(object.kind, Kind::Journal | Kind::Portal | Kind::Act | Kind::System));
        }
    }

    /// A token never adds to what its person may do; a wider one never takes away; a program has nothing without one.
    #[test]
    fn scopes_only_narrow(who in a_person(), verb in verb(), object in object(), now in at(), more in scopes()) {
        let with = decide(&who, verb, &object, now).is_allowed();
        let whole = Who { scopes: None, ..who.clone() };
        if who.role == Some(Role::Service) {
            prop_assert!(!decide(&whole, verb, &object, now).is_allowed());
        } else if with {
            prop_assert!(decide(&whole, verb, &object, now).is_allowed());
        }
        if let Some(scopes) = &who.scopes {
            let named = scopes.iter().any(|s| s.verb == verb && s.kind.is_none_or(|kind| kind == object.kind));
            prop_assert!(named || !with);
            let wider = Who { scopes: Some(scopes.iter().copied().chain(more.unwrap_or_default()).collect()), ..who };
            prop_assert!(decide(&wider, verb, &object, now).is_allowed() || !with);
        }
    }

    /// Whatever was granted: nobody but an owner gets at anything of another person's that opens a way in.
    #[test]
    fn no_grant_opens_a_way_in(mut who in anybody(), verb in verb(), mut object in object(), now in at(), extra in grant(kind())) {
        prop_assume!(!matches!(who.subject, Subject::Console | Subject::House) && who.role != Some(Role::Owner));
        if object.owner == Some(ME) {
            object.owner = Some(OTHER);
        }
        who.grants.push(hit(Grant { effect: Effect::Allow, ..extra }, verb, &object));
        if WAYS_IN.contains(&object.kind) {
            prop_assert!(!decide(&who, verb, &object, now).is_allowed());
        }
    }

    /// Nobody is let past the threshold unknown, and a credential touches topics only.
    #[test]
    fn strangers_stay_on_the_threshold(mut who in anybody(), verb in verb(), object in object(), now in at()) {
        who.subject = Subject::Nobody;
        prop_assert_eq!(decide(&who, verb, &object, now), Decision::Refuse(Refusal::SignIn));
        who.subject = Subject::Credential { username: "u".into(), publish: vec!["#".into()], subscribe: vec!["#".into()] };
        prop_assert!(object.kind == Kind::Topic || !decide(&who, verb, &object, now).is_allowed());
    }

    /// A program does nothing dangerous, whatever it was given.
    #[test]
    fn a_program_does_nothing_dangerous(mut who in a_person(), verb in verb(), object in object(), now in at(), extra in grant(kind())) {
        who.role = Some(Role::Service);
        who.grants.push(hit(Grant { effect: Effect::Allow, ..extra }, verb, &object));
        let ways_in = WAYS_IN.contains(&object.kind) && verb != Verb::See;
        if object.dangerous || ways_in {
            prop_assert!(!decide(&who, verb, &object, now).is_allowed());
        }
    }

    /// Danger and distance only ever take away.
    #[test]
    fn danger_and_distance_never_help(who in anybody(), verb in verb(), object in object(), now in at()) {
        let yes = decide(&who, verb, &object, now).is_allowed();
        let plain = Object { dangerous: false, ..object.clone() };
        prop_assert!(decide(&who, verb, &plain, now).is_allowed() || !yes);
        // What is taken away at home only may be done from outside: that is what it says.
        if who.network == Network::Outside && !who.grants.iter().any(|g| g.effect == Effect::Deny && g.home_only) {
            let home = Who { network: Network::Home, ..who };
            prop_assert!(decide(&home, verb, &object, now).is_allowed() || !yes);
        }
    }

    /// Asked to step up, a person who does is let in: the reason that is named last is the last.
    #[test]
    fn stepping_up_is_never_in_vain(who in anybody(), verb in verb(), object in object(), now in at()) {
        if decide(&who, verb, &object, now) == Decision::Refuse(Refusal::StepUp) {
            let proved = Who { proved_at: Some(now.at), ..who };
            prop_assert!(decide(&proved, verb, &object, now).is_allowed());
        }
    }

    /// What was handed on gives nothing that its giver would be refused.
    #[test]
    fn delegation_never_exceeds_the_giver(
        mut giver in a_person(),
        own in proptest::collection::vec(grant(kind()), 0..3),
        handed in grant(kind()),
        verb in verb(),
        mut object in object(),
        now in at(),
        role in proptest::sample::select(vec![Role::Adult, Role::Child, Role::Guest]),
    ) {
        object.owner = None;
        let handed = Grant { from: Some(ME), effect: Effect::Allow, ..hit(handed, verb, &object) };
        giver.grants = own.into_iter().map(|grant| hit(grant, verb, &object)).collect();
        // Of those who may hand on at all.
        giver = Who { scopes: None, locked: false, until: None, ..giver };
        giver.role = giver.role.map(|role| if role == Role::Owner { role } else { Role::Adult });
        prop_assume!(may_delegate(&giver, &handed, now).is_ok());
        let receiver = Who {
            subject: Subject::Person(OTHER),
            until: Some(Timestamp(NOON.0 + 1)),
            ..Who::at_best(OTHER, role, Vec::new(), None, false, now)
        };
        let receiver = Who { network: giver.network, ..receiver };
        let without = decide(&receiver, verb, &object, now).is_allowed();
        let with = Who { grants: vec![handed], ..receiver };
        if decide(&with, verb, &object, now).is_allowed() && !without {
            // Signed in as surely as the receiver, and with a factor just shown.
            let giver = Who { assurance: Assurance::Strong, proved_at: Some(now.at), ..giver };
            prop_assert_eq!(decide(&giver, verb, &object, now), Decision::Allow);
        }
    }

    /// An hour of the day is inside or outside, and the whole day has all of them.
    #[test]
    fn hours_and_their_rest_are_the_day(from_minute in 0u16..1440, to_minute in 0u16..1440, minute in 0u16..1440) {
        let inside = Hours { from_minute, to_minute }.contains(minute);
        let rest = Hours { from_minute: to_minute, to_minute: from_minute }.contains(minute);
        prop_assert_eq!(inside != rest, from_minute != to_minute);
        prop_assert!(from_minute != to_minute || inside);
    }
}

// --- stories

#[test]
fn the_owner_does_not_act_in_another_adults_name() {
    let owner = person(Role::Owner);
    let adults = |kind| Object { owner_role: Some(Role::Adult), ..Object::of(kind, OTHER) };
    for (verb, kind) in [
        (Verb::Edit, Kind::Factor),
        (Verb::Edit, Kind::Token),
        (Verb::Edit, Kind::Consent),
        (Verb::See, Kind::Consent),
        (Verb::Export, Kind::Person),
        (Verb::Submit, Kind::Person),
    ] {
        assert_eq!(why(&owner, verb, &adults(kind)), Some(Refusal::NotYours), "{verb:?} {kind:?}");
        assert_eq!(why(&owner, verb, &Object::of(kind, ME)), None, "{verb:?} own {kind:?}");
    }
    for (verb, kind) in [
        (Verb::Edit, Kind::Person),
        (Verb::Edit, Kind::Rights),
        (Verb::Edit, Kind::Session),
        (Verb::Command, Kind::Factor),
        (Verb::See, Kind::Factor),
    ] {
        assert_eq!(why(&owner, verb, &adults(kind).dangerous()), None, "{verb:?} {kind:?}");
    }
    for ward in [Role::Child, Role::Service] {
        let object = |kind| Object { owner_role: Some(ward), ..Object::of(kind, OTHER) };
        for kind in [Kind::Factor, Kind::Token, Kind::Consent] {
            assert_eq!(why(&owner, Verb::Edit, &object(kind)), None, "{ward:?} {kind:?}");
            assert!(why(&person(Role::Adult), Verb::Edit, &object(kind)).is_some());
        }
    }
}

#[test]
fn everybody_looks_after_their_own() {
    for role in [Role::Owner, Role::Adult, Role::Child, Role::Guest] {
        let me = person(role);
        for kind in [Kind::Person, Kind::Factor, Kind::Session, Kind::Consent] {
            assert_eq!(why(&me, Verb::See, &Object::of(kind, ME)), None, "{role:?} {kind:?}");
            assert_eq!(why(&me, Verb::Edit, &Object::of(kind, ME)), None, "{role:?} {kind:?}");
        }
        assert_eq!(why(&me, Verb::Export, &Object::of(Kind::Person, ME)), None);
        let tokens = why(&me, Verb::Edit, &Object::of(Kind::Token, ME));
        assert_eq!(tokens.is_none(), matches!(role, Role::Owner | Role::Adult), "{role:?}");
    }
}

#[test]
fn the_console_is_the_owners_hands_and_can_let_anybody_in_anew() {
    for kind in Kind::ALL {
        for verb in Verb::ALL {
            let (owner, console) = (Column::Role(Role::Owner), Column::Console);
            if has(owner, *kind, Whose::Any, verb) {
                assert!(has(console, *kind, Whose::Any, verb), "{verb:?} {kind:?}");
            }
        }
    }
    assert_eq!(why(&Who::console(), Verb::Edit, &Object::all(Kind::Factor).dangerous()), None);
    assert_eq!(why(&person(Role::Owner), Verb::Edit, &Object::all(Kind::Factor)), Some(Refusal::Role));
    assert_eq!(why(&Who::console(), Verb::Edit, &Object::of(Kind::Consent, OTHER)), Some(Refusal::Role));
}

#[test]
fn from_outside_a_stolen_password_changes_nothing() {
    let lamp = Object::one(Kind::Device, "lamp");
    let outside = |role, assurance| Who { network: Network::Outside, assurance, ..person(role) };
    assert_eq!(why(&outside(Role::Owner, Assurance::Single), Verb::See, &lamp), None);
    assert_eq!(why(&outside(Role::Owner, Assurance::Single), Verb::Command, &lamp), Some(Refusal::Stronger));
    assert_eq!(why(&outside(Role::Owner, Assurance::Strong), Verb::Command, &lamp), None);
    let session = Object::of(Kind::Session, ME);
    assert_eq!(why(&outside(Role::Adult, Assurance::Single), Verb::Edit, &session), None, "a phone was lost");
    let pairing = Object::of(Kind::Session, ME).dangerous();
    assert_eq!(why(&outside(Role::Adult, Assurance::Single), Verb::Edit, &pairing), Some(Refusal::Stronger));
    assert_eq!(why(&outside(Role::Child, Assurance::Strong), Verb::See, &lamp), None);
    assert_eq!(why(&outside(Role::Child, Assurance::Strong), Verb::Command, &lamp), Some(Refusal::HomeOnly));
    assert_eq!(why(&outside(Role::Guest, Assurance::Strong), Verb::See, &lamp), Some(Refusal::HomeOnly));
    let granted = Who { grants: vec![allow(Verb::Command, Kind::Device)], ..outside(Role::Child, Assurance::Strong) };
    assert_eq!(why(&granted, Verb::Command, &lamp), None);
    let at_home = Grant { home_only: true, ..allow(Verb::Command, Kind::Device) };
    let granted = Who { grants: vec![at_home], ..outside(Role::Child, Assurance::Strong) };
    assert_eq!(why(&granted, Verb::Command, &lamp), Some(Refusal::HomeOnly));
}

#[test]
fn danger_wants_a_factor_shown_within_five_minutes() {
    let act = Object::one(Kind::Act, "7").dangerous();
    let shown = |ago: i64| Who { proved_at: Some(Timestamp(NOON.0 - ago)), ..person(Role::Owner) };
    assert_eq!(why(&shown(0), Verb::Submit, &act), None);
    assert_eq!(why(&shown(300_000), Verb::Submit, &act), None);
    assert_eq!(why(&shown(300_001), Verb::Submit, &act), Some(Refusal::StepUp));
    assert_eq!(why(&shown(-1), Verb::Submit, &act), Some(Refusal::StepUp), "a proof from the future is none");
    assert_eq!(why(&Who { proved_at: None, ..shown(0) }, Verb::Submit, &act), Some(Refusal::StepUp));
    assert_eq!(why(&Who::console(), Verb::Submit, &act), None, "whoever holds the machine holds the keys");
    let pin = Who { assurance: Assurance::Pin, ..shown(0) };
    assert_eq!(why(&pin, Verb::Submit, &act), Some(Refusal::Stronger));
    let passkey = Object::of(Kind::Factor, ME);
    assert_eq!(why(&shown(300_001), Verb::Edit, &passkey), Some(Refusal::StepUp), "though the door does not say so");
}

#[test]
fn a_lock_is_opened_for_a_guest_by_name_and_at_the_hours_named() {
    let lock = Object { room: Some("hall".into()), ..Object::one(Kind::Device, "lock") }.dangerous();
    let guest = person(Role::Guest);
    assert_eq!(why(&guest, Verb::Command, &Object::one(Kind::Device, "lamp")), None);
    assert_eq!(why(&guest, Verb::Command, &lock), Some(Refusal::Role));
    let mine = Grant { id_is: Some("lock".into()), ..allow(Verb::Command, Kind::Device) };
    let with = |grant: Grant| Who { grants: vec![grant], ..guest.clone() };
    assert_eq!(why(&with(mine.clone()), Verb::Command, &lock), None);
    let morning = Hours { from_minute: 8 * 60, to_minute: 12 * 60 };
    let late = Grant { hours: Some(morning), ..mine.clone() };
    assert_eq!(why(&with(late), Verb::Command, &lock), Some(Refusal::Hours(morning)));
    let night = Grant { hours: Some(Hours { from_minute: 23 * 60, to_minute: 13 * 60 }), ..mine.clone() };
    assert_eq!(why(&with(night), Verb::Command, &lock), None, "over midnight");
    let over = Grant { until: Some(NOON), ..mine.clone() };
    assert_eq!(why(&with(over), Verb::Command, &lock), Some(Refusal::Role));
    let elsewhere = Grant { room: Some("kitchen".into()), ..mine };
    assert_eq!(why(&with(elsewhere), Verb::Command, &lock), Some(Refusal::Role));
    let all = Object::all(Kind::Device).dangerous();
    let one = Grant { id_is: Some("lock".into()), ..allow(Verb::Command, Kind::Device) };
    assert_eq!(why(&with(one.clone()), Verb::Command, &all), Some(Refusal::Role), "one is not all");
    let taken = Grant { effect: Effect::Deny, ..one };
    assert_eq!(why(&with(taken), Verb::Command, &Object::all(Kind::Device)), Some(Refusal::Denied), "all has it in it");
}

#[test]
fn while_nobody_knows_the_time_what_gives_is_over_and_what_takes_is_not() {
    let lost = Now { trusted: false, ..now() };
    let meter = Object::one(Kind::Meter, "7");
    let later = Some(Timestamp(NOON.0 + 1));
    let gives = Grant { until: later, ..allow(Verb::Edit, Kind::Meter) };
    let takes = Grant { effect: Effect::Deny, until: Some(Timestamp(NOON.0 - 1)), ..allow(Verb::See, Kind::Meter) };
    let adult = Who { grants: vec![gives, takes], ..person(Role::Adult) };
    assert_eq!(decide(&adult, Verb::Edit, &meter, now()), Decision::Allow);
    assert_eq!(decide(&adult, Verb::See, &meter, now()), Decision::Allow);
    assert_eq!(decide(&adult, Verb::Edit, &meter, lost), Decision::Refuse(Refusal::Role));
    assert_eq!(decide(&adult, Verb::See, &meter, lost), Decision::Refuse(Refusal::Denied));
    assert_eq!(decide(&person(Role::Guest), Verb::See, &meter, lost), Decision::Refuse(Refusal::Expired));
    assert_eq!(decide(&person(Role::Owner), Verb::See, &meter, lost), Decision::Allow);
    let endless = Who { until: None, ..person(Role::Guest) };
    assert_eq!(why(&endless, Verb::See, &Object::all(Kind::Home)), Some(Refusal::Expired), "a guest has a last moment");
}

#[test]
fn the_reason_that_is_named_first_is_the_one_to_mend_first() {
    let act = Object::one(Kind::Act, "7").dangerous();
    let mut who = Who {
        grants: vec![Grant { effect: Effect::Deny, ..allow(Verb::Submit, Kind::Act) }],
        network: Network::Outside,
        assurance: Assurance::Single,
        scopes: Some(Vec::new()),
        locked: true,
        until: Some(NOON),
        proved_at: None,
        ..person(Role::Adult)
    };
    let mut reasons = vec![why(&who, Verb::Submit, &act)];
    let mends: [fn(&mut Who); 7] = [
        |who| who.locked = false,
        |who| who.until = None,
        |who| who.grants.clear(),
        |who| who.grants.push(allow(Verb::Submit, Kind::Act)),
        |who| who.scopes = None,
        |who| who.assurance = Assurance::Strong,
        |who| who.proved_at = Some(NOON),
    ];
    for mend in mends {
        mend(&mut who);
        reasons.push(why(&who, Verb::Submit, &act));
    }
    let codes: Vec<&str> = reasons.iter().map(|why| why.as_ref().map_or("yes", Refusal::code)).collect();
    assert_eq!(codes, ["locked", "expired", "denied", "role", "scope", "stronger", "step-up", "yes"]);
}

#[test]
fn what_is_handed_on_is_ones_own() {
    let approve = Grant { from: Some(ME), ..allow(Verb::Submit, Kind::Act) };
    assert_eq!(may_delegate(&person(Role::Owner), &approve, now()), Ok(()));
    assert_eq!(may_delegate(&person(Role::Adult), &approve, now()), Err(Refusal::Role));
    let given = |grant| Who { grants: vec![grant], ..person(Role::Adult) };
    let own = allow(Verb::Submit, Kind::Act);
    assert_eq!(may_delegate(&given(own.clone()), &approve, now()), Ok(()));
    assert_eq!(may_delegate(&given(Grant { from: Some(OTHER), ..own.clone() }), &approve, now()), Err(Refusal::Role));
    assert_eq!(may_delegate(&given(Grant { until: Some(NOON), ..own.clone() }), &approve, now()), Err(Refusal::Role));
    assert_eq!(may_delegate(&given(Grant { effect: Effect::Deny, ..own }), &approve, now()), Err(Refusal::Denied));
    for role in [Role::Child, Role::Guest, Role::Service] {
        let lamp = Grant { from: Some(ME), ..allow(Verb::Command, Kind::Device) };
        assert_eq!(may_delegate(&person(role), &lamp, now()), Err(Refusal::Role), "{role:?}");
    }
    let passkeys = Grant { from: Some(ME), ..allow(Verb::Edit, Kind::Factor) };
    assert_eq!(may_delegate(&person(Role::Owner), &passkeys, now()), Err(Refusal::Role), "never given at all");
    let locked = Who { locked: true, ..person(Role::Owner) };
    assert_eq!(may_delegate(&locked, &approve, now()), Err(Refusal::Locked));
}

#[test]
fn the_overview_says_what_decide_says_and_leaves_nothing_out() {
    for role in Role::ALL {
        let who = person(role);
        let list = overview(&who, now());
        for kind in Kind::ALL.iter().filter(|kind| !matches!(kind, Kind::Threshold | Kind::Topic)) {
            for verb in Verb::ALL {
                let whole = decide(&who, verb, &Object::all(*kind), now());
                let shown = list.iter().find(|p| (p.kind, p.verb, p.whose) == (*kind, verb, Whose::Any));
                match shown {
                    Some(shown) => assert_eq!(shown.decision, whole, "{role:?} {verb:?} {kind:?}"),
                    None => assert!(!whole.is_allowed(), "{role:?} {verb:?} {kind:?} is not shown"),
                }
            }
        }
    }
    let owner = overview(&person(Role::Owner), now());
    let owns = |verb, kind, whose| {
        owner.iter().any(|p| (p.verb, p.kind, p.whose) == (verb, kind, whose) && p.decision.is_allowed())
    };
    assert!(owns(Verb::Edit, Kind::Factor, Whose::Ward) && owns(Verb::Edit, Kind::Factor, Whose::Own));
}

#[test]
fn no_kind_is_forgotten_in_the_table() {
    for kind in Kind::ALL.iter().filter(|kind| **kind != Kind::Threshold) {
        assert!(table().any(|(line, whose, _)| line == *kind && whose == Whose::Any), "{kind:?}");
    }
    for kind in WAYS_IN {
        assert!(Verb::ALL.into_iter().all(|verb| !can_be_given(verb, kind)), "{kind:?}");
    }
}

#[test]
fn every_reason_and_every_name_has_words_in_both_languages() {
    use domovoi_config::Language;
    for language in [Language::Russian, Language::English] {
        let words = crate::words::words(language);
        let said = |key: String, variables: Vec<(&'static str, String)>| {
            let given: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let sentence = words.say(&key, &given);
            assert_ne!(sentence, key, "no words for {key}");
            sentence
        };
        for refusal in Refusal::ALL {
            let sentence = said(format!("refusal-{}", refusal.code()), refusal.variables());
            assert!(sentence.ends_with('.') && sentence.len() > 40, "says why and what to do: {sentence}");
        }
        let hours = Refusal::Hours(Hours { from_minute: 61, to_minute: 1439 });
        let sentence = said("refusal-hours".into(), hours.variables());
        assert!(sentence.contains("01:01") && sentence.contains("23:59"), "{sentence}");
        for kind in Kind::ALL {
            said(format!("kind-{}", kind.code()), Vec::new());
        }
        for verb in Verb::ALL {
            said(format!("verb-{}", verb.code()), Vec::new());
        }
        for role in Role::ALL {
            said(format!("role-{}", role.code()), Vec::new());
        }
        for whose in Whose::ALL {
            said(format!("whose-{}", whose.code()), Vec::new());
        }
    }
}
