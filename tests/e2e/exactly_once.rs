//! Exactly once: seeded random runs of a hub, its meters and a portal that misbehaves in every way it knows, over some
//! months and restarts. 20 runs by default, 200 with `DOMOVOI_FULL=1`; `DOMOVOI_SEED` repeats one.
//!
//! A run's plan hangs on its seed alone; how the tasks interleave does not, so a repeated run is alike and not the same.
//! Crashes are `process.rs`; here every stop is clean.

mod plan;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domovoi::clock::Clock;
use domovoi::portal::{LinkProgress, LinkState};
use domovoi_model::{Act, ActState, Timestamp};
use e2e::{Dice, Home, NOON, hand_clock, sandbox, seed, settings_text, until};
use firmware_sim::portal::{
    AccountSpec, AccountState, Endpoint, MeteringPointSpec, SandboxPortal, WindowDay, WindowSpec,
};
use firmware_sim::world::{Credentials, WaterMeter, WaterSettings, World, WorldSettings};
use rust_decimal::Decimal;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use plan::{KINDS, MONTHS, Plan, Trouble, misbehaviour, name};

/// How many runs go side by side: most of a run is waiting.
const SIDE_BY_SIDE: usize = 6;
const MONTH_MILLIS: i64 = 30 * 86_400_000;

/// What the portal is to hold in the end: by account and month the value of each serial number.
type Due = BTreeMap<(String, (i16, i8)), BTreeMap<String, Decimal>>;

/// What the portal said of itself.
#[derive(Default)]
struct Heard {
    struck: BTreeSet<String>,
    /// Acts handed in although the portal had them, and gaps in the chain.
    wrong: Vec<String>,
}

/// A meter, what it shows, and every value that the hub has acknowledged.
struct Dial {
    point: String,
    serial: String,
    account: String,
    credentials: Credentials,
    shows: Decimal,
    acknowledged: Vec<Decimal>,
    world: Option<World>,
}

impl Dial {
    fn water(&self) -> &WaterMeter {
        self.world.as_ref().and_then(|world| world.water.as_ref()).expect("the meter is in its world")
    }

    fn connect(&mut self, home: &Home) {
        let clock = home.clock.clone();
        let world = World::start(WorldSettings {
            broker: home.mqtt.to_string(),
            data_dir: None,
            clock: Arc::new(move || clock.wall().0),
            water: Some(WaterSettings {
                credentials: self.credentials.clone(),
                name: self.serial.clone(),
                id: self.serial.clone(),
                start_m3: self.shows,
                interval: None,
                ..WaterSettings::default()
            }),
            plug: None,
            zigbee: None,
        });
        self.world = Some(world.expect("the world starts"));
    }

    async fn disconnect(&mut self) {
        self.note();
        if let Some(world) = self.world.take() {
            world.stop().await;
        }
    }

    fn note(&mut self) {
        let truth = self.water().truth();
        self.acknowledged.extend(truth.acknowledged_m3.iter().map(|value| value.parse::<Decimal>().unwrap()));
    }

    fn say(&mut self, more: Decimal) {
        self.shows += more;
        self.water().set_m3(self.shows);
        self.water().telegram_now();
    }
}

/// One run.
struct Run {
    clock: Clock,
    portal: SandboxPortal,
    accounts: Vec<AccountSpec>,
    text: String,
    home: Option<Home>,
    dials: Vec<Dial>,
    /// How things stood when somebody last looked: for whoever has to find out why a run never ended.
    last: Arc<Mutex<String>>,
}

impl Run {
    fn home(&self) -> &Home {
        self.home.as_ref().expect("the hub runs")
    }

