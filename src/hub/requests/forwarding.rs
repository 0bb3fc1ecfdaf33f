//! The metadata of a delivered message: its sender's, and the hub's own keys (protocol, section 4).

use crate::hub::Hub;
use crate::protocol::{Json, Request, Route};

/// The hub's own keys in every delivery; a sender's values under them are dropped.
const HUB_KEYS: [&str; 7] =
    ["broadcast", "forwarded", "originalMessageId", "publication", "seq", "topic", "via"];

impl Hub {
    /// The metadata of a delivery: first the sender's keys, each value unchanged.
    pub(super) fn forwarded_metadata(&self, request: &Request, route: &Route) -> Json {
        let mut text = Vec::with_capacity(request.metadata.len() + 256);
        text.push(b'{');
        let senders = request.metadata.each_entry(|key, value| {
            if !HUB_KEYS.contains(&key) {
                push_text(&mut text, key);
                push(&mut text, &[":", value, ","]);
            }
        });
        senders.expect("an envelope's metadata is an object");
        match route {
            Route::Send => push(&mut text, &["\"forwarded\":true"]),
            Route::Publication { topic } => {
                push(&mut text, &["\"publication\":true,\"topic\":"]);
                push_text(&mut text, topic.as_str());
            }
            Route::Broadcast => push(&mut text, &["\"broadcast\":true"]),
        }
        push(&mut text, &[",\"originalMessageId\":"]);
        push_text(&mut text, request.id.as_str());
        push(&mut text, &[",\"via\":"]);
        push_text(&mut text, self.config.hub_address.as_str());
        text.push(b'}');
        Json::put_together(text)
    }
}

fn push(text: &mut Vec<u8>, parts: &[&str]) {
    parts.iter().for_each(|part| text.extend_from_slice(part.as_bytes()));
}

/// Appends a text as JSON.
fn push_text(text: &mut Vec<u8>, part: &str) {
    serde_json::to_writer(text, part).expect("a string is JSON");
}
