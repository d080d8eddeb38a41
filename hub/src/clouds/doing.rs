//! Commands: each thing has a lane of its own in which one order follows the other. What the cloud says of an order is told
//! honestly: refused with the cloud's code, or done and then seen in the thing's own state. An order whose answer was lost is
//! never said again before the thing was asked how it stands.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use domovoi_adapters::Outgoing;
use domovoi_adapters::clouds::{Outcome, of_topic};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Inner;
use super::calls::CallError;
use super::pace::For;
use crate::ingest::NotSaid;

/// Orders that wait, of one cloud.
pub(super) const WAITING: usize = 256;
/// So many are under way at once.
const AT_ONCE: usize = 8;
/// Without another word an order is worth so long.
const WORTH: Duration = Duration::from_secs(30);
/// A thing that was told something is asked how it stands after these pauses, until it stands as was wished.
const LOOKS: [Duration; 5] = [
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(6),
    Duration::from_secs(10),
];
/// Pauses between tries of what was certainly not done.
const FIRST_AGAIN: Duration = Duration::from_secs(1);
/// One that was busy is told again so often.
const TRIES: u32 = 3;

/// What somebody wants a thing to do.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub id: String,
    /// As the dialect said it; nothing at all asks how it stands.
    pub outgoing: Vec<Outgoing>,
    /// Nobody wants it any more then.
    pub until: Instant,
}

