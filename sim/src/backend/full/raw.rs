//! A raw connection: one WebSocket that says what steps say, records what comes, and does nothing
//! of its own but answer pings.

use std::collections::BTreeMap;

use dst::backend::testbed::{self, Order};
use dst::backend::{Wire, WireProcess};
use signal_hub::client::{DisconnectReason, RawArrival, RawTransport};
use signal_hub::protocol::MessageId;
use signal_hub::protocol::codec::{decode_hub_frame, encode_client_frame};
use signal_hub::runtime::Runtime;
use tokio::select;
use tokio::sync::{mpsc, oneshot};

use crate::SignalHub;
use crate::backend::FullStack;
use crate::history::{ClientEvent, ClientName, What};
use crate::lower::{CLOSE_TIMEOUT, RawSession, answered, hub_url};
use crate::run::Recorder;
use crate::runtime::Adapter;
use crate::scenario::Action;

/// The longest frame that is read, in bytes.
const FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A raw connection that is under way.
pub struct Raw(mpsc::UnboundedSender<Order<SignalHub>>);

impl Raw {
    pub fn start<W: Wire>(stack: &FullStack<W>, name: ClientName) -> (W::Process, Self) {
        // A host of its own: faults can single it out.
        let host = name.who().to_string();
        let process = stack.wire.process(&host, &host);
        let (orders, received) = mpsc::unbounded_channel();
        let task = Task {
            wire: stack.wire.clone(),
            runtime: Adapter(process.runtime()),
            session: RawSession::of(&stack.scenario, stack.wire.began(), &name),
            name,
            recorder: stack.recorder.clone(),
            connection: 0,
            transport: None,
            awaited: BTreeMap::new(),
        };
        Adapter(process.runtime()).spawn(task.run(received));
        (process, Self(orders))
    }
}

impl testbed::Raw<SignalHub> for Raw {
    fn order(&self, order: Order<SignalHub>) {
        // A connection whose process is gone does nothing.
        let _ = self.0.send(order);
    }
}

struct Task<W: Wire> {
    wire: W,
    runtime: Adapter<<W::Process as WireProcess>::Runtime>,
    name: ClientName,
    session: RawSession,
    recorder: Recorder,
    connection: u32,
    transport: Option<RawTransport>,
    awaited: BTreeMap<MessageId, oneshot::Sender<()>>,
}

impl<W: Wire> Task<W> {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order<SignalHub>>) {
        loop {
            select! {
                biased;
                arrival = arrival(&mut self.transport) => self.arrived(arrival),
                order = orders.recv() => match order {
                    Some(order) => self.obey(order).await,
                    None => return,
                },
            }
        }
    }

    async fn obey(&mut self, order: Order<SignalHub>) {
        let Order { number, speaker, action, done } = order;
        if matches!(action, Action::Open | Action::Connect { .. }) && self.transport.is_none() {
            self.open().await;
        }
        match &action {
            Action::Open => {}
            Action::Close => self.close().await,
            Action::Write { text } => self.write(text.clone()),
            action => {
                let now = self.runtime.now();
                let said = self.session.say(now, number, speaker.as_deref(), action);
                let Some((frame, awaited)) = said else { return };
                if self.transport.is_none() {
                    self.record(ClientEvent::Said("has no connection to say it on".to_owned()));
                    return;
                }
                self.record(ClientEvent::Sent(frame.clone()));
                self.write(encode_client_frame(&frame));
                if let Some(id) = awaited {
                    self.awaited.insert(id, done);
                    return;
                }
            }
        }
        // Whoever gave the order may not wait for it.
        let _ = done.send(());
    }

    async fn open(&mut self) {
        let hub = hub_url(&self.wire.hub_authority(&self.name.who().to_string()));
        match RawTransport::dial(self.runtime.clone(), hub, FRAME_BYTES_MAX).await {
            Ok(transport) => {
                self.transport = Some(transport);
                self.connection += 1;
                self.record(ClientEvent::Opened { connection: self.connection });
            }
            Err(why) => self.record(ClientEvent::Said(why.to_string())),
        }
    }

    fn write(&mut self, text: String) {
        if let Some(transport) = &mut self.transport {
            transport.queue(text);
        }
    }

    async fn close(&mut self) {
        let Some(transport) = self.transport.take() else { return };
        select! {
            biased;
            () = transport.finish() => {}
            () = self.runtime.sleep(CLOSE_TIMEOUT) => {}
        }
        self.lost(DisconnectReason::Dropped);
    }

    fn arrived(&mut self, arrival: RawArrival) {
        let bytes = match arrival {
            RawArrival::Frame(bytes) => bytes,
            RawArrival::Lost(why) => {
                self.transport = None;
                return self.lost(why);
            }
        };
        match decode_hub_frame(&bytes) {
            Ok(frame) => {
                self.session.received(&frame);
                let answered = answered(&frame).and_then(|id| self.awaited.remove(id));
                self.record(ClientEvent::Received(frame));
                if let Some(done) = answered {
                    let _ = done.send(());
                }
            }
            Err(error) => self.record(ClientEvent::Said(format!("cannot read: {error}"))),
        }
    }

    fn lost(&mut self, why: DisconnectReason) {
        self.record(ClientEvent::Lost { connection: self.connection, why });
        // A dropped sender tells that there is nothing to wait for.
        self.awaited.clear();
    }

    fn record(&self, event: ClientEvent) {
        let what = What::Client { client: self.name.clone(), event };
        self.recorder.record(self.wire.net().elapsed(), what);
    }
}

async fn arrival(transport: &mut Option<RawTransport>) -> RawArrival {
    match transport {
        Some(transport) => transport.next().await,
        None => std::future::pending().await,
    }
}
