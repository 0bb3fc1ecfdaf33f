//! The addresses that one session owns, in the order of registration. No request needs a walk over
//! them.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use super::Few;
use crate::protocol::ActorAddress;

/// The most addresses that are searched one by one.
const SEARCHED_MAX: usize = 8;

#[derive(Debug, Clone, Default)]
pub(crate) struct Owned {
    in_order: Few<u64, ActorAddress>,
    /// The number of each address in `in_order`, if there ever were more than a few.
    numbers: BTreeMap<ActorAddress, u64>,
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
        self.in_order.insert(self.next, address.clone());
        if !self.numbers.is_empty() {
            self.numbers.insert(address.clone(), self.next);
        } else if self.len() > SEARCHED_MAX {
            let numbered = self.in_order.iter().map(|(number, address)| (address.clone(), *number));
            self.numbers = numbered.collect();
        }
        self.next += 1;
        self.subscriptions += subscriptions;
        self.shown.take();
    }

    /// Removes an address with its number of subscriptions, if it is there.
    pub fn remove(&mut self, address: &ActorAddress, subscriptions: usize) {
        let Some((number, _)) = self.find(address) else { return };
        self.in_order.remove(&number);
        self.numbers.remove(address);
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
        self.find(address).map(|(_, address)| address)
    }

    fn find(&self, address: &ActorAddress) -> Option<(u64, &ActorAddress)> {
        if self.numbers.is_empty() {
            let mut rows = self.in_order.iter().map(|(number, address)| (*number, address));
            return rows.find(|(_, other)| *other == address);
        }
        let number = *self.numbers.get(address)?;
        Some((number, self.in_order.get(&number)?))
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
    fn many_addresses_are_found_as_few_are() {
        let addresses = (0..3 * SEARCHED_MAX).map(|nth| ActorAddress::from_path(&nth.to_string()));
        let addresses: Vec<ActorAddress> = addresses.map(|address| address.expect("one")).collect();
        let mut owned = Owned::default();
        for (nth, address) in addresses.iter().enumerate() {
            owned.add(address, 0);
            assert_eq!((owned.get(address), owned.len()), (Some(address), nth + 1));
        }
        for (nth, address) in addresses.iter().enumerate() {
            owned.remove(address, 0);
            assert_eq!((owned.get(address), owned.first()), (None, addresses.get(nth + 1)));
        }
        assert!(owned.is_empty() && owned.numbers.is_empty());
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
