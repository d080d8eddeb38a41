//! Changes of what scenarios there are: asked of the policy, kept, and only then at work.

use std::sync::Arc;

use domovoi_model::Id;
use domovoi_store::{ScenarioBatch, ScenarioDrawer};
use domovoi_vault::Secret;
use zeroize::Zeroizing;

use super::paper::KeptPaper;
use super::plan::{Scenario, When};
use super::view::Saved;
use super::{Scenarios, ScenariosError, random_id, rights};
use crate::policy::Who;

/// The secret of a webhook: 256 bits.
const SECRET_BYTES: usize = 32;

impl Scenarios {
    /// Keeps a scenario, a new one (its id is zero) or in the place of the one with the same id, with whoever saves it as its
    /// author. Each of its commands is asked of the policy as theirs; what is dangerous wants a factor shown lately.
    pub async fn save(&self, by: &Who, mut scenario: Scenario) -> Result<Saved, ScenariosError> {
        let inner = &self.0;
        let _turn = inner.changing.lock().await;
        if let Some(around) = inner.around.get() {
            scenario.sure = rights::may_save(by, &scenario, around, inner.policy_now())
                .map_err(|(path, refusal)| ScenariosError::Refused { path, refusal })?;
        }
        scenario.author = by.person();
        scenario.changed_at = inner.clock.at_least();
        let before = inner.hall().plan(scenario.id);
        if before.is_none() {
            if inner.hall().len() >= usize::try_from(inner.section.max).unwrap_or(usize::MAX) {
                return Err(ScenariosError::Full(inner.section.max));
            }
            if scenario.id == Id([0; 16]) {
                scenario.id = random_id();
            }
        }
        let webhooks = self.give_secrets(before.as_deref(), &mut scenario)?;
        let scenario = self.keep(scenario).await?;
        Ok(Saved { scenario, webhooks })
    }

    /// Whether its triggers begin anything, from now on. Its author stays.
    pub async fn switch(&self, id: Id, is_on: bool) -> Result<Arc<Scenario>, ScenariosError> {
        let _turn = self.0.changing.lock().await;
        let before = self.0.hall().plan(id).ok_or(ScenariosError::NoSuch("scenario"))?;
        if before.is_on == is_on {
            return Ok(before);
        }
        self.keep(Scenario { is_on, ..(*before).clone() }).await
    }

    /// Forgets a scenario and its traces; its runs are stopped.
    pub async fn delete(&self, id: Id) -> Result<(), ScenariosError> {
        let _turn = self.0.changing.lock().await;
        if self.0.hall().plan(id).is_none() {
            return Err(ScenariosError::NoSuch("scenario"));
        }
        let now = self.0.now();
        let runs: Vec<Id> = self.0.hall().runs(Some(id), &now).iter().map(|run| run.id).collect();
        self.0.store.scenarios().forget(id, &runs).await?;
        self.0.hall().remove(id);
        self.nudge();
        Ok(())
    }

    async fn keep(&self, scenario: Scenario) -> Result<Arc<Scenario>, ScenariosError> {
        let body = Zeroizing::new(serde_json::to_vec(&KeptPaper::from(&scenario)).unwrap_or_default());
        let batch = ScenarioBatch { put: vec![(ScenarioDrawer::Scenario, scenario.id, body)], ..Default::default() };
        self.0.store.scenarios().commit(&batch).await?;
        let scenario = Arc::new(scenario);
        let now = self.0.now();
        self.0.hall().put(Arc::clone(&scenario), &now);
        self.nudge();
        Ok(scenario)
    }

    /// Triggers by address keep their secret as long as they keep their id; new ones get one.
    fn give_secrets(
        &self,
        before: Option<&Scenario>,
        scenario: &mut Scenario,
    ) -> Result<Vec<(String, Secret<String>)>, ScenariosError> {
        let mut given = Vec::new();
        for trigger in &mut scenario.triggers {
            let When::Webhook { key } = &mut trigger.when else { continue };
            let old = before.and_then(|before| before.triggers.iter().find(|old| old.id == trigger.id));
            *key = old.and_then(|old| match old.when {
                When::Webhook { key } => key,
                _ => None,
            });
            if key.is_none() {
                let mut bytes = [0u8; SECRET_BYTES];
                // Without randomness an address would be anybody's.
                getrandom::fill(&mut bytes).map_err(|_| ScenariosError::Busy)?;
                let secret: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                *key = Some(self.0.store.scenarios().id_of(&secret));
                given.push((trigger.id.clone(), Secret::new(secret)));
            }
        }
        Ok(given)
    }
}
