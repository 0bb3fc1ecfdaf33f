//! Judges what watches showed: rows in the order of revisions, and nothing skipped but what was replaced.

use std::collections::{BTreeMap, BTreeSet};

use signal_hub::cluster::engine::{Event, Key, NodeName, Request, RequestId, Revision};

use super::history::{History, What};
use super::judge::{Facts, Version};

#[derive(Default)]
pub struct Watches {
    now: BTreeMap<NodeName, Watch>,
}

struct Watch {
    id: RequestId,
    last: Revision,
    shown: BTreeSet<Revision>,
    keys: BTreeSet<Key>,
    is_caught_up: bool,
    asked: usize,
}

impl Watches {
    pub fn check(mut self, history: &History, facts: &mut Facts) {
        for (at, record) in history.records.iter().enumerate() {
            match &record.what {
                What::Asked(Request::Watch { id }) => {
                    let (last, shown, keys) = (Revision(0), BTreeSet::new(), BTreeSet::new());
                    let (is_caught_up, asked) = (false, at);
                    let watch = Watch { id: *id, last, shown, keys, is_caught_up, asked };
                    self.now.insert(record.node.clone(), watch);
                }
                What::Heard(Event::Lost) => {
                    self.now.remove(&record.node);
                }
                What::Heard(Event::Row { watch: id, key, revision, .. }) => {
                    if let Some(watch) = self.now.get_mut(&record.node).filter(|now| now.id == *id)
                    {
                        if *revision <= watch.last {
                            let last = watch.last;
                            facts.wrong.push(format!("a watch shows {revision} after {last}"));
                        }
                        watch.last = *revision;
                        watch.shown.insert(*revision);
                        watch.keys.insert(key.clone());
                        watch.skips(facts, at, Revision(revision.0 - 1));
                    }
                }
                What::Heard(Event::CaughtUp { watch: id, revision }) => {
                    if let Some(watch) = self.now.get_mut(&record.node).filter(|now| now.id == *id)
                    {
                        if std::mem::replace(&mut watch.is_caught_up, true) {
                            facts.wrong.push(format!("{id:?} catches up twice"));
                        }
                        if let Some(known) =
                            facts.known_before(watch.asked).filter(|it| it > revision)
                        {
                            let found =
                                format!("{id:?} catches up at {revision}, and {known} was known");
                            facts.wrong.push(found);
                        }
                        watch.skips(facts, at, *revision);
                    }
                }
                What::Asked(_) | What::Heard(_) => {}
            }
        }
    }
}

impl Watch {
    /// Of each key, the last version up to a revision is shown, unless a later one, which was asked for by then,
    /// replaced it.
    fn skips(&self, facts: &mut Facts, at: usize, until: Revision) {
        let mut wrong = Vec::new();
        for (key, versions) in &facts.versions {
            let Some((last, version)) = versions.range(..=until).next_back() else { continue };
            // A row that was deleted before the watch showed it need not be shown.
            let matters = version.value.is_some() || self.keys.contains(key);
            let is_skipped = matters && !self.shown.contains(last);
            let was_asked = |(_, later): (&Revision, &Version)| {
                later.write.is_some_and(|id| facts.writes[&id].asked < at)
            };
            let is_replaced = || {
                versions.range(Revision(last.0 + 1)..).any(was_asked)
                    || facts.may_be_replaced(key, *last, at)
            };
            if is_skipped && !is_replaced() {
                wrong.push(skipped(key, *last, until));
            }
        }
        facts.wrong.extend(wrong);
    }
}

fn skipped(key: &Key, revision: Revision, until: Revision) -> String {
    format!("a watch that is at {until} skipped {key} {revision}")
}
