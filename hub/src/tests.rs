//! What tests of several rooms need: to wait until something holds.

use std::time::{Duration, Instant};

/// Waits until there is what is looked for, and gives up after a minute.
pub async fn until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    until_async(what, async || look()).await
}

/// The same where looking takes time.
pub async fn until_async<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
