//! What is wrong with this installation, in words, each with what to do. It looks; it mends nothing. It has over
//! 500 lines: one short question per room, read in the order in which they are answered.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use domovoi_config::Settings;
use domovoi_model::ActState;
use domovoi_store::{ActFilter, Health, Store};

use crate::audit::{Journal, Query};
use crate::cameras::{ArchiveState, Cameras};
use crate::certificates::{Certificates, spelled};
use crate::clock::Clock;
use crate::ingest::{BrokerStands, Ingest, Standing};
use crate::metering::Metering;
use crate::portal::{LinkState, Portal};

/// How long before its end a verification is spoken of.
const VERIFICATION_SOON_DAYS: i64 = 60;

/// How long before its end a certificate is spoken of that the hub does not make itself.
const CERTIFICATE_SOON_MILLIS: i64 = 21 * 86_400_000;

/// As many rows of history that do not open are counted; whoever has more needs another card.
const SET_ASIDE_COUNTED: u32 = 1000;

/// A row that was tampered with is not mended: the mending would be one more tampering.
const JOURNAL_REMEDY: &str = "somebody changed the store's file, or the disk is failing: compare with a backup, and change \
                              what opens the machine; the journal goes on behind what is broken";

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Fine,
    /// Works, but a person should know.
    Notice,
    /// Does not do what it is there for.
    Broken,
}

impl Level {
    /// `fine`, `notice` or `broken`.
    pub fn code(self) -> &'static str {
        match self {
            Level::Fine => "fine",
            Level::Notice => "notice",
            Level::Broken => "broken",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone)]
pub struct Finding {
    /// How bad.
    pub level: Level,
    /// What was seen.
    pub what: String,
    /// What to do; empty where nothing is to be done.
    pub remedy: String,
}

/// The doctor, with what it may look at.
#[derive(Clone)]
pub struct Doctor {
    pub settings: Arc<Settings>,
    pub store: Store,
    pub metering: Metering,
    pub portal: Option<Portal>,
    pub ingest: Arc<Ingest>,
    pub clock: Clock,
    pub certificates: Option<Certificates>,
    pub journal: Journal,
    pub cameras: Cameras,
    /// How the broker stands.
    pub broker: BrokerStands,
    /// Whether devices can be heard here: a command without a daemon hears nobody, and that is no finding.
    pub listening: bool,
    /// A standby in memory runs, because the store does not open.
    pub is_standby: bool,
}

#[derive(Default)]
struct Sheet(Vec<Finding>);

impl Sheet {
    fn fine(&mut self, what: impl Into<String>) {
        self.0.push(Finding { level: Level::Fine, what: what.into(), remedy: String::new() });
    }

    fn notice(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        self.0.push(Finding { level: Level::Notice, what: what.into(), remedy: remedy.into() });
    }

    fn broken(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        self.0.push(Finding { level: Level::Broken, what: what.into(), remedy: remedy.into() });
    }
}

impl Doctor {
    /// Looks at everything; with `verify`, opens every sealed thing too.
    pub async fn examine(&self, verify: bool) -> Vec<Finding> {
        let mut sheet = Sheet::default();
        if self.is_standby {
            sheet.broken(
                "the store does not open: a standby in memory has the broker and the reflex, and nothing is recorded",
                "see the log for what is wrong with the store; mend the disk or restore a backup: the house then takes over",
            );
        }
        self.clock(&mut sheet);
        self.keys(&mut sheet, verify).await;
        self.journal(&mut sheet, verify).await;
        self.certificates(&mut sheet);
        self.meters(&mut sheet).await;
        self.acts(&mut sheet).await;
        self.link(&mut sheet);
        self.recorder(&mut sheet).await;
        self.roads(&mut sheet).await;
        self.broker(&mut sheet);
        self.archive(&mut sheet).await;
        sheet.0.sort_by_key(|finding| std::cmp::Reverse(finding.level));
        sheet.0
    }

    fn clock(&self, sheet: &mut Sheet) {
        match self.clock.trusted() {
            Some(_) => sheet.fine("the clock can be true"),
            None => sheet.broken(
                format!("the clock says {}, which cannot be true", self.clock.wall()),
                "see that network time is on (timedatectl); until then readings are kept, and no act is signed",
            ),
        }
    }

