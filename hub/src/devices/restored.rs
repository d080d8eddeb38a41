//! States after a restart: what history knows last of each property, marked as old until the device speaks. In the
//! background, what was heard last first: nobody waits for all of it.

use domovoi_model::Timestamp;
use tokio::sync::watch;

use super::Inner;

/// History may know values from a clock that ran ahead: the last is meant, whenever it was. The year 2200.
const ALL_TIME: Timestamp = Timestamp(7_258_118_400_000);

impl Inner {
    /// Brings back what history knows of the devices of the registry.
    pub(super) async fn restore_states(&self, mut stop: watch::Receiver<bool>) {
        let restoring = async {
            let history = self.store.history();
            let series = match history.series().await {
                Ok(series) => series,
                Err(error) => {
                    tracing::warn!("states from before the start cannot be read: {error}");
                    return;
                }
            };
            let mut series = series;
            // Where a property's unit has changed, the newest counts.
            series.sort_by_key(|one| std::cmp::Reverse(one.newest));
            for one in series.into_iter().filter(|one| self.knows(&one.device)) {
                let known = self.live.of(&one.device);
                if known.is_some_and(|known| super::live::lock(&known).properties.contains_key(&one.property)) {
                    continue;
                }
                match history.last_at(&one.device, &one.property, ALL_TIME).await {
                    Ok(latest) => {
                        if let Some(point) = latest.point {
                            let (value, unit) = (point.value, point.unit);
                            self.live.restore(&one.device, &one.property, value, unit, &point.quality, point.at);
                        }
                    }
                    Err(error) => tracing::debug!(device = %one.device, "a state is not restored: {error}"),
                }
            }
        };
        tokio::select! {
            () = restoring => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
}
