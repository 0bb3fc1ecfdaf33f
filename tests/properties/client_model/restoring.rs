//! What a new session asks for: each address that is wished for, in order, and then each topic that is
//! missing or too many, once.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail, ensure};
use signal_hub::client::Command;
use signal_hub::client::state::Output;
use signal_hub::protocol::{ActorAddress, ClientFrame, Reply, Subscription, Topic, Verb};

use super::{Cause, Model};

/// Topics of an address in requests of one step: how often each is subscribed to and given up.
pub type Changes = BTreeMap<(Topic, bool), usize>;

impl Model {
    /// The changes of topics that wait for the registration that `cause` confirms.
    pub(super) fn waiting_changes(&self, cause: &Cause) -> Changes {
        let mut changes = Changes::new();
        let Cause::Reply(request, Reply::Registered(_)) = cause else { return changes };
        for pending in self.pending.values() {
            let (address, topic, wanted) = match &pending.command {
                Command::Subscribe { address, topic } => (address, topic, true),
                Command::Unsubscribe { address, topic } => (address, topic, false),
                _ => continue,
            };
            if address.as_ref() == Some(&request.from) {
                *changes.entry((topic.clone(), wanted)).or_default() += 1;
            }
        }
        changes
    }

    /// A new session asks for each address, in order, and then for each topic, once.
    pub(super) fn check_restored(
        &mut self,
        cause: &Cause,
        mut expected: Changes,
        outputs: &[Output],
    ) -> Result<()> {
        let sent = || {
            outputs.iter().filter_map(|output| match output {
                Output::Send(ClientFrame::Request(request)) => Some(request),
                _ => None,
            })
        };
        let Cause::Reply(request, reply) = cause else { return Ok(()) };
        if matches!(reply, Reply::Connected(_)) {
            let registers = sent().filter(|sent| matches!(sent.verb, Ok(Verb::Register(_))));
            let asked: Vec<&ActorAddress> = registers.map(|request| &request.from).collect();
            let wished: Vec<&ActorAddress> = self.wishes.iter().map(|(a, _)| a).collect();
            ensure!(asked == wished, "registers {asked:?}, not {wished:?}");
        }
        let Reply::Registered(registered) = reply else { return Ok(()) };
        let first = self.restored.insert(request.from.clone());
        let hurried = self.hurried;
        let Some(wanted) = self.topics(&request.from).cloned() else { return Ok(()) };
        if !first || hurried || self.parting {
            return Ok(());
        }
        let confirmed: BTreeSet<Topic> = registered.subscriptions.iter().cloned().collect();
        for topic in wanted.symmetric_difference(&confirmed) {
            if !expected.keys().any(|(known, _)| known == topic) {
                expected.insert((topic.clone(), wanted.contains(topic)), 1);
            }
        }
        let mut asked = Changes::new();
        for request in sent() {
            let change = match &request.verb {
                Ok(Verb::Subscribe(subscribe)) => (subscribe.topic.clone(), true),
                Ok(Verb::Unsubscribe(unsubscribe)) => match &unsubscribe.subscription {
                    Subscription::Topic(topic) => (topic.clone(), false),
                    Subscription::Id(_) => bail!("no client keeps ids"),
                },
                _ => continue,
            };
            *asked.entry(change).or_default() += 1;
        }
        ensure!(asked == expected, "restores {asked:?}, not {expected:?}");
        Ok(())
    }
}
