//! How addresses change hands, as far as events tell.

use std::time::Duration;

use super::super::dialect::Promise;
use super::claims::{Address, Claim, Owned, SLACK};
use super::known::{Known, Moment, Verdict};
use super::links::What;
use super::versions::Era;
use crate::invariants::Invariant;

impl Known {
    fn address(&mut self, name: &str) -> &mut Address {
        if !self.addresses.contains_key(name) {
            self.addresses.insert(name.to_owned(), Address::default());
        }
        self.addresses.entry(name.to_owned()).or_default()
    }

    /// Returns whether the connection had the address at each moment since then.
    pub fn is_surely(&self, name: &str, link: usize, since: Moment) -> bool {
        self.owner_since(name, since) == Some(link)
    }

    /// Who had the address at each moment since then.
    pub fn owner_since(&self, name: &str, since: Moment) -> Option<usize> {
        let address = self.addresses.get(name).filter(|_| !self.lawless)?;
        let (link, from) = address.owner?;
        let outlasts = |owned: Owned| self.skewed || owned.outlasts(self.now.at);
        let outlasts = address.owned(link).is_some_and(outlasts);
        (from <= since && outlasts).then_some(link)
    }

    /// Returns whether somebody may have had the address at some moment since then.
    pub fn is_possible(&self, name: &str, since: Moment) -> bool {
        if since < self.hub_since || self.lawless {
            return true;
        }
        let expires = self.keeps(Promise::RegistrationTtl) && !self.skewed;
        let patience = self.patience + self.stood_still;
        let lasts = |claim: &Claim| {
            let noticed = claim.until.flatten().map(|until| until + self.stood_still);
            let owned = claim.owned.filter(|_| claim.pending + claim.renewing == 0 && expires);
            let expired = owned.map(|owned| owned.alive_heard + owned.ttl + patience);
            [noticed, expired].into_iter().flatten().min()
        };
        self.addresses.get(name).is_some_and(|address| address.is_possible(since, lasts))
    }

    pub fn register_asked(&mut self, name: &str, link: usize) {
        let now = self.now;
        self.links[link].superseded.remove(name);
        if !self.links[link].ever.contains(name) {
            self.links[link].ever.insert(name.to_owned());
        }
        let address = self.address(name);
        let is_first = !address.claims.contains_key(&link);
        address.claims.entry(link).or_default().pending += 1;
        let register = address.registers.entry(link).or_default();
        (register.under_way, register.asked) = (register.under_way + 1, now);
        register.since = if is_first { now } else { register.since };
        self.reconsider(name);
    }

    /// A registration is answered; with what, if it is carried out.
    pub fn register_ended(&mut self, name: &str, link: usize, owned: Option<Owned>) {
        let now = self.now;
        let address = self.address(name);
        if let Some(register) = address.registers.get_mut(&link) {
            register.under_way = register.under_way.saturating_sub(1);
            // A refusal changes nothing.
            register.ended = if owned.is_some() { now } else { register.ended };
        }
        if let Some(claim) = address.claims.get_mut(&link) {
            claim.pending = claim.pending.saturating_sub(1);
            claim.owned = owned.or(claim.owned);
            claim.expects_notice &= owned.is_none();
        }
        address.drop_empty(link, now);
        if owned.is_some() {
            self.links[link].superseded.remove(name);
        }
        let address = self.address(name);
        if let Some(owned) = owned.filter(|owned| owned.asked >= address.era.began()) {
            let proven = owned.asked.at;
            address.proven = Some(address.proven.map_or(proven, |known| known.max(proven)));
        }
        self.reconsider(name);
    }

