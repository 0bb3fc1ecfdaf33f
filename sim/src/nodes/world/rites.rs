//! What everybody does in the end, when all is well.

use std::collections::VecDeque;
use std::time::Duration;

use signal_hub::hub::CloseCause;

use super::{SessionKey, Setting, Violation, World};
use crate::nodes::judge::Judge;
use crate::nodes::moves::Word;

/// One thing, after which what follows from it is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::nodes) enum Rite {
    /// Time passes.
    Wait(Duration),
    /// A connection says something.
    Ask(SessionKey, Word),
    /// A connection is gone.
    Leave(SessionKey),
    /// A node hears nothing, or all again.
    Hold(usize, bool),
    /// An actor connects to a node.
    Connect(usize, usize),
    /// Whoever connected last shows its position, which may have to count.
    Recover {
        /// Whether it has to.
        must_count: bool,
    },
    /// Whoever carries shows the hubs as they are.
    Look,
    /// This must be so.
    Judge(Truth),
}

/// What must be so when all is quiet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::nodes) enum Truth {
    /// Everybody has its address.
    Return,
    /// Of two processes with one name the older has ended.
    OneOfAName,
    /// All questions were answered, and truly.
    Answers,
    /// Everybody knows the same.
    Agreement,
    /// Nobody has anything.
    Emptiness,
}

/// All that is done in the end, part by part: each depends on what came of those before.
#[derive(Debug)]
pub(in crate::nodes) struct Rest {
    next: Part,
    /// When everybody that keeps trying must have an address.
    until: Option<Duration>,
    believers: Vec<(SessionKey, usize)>,
    /// Those that are yet to move.
    readers: Option<VecDeque<(SessionKey, usize)>>,
}

#[derive(Debug, Clone, Copy)]
enum Part {
    /// So many times whoever has no address has tried to get it.
    Return(usize),
    Quiet,
    Questions,
    Readers,
    Agreement,
    Emptiness,
    Over,
}

impl Setting {
    /// Long enough for all that hubs remember of who is gone.
    fn forgotten(&self) -> Duration {
        self.rest() + self.config.dedupe_window
    }
}

/// Between two tries of an actor that has no address.
const AGAIN_IN: Duration = Duration::from_secs(2);

impl Rest {
    /// Of actors of which those that have no address keep trying to get it, or do not.
    pub const fn new(keep_trying: bool) -> Self {
        let next = if keep_trying { Part::Return(0) } else { Part::Quiet };
        Self { next, until: None, believers: Vec::new(), readers: None }
    }

    /// What comes next, now that all before is done; none: it is over.
    pub fn next(&mut self, world: &World) -> Option<Vec<Rite>> {
        let answered = Rite::Wait(world.setting.cluster.answer_timeout * 4);
        match self.next {
            Part::Return(tries) => {
                let until = world.now + world.setting.cluster.lease + AGAIN_IN;
                if world.now >= *self.until.get_or_insert(until) {
                    self.next = Part::Quiet;
                    return Some(vec![Rite::Judge(Truth::Return)]);
                }
                self.next = Part::Return(tries + 1);
                let actors = 0..world.setting.actors;
                let rites = actors.flat_map(|actor| world.tries(actor, tries));
                Some(rites.chain([Rite::Wait(AGAIN_IN)]).collect())
            }
            Part::Quiet => {
                self.next = Part::Questions;
                Some(vec![Rite::Wait(world.setting.rest()), Rite::Judge(Truth::OneOfAName)])
            }
            Part::Questions => {
                self.next = Part::Readers;
                self.believers = world.judge.believers(&world.connections);
                let answers = [answered, Rite::Judge(Truth::Answers), Rite::Look];
                Some(self.questions().chain(answers).collect())
            }
            Part::Readers => {
                let readers = || world.judge.reading(&self.believers).into();
                match self.readers.get_or_insert_with(readers).pop_front() {
                    Some((key, actor)) => Some(self.moves(world, key, actor)),
                    None => {
                        self.next = Part::Agreement;
                        self.next(world)
                    }
                }
            }
            Part::Agreement => {
                self.next = Part::Emptiness;
                Some(vec![answered, Rite::Look, Rite::Judge(Truth::Agreement)])
            }
            Part::Emptiness => {
                self.next = Part::Over;
                let leave = world.connections.keys().copied().map(Rite::Leave);
                let forgotten = Rite::Wait(world.setting.forgotten());
                let empty = [forgotten, Rite::Look, Rite::Judge(Truth::Emptiness)];
                Some(leave.chain(empty).collect())
            }
            Part::Over => None,
        }
    }

