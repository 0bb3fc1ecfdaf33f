//! Audit records for operators: one JSON object per event, with the hub's time and the target
//! `hub::audit` (docs/OPERATIONS.md).

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use tracing::callsite::{Callsite, Identifier};
use tracing::field::FieldSet;
use tracing::metadata::Kind;
use tracing::subscriber::Interest;
use tracing::{Level, Metadata};

use crate::hub::{NodeChange, Record};
use crate::time::Timestamp;

/// The target, whose subscribers say here whether they read it. Asked with `tracing::enabled`, the
/// layers would take the next event of the thread for one that they refused.
struct Target {
    is_read: AtomicBool,
}

static TARGET: Target = Target { is_read: AtomicBool::new(false) };
static METADATA: Metadata<'static> = Metadata::new(
    "audit",
    "hub::audit",
    Level::INFO,
    None,
    None,
    None,
    FieldSet::new(&[], Identifier(&TARGET)),
    Kind::EVENT,
);
static KNOWN: Once = Once::new();

impl Callsite for Target {
    fn set_interest(&self, interest: Interest) {
        self.is_read.store(!interest.is_never(), Ordering::Relaxed);
    }

    fn metadata(&self) -> &Metadata<'_> {
        &METADATA
    }
}

/// Returns whether the target is on, which a reload of the settings can change.
pub(super) fn is_read() -> bool {
    KNOWN.call_once(|| tracing::callsite::register(&TARGET));
    TARGET.is_read.load(Ordering::Relaxed)
}

/// Writes `record`, unless the target is off; what becomes of nodes is logged as well.
pub(super) fn write(timestamp: Timestamp, record: &Record) {
    if let Record::NodeChanged { node, became } = record {
        log(node, *became);
    }
    if !is_read() {
        return;
    }
    match serde_json::to_string(&Line { timestamp, record }) {
        Ok(line) => tracing::info!(target: "hub::audit", "{}", visible(line)),
        Err(error) => tracing::error!(%error, ?record, "audit record is not JSON"),
    }
}

fn log(node: &str, became: NodeChange) {
    match became {
        NodeChange::Began | NodeChange::Serves | NodeChange::Appeared => {
            tracing::info!("node {node} {}", became.word());
        }
        NodeChange::Fenced => tracing::warn!(
            "node {node} {}: it does nothing for its addresses until it can renew its life at the engine",
            became.word()
        ),
        NodeChange::Unreadable => tracing::error!(
            "node {node} cannot read its own row, which a later release wrote, and does not serve: run that release, or \
             give this hub a name of its own"
        ),
        NodeChange::Died => tracing::warn!("node {node} {}", became.word()),
        NodeChange::LostRows => tracing::error!(
            "node {node} {}: the engine was restored or lost writes; all that is connected is claimed again",
            became.word()
        ),
        NodeChange::Superseded => {
            tracing::error!("node {node} {}: another hub has its name", became.word());
        }
    }
}

/// Escapes characters that JSON allows but terminals obey, such as C1 controls, or that some
/// readers take for the end of a line. They can only occur inside strings.
fn visible(line: String) -> String {
    let obeyed = |c: char| matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}');
    if !line.contains(obeyed) {
        return line;
    }
    let mut text = String::with_capacity(line.len() + 16);
    for character in line.chars() {
        if obeyed(character) {
            text += &format!("\\u{:04x}", u32::from(character))
        } else {
            text.push(character)
        }
    }
    text
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
    fn what_a_terminal_would_obey_is_escaped_and_stays_the_same_text() {
        let text = "a\u{1b}[31m\u{7f}\u{85}\u{9b}31m\u{2028}\u{a0}z";
        let line = visible(serde_json::to_string(text).unwrap());
        assert_eq!(line, "\"a\\u001b[31m\\u007f\\u0085\\u009b31m\\u2028\u{a0}z\"");
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
    }

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
