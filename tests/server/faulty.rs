//! A hub with one fault: everything goes to the real one and back, but one message of each
//! connection.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use signal_hub::runtime::{Runtime, Tokio};
use tokio::net::{TcpListener, TcpStream};
use tokio::select;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{accept_async, connect_async};

use crate::fixture::FREE_PORT;

/// What becomes of the first delivery that a connection gets; everything else passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Lose,
    Double,
    /// The next one overtakes it.
    Overtake,
    /// It names another recipient.
    Misroute,
    Alter,
    /// It passes, but the first acknowledgement does not.
    LoseAnswer,
    /// The connection ends in its place.
    Cut,
}

/// Starts a hub with this fault before the one at `hub`.
pub async fn start(hub: SocketAddr, fault: Fault) -> SocketAddr {
    let listener = TcpListener::bind(FREE_PORT).await.unwrap();
    let address = listener.local_addr().unwrap();
    Tokio.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            Tokio.spawn(serve(stream, hub, fault));
        }
    });
    address
}

async fn serve(stream: TcpStream, hub: SocketAddr, fault: Fault) {
    let mut client = accept_async(stream).await.unwrap();
    let (mut hub, _) = connect_async(format!("ws://{hub}/ws")).await.unwrap();
    let mut way = Way { fault, is_due: true, overtaken: None };
    loop {
        select! {
            biased;
            Some(Ok(message)) = client.next() => {
                if hub.send(message).await.is_err() {
                    return;
                }
            }
            Some(Ok(message)) = hub.next() => {
                let Some(passed) = way.passed(message) else { return };
                for message in passed {
                    if client.send(message).await.is_err() {
                        return;
                    }
                }
            }
            else => return,
        }
    }
}

/// From the hub to one client.
struct Way {
    fault: Fault,
    is_due: bool,
    overtaken: Option<Message>,
}

impl Way {
    /// What the client gets when the hub sends `message`; none: its connection ends.
    fn passed(&mut self, message: Message) -> Option<Vec<Message>> {
        let Ok(text) = message.to_text().map(str::to_owned) else { return Some(vec![message]) };
        let kind = match self.fault {
            Fault::LoseAnswer => r#""type":"hub:delivery_ack""#,
            _ => r#""type":"bench:message""#,
        };
        if !self.is_due || !text.contains(kind) {
            return Some([message].into_iter().chain(self.overtaken.take()).collect());
        }
        self.is_due = false;
        let other = |was, is| vec![Message::text(text.replacen(was, is, 1))];
        match self.fault {
            Fault::Lose | Fault::LoseAnswer => Some(Vec::new()),
            Fault::Double => Some(vec![message.clone(), message]),
            Fault::Overtake => {
                self.overtaken = Some(message);
                Some(Vec::new())
            }
            Fault::Misroute => Some(other(r#""to":"@(bench"#, r#""to":"@(stranger"#)),
            Fault::Alter => Some(other("xxx", "xyx")),
            Fault::Cut => None,
        }
    }
}
