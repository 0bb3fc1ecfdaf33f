//! What a client writes.

use indexmap::IndexMap;

use crate::protocol::codec::write::{push, push_json, text};
use crate::protocol::{Broadcast, ClientFrame, Json, Register, Request, Verb};

/// Writes one frame as a client sends it. A request whose verb is a refusal has no payload.
pub fn encode_client_frame(frame: &ClientFrame) -> String {
    match frame {
        ClientFrame::Ping => r#"{"type":"ping"}"#.to_owned(),
        ClientFrame::Request(request) => text(|frame| write_request(frame, request)),
    }
}

fn write_request(frame: &mut Vec<u8>, request: &Request) {
    let Request { id, from, to, type_name, pattern, timestamp, ttl, metadata, verb, .. } = request;
    push(frame, [r#"{"id":"#]);
    push_json(frame, id);
    push(frame, [r#","from":""#, from.as_str(), r#"","to":""#, to.as_str(), r#"","type":"#]);
    push_json(frame, type_name);
    push(frame, [r#","pattern":""#, pattern.as_str(), r#"","timestamp":"#]);
    push_json(frame, timestamp);
    push(frame, [r#","payload":"#]);
    match verb {
        Ok(Verb::Connect(_)) | Err(_) => push(frame, ["null"]),
        Ok(verb) => push_json(frame, verb),
    }
    push(frame, [r#","metadata":"#]);
    let more = match verb {
        Ok(Verb::Broadcast(broadcast)) => targeted(metadata, broadcast),
        Ok(Verb::Register(register)) => renewing(metadata, register),
        Ok(_) | Err(_) => None,
    };
    match verb {
        Ok(Verb::Connect(connect)) => push_json(frame, connect),
        Ok(_) | Err(_) => push(frame, [more.as_deref().unwrap_or(metadata.as_str())]),
    }
    push(frame, [r#","correlationId":null,"ttl":"#]);
    push_json(frame, &ttl.map(|ttl| ttl.as_millis()));
    push(frame, [r#","signature":null}"#]);
}

/// The metadata with the broadcast's target, unless it names one already.
fn targeted(metadata: &Json, broadcast: &Broadcast) -> Option<String> {
    let target = broadcast.target_capability.as_deref()?;
    with(metadata, "targetCapability", target.into())
}

/// The metadata with the wish that heartbeats renew, unless the registration's own has it.
fn renewing(metadata: &Json, register: &Register) -> Option<String> {
    let says_so = Register::renews_on_heartbeat(&register.metadata);
    let says_it_here = register.renew_on_heartbeat && !says_so;
    says_it_here.then(|| with(metadata, Register::RENEW_ON_HEARTBEAT, true.into())).flatten()
}

/// The metadata with one more key, unless it is there.
fn with(metadata: &Json, key: &str, value: serde_json::Value) -> Option<String> {
    let mut merged: IndexMap<String, Json> = metadata.to().unwrap_or_default();
    if merged.contains_key(key) {
        return None;
    }
    merged.insert(key.to_owned(), value.into());
    Some(serde_json::to_string(&merged).expect("an object of JSON values is JSON"))
}