    async fn keys(&self, sheet: &mut Sheet, verify: bool) {
        let vault = self.settings.vault.to_vault();
        if vault.key_lies_beside_the_data(&self.settings.store.data_dir) {
            sheet.notice(
                "the master key lies in the data folder: whoever takes the card opens everything",
                "move vault.key_file to another disk, or set vault.master = \"passphrase\"",
            );
        }
        match self.store.keys().status().await {
            Ok(status) if status.rotation_due => {
                sheet.notice("the data key has sealed very often", "run `domovoi key rotate`");
            }
            Ok(status) => sheet.fine(format!("{} data key(s)", status.keys.len())),
            Err(error) => sheet.broken(format!("the keys cannot be read: {error}"), "restore from a backup"),
        }
        if verify {
            match self.store.keys().verify(|_, _| {}).await {
                Ok(damaged) if damaged.is_empty() => sheet.fine("every sealed thing opens"),
                Ok(damaged) => {
                    // The journal of deeds says more about its rows than that they do not open.
                    for damage in damaged.into_iter().filter(|damage| !damage.table.starts_with("audit")) {
                        sheet.broken(
                            format!("{} {} does not open: {}", damage.table, damage.row, damage.why),
                            "restore this row from a backup; nothing else depends on it",
                        );
                    }
                }
                Err(error) => sheet.broken(format!("verification stopped: {error}"), "look at the disk (dmesg)"),
            }
        }
    }

    /// The journal of deeds: where it ends, and with `verify` every row that somebody tampered with.
    async fn journal(&self, sheet: &mut Sheet, verify: bool) {
        match self.journal.end().await {
            Ok(end) => {
                let hash: String = end.hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
                let newest = self.journal.search(&Query { limit: 1, ..Query::default() }).await;
                let last = newest.ok().and_then(|page| page.records.first().and_then(|record| record.at));
                let last = last.map(|at| format!(", the last of {at}")).unwrap_or_default();
                sheet.fine(format!("the journal has {} row(s){last}; its end is {hash}", end.rows));
            }
            Err(error) => sheet.broken(format!("the journal cannot be read: {error}"), JOURNAL_REMEDY),
        }
        if !verify {
            return;
        }
        match self.journal.verify().await {
            Ok(flaws) if flaws.is_empty() => sheet.fine("the journal's chain holds"),
            Ok(flaws) => {
                for flaw in flaws {
                    sheet.broken(format!("journal: {flaw}"), JOURNAL_REMEDY);
                }
            }
            Err(error) => sheet.broken(format!("the journal was not verified: {error}"), "look at the disk (dmesg)"),
        }
    }

    fn certificates(&self, sheet: &mut Sheet) {
        let web = &self.settings.web;
        if !web.enabled {
            return;
        }
        let Some(room) = &self.certificates else {
            sheet.broken("the page has no certificate and is not served", "see the log; `domovoi doctor --verify`");
            return;
        };
        let standing = room.standing();
        if let Some(trouble) = standing.trouble {
            sheet.broken(format!("the page's certificate: {trouble}"), "the hub's own is shown for now; see https.md");
        }
        match room.authority() {
            Ok(authority) if room.is_own() => sheet.fine(format!(
                "devices are to trust the hub's authority until {}; its SHA-256 fingerprint is {}",
                authority.not_after, authority.fingerprint
            )),
            Ok(_) => {}
            Err(error) => sheet.broken(format!("the hub's authority: {error}"), "restore from a backup"),
        }
        let Some(paper) = standing.papers.first() else {
            sheet.broken("no certificate is shown", "see the log");
            return;
        };
        let names = paper.names.join(", ");
        let what = format!(
            "the page shows a certificate for {names} until {}, fingerprint {}",
            paper.not_after,
            spelled(&paper.fingerprint)
        );
        let Some(now) = self.clock.trusted() else { return };
        if paper.not_after <= now || paper.not_before > now {
            sheet.broken(format!("{what}, which is not now"), "see that the clock is right, and who renews it");
        } else if standing.wants_other && paper.not_after.0 - now.0 < CERTIFICATE_SOON_MILLIS {
            sheet.notice(format!("{what}: that is soon"), "see who renews it");
        } else {
            sheet.fine(what);
        }
    }