    /// The owner links (again) whenever that is needed; a linking that fails is begun anew.
    async fn tend(&self) {
        let hub = self.home().portal.as_ref().expect("the settings name a portal");
        let status = hub.status();
        if matches!(status, LinkState::Unlinked | LinkState::RelinkNeeded { .. }) {
            let linking = hub.link_device(|step| {
                if let LinkProgress::ShowCode(code) = &step {
                    self.portal.approve(&code.user_code);
                }
            });
            if let Err(error) = Box::pin(linking).await {
                *self.last.lock().unwrap() = format!("linking: {error}");
            }
        }
    }

    async fn until(&self, what: &str, holds: impl Fn(&[Act]) -> bool) -> Vec<Act> {
        until(what, || async {
            self.tend().await;
            let acts = self.home().acts().await;
            if holds(&acts) {
                return Some(acts);
            }
            let states: Vec<String> = acts.iter().map(shown).collect();
            let link = self.home().portal.as_ref().map(|portal| portal.status());
            *self.last.lock().unwrap() = format!("{what}: {link:?}, {states:?}");
            // Six runs that open every act a hundred times a second would test the cipher and nothing else.
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        })
        .await
    }

    async fn restart(&mut self, folder: &Path) {
        for dial in &mut self.dials {
            dial.disconnect().await;
        }
        if let Some(home) = self.home.take() {
            home.stop().await;
        }
        let home = Home::start(folder, &self.text, self.clock.clone()).await;
        // Before the meters repeat themselves: that would hide a loss.
        for dial in &self.dials {
            self.believes(&home, dial).await;
        }
        for dial in &mut self.dials {
            dial.connect(&home);
            dial.water().telegram_now();
        }
        self.home = Some(home);
    }

    /// Everything that a meter has said is acknowledged.
    async fn everybody_is_heard(&self) {
        for dial in &self.dials {
            let shows = dial.shows.to_string();
            until("a telegram is acknowledged", || async {
                let truth = dial.water().truth();
                let all = truth.link.acknowledged == truth.link.published;
                (all && truth.acknowledged_m3.contains(&shows)).then_some(())
            })
            .await;
        }
    }

    /// All that a meter has an acknowledgement for is in the ledger.
    async fn believes(&self, home: &Home, dial: &Dial) {
        until("all that was acknowledged is in the ledger", || async {
            let ledger = home.ledger(&dial.point).await;
            let believed: BTreeSet<Decimal> = ledger.iter().map(|value| value.parse().unwrap()).collect();
            let missing: Vec<_> = dial.acknowledged.iter().filter(|value| !believed.contains(value)).collect();
            *self.last.lock().unwrap() = format!("{} misses {missing:?}", dial.point);
            missing.is_empty().then_some(())
        })
        .await;
    }

    async fn have_trouble(&self, trouble: Trouble) {
        let number = &self.accounts[0].account_number;
        match trouble {
            Trouble::None => {}
            Trouble::WindowClosed => {
                let mut accounts = self.accounts.clone();
                accounts[0].window = WindowSpec {
                    start: WindowDay::Date { date: 26, next_month: false },
                    end: WindowDay::LastDay { next_month: false },
                };
                self.portal.set_accounts(accounts);
            }
            Trouble::Pending => self.portal.set_account_state(number, AccountState::Pending),
            Trouble::Blocked => self.portal.set_account_state(number, AccountState::Blocked),
            Trouble::ConsentWithdrawn => self.portal.withdraw_consent().unwrap(),
        }
    }

    /// Waits until the hub has run against the trouble more than once, then takes it away.
    async fn get_over(&self, trouble: Trouble) {
        if !matches!(trouble, Trouble::None | Trouble::ConsentWithdrawn) {
            let before = self.portal.requests(Endpoint::PutAct);
            self.until("the hub tries and tries again", |_| self.portal.requests(Endpoint::PutAct) >= before + 2).await;
        }
        self.portal.set_accounts(self.accounts.clone());
    }
}

fn account(number: usize) -> AccountSpec {
    let points =
        (0..2).map(|meter| MeteringPointSpec { serial: serial(number, meter), ..MeteringPointSpec::default() });
    AccountSpec {
        account_number: format!("77123456{number:02}"),
        takes_late: true,
        metering_points: points.collect(),
        ..AccountSpec::default()
    }
}

