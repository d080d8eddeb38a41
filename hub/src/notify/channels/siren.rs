//! Sirens of the home: on when life is at stake, off when it is over or somebody knows, and never longer than the settings say.
//! What sounds within a second of a sensor is the reflex of the safety room; this is for what comes from outside, and repeats.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::task::AbortHandle;

use super::{Address, Channel, Failed, Fate, Field, Letter, Pressing, Sent, Switch};
use crate::notify::Subject;

/// Sirens.
pub(super) struct Siren {
    devices: Vec<String>,
    longest: Duration,
    switch: Switch,
    sounding: Arc<Mutex<Sounding>>,
}

/// Why they sound, and what will silence them.
#[derive(Default)]
struct Sounding {
    reasons: BTreeSet<Subject>,
    end: Option<AbortHandle>,
}

impl Siren {
    pub(super) fn open(devices: Vec<String>, longest: Duration, switch: Switch) -> Self {
        Siren { devices, longest, switch, sounding: Arc::default() }
    }

    async fn sound(&self, letter: &Letter) -> Result<Sent, Failed> {
        if letter.over {
            self.hush(&letter.subject).await?;
            return Ok(Sent { fate: Fate::Sent, receipt: None });
        }
        if letter.pressing != Pressing::Life {
            return Err(Failed::Refused("a siren sounds only when life is at stake".to_owned()));
        }
        {
            // The end is set before the beginning: a command that hangs must not make a siren sound for ever.
            let mut sounding = self.sounding.lock().unwrap_or_else(PoisonError::into_inner);
            sounding.reasons.insert(letter.subject.clone());
            let (switch, devices, longest) = (self.switch.clone(), self.devices.clone(), self.longest);
            let shared = Arc::clone(&self.sounding);
            let end = tokio::spawn(async move {
                tokio::time::sleep(longest).await;
                shared.lock().unwrap_or_else(PoisonError::into_inner).reasons.clear();
                if let Err(why) = all(&switch, &devices, false).await {
                    tracing::error!("a siren could not be silenced after its longest time: {why}");
                }
            });
            if let Some(before) = sounding.end.replace(end.abort_handle()) {
                before.abort();
            }
        }
        match all(&self.switch, &self.devices, true).await {
            Ok(()) => Ok(Sent { fate: Fate::Sent, receipt: None }),
            Err(why) => Err(Failed::Again { why, after: None }),
        }
    }

    /// One reason less; with the last of them it is silent.
    async fn hush(&self, subject: &Subject) -> Result<(), Failed> {
        {
            let mut sounding = self.sounding.lock().unwrap_or_else(PoisonError::into_inner);
            let was = sounding.reasons.remove(subject);
            if !was || !sounding.reasons.is_empty() {
                return Ok(());
            }
            if let Some(end) = sounding.end.take() {
                end.abort();
            }
        }
        let silenced = all(&self.switch, &self.devices, false).await;
        silenced.map_err(|why| {
            // Asked once more, it is to be tried once more.
            let mut sounding = self.sounding.lock().unwrap_or_else(PoisonError::into_inner);
            sounding.reasons.insert(subject.clone());
            Failed::Again { why, after: None }
        })
    }
}

/// Each is tried, whatever the others do; it counts if one obeyed where they are to sound, and if all did where not.
async fn all(switch: &Switch, devices: &[String], on: bool) -> Result<(), String> {
    let tried = futures_util::future::join_all(devices.iter().map(|device| switch(device.clone(), on))).await;
    let failed: Vec<&String> = tried.iter().filter_map(|one| one.as_ref().err()).collect();
    let done = if on { failed.len() < devices.len() } else { failed.is_empty() };
    if done { Ok(()) } else { Err(failed.first().map_or_else(|| "there is no siren".to_owned(), |why| (*why).clone())) }
}

