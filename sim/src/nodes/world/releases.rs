//! Processes of a newer release: what they write and say has fields and kinds that this release does not know.

use bytes::Bytes;
use signal_hub::cluster::engine::Request;
use signal_hub::cluster::{Message, Place};

use super::World;

impl World {
    /// What the process of a node asks the engine, in the words of its release; a message may follow one of a new kind.
    pub(super) fn in_its_words(&mut self, node: usize, request: Request) -> [Option<Request>; 2] {
        if !self.nodes[node].is_newer {
            return [None, Some(request)];
        }
        match request {
            Request::Write { id, key, expected, value: Some(text) } => {
                if self.nodes.iter().any(|one| one.hub.is_some() && !one.is_newer) {
                    self.judge.saw("hubs of two releases shared the rows");
                }
                let value = Some(with_a_new_field(&text));
                [None, Some(Request::Write { id, key, expected, value })]
            }
            Request::Send { to, message } => {
                let first = Request::Send { to: to.clone(), message: of_a_new_kind(&message) };
                [Some(first), Some(Request::Send { to, message: with_a_new_field(&message) })]
            }
            other => [None, Some(other)],
        }
    }
}

fn with_a_new_field(text: &Bytes) -> Bytes {
    let fields = text.strip_suffix(b"}").expect("rows and messages are objects");
    [fields, br#","later":{"is":["new"]}}"#].concat().into()
}

fn of_a_new_kind(message: &Bytes) -> Bytes {
    let Message { from, incarnation, number, .. } =
        Message::decode(message).expect("hubs send what hubs can read");
    let Place { node, epoch } = from;
    let from = format!(r#"{{"node":"{node}","epoch":{}}}"#, epoch.0);
    let (incarnation, body) = (incarnation.0, r#"{"later":{"is":"new"}}"#);
    format!(
        r#"{{"v":1,"from":{from},"incarnation":{incarnation},"number":{number},"body":{body}}}"#
    )
    .into()
}