    /// Everybody who has an address sends to everybody, publishes, and asks who is there.
    fn questions(&self) -> impl Iterator<Item = Rite> + '_ {
        let all = self.believers.iter();
        let sends = all.clone().flat_map(|(_, to)| self.send_all(*to));
        let others = [Word::Publish, Word::List];
        sends.chain(all.flat_map(move |(key, _)| others.map(|word| Rite::Ask(*key, word))))
    }

    /// Everybody sends to an actor, who gets it now or later.
    fn send_all(&self, to: usize) -> impl Iterator<Item = Rite> + '_ {
        self.believers.iter().map(move |(from, _)| Rite::Ask(*from, Word::Send(to)))
    }

    /// An actor that reads comes back at another node: half of them after a while, and half before the old node knows.
    fn moves(&self, world: &World, key: SessionKey, actor: usize) -> Vec<Rite> {
        let old = world.connections.get(&key).map_or(0, |known| known.node);
        let others = (1..world.setting.nodes).map(|by| (old + by) % world.setting.nodes);
        let others: Vec<usize> = others.filter(|node| world.lives(*node)).collect();
        let Some(last) = others.last().copied() else { return Vec::new() };
        let all = world.connections.iter().filter(|(_, known)| known.actor == actor);
        let leaves = |other: &SessionKey| *other != key || actor.is_multiple_of(2);
        let all = all.map(|(other, _)| *other).filter(leaves);
        let mut rites: Vec<Rite> = all.map(Rite::Leave).collect();
        let (once, must) =
            (Rite::Recover { must_count: false }, Rite::Recover { must_count: true });
        // The old node hears nothing yet: what comes meanwhile is kept at the new ones.
        rites.extend(self.send_all(actor).chain([Rite::Hold(old, true)]));
        if actor.is_multiple_of(2) && others.len() > 1 {
            rites.extend(
                [Rite::Connect(actor, others[0]), once].into_iter().chain(self.send_all(actor)),
            );
        }
        rites.extend([Rite::Connect(actor, last), must].into_iter().chain(self.send_all(actor)));
        rites.extend([Rite::Hold(old, false), Rite::Look]);
        rites
    }
}

impl World {
    /// All that was broken is mended.
    pub(in crate::nodes) fn heals(&mut self) -> Result<(), Violation> {
        for node in 0..self.nodes.len() {
            self.mend(node)?;
        }
        if std::mem::take(&mut self.is_electing) {
            self.engine.end_election();
        }
        self.judge.healed(self.connections.values().map(|known| known.actor));
        Ok(())
    }

    /// What an actor does that keeps trying: it connects to one hub after the other, and registers until it has its address.
    fn tries(&self, actor: usize, tries: usize) -> Vec<Rite> {
        if self.judge.has_address(&self.connections, actor) {
            return Vec::new();
        }
        let mut own = self.connections.iter().filter(|(_, known)| known.actor == actor);
        match own.next_back() {
            Some((key, _)) if self.judge.registers(*key) => Vec::new(),
            Some((key, _)) => vec![Rite::Ask(*key, Word::Recover)],
            None => {
                let node = (actor + tries) % self.setting.nodes;
                vec![Rite::Connect(actor, node), Rite::Recover { must_count: false }]
            }
        }
    }

    /// Everything is mended; when all is quiet, everybody must agree.
    pub fn rest(&mut self, keep_trying: bool) -> Result<(), Violation> {
        self.heals()?;
        let mut rest = Rest::new(keep_trying);
        while let Some(rites) = rest.next(self) {
            for rite in rites {
                self.perform(rite)?;
                self.flow()?;
            }
        }
        Ok(())
    }

    fn perform(&mut self, rite: Rite) -> Result<(), Violation> {
        match rite {
            Rite::Wait(time) => self.wait(time),
            Rite::Ask(key, word) => {
                self.expects(key, word);
                self.ask(key, word)
            }
            Rite::Leave(key) => self.end(key, CloseCause::Lost),
            Rite::Hold(node, is_held) => {
                self.hold(node, is_held);
                Ok(())
            }
            Rite::Connect(actor, node) => self.open(actor, node),
            Rite::Recover { must_count } => {
                let key = self.shows_position(must_count);
                self.ask(key, Word::Recover)
            }
            Rite::Look => Ok(()),
            Rite::Judge(truth) => self.is_so(truth),
        }
    }

    /// What this connection asks next shows that all is well.
    pub(in crate::nodes) fn expects(&mut self, key: SessionKey, word: Word) {
        let number = self.asked + 1;
        match word {
            _ if !self.connections.contains_key(&key) => {}
            Word::Publish | Word::List => self.judge.assembles(number, word),
            Word::Send(_) => self.judge.probes(number),
            _ => {}
        }
    }

    /// Who connected last, and is to show its position.
    pub(in crate::nodes) fn shows_position(&mut self, must_count: bool) -> SessionKey {
        let key = SessionKey(self.opened);
        if must_count && self.connections.contains_key(&key) {
            self.judge.must_recover(self.asked + 1);
        }
        key
    }

    /// Whether it is so now.
    pub(in crate::nodes) fn is_so(&mut self, truth: Truth) -> Result<(), Violation> {
        let hubs = self.nodes.iter().filter_map(|node| node.hub.as_ref());
        match truth {
            Truth::Return => {
                let mut actors = 0..self.setting.actors;
                let has = |actor: &usize| self.judge.has_address(&self.connections, *actor);
                self.judge.returned(actors.find(|actor| !has(actor)))
            }
            Truth::OneOfAName => self.judge.one_of_a_name(self.nodes.len() > self.setting.nodes),
            Truth::Answers => self.judge.assembled(&self.connections),
            Truth::Agreement => self.judge.rests(&self.engine, hubs, &self.connections),
            Truth::Emptiness => Judge::nothing_is_left(hubs),
        }
    }

    fn lives(&self, node: usize) -> bool {
        let hub = self.nodes[node].hub.as_ref();
        hub.is_some_and(|hub| !hub.is_fenced(self.time(node)))
    }
}