impl Channel for Siren {
    fn name(&self) -> &'static str {
        "siren"
    }

    fn fields(&self) -> &'static [Field] {
        &[]
    }

    fn check(&self, _to: &Address) -> Result<(), String> {
        Ok(())
    }

    fn is_of_the_house(&self) -> bool {
        true
    }

    fn send<'a>(&'a self, _to: &'a Address, letter: &'a Letter) -> BoxFuture<'a, Result<Sent, Failed>> {
        Box::pin(self.sound(letter))
    }

    fn clear<'a>(&'a self, _to: &'a Address, subject: &'a Subject) -> BoxFuture<'a, Result<(), Failed>> {
        Box::pin(self.hush(subject))
    }
}

#[cfg(test)]
mod tests {
    use domovoi_model::Id;
    use tokio::sync::mpsc;

    use super::super::tests::letters::letter;
    use super::*;

    type Told = mpsc::UnboundedReceiver<(String, bool)>;

    fn siren(deaf: &'static str, longest: Duration) -> (Siren, Told) {
        let (told, heard) = mpsc::unbounded_channel();
        let switch: Switch = Arc::new(move |device, on| {
            told.send((device.clone(), on)).unwrap();
            Box::pin(async move { if device == deaf { Err("it is offline".to_owned()) } else { Ok(()) } })
        });
        (Siren::open(vec!["a:1".into(), "b:2".into()], longest, switch), heard)
    }

    fn life(number: u8) -> Letter {
        Letter { pressing: Pressing::Life, subject: Subject::Alert(Id([number; 16])), ..letter() }
    }

    fn of(told: &mut Told) -> Vec<(String, bool)> {
        std::iter::from_fn(|| told.try_recv().ok()).collect()
    }

    fn each(on: bool) -> Vec<(String, bool)> {
        vec![("a:1".to_owned(), on), ("b:2".to_owned(), on)]
    }

    const LONG: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn it_sounds_for_life_until_the_last_reason_is_gone() {
        let (siren, mut told) = siren("", LONG);
        let to = Address::default();
        assert!(matches!(siren.send(&to, &letter()).await, Err(Failed::Refused(_))));
        assert_eq!(of(&mut told), []);
        siren.send(&to, &life(1)).await.unwrap();
        siren.send(&to, &life(2)).await.unwrap();
        assert_eq!(of(&mut told), [each(true), each(true)].concat());
        siren.clear(&to, &Subject::Alert(Id([1; 16]))).await.unwrap();
        siren.clear(&to, &Subject::Alert(Id([9; 16]))).await.unwrap();
        assert_eq!(of(&mut told), [], "another reason is left");
        siren.send(&to, &Letter { over: true, ..life(2) }).await.unwrap();
        assert_eq!(of(&mut told), each(false));
        assert!(siren.sounding.lock().unwrap().end.is_none(), "nothing silences it once more");
    }

    #[tokio::test]
    async fn it_falls_silent_by_itself() {
        let (siren, mut told) = siren("", Duration::from_millis(1));
        siren.send(&Address::default(), &life(1)).await.unwrap();
        let mut heard = Vec::new();
        while heard.len() < 4 {
            heard.push(told.recv().await.unwrap());
        }
        assert_eq!(heard.iter().filter(|(_, on)| *on).count(), 2);
        assert_eq!(heard.last(), Some(&("b:2".to_owned(), false)));
        siren.clear(&Address::default(), &life(1).subject).await.unwrap();
        assert_eq!(of(&mut told), [], "it is silent already");
    }

    #[tokio::test]
    async fn one_that_is_away_does_not_keep_the_other_silent_or_loud() {
        let (siren, mut told) = siren("a:1", LONG);
        let to = Address::default();
        siren.send(&to, &life(1)).await.unwrap();
        assert!(matches!(siren.clear(&to, &life(1).subject).await, Err(Failed::Again { .. })));
        assert!(siren.clear(&to, &life(1).subject).await.is_err(), "it is asked once more");
        assert_eq!(of(&mut told), [each(true), each(false), each(false)].concat());
    }
}
