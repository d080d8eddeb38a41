//! A hand turns the clock, and senders of all kinds come.

use super::*;

const MS: Duration = Duration::from_millis(1);
const MB: u64 = 1_000_000;

/// Senders who have `window` in flight, each of them answering an answer after `reply`; a commit takes `fsync`. Returns
/// the sizes of `commits` commits and how long all took.
fn closed(pace: &mut Pace, window: usize, reply: Duration, fsync: Duration, commits: usize) -> (Vec<usize>, Duration) {
    let mut now = Duration::from_secs(1);
    let began = now;
    // When each of those in flight reaches the queue.
    let mut coming: Vec<Duration> = (0..window).map(|n| now + reply * (n as u32 + 1)).collect();
    let mut sizes = Vec::new();
    while sizes.len() < commits {
        let first_at = *coming.iter().min().unwrap();
        now = now.max(first_at);
        loop {
            let here: Vec<Duration> = coming.iter().copied().filter(|at| *at <= now).collect();
            let waiting =
                Waiting { offers: here.len(), urgent: false, first_at, last_at: here.iter().copied().max().unwrap() };
            match pace.when(&waiting, now) {
                When::Now => break,
                When::Later { at, offers } => {
                    assert!(at > now, "a wait that has ended");
                    let mut later: Vec<Duration> = coming.clone();
                    later.sort_unstable();
                    let enough = later.get(offers.saturating_sub(1)).copied().unwrap_or(at);
                    now = at.min(enough.max(now + Duration::from_nanos(1)));
                }
            }
        }
        let size = coming.iter().filter(|at| **at <= now).count();
        coming.retain(|at| *at > now);
        now += fsync;
        let meanwhile = coming.iter().filter(|at| **at <= now).count();
        pace.spend(cost([size * 6 + 33]), now);
        pace.answered(size, meanwhile, first_at, fsync, now);
        coming.extend((0..size).map(|n| now + reply * (n as u32 + 1)));
        sizes.push(size);
    }
    (sizes, now - began)
}

fn rich() -> Pace {
    Pace::new(20 * MS, WriteBudget::new(500 * MB, None))
}

fn spent() -> Pace {
    Pace::new(20 * MS, WriteBudget::new(500 * MB, Some(0)))
}

fn one(at: Duration) -> Waiting {
    Waiting { offers: 1, urgent: false, first_at: at, last_at: at }
}

/// How long a single offer waits that comes to an idle recorder.
fn idle_wait(pace: &Pace) -> Duration {
    let began = Duration::from_secs(200);
    let mut now = began;
    while let When::Later { at, .. } = pace.when(&one(began), now) {
        now = at;
    }
    now - began
}

#[test]
fn what_is_urgent_waits_for_nobody() {
    for pace in [rich(), spent()] {
        let urgent = Waiting { urgent: true, ..one(MS) };
        assert_eq!(pace.when(&urgent, MS), When::Now);
    }
}

#[test]
fn the_wait_stretches_smoothly_as_the_budget_runs_low() {
    let mut before = Duration::ZERO;
    for left in (0..=500).rev() {
        let wait = idle_wait(&Pace::new(20 * MS, WriteBudget::new(500 * MB, Some(left * MB))));
        assert!(wait >= before, "{left} MB: {wait:?} after {before:?}");
        // Smooth, but for the step to the healthy one, which leaves time for the commit itself.
        assert!(before.is_zero() || wait < before * 3 / 2, "{left} MB: {wait:?} after {before:?}");
        before = wait;
    }
    assert!(idle_wait(&rich()) <= 20 * MS);
    assert_eq!(before, LONGEST);
}

#[test]
fn the_budget_fills_again() {
    let mut budget = WriteBudget::new(500 * MB, Some(0));
    budget.spend(0, Duration::from_secs(43_200));
    assert_eq!(budget.left(), 250 * MB);
    budget.spend(0, Duration::from_secs(20));
    assert_eq!(budget.left(), 250 * MB, "time does not go back");
    budget.spend(0, Duration::from_secs(1_000_000));
    assert_eq!(budget.left(), 500 * MB);
    budget.spend(900 * MB, Duration::from_secs(1_000_000));
    assert_eq!(budget.left(), 0);
}

