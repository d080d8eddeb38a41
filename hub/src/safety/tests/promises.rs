//! Properties: whatever happens in whatever order.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::safety::reflex::NotTold;
use crate::safety::rule::{Answer, Rule, Sensors};

const HAZARDS: [Hazard; 4] = [Hazard::Gas, Hazard::CarbonMonoxide, Hazard::Smoke, Hazard::WaterLeak];

/// Something that happens.
#[derive(Debug, Clone)]
enum Happens {
    Alarm(usize),
    Calm(usize),
    State(&'static str, bool),
    Tick(i64),
    Hush,
    Test(&'static str, bool),
    Switch(&'static str, bool),
    NotSaid(&'static str),
    /// The home is looked at anew, with the second half of the sensors accepted or not, and with the valves described or not.
    Home(bool, bool),
    /// A danger of before a restart is remembered, answered or not; if not, a valve is owed, too.
    Remember(usize, bool),
    Replayed(usize),
    /// A device gets another id.
    Rename(&'static str),
    /// A link is there again.
    Back,
}

/// Eight sensors, two of each hazard; the first four are accepted.
fn sensors(all_accepted: bool) -> Vec<HomeDevice> {
    (0..8).map(|n| sensor(&format!("s{n}"), "room", HAZARDS[n % 4], n < 4 || all_accepted)).collect()
}

fn home(all_accepted: bool) -> Vec<HomeDevice> {
    let mut devices = sensors(all_accepted);
    devices.extend([
        valve("v1", "room", true),
        valve("v2", "other", true),
        siren("siren", "room"),
        plug("plug", "room"),
    ]);
    devices.push(valve("stranger", "room", false));
    devices
}

fn rules() -> Vec<Rule> {
    let mut rules = built_in();
    let own = |id: &str, danger, value| Rule {
        id: id.into(),
        name: id.into(),
        is_on: true,
        danger,
        sensors: Sensors::Any,
        below: None,
        silent_after_s: None,
        answers: vec![Answer::Set(place("plug", "state"), Value::Bool(value))],
    };
    // They want different things of one plug.
    rules.extend([own("own-1", Danger::Smoke, false), own("own-2", Danger::WaterLeak, true)]);
    // Somebody has tried to make a rule that opens.
    rules.push(Rule {
        answers: vec![Answer::Set(place("v1", "state"), Value::Bool(true))],
        ..own("own-3", Danger::Gas, true)
    });
    rules
}

fn happening() -> impl Strategy<Value = Happens> {
    let things = || select(vec!["v1", "v2", "siren", "plug"]);
    let ids = || select(vec!["gas", "smoke", "water-leak", "own-1", "own-2", "own-3"]);
    prop_oneof![
        4 => (0usize..8).prop_map(Happens::Alarm),
        3 => (0usize..8).prop_map(Happens::Calm),
        3 => (things(), any::<bool>()).prop_map(|(name, on)| Happens::State(name, on)),
        4 => (1i64..40_000).prop_map(Happens::Tick),
        1 => Just(Happens::Hush),
        1 => (ids(), any::<bool>()).prop_map(|(rule, earnest)| Happens::Test(rule, earnest)),
        1 => (ids(), any::<bool>()).prop_map(|(rule, on)| Happens::Switch(rule, on)),
        1 => things().prop_map(Happens::NotSaid),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(accepted, whole)| Happens::Home(accepted, whole)),
        1 => (0usize..8, any::<bool>()).prop_map(|(n, answered)| Happens::Remember(n, answered)),
        1 => (0usize..8).prop_map(Happens::Replayed),
        1 => Just(Happens::Back),
    ]
}

/// A reflex to which things happen, and everything it said.
struct Life {
    reflex: Reflex,
    now: i64,
    said: Vec<(Place, Value)>,
    home: Vec<HomeDevice>,
    renamed: Vec<(String, String)>,
}

impl Life {
    fn new() -> Self {
        let mut reflex = Reflex::new(rules());
        reflex.home_is(Arc::new(Home::new(home(false))), at(0));
        reflex.tick(at(0));
        Life { reflex, now: 0, said: Vec::new(), home: home(false), renamed: Vec::new() }
    }

    /// A home under the ids that its devices have by now.
    fn as_called(&self, mut devices: Vec<HomeDevice>) -> Vec<HomeDevice> {
        for one in &mut devices {
            one.device.id = self.called(&one.device.id.clone());
        }
        devices
    }

    fn called(&self, name: &str) -> String {
        self.renamed
            .iter()
            .fold(name.to_owned(), |name, (before, after)| if name == *before { after.clone() } else { name })
    }

    fn happens(&mut self, what: &Happens) -> Vec<(Place, Value)> {
        let now = at(self.now);
        let deeds = match what {
            Happens::Alarm(n) => self.reflex.felt(&alarm(&format!("s{n}"), HAZARDS[n % 4]), now, &same),
            Happens::Calm(n) => self.reflex.felt(&calm(&format!("s{n}")), now, &same),
            Happens::State(name, on) => self.reflex.felt(&state(name, *on), now, &same),
            Happens::Tick(millis) => {
                self.now += millis;
                self.reflex.tick(at(self.now))
            }
            Happens::Hush => self.reflex.hush(now),
            Happens::Test(rule, earnest) => {
                self.reflex.test(rule, *earnest, now).map(|(_, deeds)| deeds).unwrap_or_default()
            }
            Happens::Switch(id, on) => {
                let mut rules = self.reflex.rules().to_vec();
                rules.iter_mut().filter(|rule| rule.id == *id).for_each(|rule| rule.is_on = *on);
                self.reflex.rules_are(rules, now)
            }
            Happens::NotSaid(name) => self.reflex.not_said(&place(name, "state"), NotTold::Cannot("away".into())),
            Happens::Remember(n, answered) => {
                let key =
                    Key { danger: Danger::of(HAZARDS[n % 4]), place: place(&format!("s{n}"), "alarm"), test: None };
                let one =
                    Remembered { key, since: now.moment, value: Value::Bool(true), answered: *answered, hushed: false };
                let owed = Owed { place: place("v2", "state"), value: Value::Bool(false), danger: Danger::Gas };
                let owed = if *answered { Vec::new() } else { vec![owed] };
                self.reflex.remember(Keep { dangers: vec![one], owed, sounding: vec![place("siren", "state")] }, now)
            }
            Happens::Replayed(n) => self.reflex.replayed(&alarm(&format!("s{n}"), HAZARDS[n % 4]), now),
            Happens::Rename(name) => {
                let new = format!("{name}x");
                self.renamed.push(((*name).to_owned(), new.clone()));
                let mut deeds = self.reflex.is_renamed(&device(name), &device(&new), now);
                let home = self.home.clone();
                deeds.extend(self.reflex.home_is(Arc::new(Home::new(self.as_called(home))), now));
                deeds
            }
            Happens::Back => self.reflex.is_back(None, now),
            Happens::Home(accepted, whole) => {
                let mut devices = home(*accepted);
                // Nobody describes the valves for a while.
                if !whole {
                    devices
                        .iter_mut()
                        .filter(|one| one.device.id.starts_with('v'))
                        .for_each(|one| one.properties.clear());
                }
                self.home = devices.clone();
                self.reflex.home_is(Arc::new(Home::new(self.as_called(devices))), now)
            }
        };
        let said = commands(&deeds);
        self.said.extend(said.clone());
        said
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_that_was_closed_is_ever_opened(story in proptest::collection::vec(happening(), 0..60)) {
        let mut life = Life::new();
        for what in &story {
            for (place, value) in life.happens(what) {
                let is_valve = place.device.id.starts_with('v');
                prop_assert!(!is_valve || value == Value::Bool(false), "{place:?} is set to {value} by {what:?}");
            }
        }
    }

    #[test]
    fn strangers_move_nothing_and_are_not_moved(story in proptest::collection::vec(happening(), 0..60)) {
        let mut life = Life::new();
        // Only sensors that nobody accepted speak, and nobody accepts them or tries anything out.
        let story = story.into_iter().map(|what| match what {
            Happens::Alarm(n) => Happens::Alarm(4 + n % 4),
            Happens::Test(rule, _) => Happens::Test(rule, false),
            Happens::Home(_, whole) => Happens::Home(false, whole),
            Happens::Remember(n, _) => Happens::Remember(4 + n % 4, true),
            Happens::Replayed(n) => Happens::Replayed(4 + n % 4),
            other => other,
        });
        for what in story.collect::<Vec<_>>() {
            life.happens(&what);
        }
        // A person who hushes silences whatever sounds, and so is what sounded before a restart.
        life.said.retain(|(place, value)| place.device != device("siren") || *value != Value::Bool(false));
        prop_assert!(life.said.is_empty(), "{:?}", life.said);
    }

    #[test]
    fn nobody_tells_a_valve_that_was_not_accepted(story in proptest::collection::vec(happening(), 0..60)) {
        let mut life = Life::new();
        story.iter().for_each(|what| drop(life.happens(what)));
        prop_assert!(life.said.iter().all(|(place, _)| place.device.id != "stranger"));
    }

    /// Any open danger of an accepted sensor whose answer is not confirmed is repeated, for as long as it lasts, and no
    /// later than every thirty seconds.
    #[test]
    fn it_repeats_until_it_is_confirmed_or_over(
        before in proptest::collection::vec(happening(), 0..30),
        waits in proptest::collection::vec(1i64..20_000, 1..40),
    ) {
        let mut life = Life::new();
        for what in before.iter().filter(|what| !matches!(what, Happens::Switch(..) | Happens::Test(..))) {
            life.happens(what);
        }
        life.happens(&Happens::Home(true, true));
        // A hush before it is no hush of a danger that begins now.
        life.happens(&Happens::Calm(3));
        life.happens(&Happens::Alarm(3));
        life.happens(&Happens::State("v1", true));
        let valve = place("v1", "state");
        let mut silent = 0;
        for wait in waits {
            let said = life.happens(&Happens::Tick(wait));
            silent = if said.iter().any(|(place, _)| *place == valve) { 0 } else { silent + wait };
            prop_assert!(silent <= 30_000, "nothing was said for {silent} ms");
        }
        life.happens(&Happens::Tick(30_000));
        life.happens(&Happens::State("v1", false));
        for _ in 0..10 {
            let said = life.happens(&Happens::Tick(31_000));
            prop_assert!(said.iter().all(|(place, _)| *place != valve), "it was confirmed, and is repeated");
        }
        let mut said = life.happens(&Happens::State("v1", true));
        said.extend((0..2).flat_map(|_| life.happens(&Happens::Tick(1_500))));
        prop_assert!(said.contains(&(valve.clone(), Value::Bool(false))), "it says otherwise while the danger lasts");
        for n in 0..8 {
            life.happens(&Happens::Calm(n));
        }
        life.happens(&Happens::State("v1", false));
        let said: Vec<_> = (0..10).flat_map(|_| life.happens(&Happens::Tick(31_000))).collect();
        prop_assert!(said.iter().all(|(place, _)| *place != valve), "it is over, and is repeated");
    }

    /// Whatever the order in which the same dangers, the home and the rules come to be known, the same is wanted of each
    /// device in the end.
    #[test]
    fn the_order_of_arrival_does_not_matter(
        dangers in proptest::collection::btree_set(0usize..8, 1..6),
        shuffled in Just(()).prop_flat_map(|()| Just((0usize..8).collect::<Vec<_>>()).prop_shuffle()),
        home_at in 0usize..8,
        rules_at in 0usize..8,
    ) {
        let wanted = |order: &[usize], home_at: usize, rules_at: usize| {
            let mut reflex = Reflex::new(Vec::new());
            let mut deeds = Vec::new();
            for (step, n) in order.iter().enumerate() {
                if step == home_at {
                    deeds.extend(reflex.home_is(Arc::new(Home::new(home(true))), at(0)));
                }
                if step == rules_at {
                    deeds.extend(reflex.rules_are(rules(), at(0)));
                }
                if dangers.contains(n) {
                    deeds.extend(reflex.felt(&alarm(&format!("s{n}"), HAZARDS[n % 4]), at(0), &same));
                }
            }
            // A place is told once a second.
            deeds.extend(reflex.tick(at(1_000)));
            let wanted: BTreeMap<Place, Value> =
                reflex.pursuits().iter().map(|(place, pursuit)| (place.clone(), pursuit.value.clone())).collect();
            (wanted, last_said(&commands(&deeds)))
        };
        let sorted: Vec<usize> = (0..8).collect();
        let (expected, said) = wanted(&sorted, 0, 0);
        prop_assert_eq!(&expected, &said, "what is wanted was said");
        prop_assert!(!expected.is_empty());
        let (other, said) = wanted(&shuffled, home_at, rules_at);
        prop_assert_eq!(&expected, &other);
        prop_assert_eq!(&expected, &said);
    }

    /// The same danger said many times is one danger, and one command.
    #[test]
    fn a_danger_that_is_repeated_is_one(times in 1usize..200) {
        let mut life = Life::new();
        let mut all = Vec::new();
        for _ in 0..times {
            all.extend(life.happens(&Happens::Alarm(3)));
        }
        prop_assert_eq!(all.iter().filter(|(at, _)| *at == place("v1", "state")).count(), 1);
    }

    /// What is kept over a restart and remembered moves nothing while the sensor may still deny it, and not at all once it has.
    /// What was not answered is pursued then, and what was answered when the sensor says it again.
    #[test]
    fn after_a_restart_the_sensor_is_asked_and_not_assumed(answered in any::<bool>(), denies in any::<bool>(), n in 0usize..4) {
        let mut life = Life::new();
        life.happens(&Happens::Alarm(n));
        let mut kept = life.reflex.to_keep();
        prop_assert_eq!(kept.dangers.len(), 1);
        kept.dangers[0].answered = answered;
        let mut reflex = Reflex::new(rules());
        reflex.home_is(Arc::new(Home::new(home(false))), at(0));
        let wanted = life.reflex.pursuits().keys().cloned().collect::<Vec<_>>();
        let mut deeds = reflex.remember(kept, at(0));
        deeds.extend(reflex.tick(at(1)));
        prop_assert!(deeds.contains(&Deed::Ask(device(&format!("s{n}")))), "{:?}", deeds);
        prop_assert_eq!(commands(&deeds), Vec::new());
        if denies {
            reflex.felt(&calm(&format!("s{n}")), at(5_000), &same);
        }
        let mut said: Vec<_> = (1..40).flat_map(|n| commands(&reflex.tick(at(n * 5_000)))).collect();
        // Sirens may have sounded before the restart: that they are told to be silent moves nothing.
        said.retain(|(place, value)| place.device != device("siren") || *value != Value::Bool(false));
        prop_assert_eq!(said.is_empty(), denies || answered, "{:?}", said);
        let is_pursued = |reflex: &Reflex| wanted.iter().all(|place| {
            reflex.pursuits().get(place).is_some_and(|pursuit| !pursuit.quieting && pursuit.tries > 0)
        });
        prop_assert_eq!(is_pursued(&reflex), !(denies || answered), "all that was wanted before is pursued, or nothing");
        reflex.felt(&alarm(&format!("s{n}"), HAZARDS[n % 4]), at(300_000), &same);
        reflex.tick(at(301_000));
        prop_assert!(is_pursued(&reflex), "the sensor says it again");
    }

    /// Whatever was left to be done when the power went is done after it: kept, read again, pursued until the device says so.
    #[test]
    fn what_is_owed_outlives_a_restart(
        story in proptest::collection::vec(happening(), 0..40),
        is_over in any::<bool>(),
    ) {
        let mut life = Life::new();
        for what in story.iter().filter(|what| !matches!(what, Happens::Switch(..) | Happens::Test(..) | Happens::Hush)) {
            life.happens(what);
        }
        life.happens(&Happens::Home(true, true));
        life.happens(&Happens::Calm(3));
        life.happens(&Happens::Alarm(3));
        life.happens(&Happens::Tick(1_000));
        life.happens(&Happens::State("v1", true));
        if is_over {
            (0..8).for_each(|n| drop(life.happens(&Happens::Calm(n))));
        }
        let mut after = Reflex::new(rules());
        after.home_is(Arc::new(Home::new(home(true))), at(0));
        let mut deeds = after.remember(life.reflex.to_keep(), at(0));
        deeds.extend((1..30).flat_map(|second| after.tick(at(second * 1_000))));
        let valve = (place("v1", "state"), Value::Bool(false));
        prop_assert!(commands(&deeds).contains(&valve), "{:?}", commands(&deeds));
        after.felt(&state("v1", false), at(30_000), &same);
        let owed = after.to_keep().owed;
        prop_assert!(owed.iter().all(|owed| owed.place != valve.0), "it is so, and nothing is owed: {:?}", owed);
    }

    /// A device that gets another id in the middle of a danger is the same device: nothing ends by it, and what was to be
    /// told to it is told on, and no more often than to one that keeps its id.
    #[test]
    fn a_device_that_gets_another_id_is_the_same(
        before in proptest::collection::vec(happening(), 0..20),
        who in select(vec!["s3", "v1"]),
    ) {
        let mut life = Life::new();
        for what in before.iter().filter(|what| !matches!(what, Happens::Switch(..) | Happens::Test(..))) {
            life.happens(what);
        }
        life.happens(&Happens::Home(true, true));
        life.happens(&Happens::Calm(3));
        life.happens(&Happens::Alarm(3));
        life.happens(&Happens::Tick(1_000));
        life.happens(&Happens::State("v1", true));
        let open = life.reflex.dangers().len();
        life.happens(&Happens::Rename(who));
        prop_assert_eq!(life.reflex.dangers().len(), open);
        // A picture that was made before it.
        life.reflex.home_is(Arc::new(Home::new(home(true))), at(life.now));
        prop_assert_eq!(life.reflex.dangers().len(), open);
        let valve = place(&life.called("v1"), "state");
        let said = life.happens(&Happens::Tick(30_000));
        prop_assert!(said.contains(&(valve.clone(), Value::Bool(false))), "{:?}", said);
        prop_assert!(said.iter().all(|(told, _)| !life.renamed.iter().any(|(old, _)| told.device == device(old))));
        let answer = said_of(&valve, Value::Bool(false));
        life.reflex.felt(&answer, at(life.now), &same);
        prop_assert!(life.reflex.pursuits().get(&valve).is_some_and(|pursuit| pursuit.confirmed));
    }

    /// However much comes and goes, nothing is told anything more than once a second, but by the first word of a danger.
    #[test]
    fn nothing_is_told_more_than_once_a_second(story in proptest::collection::vec(happening(), 0..80)) {
        let mut life = Life::new();
        let mut last: BTreeMap<Place, i64> = BTreeMap::new();
        for what in &story {
            let said = life.happens(what);
            for (place, _) in &said {
                let before = last.insert(place.clone(), life.now);
                let may_begin = !matches!(what, Happens::Tick(_) | Happens::State(..) | Happens::NotSaid(_) | Happens::Back);
                prop_assert!(may_begin || before.is_none_or(|before| life.now - before >= 1_000), "{:?} after {:?}", said, what);
            }
        }
    }
}

fn said_of(place: &Place, value: Value) -> Observation {
    Observation { device: place.device.clone(), ..said("", &place.property, value, None) }
}
