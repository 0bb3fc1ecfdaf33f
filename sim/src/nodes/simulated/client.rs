//! A client's connection: one WebSocket that says what it is told to and takes down what comes.

use std::pin::pin;

use dst::net::ConnectionId;
use dst::runtime::{Runtime, SimRuntime};
use signal_hub::client::{RawArrival, RawTransport};
use signal_hub::cluster::engine::NodeName;
use signal_hub::hub::SessionKey;
use signal_hub::protocol::codec::{HubFrame, decode_hub_frame};
use tokio::select;
use tokio::sync::mpsc;

use super::hub;
use super::shared::Shared;
use crate::nodes::scenario::name_of;

const FRAME_BYTES_MAX: usize = 1024 * 1024;

/// An actor's host.
pub fn host(actor: usize) -> String {
    name_of(actor)
}

/// Connects to a hub's process, and says what it is told until nobody tells it any more or the connection is gone.
pub async fn run(
    shared: Shared,
    runtime: SimRuntime,
    key: SessionKey,
    process: NodeName,
    mut texts: mpsc::UnboundedReceiver<String>,
) {
    let mut early = Vec::new();
    let dialled = {
        let mut dialling = pin!(dial(&shared, &runtime, key, &process));
        loop {
            select! {
                biased;
                transport = &mut dialling => break transport,
                text = texts.recv() => match text {
                    Some(text) => early.push(text),
                    None => return,
                },
            }
        }
    };
    if let Some(mut transport) = dialled {
        early.into_iter().for_each(|text| transport.queue(text));
        while talk(&shared, key, &mut transport, &mut texts).await.is_some() {}
    }
    shared.with(|state| {
        state.clients.remove(&key);
        state.world.client_leaves(key);
    });
}

async fn dial(
    shared: &Shared,
    runtime: &SimRuntime,
    key: SessionKey,
    process: &NodeName,
) -> Option<RawTransport> {
    let authority = format!("{}:{}", hub::host(process), hub::PORT);
    let stream = runtime.connect(&authority).await.ok()?;
    let id: ConnectionId = stream.connection();
    shared.with(|state| {
        state.sockets.insert(key, id);
        state.dialled.insert(stream.local_address(), key);
    });
    let url = format!("ws://{authority}/ws").parse().expect("a hub has a URL");
    let seed = runtime.random_seed();
    RawTransport::over(stream, seed, &url, None, FRAME_BYTES_MAX).await.ok()
}

async fn talk(
    shared: &Shared,
    key: SessionKey,
    transport: &mut RawTransport,
    texts: &mut mpsc::UnboundedReceiver<String>,
) -> Option<()> {
    select! {
        biased;
        arrival = transport.next() => match arrival {
            RawArrival::Frame(bytes) => {
                let frame = decode_hub_frame(&bytes).expect("a hub speaks the protocol");
                if let HubFrame::Message(message) = frame {
                    shared.with(|state| state.arrived(key, &message));
                }
            }
            RawArrival::Lost(_) => return None,
        },
        text = texts.recv() => transport.queue(text?),
    }
    Some(())
}