    async fn meters(&self, sheet: &mut Sheet) {
        let register = self.metering.register();
        if register.points.is_empty() {
            sheet.notice("no meter is known", "add one with `domovoi meter add`");
        }
        let heard = self.ingest.heard();
        let today = self.clock.trusted().map(|now| now.0 / 86_400_000);
        for point in &register.points {
            let Some(account) = register.account(point.account) else { continue };
            if self.metering.supplier(&account.supplier).is_none() {
                sheet.broken(
                    format!("«{}»: its supplier «{}» is not in the settings", point.name, account.supplier),
                    "add a [[supplier]] with this id",
                );
            }
            let Some(meter) = register.meter_at(point.id) else {
                sheet.broken(format!("no meter hangs at «{}»", point.name), "add one with `domovoi meter replace`");
                continue;
            };
            if let (Some(until), Some(today)) = (meter.verification_valid_until, today) {
                let left = until.days_since_epoch() - today;
                if left < 0 {
                    sheet.broken(
                        format!("«{}»: the verification («поверка») ended on {until}", point.name),
                        "have the meter verified; the supplier does not take its readings",
                    );
                } else if left < VERIFICATION_SOON_DAYS {
                    sheet.notice(
                        format!("«{}»: the verification ends on {until}", point.name),
                        "have the meter verified",
                    );
                }
            }
            if let Some(binding) = point.binding.as_ref().filter(|_| self.listening) {
                match heard.iter().find(|(device, _)| *device == binding.device) {
                    None => sheet.notice(
                        format!("«{}»: {} was not heard since the start", point.name, binding.device),
                        self.unheard_remedy(&heard),
                    ),
                    Some((_, heard)) => {
                        for (tariff, property) in &binding.registers {
                            if !heard.properties.contains_key(property) {
                                let has = heard.properties.keys().cloned().collect::<Vec<_>>().join(", ");
                                sheet.broken(
                                    format!(
                                        "«{}»: {} says nothing of {property} ({tariff})",
                                        point.name, binding.device
                                    ),
                                    format!("bind one of what it says: {has}"),
                                );
                            }
                        }
                    }
                }
            }
            match self.metering.held_now(point.id).await {
                Ok(held) if held > 0 => sheet.notice(
                    format!("«{}»: {} reading(s) wait for a decision", point.name, held),
                    "look with `domovoi meter history`, decide with `domovoi meter decide`",
                ),
                Ok(_) => {}
                Err(error) => sheet.broken(format!("«{}»: the ledger cannot be read: {error}", point.name), ""),
            }
        }
    }

    fn unheard_remedy(&self, heard: &[(domovoi_model::DeviceRef, crate::ingest::Heard)]) -> String {
        if heard.is_empty() {
            return "nothing at all was heard: is the device's broker address, user name and password right?".into();
        }
        let names: Vec<String> = heard.iter().take(8).map(|(device, _)| device.to_string()).collect();
        format!("heard were: {}", names.join(", "))
    }

    async fn acts(&self, sheet: &mut Sheet) {
        match self.store.acts().list(ActFilter::default()).await {
            Err(error) => sheet.broken(format!("the acts cannot be read: {error}"), "run `domovoi doctor --verify`"),
            Ok(acts) => {
                for act in acts {
                    match &act.state {
                        ActState::Refused { code, detail, .. } => sheet.broken(
                            format!("the portal refused the act of {}: {code} {detail}", act.period),
                            format!("mend the cause, then `domovoi act correct {}`", act.id),
                        ),
                        ActState::Draft { problems } => sheet.notice(
                            format!("the act of {} cannot be signed yet: {}", act.period, problems.join("; ")),
                            "see `domovoi act show`",
                        ),
                        ActState::Checked => sheet.notice(
                            format!("the act of {} waits for approval", act.period),
                            format!("`domovoi act approve {}`, or `domovoi portal consent on`", act.id),
                        ),
                        _ => {}
                    }
                }
            }
        }
        if let Ok(open) = self.store.notices().open().await
            && !open.is_empty()
        {
            sheet.notice(format!("{} open notice(s)", open.len()), "see `domovoi notices`");
        }
    }

    fn link(&self, sheet: &mut Sheet) {
        let Some(portal) = &self.portal else {
            sheet.notice(
                "no portal is named in the settings: acts are drawn up but sent nowhere",
                "add a [portal] section",
            );
            return;
        };
        if let Some(trouble) = portal.trouble() {
            sheet.notice(
                format!("the last call to the portal failed: {trouble}"),
                "nothing is lost: the hub asks again by itself",
            );
        }
        match portal.status() {
            LinkState::Linked { missing, .. } if missing.is_empty() => sheet.fine("the portal is linked"),
            LinkState::Linked { missing, .. } => sheet.notice(
                format!("the portal is linked, but not allowed: {}", missing.join(", ")),
                "unlink and link again, and allow these too",
            ),
            LinkState::Unlinked => sheet.notice("the portal is not linked", "run `domovoi portal link`"),
            LinkState::Linking => sheet.notice("a linking is under way", "give permission at the portal"),
            LinkState::RelinkNeeded { why } => {
                sheet.broken(format!("the portal must be linked again: {why}"), "run `domovoi portal link`");
            }
            LinkState::AccountPending => {
                sheet.notice(
                    "the account at the portal awaits confirmation",
                    "confirm it at the portal; the hub looks again by itself",
                );
            }
            LinkState::AccountBlocked { detail } => {
                sheet.broken(format!("the account is blocked at the portal: {detail}"), "ask the portal's support");
            }
        }
    }

