//! Carries one connection between a host and the hub, through whatever faults there are.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::select;
use tokio::sync::watch;

use super::network::Network;
use super::process::connect;
use super::side::{Piece, Read, Side, Written};
use super::world::{Admission, EndFate, Obstacle, World};
use crate::net::{ConnectionId, End, Ending, NetEventKind, Peers, PerEnd, Seen};

/// Carries the connection until nothing of it is left.
pub async fn carry(network: Network, host: Arc<str>, client: TcpStream) {
    let mut changes = network.changes();
    let id = network.change(|world, now| world.open(now, host));
    let mut client = Side::new(client);
    match knock(&network, id, &mut changes).await {
        Some(server) => {
            network.with(|world, now| {
                // What became of an earlier hub is not its concern.
                world.fate(id).ends[End::Server] = EndFate { open: true, ..EndFate::default() };
                world.emit(now, NetEventKind::Established { connection: id });
            });
            let sides = PerEnd::of(client, Side::new(server));
            Carrier { network: network.clone(), id, sides, severed: false, answers: 0 }
                .run(changes)
                .await;
        }
        None => {
            client.reset();
            network.emit(NetEventKind::Refused { connection: id });
        }
    }
    network.with(|world, now| world.close(now, id));
}

/// Connects to the hub, as far as the hub is there and faults let a connect pass.
async fn knock(
    network: &Network,
    id: ConnectionId,
    changes: &mut watch::Receiver<u64>,
) -> Option<TcpStream> {
    let arrives = network.with(|world, now| world.arrival(now, id, End::Client, 0));
    loop {
        changes.mark_unchanged();
        let again = match network.with(|world, now| world.admit(now, id, arrives)) {
            Admission::To(hub) => return connect(hub).await.ok(),
            Admission::Refused | Admission::Void => return None,
            Admission::Unknown(again) => again,
        };
        select! {
            biased;
            _ = changes.changed() => {}
            () = network.sleep_until(again) => {}
        }
    }
}

struct Carrier {
    network: Network,
    id: ConnectionId,
    sides: PerEnd<Side>,
    severed: bool,
    /// Counts the resets that are on their way because nobody takes something.
    answers: u32,
}

impl Carrier {
    async fn run(mut self, mut changes: watch::Receiver<u64>) {
        let network = self.network.clone();
        loop {
            changes.mark_unchanged();
            let again = network.with(|world, now| self.advance(world, now));
            if End::BOTH.iter().all(|end| self.sides[*end].is_over()) {
                return;
            }
            let reads = network.with(|world, _| End::BOTH.map(|end| self.room(world, end) > 0));
            select! {
                biased;
                _ = changes.changed() => {}
                () = network.sleep_until(again) => {}
                () = self.sides[End::Client].ready(reads[0]) => {}
                () = self.sides[End::Server].ready(reads[1]) => {}
            }
        }
    }

    /// Does what can be done now; returns when there will be more, if that is known.
    fn advance(&mut self, world: &mut World, now: Duration) -> Option<Duration> {
        let again = self.obey(world, now);
        for from in End::BOTH {
            self.sides[from].try_again();
        }
        End::BOTH.iter().for_each(|from| self.read(world, now, *from));
        // What is handed over one way may be answered the other way.
        loop {
            let answers = self.answers;
            let next = End::BOTH.map(|from| self.deliver(world, now, from));
            if answers == self.answers {
                return next.into_iter().chain([again]).flatten().min();
            }
        }
    }

    /// Does what faults have decided; returns when the next such thing is due.
    fn obey(&mut self, world: &mut World, now: Duration) -> Option<Duration> {
        let fate = world.fate(self.id);
        let (severed, hurry) = (fate.severed, fate.hurry.take());
        if severed && !std::mem::replace(&mut self.severed, true) {
            End::BOTH.iter().for_each(|end| self.sides[*end].lose_all());
        }
        if let Some(soon) = hurry {
            End::BOTH.iter().for_each(|end| self.sides[*end].hurry(soon));
        }
        let mut again = None;
        for end in End::BOTH {
            let fate = &mut world.fate(self.id).ends[end];
            let (crashed, notice) = (fate.crashed.take(), fate.notice);
            if let Some(peers) = crashed {
                self.sides[end].let_go();
                if peers == Peers::SeeReset {
                    self.refuse(world, now, end.other());
                }
            }
            match notice {
                Some((at, ending)) if at <= now => {
                    world.fate(self.id).ends[end].notice = None;
                    self.tell(world, now, end, ending);
                }
                Some((at, _)) => again = [again, Some(at)].into_iter().flatten().min(),
                None => {}
            }
        }
        again
    }

