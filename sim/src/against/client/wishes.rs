//! What an actor wants of its clients.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::scenario::Action;

/// What an actor wants of its clients.
#[derive(Debug, Clone)]
pub struct Wishes {
    /// The first is its own.
    pub addresses: Vec<String>,
    /// Of its own address.
    pub topics: BTreeSet<String>,
    /// Of registrations that name none.
    pub ttl: Duration,
}

impl Wishes {
    /// Remembers what the actor wants from now on.
    pub fn note(&mut self, speaker: Option<&str>, action: &Action) {
        match action {
            Action::Subscribe { topic, .. } if speaker.is_none() => {
                self.topics.insert(topic.to_string());
            }
            Action::Unsubscribe { topic, .. } if speaker.is_none() => {
                self.topics.remove(topic.as_str());
            }
            Action::Register { address: Some(address), .. }
                if !self.addresses.contains(address) =>
            {
                self.addresses.push(address.clone());
            }
            Action::Unregister { address } => {
                let named = address.as_deref().or(speaker).unwrap_or(&self.addresses[0]).to_owned();
                // Its own address is what it comes back for.
                let mut place = 0;
                self.addresses.retain(|known| {
                    place += 1;
                    place == 1 || *known != named
                });
            }
            _ => {}
        }
    }
}
