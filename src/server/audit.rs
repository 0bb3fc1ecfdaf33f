//! Audit records as operators read them: one JSON object an event, target `hub::audit`, with the
//! hub's time (protocol, section 9).

use serde::Serialize;

use crate::hub::Record;
use crate::time::Timestamp;

/// Writes `record`, unless nobody listens to the target.
pub(super) fn write(timestamp: Timestamp, record: &Record) {
    if !tracing::enabled!(target: "hub::audit", tracing::Level::INFO) {
        return;
    }
    match serde_json::to_string(&Line { timestamp, record }) {
        Ok(line) => tracing::info!(target: "hub::audit", "{line}"),
        Err(error) => tracing::error!(%error, ?record, "audit record is not JSON"),
    }
}

#[derive(Serialize)]
struct Line<'a> {
    timestamp: Timestamp,
    #[serde(flatten)]
    record: &'a Record,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::{EndReason, SessionKey};
    use crate::protocol::{ActorAddress, CloseReason};

    #[test]
    fn a_record_is_one_flat_object_with_the_hubs_time() {
        let record = Record::ActorDetached {
            actor_address: ActorAddress::parse("@(a)").unwrap(),
            session: SessionKey(7),
            why: EndReason::Closed(CloseReason::IdleTimeout),
        };
        let line = Line { timestamp: Timestamp::from_millis(5), record: &record };
        assert_eq!(
            serde_json::to_string(&line).unwrap(),
            r#"{"timestamp":5,"event":"actor_detached","actorAddress":"@(a)","session":7,"why":{"closed":"idle_timeout"}}"#
        );
    }
}