/// Takes orders of a batch apart: one for each thing, in order.
pub(super) fn orders(
    outgoing: Vec<Outgoing>,
    seconds: Option<NonZeroU32>,
) -> Result<Vec<(&'static str, Order)>, NotSaid> {
    let worth = seconds.map_or(WORTH, |seconds| Duration::from_secs(seconds.get().into()));
    let until = Instant::now() + worth;
    let mut orders: Vec<(&'static str, Order)> = Vec::new();
    for out in outgoing {
        let (cloud, id) = of_topic(&out.topic).ok_or_else(|| NotSaid::Topic(out.topic.clone()))?;
        match orders.iter_mut().find(|(name, order)| *name == cloud.name && order.id == id) {
            Some((_, order)) => order.outgoing.push(out),
            None => orders.push((cloud.name, Order { id: id.to_owned(), outgoing: vec![out], until })),
        }
    }
    Ok(orders)
}

impl Inner {
    /// Does what comes, until `stop` turns true.
    pub(super) async fn work(self: Arc<Self>, mut queue: mpsc::Receiver<Order>, mut stop: watch::Receiver<bool>) {
        let mut lanes: JoinSet<String> = JoinSet::new();
        let mut waiting: VecDeque<Order> = VecDeque::new();
        let mut busy: Vec<String> = Vec::new();
        loop {
            tokio::select! {
                Some(order) = queue.recv() => waiting.push_back(order),
                Some(ended) = lanes.join_next() => match ended {
                    Ok(id) => busy.retain(|one| *one != id),
                    Err(error) => {
                        // Whose it was is not known: all lanes are free again, which may let two orders overtake.
                        tracing::error!("an order was not carried out to its end: {error}");
                        busy.clear();
                    }
                },
                _ = stop.wait_for(|stop| *stop) => return,
            }
            while busy.len() < AT_ONCE {
                let Some(at) = waiting.iter().position(|order| !busy.contains(&order.id)) else { break };
                let Some(order) = waiting.remove(at) else { break };
                busy.push(order.id.clone());
                let inner = Arc::clone(&self);
                lanes.spawn(async move {
                    let id = order.id.clone();
                    Box::pin(inner.carry_out(order)).await;
                    id
                });
            }
        }
    }

    /// One order to its end.
    async fn carry_out(self: &Arc<Self>, order: Order) {
        let actions: Vec<&str> = order
            .outgoing
            .iter()
            .filter_map(|out| std::str::from_utf8(&out.payload).ok())
            .filter(|text| !text.is_empty())
            .collect();
        if actions.is_empty() {
            if let Err(error) = self.ask(&order.id, For::Looking).await {
                tracing::debug!(cloud = self.cloud.name, id = %order.id, "it is not asked how it stands: {error}");
            }
            return;
        }
        let Some(request) = (self.cloud.act)(&order.id, &actions) else {
            return self.refused(&order, "it has no such id");
        };
        let (mut again, mut tries) = (FIRST_AGAIN, 0);
        loop {
            tries += 1;
            match self.call(For::Doing, &request).await {
                Ok(body) => match (self.cloud.read_outcomes)(&body) {
                    Ok(outcomes) => match self.judge(&order, &outcomes) {
                        Judged::Done => {
                            // What could not be seen now is seen with the next look.
                            let _ = self.see(&order).await;
                            return;
                        }
                        Judged::Refused(why) => return self.refused(&order, &why),
                        Judged::Busy(why) if tries >= TRIES => return self.refused(&order, &why),
                        Judged::Busy(_) => {}
                    },
                    // It answered, and nobody knows what: as good as lost.
                    Err(error) => {
                        if !self.may_be_repeated(&order, &error.to_string()).await {
                            return;
                        }
                    }
                },
                Err(CallError::Lost(why)) => {
                    if tries >= TRIES || !self.may_be_repeated(&order, &why).await {
                        return;
                    }
                }
                Err(CallError::NotSent(why)) if Instant::now() + again >= order.until => {
                    return self.refused(&order, &why);
                }
                Err(CallError::NotSent(_)) => {}
                Err(CallError::Later { why, after }) => {
                    if Instant::now() + after >= order.until {
                        return self.refused(&order, &why);
                    }
                    again = after;
                }
                Err(error) => return self.refused(&order, &error.to_string()),
            }
            tokio::time::sleep(again).await;
            again = (again * 2).min(Duration::from_secs(10));
            if Instant::now() >= order.until {
                return self.refused(&order, "the cloud could not be told in time");
            }
        }
    }

    /// After a lost answer: whether the thing says that nothing came of the order. While it cannot be asked, nothing is said.
    async fn may_be_repeated(self: &Arc<Self>, order: &Order, why: &str) -> bool {
        tracing::debug!(cloud = self.cloud.name, id = %order.id, "the answer to an order was lost: {why}");
        match self.see(order).await {
            Seen::AsWished => false,
            Seen::Otherwise => true,
            Seen::Unknown => {
                self.refused(order, &format!("{why}; nobody knows whether it was done"));
                false
            }
        }
    }

    /// Asks how the thing stands, until nobody waits for the order any more or the pauses are over.
    async fn see(self: &Arc<Self>, order: &Order) -> Seen {
        let mut seen = Seen::Unknown;
        for pause in LOOKS {
            tokio::time::sleep(pause).await;
            match self.ask(&order.id, For::Doing).await {
                Ok(()) if !self.is_waited_for(order) => return Seen::AsWished,
                Ok(()) => seen = Seen::Otherwise,
                Err(error) => tracing::debug!(cloud = self.cloud.name, id = %order.id, "not asked: {error}"),
            }
            if Instant::now() >= order.until {
                break;
            }
        }
        seen
    }

    fn is_waited_for(&self, order: &Order) -> bool {
        let device = self.device(&order.id);
        self.hooks.get().is_some_and(|hooks| order.outgoing.iter().any(|out| (hooks.is_waited_for)(&device, out)))
    }

    fn judge(&self, order: &Order, outcomes: &[Outcome]) -> Judged {
        // A group answers for each that is in it; one that did it is no comfort for one that did not.
        let is_group = outcomes.iter().any(|outcome| outcome.id != order.id);
        let refused = outcomes.iter().filter(|outcome| is_group || outcome.id == order.id).find_map(|outcome| {
            let refusal = outcome.refused.as_ref()?;
            let about = outcome.property.as_deref().unwrap_or("");
            let words = if refusal.words.is_empty() { String::new() } else { format!(": {}", refusal.words) };
            let passes = self.cloud.passing.contains(&refusal.code.as_str());
            Some((passes, format!("{} {about}{words}", refusal.code).replace("  ", " ").trim().to_owned()))
        });
        match refused {
            None => Judged::Done,
            Some((true, why)) => Judged::Busy(why),
            Some((false, why)) => Judged::Refused(why),
        }
    }

    fn refused(&self, order: &Order, why: &str) {
        tracing::info!(cloud = self.cloud.name, id = %order.id, "a command was not carried out: {why}");
        let device = self.device(&order.id);
        if let Some(hooks) = self.hooks.get() {
            order.outgoing.iter().for_each(|out| (hooks.refused)(&device, out, why));
        }
    }
}

/// What the cloud says of an order.
enum Judged {
    Done,
    /// It may be told again.
    Busy(String),
    Refused(String),
}

/// What a thing says after an order.
enum Seen {
    AsWished,
    Otherwise,
    Unknown,
}
