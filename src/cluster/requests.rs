//! Requests on their way to the engine, each with its number.

use bytes::Bytes;

use super::engine::{Key, NodeName, Request, RequestId, Revision};

/// What a node asks next, in order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Requests {
    numbered: u64,
    waiting: Vec<Request>,
}

impl Requests {
    /// A number that no other request has.
    fn number(&mut self) -> RequestId {
        self.numbered += 1;
        RequestId(self.numbered)
    }

    /// [`Request::Read`].
    pub fn read(&mut self, key: Key) -> RequestId {
        let id = self.number();
        self.waiting.push(Request::Read { id, key });
        id
    }

    /// [`Request::Write`].
    pub fn write(
        &mut self,
        key: Key,
        expected: Option<Revision>,
        value: Option<Bytes>,
    ) -> RequestId {
        let id = self.number();
        self.waiting.push(Request::Write { id, key, expected, value });
        id
    }

    /// [`Request::Watch`].
    pub fn watch(&mut self) -> RequestId {
        let id = self.number();
        self.waiting.push(Request::Watch { id });
        id
    }

    /// [`Request::Send`].
    pub fn send(&mut self, to: NodeName, message: Bytes) {
        self.waiting.push(Request::Send { to, message });
    }

    /// All that wait, in order.
    pub fn take(&mut self) -> impl Iterator<Item = Request> + '_ {
        self.waiting.drain(..)
    }
}
