//! From a connection to a registered actor that listens to its topic.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, bail};
use signal_hub::client::{RawArrival, RawTransport, Trust};
use signal_hub::protocol::codec::{HubBody, HubFrame, decode_hub_frame};
use signal_hub::protocol::{
    AuthToken, Connect, Disconnect, PROTOCOL_VERSION, Pattern, Reply, Subscribe, Verb,
};
use signal_hub::runtime::{Runtime, Tokio};

use super::frames::{encode, request};
use super::plan::{Seat, registration};
use super::target::Target;

/// From the dial to the last answer, while thousands do the same.
const OPENING_TIMEOUT: Duration = Duration::from_secs(60);
const FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What opens sessions.
pub struct Opener {
    /// The hubs; a seat says which.
    pub targets: Vec<Target>,
    pub trust: Option<Trust>,
    pub token: Option<AuthToken>,
}

impl Opener {
    /// Connects, registers and subscribes.
    pub async fn open(&self, seat: &Seat) -> anyhow::Result<RawTransport> {
        tokio::select! {
            biased;
            opened = self.attempt(seat) => opened,
            () = Tokio.sleep(OPENING_TIMEOUT) => bail!("no session within {OPENING_TIMEOUT:?}"),
        }
    }

    async fn attempt(&self, seat: &Seat) -> anyhow::Result<RawTransport> {
        let target = &self.targets[seat.place % self.targets.len()];
        let stream = target.connect().await.context("cannot connect")?;
        let (seed, hub) = (Tokio.random_seed(), &target.hub);
        let trust = self.trust.as_ref();
        let mut transport = RawTransport::over(stream, seed, hub, trust, FRAME_BYTES_MAX).await?;
        let connect = Connect {
            protocol_version: PROTOCOL_VERSION.to_owned(),
            capabilities: vec!["bench".to_owned()],
            auth_token: self.token.clone(),
            client_metadata: None,
        };
        let register =
            seat.is_registered.then(|| registration(seat.address.clone(), seat.recovers));
        let subscribe = seat.topic.clone().map(|topic| Subscribe { topic, durable: false });
        let verbs = [
            Some(Verb::Connect(connect)),
            register.map(Verb::Register),
            subscribe.map(Verb::Subscribe),
        ];
        for verb in verbs.into_iter().flatten() {
            let name = verb.type_name();
            ask(&mut transport, seat, verb).await.context(name)?;
        }
        Ok(transport)
    }
}

async fn ask(transport: &mut RawTransport, seat: &Seat, verb: Verb) -> anyhow::Result<()> {
    let id = format!("{}{}", seat.ids, verb.type_name());
    transport.queue(encode(request(&id, &seat.address, Pattern::Ask, Tokio.now(), verb)));
    loop {
        let frame = match transport.next().await {
            RawArrival::Frame(frame) => frame,
            RawArrival::Lost(why) => return Err(why.into()),
        };
        let HubFrame::Message(message) = decode_hub_frame(&frame)? else { continue };
        match message.body {
            HubBody::Reply { correlation: Some(correlation), reply }
                if correlation.as_str() == id =>
            {
                return match reply {
                    Reply::Error(refusal) => Err(refusal.into()),
                    _ => Ok(()),
                };
            }
            HubBody::Reply { .. } | HubBody::Notice(_) => {}
            HubBody::Delivery { .. } | HubBody::Unknown { .. } => {}
        }
    }
}

/// Says goodbye, so that the hub forgets the addresses at once.
pub async fn leave(mut transport: RawTransport, seat: &Seat) {
    let (id, goodbye) = (format!("{}bye", seat.ids), Verb::Disconnect(Disconnect { reason: None }));
    transport.queue(encode(request(&id, &seat.address, Pattern::Tell, Tokio.now(), goodbye)));
    transport.finish().await;
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opener({:?})", self.targets)
    }
}
