//! The reply of a request once all nodes have answered.

use std::time::Duration;

use crate::cluster::Fate;
use crate::protocol::{DeliveryStatus, Refusal, Reply, Request, UnknownActor, Verb};

/// When a send may find its recipient whose address was moving.
const AGAIN_IN: Duration = Duration::from_secs(1);

/// The reply of a request, with what became of the copies of other nodes. Those of which nobody knows, and those that were
/// not handed out though their address is somewhere, count as failed; if it is a send's only one, so does the send.
pub(super) fn complete(
    reply: Reply,
    fates: &[Fate],
    (unknown, misplaced): (usize, usize),
    request: &Request,
) -> Result<Reply, Refusal> {
    let count = |which| fates.iter().filter(|fate| **fate == which).count();
    let (delivered, queued) = (count(Fate::Delivered), count(Fate::Queued));
    match reply {
        Reply::Published(mut reply) => {
            reply.subscriber_count += delivered;
            reply.queued_count += queued;
            Ok(Reply::Published(reply))
        }
        Reply::BroadcastAck(mut reply) => {
            reply.delivered_count += delivered;
            reply.queued_count += queued;
            reply.failed_count = reply.failed_count.saturating_sub(delivered + queued);
            Ok(Reply::BroadcastAck(reply))
        }
        _ if unknown > 0 => Err(Refusal::unknown_outcome()),
        _ if misplaced > 0 => Err(Refusal::unavailable(AGAIN_IN)),
        Reply::DeliveryAck(mut reply) => match fates.first() {
            Some(Fate::Delivered) => Ok(Reply::DeliveryAck(reply)),
            Some(Fate::Queued) => {
                reply.status = DeliveryStatus::Queued;
                Ok(Reply::DeliveryAck(reply))
            }
            Some(Fate::QueueFull) => Err(Refusal::queue_full_elsewhere()),
            Some(Fate::Stale) | None => Ok(unknown_actor(request)),
        },
        reply => Ok(reply),
    }
}

fn unknown_actor(request: &Request) -> Reply {
    let to = match &request.verb {
        Ok(Verb::Send(send)) => send.to.clone(),
        Ok(_) | Err(_) => request.to.clone().into(),
    };
    let message = format!("Actor not registered: {to}");
    Reply::UnknownActor(UnknownActor { actor_address: to, message })
}
