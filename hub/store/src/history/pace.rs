//! When to commit: a balance of the wait for company, the bytes that a card bears a day, and senders who wait for us.
//! Pure: it is told what happened and when (times are durations since some start), and says until when to wait.
//!
//! - What is urgent waits for nobody.
//! - An idle recorder waits `commit_every` for company. When the budget of written bytes runs low, the wait stretches
//!   smoothly up to two seconds.
//! - Many offers at the beginning of a wait are a load, also with nothing left in the budget: then the commit before was
//!   the wait, and it is the number of offers that counts.
//! - Senders who have all they may have in flight with us send nothing before they are answered: waiting for more company
//!   than there can be would only hold them up. How many there are is found by trying: as long as more came meanwhile, the
//!   next commit is to be larger by a tenth; when silence shows that all are waiting, it is smaller again, so that mostly
//!   some are on their way while others are written.

use std::time::Duration;

/// The longest wait, with nothing left in the budget.
const LONGEST: Duration = Duration::from_secs(2);
/// So many offers within the first `LOAD_WITHIN` of a wait are a load.
const LOAD: usize = 32;
const LOAD_WITHIN: Duration = Duration::from_millis(20);
/// No wait takes in more than this.
const MANY: usize = 4096;
/// After a wait for more than came, so much of what came is enough.
const LESS: f64 = 0.7;
/// Senders of a closed loop who were to send have sent by then.
const SILENCE: Duration = Duration::from_micros(500);
/// The longest wait of a closed loop.
const LOOP_WAIT: Duration = Duration::from_millis(10);
/// An offer so soon after an answer is the answer's doing. Not longer on a slow disk: there any stream would look like a
/// loop, and each of its samples get a commit of its own.
const PROMPT: Duration = Duration::from_millis(1);
/// Below this share of the budget the wait stretches.
const LOW: f64 = 0.25;
/// How far a timer fires late, and an answer is late for its sender's other business.
const SLACK: Duration = Duration::from_micros(1_500);

const DAY: f64 = 86_400.0;

/// What a card may bear: a bucket of bytes that a day fills.
#[derive(Debug, Clone)]
pub(super) struct WriteBudget {
    a_day: f64,
    left: f64,
    at: Duration,
}

impl WriteBudget {
    /// `left` of the last run; a first run begins with a whole day.
    pub fn new(a_day: u64, left: Option<u64>) -> Self {
        let a_day = a_day.max(1) as f64;
        WriteBudget { a_day, left: left.map_or(a_day, |left| (left as f64).min(a_day)), at: Duration::ZERO }
    }

    pub fn spend(&mut self, bytes: u64, now: Duration) {
        self.fill(now);
        // No debts: a flood of an hour must not slow the home down for a week.
        self.left = (self.left - bytes as f64).max(0.0);
    }

    pub fn left(&self) -> u64 {
        self.left as u64
    }

    pub fn a_day(&self) -> u64 {
        self.a_day as u64
    }

    fn fill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.at = self.at.max(now);
        self.left = (self.left + passed * self.a_day / DAY).min(self.a_day);
    }

    /// 1 while there is enough, falling to 0 where nothing is left.
    fn health(&self) -> f64 {
        (self.left / self.a_day / LOW).min(1.0)
    }
}

/// What waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    pub offers: usize,
    pub urgent: bool,
    pub first_at: Duration,
    pub last_at: Duration,
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Now,
    /// Look again at that time, or when so many offers wait.
    Later {
        at: Duration,
        offers: usize,
    },
}

#[derive(Debug)]
pub(super) struct Pace {
    commit_every: Duration,
    pub budget: WriteBudget,
    /// About how many offers are in flight with us: answered at once, or waiting.
    in_flight: f64,
    /// So many of them are enough for a commit.
    enough: f64,
    /// How often an answer brought the next offer at once, of late: 0 never, 1 always.
    closed_loop: f64,
    /// About how long a commit takes.
    takes: Duration,
    answered_at: Option<Duration>,
    /// Nothing that is not urgent before this: the disk failed a moment ago.
    not_before: Duration,
}

impl Pace {
    pub fn new(commit_every: Duration, budget: WriteBudget) -> Self {
        Pace {
            commit_every,
            budget,
            in_flight: 0.0,
            enough: 1.0,
            closed_loop: 0.0,
            takes: Duration::ZERO,
            answered_at: None,
            not_before: Duration::ZERO,
        }
    }

