//! One connection that says nothing but that it is there, and measures how long the answer to that takes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::line::{Line, Lost};
use super::wire::{Connect, DISCONNECT, Incoming, PING};
use super::{Shared, Tally};

/// Between two attempts to connect.
const RETRY: Duration = Duration::from_millis(200);

/// Stays open until the run is over. `doors`: how many may come in at a time.
pub(super) async fn run(shared: Arc<Shared>, index: usize, doors: Arc<Semaphore>) -> Tally {
    let mut tally = Tally::default();
    let mut was_here = false;
    while !shared.is_heard_out() {
        match stay(&shared, index, &doors, &mut tally, &mut was_here).await {
            Ok(()) => break,
            Err(lost) => {
                tally.lost(&lost);
                tokio::time::sleep(RETRY).await;
            }
        }
    }
    tally
}

async fn stay(
    shared: &Shared,
    index: usize,
    doors: &Semaphore,
    tally: &mut Tally,
    was_here: &mut bool,
) -> Result<(), Lost> {
    let settings = &shared.settings;
    let mut line = {
        let _door = doors.acquire().await;
        let client_id = format!("{}-idle-{index}", settings.client_prefix);
        let connect = Connect {
            version: settings.version,
            client_id: &client_id,
            login: settings.login(index),
            keep_alive_s: settings.keep_alive_s,
            persistent: false,
        };
        Line::open(&settings.connect, &connect).await?.0
    };
    if std::mem::replace(was_here, true) {
        tally.reconnects += 1;
    } else {
        shared.opened();
    }
    let mut heard_out = shared.heard_out.subscribe();
    let mut asked: Option<Instant> = None;
    let mut next = Instant::now() + settings.ping_every;
    loop {
        if asked.is_none() && next <= Instant::now() {
            line.out.extend_from_slice(&PING);
            asked = Some(Instant::now());
            next = Instant::now() + settings.ping_every;
        }
        line.flush()?;
        let wake = if asked.is_some() { None } else { Some(next) };
        tokio::select! {
            ready = line.ready(wake) => ready?,
            _ = heard_out.wait_for(|over| *over) => {
                // A question that nobody answered counts with the time it has waited.
                if let Some(asked) = asked {
                    tally.ping.record(asked.elapsed());
                }
                line.out.extend_from_slice(&DISCONNECT);
                let _ = line.flush();
                return Ok(());
            }
        }
        line.take(|packet, _| {
            if let (Incoming::Pong, Some(asked)) = (packet, asked.take()) {
                tally.ping.record(asked.elapsed());
            }
        })?;
    }
}
