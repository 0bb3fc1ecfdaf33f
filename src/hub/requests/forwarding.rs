//! The metadata of a delivered message: its sender's, and the hub's own keys (protocol, section 4).

use crate::hub::Hub;
use crate::protocol::{Json, Request, Route, say_text};

/// The hub's own keys in every delivery; a sender's values under them are dropped.
const HUB_KEYS: [&str; 7] =
    ["broadcast", "forwarded", "originalMessageId", "publication", "seq", "topic", "via"];

impl Hub {
    /// The metadata of a delivery: first the sender's keys, each value unchanged.
    pub(super) fn forwarded_metadata(&mut self, request: &Request, route: &Route) -> Json {
        let (marks, topic) = match route {
            Route::Send => ("\"forwarded\":true", None),
            Route::Publication { topic } => ("\"publication\":true,\"topic\":", Some(topic)),
            Route::Broadcast => ("\"broadcast\":true", None),
        };
        let (id, via) = (request.id.as_str(), self.config.hub_address.as_str());
        // Kept from one message to the next.
        let mut text = std::mem::take(&mut self.text);
        text.push('{');
        let senders = request.metadata.each_entry(|key, value| {
            if !HUB_KEYS.contains(&key) {
                say_text(key, |part| text.push_str(part));
                push(&mut text, &[":", value, ","]);
            }
        });
        senders.expect("an envelope's metadata is an object");
        push(&mut text, &[marks]);
        if let Some(topic) = topic {
            say_text(topic.as_str(), |part| text.push_str(part));
        }
        push(&mut text, &[",\"originalMessageId\":"]);
        say_text(id, |part| text.push_str(part));
        push(&mut text, &[",\"via\":\"", via, "\"}"]);
        let metadata = Json::put_together(&text);
        text.clear();
        self.text = text;
        metadata
    }
}

fn push(text: &mut String, parts: &[&str]) {
    parts.iter().for_each(|part| text.push_str(part));
}
