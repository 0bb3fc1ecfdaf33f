//! What a page says of an event in one line: the type of its message first, then the topic or address
//! that it is about, who it is from, and the data last, as a narrow window cuts the end.

use signal_hub::hub::{CloseCause, Input, Output};
use signal_hub::protocol::codec::{HubBody, HubFrame};
use signal_hub::protocol::{Body, ClientFrame, Json, Malformed, Pattern, Reply, Request, Verb};

use super::super::story::output;
use super::about::{named_address, named_topic};
use crate::history::{ClientEvent, ClientName, Event, Stop, What};

/// Characters of the line that an event gets in the picture.
const TEXT_LENGTH: usize = 160;

/// The line of an event.
pub fn text(event: &Event) -> String {
    shortened(&match &event.what {
        What::HubStarted { .. } => "a hub starts".to_owned(),
        What::HubStopped { how: Stop::Crashed } => "the hub's process dies".to_owned(),
        What::HubStopped { how: Stop::Failed } => "the hub gives up".to_owned(),
        What::HubStopped { how: Stop::InOrder } => "the hub has shut down".to_owned(),
        What::Hub(hub) => input(&hub.input),
        What::Client { client, event } => of_client(client, event),
        What::Net(event) => event.to_string(),
        What::Run(milestone) => milestone.to_string(),
        What::Step { number, step } => format!("step {number}: {}", step.in_short()),
    })
}

fn input(input: &Input) -> String {
    match input {
        Input::Restored(rows) => format!("the hub finds {} rows in its store", rows.len()),
        Input::Opened(key, _) => format!("{key} opens"),
        Input::Frame(key, Ok(ClientFrame::Ping)) => format!("ping from {key}"),
        Input::Frame(key, Ok(ClientFrame::Request(request))) => said(request, &key.to_string()),
        Input::Frame(key, Err(Malformed::Frame { refusal, .. })) => {
            format!("{key} says nonsense: {}", refusal.message)
        }
        Input::Frame(key, Err(Malformed::TooLarge { actual, .. })) => {
            format!("{key} says too much: {actual} bytes")
        }
        Input::Alive(key) => format!("{key} is alive"),
        Input::Drained(key, written) => format!("{key} took {} messages", written.messages),
        Input::Closed(key, cause) => {
            let why = match cause {
                CloseCause::Hub => "the hub closed it",
                CloseCause::Client => "the client closed it",
                CloseCause::Lost => "it broke",
                CloseCause::Protocol => "no WebSocket",
            };
            format!("{key} is gone: {why}")
        }
        Input::Tick => "a deadline is due".to_owned(),
        Input::Late(by) => format!("the hub stood still for {}", humantime::format_duration(*by)),
        Input::Shutdown => "the hub is to shut down".to_owned(),
    }
}

/// A request, by whom, as the hub hears it or the client says it.
fn said(request: &Request, by: &str) -> String {
    let topic = named_topic(request).map(|topic| format!(" {topic}")).unwrap_or_default();
    let address = named_address(request).map(|address| format!(" {address}")).unwrap_or_default();
    let verb = if request.pattern == Pattern::Ask { "ask" } else { "tell" };
    let data = data(request).map(|data| format!(" {data}")).unwrap_or_default();
    format!("{}{topic}{address} · {verb} of {by} as {}{data}", request.type_name, request.from)
}

fn data(request: &Request) -> Option<&Json> {
    match request.verb.as_ref().ok()? {
        Verb::Send(send) => Some(&send.data),
        Verb::Publish(publish) => Some(&publish.data),
        Verb::Broadcast(broadcast) => Some(&broadcast.data),
        _ => None,
    }
}

fn of_client(client: &ClientName, event: &ClientEvent) -> String {
    match event {
        ClientEvent::Sent(frame) => match frame {
            ClientFrame::Ping => format!("ping of {client}"),
            ClientFrame::Request(request) => said(request, &client.to_string()),
        },
        ClientEvent::Received(frame) => received(client, frame),
        ClientEvent::Started { .. }
        | ClientEvent::Opened { .. }
        | ClientEvent::Lost { .. }
        | ClientEvent::Ended
        | ClientEvent::Told { .. }
        | ClientEvent::Said(_) => format!("{client} {event}"),
    }
}

fn received(client: &ClientName, frame: &HubFrame) -> String {
    let HubFrame::Message(message) = frame else { return format!("pong to {client}") };
    let kind = message.type_name();
    match &message.body {
        HubBody::Reply { reply: Reply::Error(refusal), .. } => {
            format!("{} · refusal to {client}: {}", refusal.code.as_str(), refusal.message)
        }
        HubBody::Reply { .. } => format!("{kind} · reply to {client}"),
        HubBody::Notice(_) => format!("{kind} {} · notice to {client}", message.to),
        HubBody::Delivery { payload, .. } => {
            format!("{kind} {} · to {client} from {} {payload}", message.to, message.from)
        }
        HubBody::Unknown { payload, .. } => format!("{kind} · to {client} {payload}"),
    }
}

/// The line of an output, beside the session that it is for.
pub fn of_output(one: &Output) -> String {
    let told = match one {
        Output::Send(key, message) => match &message.body {
            Body::Delivery(delivery) => {
                let kind = message.type_name();
                format!("{key} {kind} {} from {} {}", message.to, delivery.from, delivery.payload)
            }
            Body::Reply { reply, .. } => match reply.as_ref() {
                Reply::Error(refusal) => {
                    format!("{key} {}: {}", refusal.code.as_str(), refusal.message)
                }
                reply => format!("{key} {}", reply.type_name()),
            },
            Body::Pong | Body::Notice(_) => in_short(one),
        },
        Output::Close(..) | Output::Linger(..) | Output::Audit(_) => in_short(one),
    };
    shortened(&told)
}

fn in_short(one: &Output) -> String {
    output(one).map(|(key, what)| format!("{key} {what}")).unwrap_or_default()
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(TEXT_LENGTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