    fn external(&self, sheet: &mut Sheet) {
        let Some(broker) = &self.settings.external_broker else { return };
        let at = format!("the home's broker at {}:{}", broker.host, broker.port);
        match self.ingest.external() {
            Standing::Resumed => sheet.fine(format!("{at} is joined; it keeps what comes while the hub is away")),
            Standing::Fresh => sheet.fine(format!("{at} is joined; it had kept nothing from before")),
            Standing::Joining => sheet.notice(format!("{at} has not answered yet"), "look again in a minute"),
            Standing::Down(why) => sheet.broken(
                format!("{at} cannot be used: {why}"),
                "does it run there, and are `username` and the secret of `password_secret` right? The hub tries again by \
                 itself",
            ),
        }
        let troubles = self.ingest.ear().troubles();
        troubles.into_iter().for_each(|(what, remedy)| sheet.notice(format!("{at}: {what}"), remedy));
    }

    /// Whether what is said is kept, what it takes, and what of it does not open.
    async fn recorder(&self, sheet: &mut Sheet) {
        let history = self.store.history();
        match history.health().borrow().clone() {
            Health::Healthy => {}
            Health::TelemetryStopped { free } => sheet.broken(
                format!("the disk is nearly full ({} MB left): only registers and hazards are recorded", free >> 20),
                "make room; telemetry is recorded again by itself",
            ),
            Health::RegistersStopped => {
                sheet.broken("the disk is full: nothing is recorded", "make room; recording goes on by itself");
            }
            Health::Failing(why) => {
                sheet.broken(format!("the disk fails: {why}"), "look at it (dmesg), back up, and replace it");
            }
        }
        let usage = history.usage();
        sheet.fine(format!(
            "history: {} samples in {} KB, rollups in {} KB",
            usage.journal_samples + usage.block_samples,
            (usage.journal_bytes + usage.block_bytes) >> 10,
            usage.rollup_bytes >> 10
        ));
        if self.listening {
            sheet.fine(format!(
                "written since the start: {} KB in {} commits; {} KB are left of today's budget",
                usage.written_bytes >> 10,
                usage.commits,
                usage.budget_left >> 10
            ));
        }
        match history.set_aside(SET_ASIDE_COUNTED).await {
            Ok(rows) if rows.is_empty() => {}
            Ok(rows) => sheet.broken(
                format!("{} row(s) of history do not open and were set aside", rows.len()),
                "what they held is shown as not readable; `domovoi doctor --verify` names them",
            ),
            Err(error) => sheet.broken(format!("history cannot be read: {error}"), "look at the disk (dmesg)"),
        }
    }