    /// Finds out whose the address is now.
    pub fn reconsider(&mut self, name: &str) {
        let by_version = self.keeps(Promise::Versions);
        let now = self.now;
        self.keep_proof(name);
        let Some(address) = self.addresses.get_mut(name) else { return };
        let last = address.last(by_version).filter(|_| address.leaving == 0);
        if address.owner.map(|(owner, _)| owner) == last {
            return;
        }
        address.owner = last.map(|link| (link, now));
        let Some(new) = last else { return };
        let mut untold = Vec::new();
        for (link, claim) in &mut address.claims {
            let loses = claim.owned.is_some() && *link != new && claim.until.is_none();
            if loses && !std::mem::replace(&mut claim.expects_notice, true) {
                untold.push(*link);
            }
        }
        if self.keeps(Promise::TakeoverTold) {
            for link in untold {
                self.expect(link, What::Told { address: name.to_owned(), by: new });
            }
        }
    }

    /// The latest time at which the hub surely knew the address.
    pub fn keep_proof(&mut self, name: &str) {
        let Some((owner, since)) = self.addresses.get(name).and_then(Address::owner) else {
            return;
        };
        let answered = self.links[owner].answered;
        if answered >= since {
            let address = self.address(name);
            address.proven = Some(address.proven.map_or(answered.at, |at| at.max(answered.at)));
        }
    }

    /// Returns whether the hub knew the address ever since the latest proof, and knows it still.
    pub fn is_known(&mut self, name: &str) -> bool {
        self.keep_proof(name);
        let now = self.now.at;
        let resumes = self.keeps(Promise::Resume) && !self.skewed;
        let window = self.promises.resume_window.filter(|_| resumes);
        let Some((address, window)) = self.addresses.get(name).zip(window) else { return false };
        let window = window.saturating_sub(SLACK + window / 10);
        address.leaving == 0 && address.proven.is_some_and(|proven| now < proven + window)
    }

    /// Returns whether the connection asked for the address again since then.
    pub fn is_asked_again(&self, name: &str, link: usize, since: Moment) -> bool {
        let asked = self.addresses.get(name).and_then(|address| address.asked(link));
        asked.is_some_and(|asked| asked > since)
    }

    /// The registration lives longer: that is asked, or answered.
    pub fn renew(&mut self, name: &str, link: usize, asked: Moment, carried_out: Option<bool>) {
        if carried_out == Some(true) {
            self.prolong(name);
        }
        let Some(address) = self.addresses.get_mut(name) else { return };
        let Some(claim) = address.claims.get_mut(&link) else { return };
        match carried_out {
            None => claim.renewing += 1,
            Some(_) => claim.renewing = claim.renewing.saturating_sub(1),
        }
        if let Some(owned) = claim.owned.as_mut().filter(|_| carried_out == Some(true)) {
            owned.alive_asked = owned.alive_asked.max(asked.at);
        }
    }

    /// Whosever the address is, it may live longer.
    pub fn prolong(&mut self, name: &str) {
        let now = self.now.at;
        let Some(address) = self.addresses.get_mut(name) else { return };
        for owned in address.claims.values_mut().filter_map(|claim| claim.owned.as_mut()) {
            owned.alive_heard = now;
        }
    }

    /// The addresses of a connection whose heartbeats renew them.
    pub fn renewed_by_heartbeat(&self, link: usize) -> Vec<String> {
        let renews = |name: &&String| {
            let owned = self.addresses.get(*name).and_then(|address| address.owned(link));
            owned.is_some_and(|owned| owned.renews)
        };
        self.links[link].ever.iter().filter(renews).cloned().collect()
    }

    /// The connection is gone; until then it may still have the address.
    pub fn leave(&mut self, name: &str, link: usize, until: Option<Duration>) {
        self.keep_proof(name);
        let Some(address) = self.addresses.get_mut(name) else { return };
        if let Some(claim) = address.claims.get_mut(&link) {
            claim.until = Some(until);
        }
        self.reconsider(name);
    }

    /// The hub has noticed that the connection is gone: nothing is under way on it.
    pub fn settle(&mut self, link: usize, at: Moment) {
        self.settle_operations(link);
        self.drop_loose(link);
        for name in self.links[link].ever.clone() {
            let now = self.now;
            let Some(address) = self.addresses.get_mut(&name) else { continue };
            if let Some(register) = address.registers.get_mut(&link) {
                register.ended = if register.under_way > 0 { now } else { register.ended };
                register.under_way = 0;
            }
            if address.claims.remove(&link).is_some() {
                address.past = address.past.max(Some(at));
            }
            self.reconsider(&name);
        }
    }