#[test]
fn a_load_is_recognised_at_its_beginning() {
    let pace = spent();
    let many = Waiting { offers: 32, urgent: false, first_at: MS, last_at: 2 * MS };
    assert_eq!(pace.when(&many, 2 * MS), When::Now);
    // The same number after a long wait is no load.
    assert!(matches!(pace.when(&many, 800 * MS), When::Later { .. }));
}

#[test]
fn a_single_sender_in_a_loop_is_not_held_up() {
    let mut pace = rich();
    let fsync = Duration::from_micros(120);
    closed(&mut pace, 1, Duration::from_micros(50), fsync, 10);
    let (sizes, took) = closed(&mut pace, 1, Duration::from_micros(50), fsync, 1000);
    assert!(sizes.iter().all(|size| *size == 1));
    assert!(took < 300 * MS, "{took:?}");
    // One late offer does not end the loop.
    assert_eq!(pace.when(&one(Duration::from_secs(100)), Duration::from_secs(100)), When::Now);
    for second in 100..103 {
        let at = Duration::from_secs(second);
        pace.answered(1, 0, at, fsync, at);
    }
    assert!(idle_wait(&pace) > 10 * MS, "offers that come by themselves end it");
}

#[test]
fn most_of_a_full_window_goes_at_once() {
    for pace in [&mut rich(), &mut spent()] {
        for (window, least) in [(200, 120), (2000, 1200)] {
            let reply = Duration::from_micros(8);
            closed(pace, window, reply, Duration::from_micros(200), 100);
            let (sizes, took) = closed(pace, window, reply, Duration::from_micros(200), 200);
            let all: usize = sizes.iter().sum();
            assert!(all / sizes.len() >= least, "{window}: {sizes:?}");
            let rate = all as f64 / took.as_secs_f64();
            assert!(rate > 60_000.0, "{window}: {rate}");
        }
    }
}

#[test]
fn fewer_senders_than_before_are_not_waited_for() {
    let mut pace = rich();
    closed(&mut pace, 500, Duration::from_micros(8), Duration::from_micros(200), 50);
    let (_, took) = closed(&mut pace, 20, Duration::from_micros(8), Duration::from_micros(200), 100);
    assert!(took < 100 * 2 * MS, "{took:?}");
}

#[test]
fn a_spent_budget_makes_few_commits_of_a_slow_stream() {
    let mut pace = spent();
    let mut now = Duration::from_secs(1);
    let mut commits = 0;
    let mut bytes = 0;
    let mut first_at = None;
    let mut offers = 0;
    // 50 a second for ten minutes.
    for _ in 0..30_000 {
        now += 20 * MS;
        offers += 1;
        let first = *first_at.get_or_insert(now);
        if pace.when(&Waiting { offers, urgent: false, first_at: first, last_at: now }, now) == When::Now {
            let cost = cost([offers * 6 + 33]);
            commits += 1;
            bytes += cost;
            pace.spend(cost, now);
            pace.answered(offers, 0, first, MS, now);
            offers = 0;
            first_at = None;
        }
    }
    assert!((250..700).contains(&commits), "{commits}");
    assert!(bytes / 30_000 < 200, "{bytes}");
}

#[test]
fn a_failed_disk_is_left_alone_for_a_moment() {
    let mut pace = rich();
    pace.failed(Duration::from_secs(1));
    let now = Duration::from_millis(1100);
    assert_eq!(pace.when(&one(MS), now), When::Later { at: Duration::from_millis(1250), offers: usize::MAX });
    assert_eq!(pace.when(&Waiting { urgent: true, ..one(MS) }, now), When::Now);
    assert_eq!(pace.when(&one(MS), Duration::from_millis(1250)), When::Now);
}

#[test]
fn a_larger_commit_costs_more_and_less_a_sample() {
    assert_eq!(cost([]), 0);
    let sizes = [40, 600, 3_000, 6_000, 60_000];
    let costs = sizes.map(|size| cost([size]));
    assert!(costs.is_sorted());
    assert!(costs[0] > 8_192 && costs[0] < 16_384);
    assert!(costs[4] < 5 * 60_000 / 2);
}
