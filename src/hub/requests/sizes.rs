//! Keeps what the hub writes within the bound on what it reads: clients know one bound for both
//! (protocol, section 6).

use crate::hub::Hub;
use crate::hub::sending::answer;
use crate::protocol::codec::{SEQ_LEN_MAX, copy_len, encode_hub_frame};
use crate::protocol::{
    AuthToken, Delivery, Details, ErrorCode, HeartbeatAck, Json, Outgoing, Refusal, Registered,
    Reply, Request, TokenRefreshed, Topic, Verb,
};
use crate::time::Timestamp;

/// The most bytes around the data in a frame: the keys, and the names, fully escaped.
const AROUND_MAX: usize = 4096;

impl Hub {
    /// Refuses a request whose copy, for an address of `to` bytes and with a number if there may be
    /// one, is larger than clients accept.
    pub(super) fn check_copy(
        &self,
        now: Timestamp,
        delivery: &Delivery,
        to: usize,
        numbered: bool,
    ) -> Result<(), Refusal> {
        let max = self.config.message_bytes_max;
        let data = delivery.payload.len() + delivery.metadata.len() + 6 * delivery.kind.len();
        if data + AROUND_MAX <= max {
            return Ok(());
        }
        let seq = if numbered { SEQ_LEN_MAX } else { 0 };
        within(copy_len(delivery, to, now) + seq, max, "the message would arrive as")
    }

    /// Refuses a request whose answer repeats too much of it.
    pub(super) fn check_echo(&self, now: Timestamp, request: &Request) -> Result<(), Refusal> {
        let max = self.config.message_bytes_max;
        let (echo, empty) = match &request.verb {
            Ok(Verb::Heartbeat(heartbeat)) => {
                let ack = HeartbeatAck { timestamp: Json::NULL, server_time: now };
                (heartbeat.timestamp.len(), Reply::HeartbeatAck(ack))
            }
            Ok(Verb::RefreshToken(refresh)) => {
                let told = TokenRefreshed { token: AuthToken::new(""), expires_at: now };
                (refresh.token.as_str().len(), Reply::TokenRefreshed(told))
            }
            Ok(_) | Err(_) => return Ok(()),
        };
        if echo + AROUND_MAX <= max {
            return Ok(());
        }
        let around = self.reply_len(now, request, empty);
        within(around + echo, max, "the answer would be")
    }

    /// Leaves out subscriptions for which the answer has no room, and adds their total.
    pub(in crate::hub) fn shorten(&self, now: Timestamp, request: &Request, reply: &mut Reply) {
        let Reply::Registered(registered) = reply else { return };
        let (topics, max) = (&registered.subscriptions, self.config.message_bytes_max);
        let most: usize = topics.iter().map(|topic| 6 * topic.as_str().len() + 3).sum();
        if most + AROUND_MAX <= max {
            return;
        }
        let lengths: Vec<usize> = topics.iter().map(listed_len).collect();
        let subscription_count = Some(topics.len());
        let whole = Registered { subscriptions: Vec::new(), ..registered.clone() };
        let cut = Registered { subscription_count, ..whole.clone() };
        let room =
            |empty| max.saturating_sub(self.reply_len(now, request, Reply::Registered(empty)));
        // The last one needs no comma.
        if lengths.iter().sum::<usize>() <= room(whole) + 1 {
            return;
        }
        let mut left = room(cut) + 1;
        let fitting = lengths.iter().take_while(|length| {
            let fits = **length <= left;
            left = left.saturating_sub(**length);
            fits
        });
        let fitting = fitting.count();
        registered.subscriptions.truncate(fitting);
        registered.subscription_count = subscription_count;
    }

    fn reply_len(&self, now: Timestamp, request: &Request, reply: Reply) -> usize {
        let (id, to, body) = (uuid::Uuid::nil(), request.from.clone(), answer(request, reply));
        let outgoing = Outgoing::new(id, to, now, body);
        encode_hub_frame(&outgoing, &self.config.hub_address).len()
    }
}

/// Bytes of a topic in a list, with its comma.
fn listed_len(topic: &Topic) -> usize {
    serde_json::to_string(topic).expect("a topic is JSON").len() + 1
}

fn within(actual: usize, max: usize, what: &str) -> Result<(), Refusal> {
    if actual <= max {
        Ok(())
    } else {
        Err(Refusal::new(
            ErrorCode::MessageTooLarge,
            format!("{what} {actual} bytes, and no message has more than {max}"),
            "Send less in one message.",
        )
        .with(Details::Size { actual, max }))
    }
}
