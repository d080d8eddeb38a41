//! Sessions against cameras that this test plays itself: kind ones, strange ones and hostile ones. What a real server does
//! is tried in `peers`.

mod camera;
mod elsewhere;
mod hostile;
mod killed;
mod kind;
mod odd;
mod peers;
mod recorded;
mod road;
mod strange;
mod supervised;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::*;
use crate::address::{Address, Allow, Login, Policy};
use crate::frame::Frame;

/// A wall clock that tells what monotonic time passed, and can be set.
#[derive(Clone)]
struct Wall {
    ahead_ms: Arc<AtomicI64>,
    begun: std::time::Instant,
}

const MIDNIGHT: i64 = 1_700_000_000_000;

impl Wall {
    fn new() -> Wall {
        Wall { ahead_ms: Arc::new(AtomicI64::new(MIDNIGHT)), begun: std::time::Instant::now() }
    }

    fn set_ahead(&self, ms: i64) {
        self.ahead_ms.fetch_add(ms, Ordering::SeqCst);
    }

    fn clock(&self) -> WallClock {
        let own = self.clone();
        Arc::new(move || own.ahead_ms.load(Ordering::SeqCst) + clock::millis(own.begun.elapsed()))
    }
}

fn options(url: &str) -> Options {
    let (address, login) = Address::parse(url).unwrap();
    let mut options = Options::new(address, login, Wall::new().clock());
    options.policy = Policy { loopback: Allow::Yes, ..Policy::default() };
    options
}

async fn trouble_of(options: Options) -> Trouble {
    match Session::open(options).await {
        Err(trouble) => trouble,
        Ok(mut session) => loop {
            if let Err(trouble) = session.next().await {
                break trouble;
            }
        },
    }
}

/// Items up to the given number of video frames.
async fn items(session: &mut Session, pictures: usize) -> Vec<Item> {
    let mut items = Vec::new();
    while frames(&items).count() < pictures {
        items.push(session.next().await.unwrap_or_else(|trouble| panic!("after {items:?}: {trouble}")));
    }
    items
}

fn frames(items: &[Item]) -> impl Iterator<Item = &Frame> {
    items.iter().filter_map(|item| match item {
        Item::Frame(frame) if frame.kind == crate::frame::Kind::Video => Some(frame),
        _ => None,
    })
}

fn runs(items: &[Item]) -> usize {
    items.iter().filter(|item| matches!(item, Item::Begins { .. })).count()
}

fn login(user: &str, password: &str) -> Option<Login> {
    Some(Login { user: user.to_owned(), password: domovoi_vault::Secret::new(password.to_owned()) })
}

const SHORT: Duration = Duration::from_millis(300);