    pub fn when(&self, waiting: &Waiting, now: Duration) -> When {
        if waiting.urgent {
            return When::Now;
        }
        if now < self.not_before {
            return When::Later { at: self.not_before, offers: usize::MAX };
        }
        if waiting.offers >= MANY {
            return When::Now;
        }
        let healthy = self.budget.health() >= 1.0;
        let load = self.in_flight >= LOAD as f64;
        if self.loops() && (healthy || load) {
            let enough = self.enough();
            let began = waiting.first_at.max(self.answered_at.unwrap_or_default());
            let silent = waiting.last_at.max(began) + SILENCE;
            let at = silent.min(began + LOOP_WAIT);
            return if waiting.offers >= enough || now >= at { When::Now } else { When::Later { at, offers: enough } };
        }
        let early = now <= waiting.first_at + LOAD_WITHIN;
        if early && waiting.offers >= LOAD {
            return When::Now;
        }
        let until = waiting.first_at + self.wait();
        if now >= until {
            return When::Now;
        }
        if early {
            When::Later { at: until.min(waiting.first_at + LOAD_WITHIN + SLACK), offers: LOAD }
        } else {
            When::Later { at: until, offers: MANY }
        }
    }

    /// A commit of so many offers was answered, having taken so long; `waiting` offers came meanwhile. `first_at` is when
    /// the first of the committed had come.
    pub fn answered(&mut self, offers: usize, waiting: usize, first_at: Duration, took: Duration, now: Duration) {
        self.closed_loop += (f64::from(u8::from(self.was_prompt(first_at))) - self.closed_loop) * 0.3;
        let seen = (offers + waiting) as f64;
        let weight = if seen >= self.in_flight { 1.0 } else { 0.25 };
        self.in_flight += (seen - self.in_flight) * weight;
        self.enough = if offers < self.enough() { offers as f64 * LESS } else { (self.enough * 1.1 + 0.5).min(seen) };
        self.takes = (self.takes * 7 + took) / 8;
        self.answered_at = Some(now);
        self.not_before = Duration::ZERO;
    }

    /// A commit failed for another reason than a full disk.
    pub fn failed(&mut self, now: Duration) {
        self.answered_at = None;
        self.not_before = now + Duration::from_millis(250);
    }

    pub fn spend(&mut self, bytes: u64, now: Duration) {
        self.budget.spend(bytes, now);
    }

    /// Whether what waits comes because of our answers. One late offer does not end a loop: on a busy machine an answer
    /// takes its time.
    fn loops(&self) -> bool {
        self.closed_loop > 0.5
    }

    fn enough(&self) -> usize {
        (self.enough as usize).clamp(1, MANY)
    }

    fn was_prompt(&self, first_at: Duration) -> bool {
        self.answered_at.is_some_and(|answered| first_at <= answered + PROMPT)
    }

    /// From the first offer to the beginning of the commit.
    fn wait(&self) -> Duration {
        let health = self.budget.health();
        if health >= 1.0 {
            // Durable, and its sender told, `commit_every` after it came.
            let rest = self.commit_every.saturating_sub(self.takes * 2 + SLACK);
            return rest.max(self.commit_every / 2);
        }
        let shortest = self.commit_every.max(Duration::from_millis(1)).min(LONGEST).as_secs_f64();
        // Geometric: each further byte of the budget stretches by the same factor.
        Duration::from_secs_f64(shortest.powf(health) * LONGEST.as_secs_f64().powf(1.0 - health))
    }
}

const PAGE: u64 = 4096;
/// A page in the write-ahead log.
const FRAME: u64 = PAGE + 24;

/// About what a commit of rows of these sizes writes: frames of the log, which touch whole blocks of the file, and the
/// share of the checkpoint. A row goes to the end of its table: its last leaf is written again and again until it is
/// full; then come a new leaf, its parent and the file's first page.
pub(super) fn cost(rows: impl IntoIterator<Item = usize>) -> u64 {
    let mut frames = 0;
    let mut settled = 0;
    for row in rows {
        let row = row as u64 + 20;
        frames += FRAME;
        settled += row;
        match row.checked_sub(4_061) {
            None => frames += 2 * FRAME * row / 4_061,
            Some(_) => frames += FRAME * ((row - 489).div_ceil(4_092) + 1),
        }
    }
    if frames == 0 { 0 } else { frames.div_ceil(PAGE) * PAGE + PAGE / 2 + settled * 11 / 10 }
}

#[cfg(test)]
mod tests;
