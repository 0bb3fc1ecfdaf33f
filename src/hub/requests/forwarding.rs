//! The metadata of a delivered message: its sender's, and the hub's own keys (protocol, section 4).

use std::fmt::Write;

use crate::hub::Hub;
use crate::protocol::{Json, Request, Route};

/// The hub's own keys in every delivery; a sender's values under them are dropped.
const HUB_KEYS: [&str; 7] =
    ["broadcast", "forwarded", "originalMessageId", "publication", "seq", "topic", "via"];

impl Hub {
    /// The metadata of a delivery: first the sender's keys, each value unchanged.
    pub(super) fn forwarded_metadata(&self, request: &Request, route: &Route) -> Json {
        let mut text = String::with_capacity(request.metadata.len() + 256);
        text.push('{');
        let senders = request.metadata.each_entry(|key, value| {
            if !HUB_KEYS.contains(&key) {
                push(&mut text, key, value);
            }
        });
        senders.expect("an envelope's metadata is an object");
        match route {
            Route::Send => push(&mut text, "forwarded", "true"),
            Route::Publication { topic } => {
                push(&mut text, "publication", "true");
                push(&mut text, "topic", &quoted(topic.as_str()));
            }
            Route::Broadcast => push(&mut text, "broadcast", "true"),
        }
        push(&mut text, "originalMessageId", &quoted(request.id.as_str()));
        push(&mut text, "via", &quoted(self.config.hub_address.as_str()));
        text.pop();
        text.push('}');
        Json::parse(text).expect("an object of JSON values is JSON")
    }
}

fn push(text: &mut String, key: &str, value: &str) {
    write!(text, "{}:{value},", quoted(key)).expect("writing to a String cannot fail");
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string is JSON")
}
