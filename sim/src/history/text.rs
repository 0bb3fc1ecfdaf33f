//! What hub and clients did as lines of text, for people and for comparing two runs byte by byte.

use std::fmt;

use signal_hub::hub::{Input, Output};
use signal_hub::protocol::codec::{HubBody, HubFrame, encode_client_frame};
use signal_hub::protocol::{Body, ClientFrame, Malformed, Notice, Outgoing, Reply};

use super::{ClientEvent, HubEvent, Told};

impl fmt::Display for HubEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        input_text(f, &self.input)?;
        for output in &self.outputs {
            f.write_str("\n                ")?;
            output_text(f, output)?;
        }
        Ok(())
    }
}

fn input_text(f: &mut fmt::Formatter<'_>, input: &Input) -> fmt::Result {
    match input {
        Input::Opened(key, _) => write!(f, "{key} opens"),
        Input::Frame(key, Ok(frame)) => {
            write!(f, "{key} says ")?;
            client_frame_text(f, frame)
        }
        Input::Frame(key, Err(Malformed::Frame { refusal, .. })) => {
            write!(f, "{key} says nonsense: {}", refusal.message)
        }
        Input::Frame(key, Err(Malformed::TooLarge { actual, .. })) => {
            write!(f, "{key} says too much: {actual} bytes")
        }
        Input::Restored(rows) => write!(f, "finds {} rows in its store", rows.len()),
        Input::Alive(key) => write!(f, "{key} is alive"),
        Input::Drained(key, written) => {
            write!(f, "{key} took {} messages", written.messages)
        }
        Input::Closed(key, cause) => write!(f, "{key} is gone: {}", json(cause).trim_matches('"')),
        Input::Tick => f.write_str("a deadline is due"),
        Input::Late(by) => write!(f, "stood still for {}", humantime::format_duration(*by)),
        Input::Shutdown => f.write_str("is to shut down"),
    }
}

fn client_frame_text(f: &mut fmt::Formatter<'_>, frame: &ClientFrame) -> fmt::Result {
    match frame {
        ClientFrame::Ping => f.write_str("ping"),
        ClientFrame::Request(request) => {
            write!(
                f,
                "{} {} as {} ({})",
                request.pattern.as_str(),
                request.type_name,
                request.from,
                short(request.id.as_str())
            )?;
            match &request.verb {
                Ok(verb) => write!(f, " {}", json(verb)),
                Err(refusal) => write!(f, " [{}]", refusal.message),
            }
        }
    }
}

fn output_text(f: &mut fmt::Formatter<'_>, output: &Output) -> fmt::Result {
    match output {
        Output::Send(key, message) => {
            write!(f, "-> {key} ")?;
            message_text(f, message)
        }
        Output::Close(key, reason) => write!(f, "-> {key} close {}", reason.code()),
        Output::Linger(key, reason) => {
            write!(f, "-> {key} close {} in a while", reason.code())
        }
        Output::Audit(record) => write!(f, "audit {}", json(record)),
    }
}

/// What the hub says to a session.
pub(crate) fn message_text(f: &mut fmt::Formatter<'_>, message: &Outgoing) -> fmt::Result {
    f.write_str(&message.type_name())?;
    match &message.body {
        Body::Pong => Ok(()),
        Body::Reply { correlation, reply, .. } => {
            if let Reply::Error(refusal) = reply.as_ref() {
                write!(f, " {}: {}", refusal.code.as_str(), refusal.message)?;
            }
            match correlation {
                Some(id) => write!(f, " for {}", short(id.as_str())),
                None => Ok(()),
            }
        }
        Body::Notice(notice) => {
            write!(f, " to {}", message.to)?;
            notice_text(f, notice)
        }
        Body::Delivery(delivery) => write!(
            f,
            " to {} from {} ({}) {}",
            message.to,
            delivery.from,
            short(delivery.origin.as_str()),
            delivery.payload
        ),
    }
}

impl fmt::Display for ClientEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientEvent::Started { address } => write!(f, "starts, to be {address}"),
            ClientEvent::Opened { connection } => write!(f, "connection {connection} is open"),
            ClientEvent::Lost { connection, why } => {
                write!(f, "connection {connection} is lost: {why}")
            }
            ClientEvent::Sent(frame) => write!(f, "sends {}", encode_client_frame(frame)),
            ClientEvent::Received(frame) => received_text(f, frame),
            ClientEvent::Ended => f.write_str("ends"),
            ClientEvent::Told { address, told } => match told {
                Told::Message(position) => write!(f, "hands {} to {address}", position.after),
                Told::Recovered { replayed, ttl_expired } => {
                    write!(
                        f,
                        "tells {address} that {replayed} come again and {ttl_expired} expired"
                    )
                }
                Told::Gap(_) => write!(f, "tells {address} of a gap"),
            },
            ClientEvent::Said(text) => f.write_str(text),
        }
    }
}

fn received_text(f: &mut fmt::Formatter<'_>, frame: &HubFrame) -> fmt::Result {
    let HubFrame::Message(message) = frame else { return f.write_str("gets pong") };
    write!(f, "gets ")?;
    match &message.body {
        HubBody::Reply { correlation, reply } => {
            write!(f, "{}", reply.type_name())?;
            match correlation {
                Some(id) => write!(f, " for {}", short(id.as_str())),
                None => Ok(()),
            }
        }
        HubBody::Notice(notice) => {
            f.write_str(notice.type_name())?;
            notice_text(f, notice)
        }
        HubBody::Delivery { kind, payload, origin, .. } => {
            let origin = origin.as_ref().map_or("?", |id| short(id.as_str()));
            write!(f, "{kind} from {} to {} ({origin}) {payload}", message.from, message.to)
        }
        HubBody::Unknown { kind, payload } => write!(f, "unknown {kind} {payload}"),
    }
}

/// What a notice says beside its type.
fn notice_text(f: &mut fmt::Formatter<'_>, notice: &Notice) -> fmt::Result {
    match notice {
        Notice::Disconnect(notice) => write!(f, " {}", json(notice)),
        Notice::Unregistered(notice) => write!(f, " {}", json(notice)),
        Notice::Pause(notice) => write!(f, " {}", json(notice)),
        Notice::Resume => Ok(()),
    }
}

/// Enough of an id to find it again in the same history.
fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| error.to_string())
}