    /// The cameras' archive: whether its disk is there, how much room there is, how it is sealed.
    async fn archive(&self, sheet: &mut Sheet) {
        let (cameras, view) = match (self.cameras.list().await, self.cameras.archive_view().await) {
            (Ok(cameras), Ok(view)) => (cameras.len(), view),
            (Err(error), _) | (_, Err(error)) => {
                return sheet.broken(format!("the cameras cannot be read: {error}"), "see the log");
            }
        };
        if cameras == 0 {
            return;
        }
        let folder = view.folder.display();
        match &view.state {
            ArchiveState::Absent => sheet.broken(
                format!("the disk of the cameras' archive is not in {folder}: nothing is recorded"),
                "mount the disk; recording goes on by itself",
            ),
            ArchiveState::Other => sheet.broken(
                format!("in {folder} lies another archive than this home's: nothing is recorded"),
                "mount the disk of before, or accept this one on the cameras' page",
            ),
            ArchiveState::Failing(why) => {
                sheet.broken(format!("the cameras' archive in {folder} fails: {why}"), "check the disk and replace it")
            }
            // A command without a daemon records nothing.
            ArchiveState::There | ArchiveState::Starting => {}
        }
        let gigabytes = |bytes: u64| format!("{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10);
        let said = format!(
            "recordings of {cameras} cameras, {} in {folder}, are sealed with AES-256-GCM under a key for each camera and day",
            gigabytes(view.bytes)
        );
        match view.space {
            Some(space) if space.free < view.floor => sheet.notice(
                format!("{said}; only {} are free, {} are to stay free", gigabytes(space.free), gigabytes(view.floor)),
                "the oldest recordings go before their time: use a larger disk, or keep less",
            ),
            Some(space) => sheet.fine(format!("{said}; {} are free", gigabytes(space.free))),
            None => sheet.fine(said),
        }
    }

    /// What the broker had to refuse or drop, and whether it remembers.
    fn broker(&self, sheet: &mut Sheet) {
        let standing = (self.broker)();
        if standing.torn {
            sheet.broken(
                "the broker's log has a hole: sessions and retained messages are not durable",
                "make room on the disk, or see whether it fails; the log is written anew by itself",
            );
        }
        let counters = standing.counters;
        for (count, what, remedy) in [
            (counters.overflowed, "publish(es) came faster than the disk and were not acknowledged", "they come again"),
            (counters.not_kept, "publish(es) could not be kept and were not acknowledged", "they come again"),
            (counters.orphans_dropped, "publish(es) of closed connections were not waited for", "they come again"),
            (
                counters.queue_dropped,
                "message(s) for slow or absent clients were dropped",
                "raise mqtt.queue_messages or mqtt.queue_size, or see why the client does not read",
            ),
            (counters.retained_refused, "retained message(s) found no room", "raise mqtt.retained_size"),
            (counters.failed_tasks, "connection(s) died of a mistake in the program", "see the log, and tell us"),
        ] {
            if count > 0 {
                sheet.notice(format!("{count} {what}"), remedy);
            }
        }
    }

    async fn roads(&self, sheet: &mut Sheet) {
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let counters = self.ingest.counters();
        if self.settings.mqtt.enabled {
            match self.store.credentials().list().await {
                Ok(credentials) if credentials.is_empty() && self.settings.external_broker.is_none() => sheet.notice(
                    "nobody has a credential for the embedded broker: nothing can connect",
                    "issue one with `domovoi mqtt add`",
                ),
                Ok(credentials) => sheet.fine(format!("{} MQTT credential(s)", credentials.len())),
                Err(error) => sheet.broken(format!("the credentials cannot be read: {error}"), ""),
            }
        }
        let refused = count(&counters.refused);
        if refused > 0 {
            sheet.notice(
                format!("{refused} publish(es) or subscription(s) were refused: the topic is not the credential's, or not its role's"),
                "see the log; widen the credential with `domovoi mqtt add` if it is your own device",
            );
        }
        let (over_limit, too_large) = (count(&counters.over_limit), count(&counters.too_large));
        if over_limit + too_large > 0 {
            sheet.notice(
                format!("{over_limit} message(s) came faster than their client may send, {too_large} were too large for a device"),
                "the journal says who; a program that speaks for many devices needs the role bridge or service, or raise \
                 the limits in [mqtt]",
            );
        }
        let retained = count(&counters.retained_commands);
        if retained > 0 {
            sheet.notice(
                format!("{retained} retained command(s) were kept from switching a device again at each reconnect"),
                "the journal says who sent them; turn `retain` off there",
            );
        }
        let wrong = count(&counters.wrong_passwords);
        if wrong > 0 {
            sheet.notice(
                format!("{wrong} time(s) somebody showed the broker a wrong password or certificate"),
                "if it is no device of yours with an old password, somebody guesses: the journal has the addresses",
            );
        }
        for misread in self.ingest.misread_lately().into_iter().take(5) {
            sheet.notice(
                format!("{} on {} could not be read: {}", misread.sender, misread.topic, misread.what),
                "a device that says nonsense; nothing of it was recorded",
            );
        }
        for away in self.ingest.turned_away_lately().into_iter().take(5) {
            sheet.notice(
                format!("{} was turned away: {} ({} times)", away.who, away.why, away.times),
                "if it is your own device, see to its settings; a credential is issued with `domovoi mqtt add`",
            );
        }
        if !self.listening {
            return;
        }
        self.external(sheet);
        sheet.fine(format!(
            "{} packets understood, {} of no known dialect",
            count(&counters.claimed),
            count(&counters.unclaimed)
        ));
    }
}