fn serial(account: usize, meter: usize) -> String {
    format!("1234{account:02}{meter:02}")
}

fn period(act: &Act) -> (i16, i8) {
    (act.period.year, act.period.month as i8)
}

fn shown(act: &Act) -> String {
    match &act.state {
        ActState::Received { .. } | ActState::Superseded { .. } => format!("{} {}", act.period, act.state.code()),
        other => format!("{} {other:?}", act.period),
    }
}

async fn one_run(seed: u64, last: Arc<Mutex<String>>) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut dice = Dice(seed);
    let plan = Plan::deal(seed, &mut dice);
    let folder = tempfile::tempdir().unwrap();
    let clock = hand_clock(NOON);
    let accounts: Vec<AccountSpec> = (0..plan.accounts).map(account).collect();
    let portal = sandbox(&clock, |settings| {
        settings.accounts = accounts.clone();
        settings.require_nonce = plan.require_nonce;
        settings.verdict_after_polls = plan.verdict_after_polls;
        settings.lifetimes.refresh_token_s = 10 * 365 * 86_400;
    })
    .await;
    let heard = listen(&portal);
    let text = settings_text(Some(&portal))
        .replace("id = \"vodokanal\"", "id = \"vodokanal\"\nlate = \"send\"")
        .replace("retry_every = \"1 s\"", "retry_every = \"80 ms\"")
        .replace("read_back_every = \"1 s\"", "read_back_every = \"40 ms\"")
        .replace("check_every = \"1 s\"", "check_every = \"250 ms\"");
    let home = Home::start(folder.path(), &text, clock.clone()).await;
    home.metering.set_standing_consent(true).await.unwrap();
    let mut dials = Vec::new();
    for (number, account) in accounts.iter().enumerate() {
        for (meter, spec) in account.metering_points.iter().enumerate() {
            let point = format!("Кухня {number}-{meter}");
            let device = format!("wmbusmeters:{}", spec.serial);
            home.add(&point, &spec.serial, &account.account_number, &device, "total_m3").await;
            let topic = format!("wmbusmeters/{}", spec.serial);
            let credentials = home.credential(&format!("wm{}", spec.serial), &[&topic], &[]).await;
            let shows = Decimal::from(100 + dice.below(50));
            let mut dial = Dial {
                point,
                serial: spec.serial.clone(),
                account: account.account_number.clone(),
                credentials,
                shows,
                acknowledged: Vec::new(),
                world: None,
            };
            dial.connect(&home);
            dials.push(dial);
        }
    }
    let mut run = Run { clock, portal, accounts, text, home: Some(home), dials, last };
    let mut due = Due::new();
    for (number, month) in plan.months.iter().enumerate() {
        run.clock.set(NOON.plus_millis(number as i64 * MONTH_MILLIS));
        for (reach, what, times) in &month.faults {
            run.portal.misbehave_at(*reach, what.clone(), *times);
        }
        run.have_trouble(month.trouble).await;
        for dial in &mut run.dials {
            // With what is still on its way from the last month it stays below the three cubic metres that a meter may
            // move at once: the hub dates a value by its arrival.
            dial.say(Decimal::new(1 + dice.below(1_900) as i64, 3));
        }
        if month.restarts[0] {
            run.restart(folder.path()).await;
        }
        run.everybody_is_heard().await;
        if month.restarts[1] {
            run.restart(folder.path()).await;
        }
        let wanted = (number + 1) * run.accounts.len();
        let acts = run
            .until("the month's acts are signed", |acts| {
                let standing: Vec<&Act> = acts.iter().filter(|act| act.supersedes.is_none()).collect();
                standing.len() == wanted && standing.iter().all(|act| act.state.is_signed())
            })
            .await;
        let this_month = period(acts.last().expect("an act"));
        for dial in &run.dials {
            due.entry((dial.account.clone(), this_month)).or_default().insert(dial.serial.clone(), dial.shows);
        }
        // Values of after the signing: for the ledger, not for this act.
        for dial in &mut run.dials {
            dial.say(Decimal::new(1 + dice.below(900) as i64, 3));
        }
        if month.restarts[2] {
            run.restart(folder.path()).await;
        }
        if !month.hasty {
            run.get_over(month.trouble).await;
            let acts = run.until("everything has its receipt", over).await;
            if month.corrected {
                run.everybody_is_heard().await;
                correct(&run, &acts, &mut due).await;
            }
        }
        // A value that came later would be the next month's first, and signed as such.
        run.everybody_is_heard().await;
        // Some days later, so that a window that was closed for the first account is open at the latest then.
        run.clock.set(Timestamp(run.clock.wall().0 + dice.below(7) as i64 * 86_400_000));
    }
    run.portal.clear();
    run.portal.set_accounts(run.accounts.clone());
    let acts = run.until("everything has its receipt in the end", over).await;
    nothing_acknowledged_is_missing(&mut run).await;
    told_once(&run, &acts, &due);
    for dial in &mut run.dials {
        dial.disconnect().await;
    }
    let home = run.home.take().expect("the hub runs");
    home.stop().await;
    run.portal.stop().await;
    drop(run);
    let heard = heard.await.expect("the listener ends with its portal");
    assert_eq!(heard.wrong, Vec::<String>::new());
    (plan.kinds(), heard.struck)
}

