//! The rows that one input may have changed. The tables note them themselves, so that an observer
//! need not read all rows and no verb can forget to note one.

use std::hash::{Hash, Hasher};

/// Keys of touched rows since the last [`Touched::clear`], with repetitions. It is a note about the
/// state, not a part of it, so any two are equal.
#[derive(Debug, Clone)]
pub(crate) struct Touched<K>(Vec<K>);

impl<K> Touched<K> {
    pub fn note(&mut self, key: K)
    where
        K: PartialEq,
    {
        if self.0.last() != Some(&key) {
            self.0.push(key);
        }
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    pub fn iter(&self) -> impl Iterator<Item = &K> + Clone {
        self.0.iter()
    }
}

impl<K> Default for Touched<K> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K> PartialEq for Touched<K> {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl<K> Eq for Touched<K> {}

impl<K> Hash for Touched<K> {
    fn hash<H: Hasher>(&self, _state: &mut H) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_no_part_of_the_state() {
        let mut touched = Touched::default();
        touched.note(1);
        touched.note(1);
        assert_eq!(touched.iter().collect::<Vec<_>>(), [&1]);
        assert_eq!(touched, Touched::default());
    }
}