    /// How many bytes may be read now of what this end sends.
    fn room(&self, world: &mut World, from: End) -> usize {
        let side = &self.sides[from];
        let config = &world.link_from(self.id, from).config;
        let most = config.segment_bytes_max.max(1);
        match self.is_cut_off(from) {
            true => most,
            false => config.window_bytes.saturating_sub(side.window_used).min(most),
        }
    }

    /// Whether this end knows that nothing it says arrives.
    fn is_cut_off(&self, end: End) -> bool {
        self.severed && self.sides[end].told
    }

    fn read(&mut self, world: &mut World, now: Duration, from: End) {
        while !self.sides[from].ended {
            let room = self.room(world, from);
            if room == 0 {
                return;
            }
            match self.sides[from].read(room) {
                Read::Nothing => return,
                Read::Data(_) if self.is_cut_off(from) => {}
                Read::Data(bytes) => {
                    self.sides[from].window_used += bytes.len();
                    if !self.severed {
                        let arrives = world.arrival(now, self.id, from, bytes.len());
                        self.sides[from].push(arrives, Piece::Data(bytes));
                    }
                }
                Read::Ended => self.ended(world, now, from),
                Read::Reset => self.gone(world, now, from),
            }
        }
    }

    /// This end has said all that it will.
    fn ended(&mut self, world: &mut World, now: Duration, from: End) {
        self.sides[from].ended = true;
        world.fate(self.id).ends[from].open = false;
        world.emit(now, NetEventKind::FinSent { connection: self.id, from });
        if self.severed {
            return;
        }
        let arrives = world.arrival(now, self.id, from, 0);
        match world.link_from(self.id, from).config.fin {
            Seen::Now => self.sides[from].push(arrives, Piece::Fin),
            Seen::After(late) => self.sides[from].push_late_end(arrives, late),
            Seen::Never => {}
        }
    }

    /// This end has let go without an orderly end.
    fn gone(&mut self, world: &mut World, now: Duration, end: End) {
        self.sides[end].let_go();
        world.fate(self.id).ends[end].open = false;
        self.refuse(world, now, end.other());
    }

    /// A reset is on its way to this end, as nobody is at the other one.
    fn refuse(&mut self, world: &mut World, now: Duration, end: End) {
        if self.severed || std::mem::replace(&mut self.sides[end].refused, true) {
            return;
        }
        self.answers += 1;
        let arrives = world.arrival(now, self.id, end.other(), 0);
        self.sides[end.other()].push_reset(arrives);
    }

    /// Lets everything arrive that is due; returns when the next piece is.
    fn deliver(&mut self, world: &mut World, now: Duration, from: End) -> Option<Duration> {
        let to = from.other();
        loop {
            let arrives = self.sides[from].next_arrival()?;
            if now < arrives {
                return Some(arrives);
            }
            match world.obstacle(now, self.id, from) {
                Some(Obstacle::Until(until)) => return Some(until),
                Some(Obstacle::Parked) => {
                    self.sides[from].parked = true;
                    return None;
                }
                None if std::mem::take(&mut self.sides[from].parked) => {
                    let late = world.link_from(self.id, from).config.retransmit_after;
                    self.sides[from].postpone(now.saturating_add(late));
                    continue;
                }
                None => world.note_halt(now, self.id, from),
            }
            match self.sides[from].first()? {
                Piece::Data(_) => {
                    if self.hand_over(world, now, from) == Written::Part {
                        return None;
                    }
                }
                Piece::Fin if self.sides[to].is_there() => {
                    self.tell(world, now, to, Ending::EndOfStream)
                }
                Piece::Fin => self.refuse(world, now, from),
                Piece::Reset => {
                    self.tell(world, now, to, Ending::Reset);
                    return None;
                }
            }
            self.sides[from].pop();
        }
    }

    /// Hands the first bytes that are due to the other end.
    fn hand_over(&mut self, world: &mut World, now: Duration, from: End) -> Written {
        let (source, target) = self.sides.pair(from);
        let written = target.take_from(source);
        if written == Written::Refused {
            match self.sides[from.other()].is_there() {
                true => self.gone(world, now, from.other()),
                false => self.refuse(world, now, from),
            }
        }
        written
    }

    /// The end learns how the connection has ended.
    fn tell(&mut self, world: &mut World, now: Duration, end: End, ending: Ending) {
        let connection = self.id;
        if !self.sides[end].is_there() || (self.sides[end].told && ending == Ending::EndOfStream) {
            return;
        }
        match ending {
            Ending::EndOfStream => {
                self.sides[end].end();
                world.emit(now, NetEventKind::FinSeen { connection, by: end });
            }
            Ending::Reset => {
                self.sides[end].reset();
                world.fate(connection).ends[end].open = false;
                End::BOTH.iter().for_each(|end| self.sides[*end].lose_all());
                world.emit(now, NetEventKind::ResetSeen { connection, by: end });
            }
        }
    }
}