/// Collects what the portal says until it is gone.
fn listen(portal: &SandboxPortal) -> tokio::task::JoinHandle<Heard> {
    let mut events = portal.events();
    tokio::spawn(async move {
        let mut heard = Heard::default();
        loop {
            match events.recv().await {
                Ok(event) => {
                    if let Some((_, what)) =
                        event.line.strip_prefix("misbehaves at ").and_then(|said| said.split_once(": "))
                    {
                        heard.struck.insert(name(what));
                    }
                    if event.line.contains("again") || event.line.contains("gap in the chain") {
                        heard.wrong.push(event.line);
                    }
                }
                Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                Err(tokio::sync::broadcast::error::RecvError::Closed) => return heard,
            }
        }
    })
}

fn over(acts: &[Act]) -> bool {
    acts.iter().all(|act| matches!(act.state, ActState::Received { .. } | ActState::Superseded { .. }))
}

/// The owner states the newest values in place of the month's.
async fn correct(run: &Run, acts: &[Act], due: &mut Due) {
    let Some(act) = acts.iter().rfind(|act| matches!(act.state, ActState::Received { .. })) else { return };
    run.home().metering.follow_once().await.unwrap();
    run.home().metering.correct(act.id).await.unwrap();
    let register = run.home().metering.register();
    let number = &register.account(act.account).unwrap().number;
    let said = due.get_mut(&(number.clone(), period(act))).unwrap();
    for dial in run.dials.iter().filter(|dial| dial.account == *number) {
        said.insert(dial.serial.clone(), dial.shows);
    }
}

