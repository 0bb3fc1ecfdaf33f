//! The addresses that one session owns, in the order of registration. No request needs a walk over
//! them.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use super::Few;
use crate::protocol::ActorAddress;

#[derive(Debug, Clone, Default)]
pub(crate) struct Owned {
    in_order: Few<u64, ActorAddress>,
    /// The number of each address in `in_order`.
    numbers: Few<ActorAddress, u64>,
    next: u64,
    /// Subscriptions of all addresses together.
    subscriptions: usize,
    /// The list for readers, made when it is first needed and kept until it changes.
    shown: OnceLock<Arc<Vec<ActorAddress>>>,
}

impl Owned {
    /// Adds an address with its number of subscriptions, unless it is there.
    pub fn add(&mut self, address: &ActorAddress, subscriptions: usize) {
        if self.contains(address) {
            return;
        }
        self.numbers.insert(address.clone(), self.next);
        self.in_order.insert(self.next, address.clone());
        self.next += 1;
        self.subscriptions += subscriptions;
        self.shown.take();
    }

    /// Removes an address with its number of subscriptions, if it is there.
    pub fn remove(&mut self, address: &ActorAddress, subscriptions: usize) {
        let Some(number) = self.numbers.remove(address) else { return };
        self.in_order.remove(&number);
        self.subscriptions -= subscriptions;
        self.shown.take();
    }

    /// One of the addresses subscribed to another topic.
    pub fn subscribed(&mut self) {
        self.subscriptions += 1;
    }

    /// One of the addresses gave a subscription up.
    pub fn unsubscribed(&mut self) {
        self.subscriptions -= 1;
    }

    pub fn subscriptions(&self) -> usize {
        self.subscriptions
    }

    pub fn contains(&self, address: &ActorAddress) -> bool {
        self.get(address).is_some()
    }

    /// The address as it was registered: whoever keeps it should share that text.
    pub fn get(&self, address: &ActorAddress) -> Option<&ActorAddress> {
        self.in_order.get(self.numbers.get(address)?)
    }

    /// The earliest registered address that is still there.
    pub fn first(&self) -> Option<&ActorAddress> {
        self.iter().next()
    }

    pub fn len(&self) -> usize {
        self.in_order.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn iter(&self) -> impl Iterator<Item = &ActorAddress> {
        self.in_order.iter().map(|(_, address)| address)
    }

    /// All addresses, in a list shared with earlier readers.
    pub fn shown(&self) -> Arc<Vec<ActorAddress>> {
        Arc::clone(self.shown.get_or_init(|| Arc::new(self.iter().cloned().collect())))
    }
}

/// Compares only the order: the numbers add nothing, and the rest follows from other tables.
impl PartialEq for Owned {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Owned {}

impl Hash for Owned {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.len().hash(state);
        self.iter().for_each(|address| address.hash(state));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_registration() {
        let [a, b, c] =
            ["@(a)", "@(b)", "@(c)"].map(|text| ActorAddress::parse(text).expect("an address"));
        let mut owned = Owned::default();
        for address in [&c, &a, &b, &c] {
            owned.add(address, 1);
        }
        assert_eq!(*owned.shown(), [c.clone(), a.clone(), b.clone()]);
        owned.remove(&c, 1);
        owned.remove(&c, 1);
        assert_eq!((owned.first(), owned.len(), owned.subscriptions()), (Some(&a), 2, 2));
        owned.add(&c, 0);
        assert_eq!(*owned.shown(), [a, b, c]);
    }

    #[test]
    fn the_past_is_no_part_of_the_state() {
        let address = ActorAddress::parse("@(a)").expect("an address");
        let [mut one, mut other] = [Owned::default(), Owned::default()];
        one.add(&address, 0);
        assert_ne!(one, other);
        other.add(&address, 0);
        other.remove(&address, 0);
        other.add(&address, 0);
        assert_eq!(one, other);
    }
}
