//! What a service took, in order, to be looked at and waited for; and what it is to do wrong next.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// What came in. Clones are the same record.
#[derive(Debug)]
pub struct Record<T>(Arc<(Mutex<Vec<T>>, watch::Sender<u64>)>);

impl<T> Clone for Record<T> {
    fn clone(&self) -> Self {
        Record(Arc::clone(&self.0))
    }
}

impl<T> Default for Record<T> {
    fn default() -> Self {
        Record(Arc::new((Mutex::default(), watch::Sender::new(0))))
    }
}

impl<T: Clone> Record<T> {
    pub(super) fn push(&self, one: T) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).push(one);
        self.0.1.send_modify(|count| *count += 1);
    }

    pub fn all(&self) -> Vec<T> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn len(&self) -> usize {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Resolves as soon as the condition holds; it is asked after every arrival. Bound it with a timeout of your own.
    pub async fn wait_for(&self, condition: impl Fn(&[T]) -> bool) -> Vec<T> {
        let mut changed = self.0.1.subscribe();
        loop {
            changed.borrow_and_update();
            let all = self.all();
            // The sender lives as long as `self`, so an error cannot come; leaving is better than spinning all the same.
            if condition(&all) || changed.changed().await.is_err() {
                return all;
            }
        }
    }
}

/// What is to go wrong, one after the other, one request each. Clones are the same script.
#[derive(Debug)]
pub struct Script<F>(Arc<Mutex<VecDeque<F>>>);

impl<F> Clone for Script<F> {
    fn clone(&self) -> Self {
        Script(Arc::clone(&self.0))
    }
}

impl<F> Default for Script<F> {
    fn default() -> Self {
        Script(Arc::default())
    }
}

impl<F: Clone> Script<F> {
    /// So many requests more go wrong like this.
    pub fn add(&self, fault: F, times: usize) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(std::iter::repeat_n(fault, times));
    }

    /// Forgets what has not gone wrong yet.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(super) fn next(&self) -> Option<F> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}