    /// The address is to be given up, if it is the connection's; says whether it may be.
    pub fn give_up_asked(&mut self, name: &str, link: usize) -> bool {
        let Some(address) = self.addresses.get_mut(name) else { return false };
        let Some(claim) = address.claims.get_mut(&link) else { return false };
        claim.leaving += 1;
        address.leaving += 1;
        self.reconsider(name);
        true
    }

    /// That is answered, or nobody will ever know.
    pub fn give_up_ended(&mut self, name: &str, link: usize, carried_out: Option<bool>) {
        let now = self.now;
        let Some(address) = self.addresses.get_mut(name) else { return };
        address.leaving = address.leaving.saturating_sub(1);
        if let Some(claim) = address.claims.get_mut(&link) {
            claim.leaving = claim.leaving.saturating_sub(1);
            if carried_out == Some(true) {
                claim.owned = None;
            }
        }
        address.drop_empty(link, now);
        if carried_out != Some(false) {
            self.forget(name, carried_out == Some(true));
        }
        self.reconsider(name);
    }

    /// The hub may have forgotten the address, with all that belongs to it.
    fn forget(&mut self, name: &str, surely: bool) {
        let now = self.now;
        let Some(address) = self.addresses.get_mut(name) else { return };
        (address.proven, address.era) = (None, Era::since(now));
        let is_nobodys = surely && address.claims.is_empty();
        for topic in address.topics.values_mut() {
            topic.forget(is_nobodys.then_some(now));
        }
    }

    /// I5: the connection is told that another one has the address.
    pub fn superseded(&mut self, name: &str, link: usize) -> Verdict {
        let now = self.now;
        let promised = self.keeps(Promise::TakeoverTold);
        let address = self.address(name);
        address.takeovers += 1;
        let has_rival = address.has_rival(link);
        let is_again = address.is_calm_or_gone(link) && self.links[link].superseded.contains(name);
        if promised {
            self.decide(Invariant::I5, !is_again, |known| {
                format!("{} was told twice that it lost {name} to another", known.text(link))
            })?;
            self.decide(Invariant::I5, has_rival, |known| {
                let who = known.text(link);
                format!("{who} was told that it lost {name}, and no other connection took it")
            })?;
        }
        let takeovers = self.addresses.get(name).map_or(0, |address| address.takeovers);
        if let Some(links) = self.since_heal {
            self.decide(Invariant::L6, takeovers <= links, |_| {
                format!("{name} was taken over {takeovers} times by {links} connections")
            })?;
        }
        self.links[link].superseded.insert(name.to_owned());
        self.lost(name, link, now);
        Ok(())
    }

    /// I32: the connection is told that its registration was not renewed in time.
    pub fn expired(&mut self, name: &str, link: usize) -> Verdict {
        let now = self.now;
        let owned = self.addresses.get(name).and_then(|address| address.owned(link));
        let judged = self.keeps(Promise::RegistrationTtl) && !self.skewed;
        if let Some(owned) = owned.filter(|_| judged) {
            let lived = now.at.saturating_sub(owned.alive_asked);
            self.decide(Invariant::I32, lived + SLACK >= owned.ttl, |known| {
                let who = known.text(link);
                format!(
                    "{name} of {who} expired {lived:?} after it was renewed, not {:?}",
                    owned.ttl
                )
            })?;
        }
        self.lost(name, link, now);
        Ok(())
    }

    fn lost(&mut self, name: &str, link: usize, now: Moment) {
        self.keep_proof(name);
        let address = self.address(name);
        if let Some(claim) = address.claims.get_mut(&link) {
            claim.owned = None;
        }
        address.drop_empty(link, now);
        self.reconsider(name);
    }
}
