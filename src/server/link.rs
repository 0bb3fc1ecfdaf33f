//! The owner's link to the engine of its cluster. The owner never waits for the engine: what does not go at once waits
//! here, in order and within bounds.

use std::collections::VecDeque;

use tokio::select;
use tokio::sync::mpsc;

use super::ServerLost;
use crate::cluster::engine::{Ask, Event, Request};

/// The ends of a link to an engine: whoever has the others carries out what is asked, and tells what is heard until
/// nobody asks any more.
#[derive(Debug)]
pub struct EngineLink {
    /// What the hub asks.
    pub asks: mpsc::Sender<Ask>,
    /// What it hears.
    pub events: mpsc::Receiver<Event>,
}

/// Messages to other nodes that may wait for the engine, and their bytes. Further ones are lost, as any may be: whoever
/// waits for their answer is told that nobody knows. Reads and writes have the hub's own bounds.
const MESSAGES_MAX: usize = 16_384;
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Events that are heard before what comes of them is written: more than inputs are taken in a turn, since one input
/// may bring several, and what is under way goes before what is new.
const EVENTS_MAX: usize = 1_024;

/// The link, and what waits to be asked.
pub(super) struct Link {
    ends: EngineLink,
    /// How often the hub heard that the engine is back.
    backs: u64,
    waiting: VecDeque<Ask>,
    /// Of what waits, the messages and their bytes.
    messages: usize,
    bytes: usize,
}

impl Link {
    pub(super) fn new(ends: EngineLink) -> Self {
        Self { ends, backs: 0, waiting: VecDeque::new(), messages: 0, bytes: 0 }
    }

    /// Asks what there is room for; the rest waits.
    pub(super) fn ask(&mut self, requests: impl Iterator<Item = Request>) {
        requests.for_each(|request| self.queue(request));
        // Nobody else asks: room that is there stays.
        while self.ends.asks.capacity() > 0
            && let Some(ask) = self.next()
        {
            // If the engine's side has ended, the next turn says so.
            let _ = self.ends.asks.try_send(ask);
        }
    }

    /// From now on the hub asks as one that knows that the engine is back.
    pub(super) fn came_back(&mut self) {
        self.backs += 1;
    }

    /// What is there to be heard.
    pub(super) fn take_heard(&mut self, heard: &mut Vec<Event>) {
        while heard.len() < EVENTS_MAX
            && let Ok(event) = self.ends.events.try_recv()
        {
            heard.push(event);
        }
    }

    /// Waits until there is something to hear, or room to ask.
    ///
    /// # Errors
    /// If the engine's side has ended.
    pub(super) async fn turn(&mut self, heard: &mut Vec<Event>) -> Result<(), ServerLost> {
        let has_waiting = !self.waiting.is_empty();
        select! {
            biased;
            taken = self.ends.events.recv_many(heard, EVENTS_MAX) => {
                if taken == 0 { Err(ServerLost::Engine) } else { Ok(()) }
            }
            room = self.ends.asks.reserve(), if has_waiting => match room {
                Ok(_) => Ok(()),
                Err(_) => Err(ServerLost::Engine),
            },
        }
    }

    /// Asks all that waits, and returns when the engine's side has done it.
    pub(super) async fn finish(mut self) {
        let EngineLink { asks, mut events } = self.ends;
        let asking = async move {
            for ask in self.waiting.drain(..) {
                if asks.send(ask).await.is_err() {
                    return;
                }
            }
        };
        // It must not wait for somebody to hear it.
        let hearing = async { while events.recv().await.is_some() {} };
        tokio::join!(asking, hearing);
    }

    fn queue(&mut self, request: Request) {
        if let Request::Send { message, .. } = &request {
            if self.messages >= MESSAGES_MAX || self.bytes + message.len() > MESSAGE_BYTES_MAX {
                return;
            }
            self.messages += 1;
            self.bytes += message.len();
        }
        self.waiting.push_back(Ask { backs: self.backs, request });
    }

    fn next(&mut self) -> Option<Ask> {
        let ask = self.waiting.pop_front()?;
        if let Request::Send { message, .. } = &ask.request {
            self.messages -= 1;
            self.bytes -= message.len();
        }
        Some(ask)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::FutureExt;

    use super::*;
    use crate::cluster::engine::{NodeName, RequestId};

    fn link(room: usize) -> (Link, mpsc::Receiver<Ask>, mpsc::Sender<Event>) {
        let ((asks, asked), (told, events)) = (mpsc::channel(room), mpsc::channel(room));
        (Link::new(EngineLink { asks, events }), asked, told)
    }

    fn message(bytes: usize) -> Request {
        let to = NodeName::parse("b").expect("a name");
        Request::Send { to, message: Bytes::from(vec![0; bytes]) }
    }

    fn watch(id: u64) -> Request {
        Request::Watch { id: RequestId(id) }
    }

    #[tokio::test]
    async fn what_does_not_go_at_once_waits_in_its_order() {
        let (mut link, mut asked, _told) = link(1);
        link.ask([watch(1), message(3), watch(2)].into_iter());
        assert_eq!((link.waiting.len(), link.messages, link.bytes), (2, 1, 3));
        let mut order = Vec::new();
        while let Ok(ask) = asked.try_recv() {
            order.push(ask.request);
            link.turn(&mut Vec::new()).now_or_never();
            link.ask(std::iter::empty());
        }
        assert_eq!(order, [watch(1), message(3), watch(2)]);
        assert_eq!((link.messages, link.bytes), (0, 0));
    }

    #[tokio::test]
    async fn messages_beyond_their_bounds_are_lost_and_writes_are_not() {
        let (mut link, _asked, _told) = link(1);
        link.ask([watch(1)].into_iter());
        link.ask((0..5).map(|_| message(MESSAGE_BYTES_MAX / 4)));
        link.ask((0..2 * MESSAGES_MAX).map(|_| message(0)));
        link.ask([watch(2)].into_iter());
        assert_eq!((link.messages, link.bytes), (MESSAGES_MAX, MESSAGE_BYTES_MAX));
        assert_eq!(link.waiting.len(), MESSAGES_MAX + 1);
    }

    #[tokio::test]
    async fn what_is_asked_before_the_engine_is_back_is_marked_so() {
        let (mut link, mut asked, _told) = link(2);
        link.ask([watch(1)].into_iter());
        link.came_back();
        link.ask([watch(2)].into_iter());
        let backs = [asked.recv().await, asked.recv().await].map(|ask| ask.map(|ask| ask.backs));
        assert_eq!(backs, [Some(0), Some(1)]);
    }

    #[tokio::test]
    async fn an_engine_that_ended_is_told() {
        let (mut link, _asked, told) = link(1);
        drop(told);
        assert_eq!(link.turn(&mut Vec::new()).await, Err(ServerLost::Engine));
    }

    #[tokio::test]
    async fn all_that_waits_is_asked_in_the_end() {
        let (mut link, mut asked, told) = link(1);
        link.ask((0..9).map(watch));
        let engine = async {
            let mut count = 0;
            while asked.recv().await.is_some() {
                told.send(Event::Lost).await.expect("it hears until the end");
                count += 1;
            }
            drop(told);
            count
        };
        assert_eq!(tokio::join!(link.finish(), engine).1, 9);
    }
}
