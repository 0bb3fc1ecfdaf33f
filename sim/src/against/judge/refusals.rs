//! What is refused, and whether that is so.

use std::sync::Arc;

use super::super::dialect::{Promise, Refusal, Verb};
use super::answers::topic_of;
use super::known::{Known, Verdict, plain};
use super::links::{Asked, What};
use super::sayings::ttl;
use crate::invariants::Invariant;
use crate::scenario::WhichToken;

impl Known {
    pub fn refused(&mut self, link: usize, asked: usize, why: Refusal) -> Verdict {
        let operation = self.operation(asked);
        match why {
            // Whatever it does to topics may come yet.
            Refusal::Timeout if topic_of(&operation.verb).is_some() => return Ok(()),
            Refusal::Timeout => self.ended(asked, None),
            _ => self.ended(asked, Some(false)),
        }
        match &operation.verb {
            Verb::Register { address, .. } => {
                self.check_newcomer(link, asked, plain(address), why)?;
                self.register_ended(plain(address), link, None);
            }
            Verb::Renew { address, .. } => {
                self.renew(plain(address), link, self.asked[asked].at, Some(false));
            }
            Verb::Heartbeat => {
                for name in self.renewed_by_heartbeat(link) {
                    self.renew(&name, link, self.asked[asked].at, Some(false));
                }
            }
            _ => {}
        }
        self.check_refusal(link, asked, why)
    }

    /// I3: that another connection has the address is no reason.
    fn check_newcomer(&mut self, link: usize, asked: usize, name: &str, why: Refusal) -> Verdict {
        let is_reason = match why {
            Refusal::RateLimited | Refusal::Invalid | Refusal::NotConnected => true,
            // It cannot now, whoever has it.
            Refusal::Unavailable | Refusal::Timeout => true,
            Refusal::UnknownRecipient | Refusal::Unauthorized | Refusal::Expired => false,
            Refusal::Other => false,
        };
        let connected = self.links[link].connected.is_some_and(|at| at < self.asked[asked].at);
        if is_reason || !connected || !self.keeps(Promise::Takeover) {
            return Ok(());
        }
        let has_owner = self.addresses.get(name).is_some_and(|known| known.is_held_by_other(link));
        if !has_owner {
            self.count(Invariant::I3, false);
            return Ok(());
        }
        self.decide(Invariant::I3, false, |known| {
            let who = known.text(link);
            format!("{who} was refused {name} ({why:?}), which another connection has")
        })
    }

    /// I25: what a refusal says is so.
    fn check_refusal(&mut self, link: usize, asked: usize, why: Refusal) -> Verdict {
        let (operation, at) = (self.operation(asked), self.asked[asked].at);
        match (why, &operation.verb) {
            (Refusal::UnknownRecipient, Verb::Ask { to, .. }) => {
                let name = plain(to).to_owned();
                let evidence = format!("{} was told that nobody has {name}", self.text(link));
                let what = |address| What::Wrong {
                    invariant: Invariant::I25,
                    asked: at,
                    address,
                    evidence,
                };
                match self.owner_since(&name, at) {
                    Some(owner) => self.expect(owner, what(name)),
                    None => {
                        let is_so = !self.is_possible(&name, at);
                        self.count(Invariant::I25, is_so);
                    }
                }
                Ok(())
            }
            (Refusal::Unauthorized | Refusal::NotConnected, _) => {
                self.check_right(link, asked, why)
            }
            (Refusal::Expired, verb) => {
                let early = ttl(verb).is_none_or(|ttl| self.now.at < at.at + ttl);
                self.decide(Invariant::I25, !early || self.skewed, |known| {
                    let (who, id) = (known.text(link), &operation.id);
                    format!("{who} was told that {id} expired, asked for at {:?}", at.at)
                })
            }
            _ => Ok(()),
        }
    }

    /// Whoever asks may not: then it has no session, or not the address.
    fn check_right(&mut self, link: usize, asked: usize, why: Refusal) -> Verdict {
        let Asked { operation, at, acts, .. } = &self.asked[asked];
        let connected = self.links[link].connected.is_some_and(|connected| connected < *at);
        let name = match &operation.verb {
            Verb::Unregister { address } => plain(address),
            Verb::Renew { address, token: WhichToken::Latest } => plain(address),
            Verb::Ask { .. }
            | Verb::Publish { .. }
            | Verb::Broadcast { .. }
            | Verb::Subscribe { .. }
            | Verb::Unsubscribe { .. } => plain(&operation.speaker),
            _ => return Ok(()),
        };
        let had = *acts && self.addresses.get(name).is_some_and(|known| known.is_alone(link));
        let has = self.addresses.get(name).is_some_and(|known| known.owned(link).is_some());
        let (name, operation) = (name.to_owned(), Arc::clone(operation));
        if connected && !(had && has) {
            self.count(Invariant::I25, false);
            return Ok(());
        }
        self.decide(Invariant::I25, !connected, |known| {
            let (who, word) = (known.text(link), operation.verb.word());
            format!("{who} was refused to {word} ({why:?}), though it has {name}")
        })
    }
}
