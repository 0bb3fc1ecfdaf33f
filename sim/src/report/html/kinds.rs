//! What a page's filter knows an event by.

use signal_hub::hub::{Input, Output};
use signal_hub::protocol::codec::{HubBody, HubFrame};
use signal_hub::protocol::{Body, ClientFrame};

use crate::history::{ClientEvent, Event, HubEvent, What};
use crate::net::NetEventKind;

/// The end or the beginning of a connection.
pub const CONNECTION: &str = "(connection)";

/// What the filter knows an event by: the type of its message, or what it is in parentheses.
pub fn kind(event: &Event) -> String {
    match &event.what {
        What::Hub(hub) => match &hub.input {
            Input::Frame(_, Ok(frame)) => client_kind(frame),
            Input::Frame(_, Err(_)) => "(nonsense)".to_owned(),
            Input::Opened(..) | Input::Closed(..) => CONNECTION.to_owned(),
            Input::Alive(_) => "(sign of life)".to_owned(),
            Input::Drained(..) => "(queue written)".to_owned(),
            Input::Restored(_) => "(run)".to_owned(),
            Input::Tick | Input::Late(_) | Input::Shutdown => "(deadline)".to_owned(),
        },
        What::Client { event, .. } => match event {
            ClientEvent::Sent(frame) => client_kind(frame),
            ClientEvent::Received(frame) => hub_kind(frame),
            ClientEvent::Opened { .. } | ClientEvent::Lost { .. } => CONNECTION.to_owned(),
            ClientEvent::Started { .. }
            | ClientEvent::Ended
            | ClientEvent::Told { .. }
            | ClientEvent::Said(_) => "(client)".to_owned(),
        },
        What::Net(NetEventKind::Sent { .. }) => "(bytes)".to_owned(),
        What::Net(NetEventKind::Injected { .. } | NetEventKind::TookEffect { .. }) => {
            "(fault)".to_owned()
        }
        What::Net(_) => "(network)".to_owned(),
        What::HubStarted { .. } | What::HubStopped { .. } | What::Run(_) | What::Step { .. } => {
            "(run)".to_owned()
        }
    }
}

fn client_kind(frame: &ClientFrame) -> String {
    match frame {
        ClientFrame::Ping => "ping".to_owned(),
        ClientFrame::Request(request) => request.type_name.to_string(),
    }
}

fn hub_kind(frame: &HubFrame) -> String {
    let HubFrame::Message(message) = frame else { return "pong".to_owned() };
    match &message.body {
        HubBody::Reply { reply, .. } => reply.type_name().to_owned(),
        HubBody::Notice(notice) => notice.type_name().to_owned(),
        HubBody::Delivery { kind, .. } | HubBody::Unknown { kind, .. } => kind.clone(),
    }
}

pub fn output_kind(output: &Output) -> String {
    match output {
        Output::Send(_, message) => message.type_name().into_owned(),
        Output::Close(..) | Output::Linger(..) | Output::Audit(_) => CONNECTION.to_owned(),
    }
}

/// An event is also known by what it makes the hub say to others.
pub fn deliveries(hub: &HubEvent) -> impl Iterator<Item = String> {
    hub.outputs.iter().filter_map(|output| match output {
        Output::Send(_, message) => match &message.body {
            Body::Notice(_) | Body::Delivery(_) => Some(message.type_name().into_owned()),
            Body::Pong | Body::Reply { .. } => None,
        },
        Output::Close(..) | Output::Linger(..) | Output::Audit(_) => None,
    })
}