fn told_once(run: &Run, acts: &[Act], due: &Due) {
    let held = run.portal.accepted_acts();
    for ((account, month), said) in due {
        let live: Vec<_> =
            held.iter().filter(|act| act.live && act.account_number == *account && act.period == *month).collect();
        assert_eq!(live.len(), 1, "{account} {month:?}: {held:#?}");
        assert_eq!(live[0].readings.len(), said.len(), "{account} {month:?}: {held:#?}");
        for reading in &live[0].readings {
            let told: Decimal = reading.values[0].parse().unwrap();
            assert_eq!(told, said[&reading.serial], "{account} {month:?}: {held:#?}");
        }
    }
    let live = held.iter().filter(|act| act.live).count();
    assert_eq!(live, due.len(), "nothing that was not due");
    let ours: BTreeSet<String> = acts.iter().map(|act| act.id.to_string()).collect();
    let theirs: BTreeSet<String> = held.iter().map(|act| act.act_id.clone()).collect();
    assert_eq!(ours, theirs);
    assert_eq!(held.len(), theirs.len(), "no act is there twice");
    let readings: Vec<&String> = held.iter().flat_map(|act| &act.readings).map(|reading| &reading.reading_id).collect();
    assert_eq!(readings.iter().collect::<BTreeSet<_>>().len(), readings.len(), "no reading is there twice");
    let key = run.home().metering.public_key();
    for act in acts {
        let id = act.id.to_string();
        let (bytes, signature) = run.portal.act_bytes(&id).unwrap();
        assert_eq!(act.document.as_deref(), Some(bytes.as_slice()));
        key.verify(&bytes, &signature).unwrap();
        let held = held.iter().find(|held| held.act_id == id).unwrap();
        for reading in &act.readings {
            let theirs = held.readings.iter().find(|held| held.reading_id == reading.id.to_string()).unwrap();
            let ours = matches!(reading.portal_verdict, domovoi_model::PortalVerdict::Accepted { .. });
            assert_eq!(ours, theirs.accepted, "the verdict is the portal's");
        }
        if let ActState::Received { receipt } = &act.state {
            let said = run.portal.receipt(&id).unwrap();
            assert_eq!(receipt.document, said.as_bytes());
        }
    }
    for account in &run.accounts {
        let periods: Vec<_> =
            held.iter().filter(|act| act.account_number == account.account_number).map(|act| act.period).collect();
        assert!(periods.is_sorted(), "in the order of signing: {periods:?}");
    }
}

async fn nothing_acknowledged_is_missing(run: &mut Run) {
    for dial in &mut run.dials {
        dial.note();
        assert!(dial.acknowledged.len() >= MONTHS as usize);
    }
    for dial in &run.dials {
        run.believes(run.home(), dial).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_act_is_told_once_to_a_portal_that_does_everything_wrong() {
    let one = std::env::var_os("DOMOVOI_SEED").is_some();
    let full = std::env::var_os("DOMOVOI_FULL").is_some();
    let first = if one { seed() } else { seed() & !0xFF };
    let runs = match (one, full) {
        (true, _) => 1,
        (false, true) => 200,
        (false, false) => 20,
    };
    println!("seeds {first} .. {}", first + runs);
    let seats = Arc::new(Semaphore::new(SIDE_BY_SIDE));
    let mut going = JoinSet::new();
    for seed in first..first + runs {
        let seats = Arc::clone(&seats);
        going.spawn(async move {
            let _seat = seats.acquire_owned().await.expect("nobody closes it");
            let last = Arc::new(Mutex::new(String::new()));
            let run = tokio::spawn(Box::pin(one_run(seed, Arc::clone(&last))));
            run.await.map_err(|error| {
                let last = last.lock().map(|last| last.clone()).unwrap_or_default();
                format!("DOMOVOI_SEED={seed}: {error}\nlast seen: {last}")
            })
        });
    }
    let (mut planned, mut struck, mut failed) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    while let Some(ended) = going.join_next().await {
        match ended.expect("the runs are waited for") {
            Ok((kinds, hit)) => {
                planned.extend(kinds);
                struck.extend(hit);
            }
            Err(why) => failed.push(why),
        }
    }
    assert!(failed.is_empty(), "{} of {runs} runs failed:\n{}", failed.len(), failed.join("\n"));
    if !one {
        let all: BTreeSet<String> =
            (0..KINDS).map(|kind| name(&format!("{:?}", misbehaviour(kind, &mut Dice(0))))).collect();
        assert_eq!(all.len() as u64, KINDS);
        assert_eq!(planned, all, "each was dealt");
        assert_eq!(struck, all, "each has struck");
    }
}
