//! A hub's side of its engine, in the hub's process: the counterpart of `src/nats` for the stand-in. It keeps the promises of
//! `src/cluster/engine.rs` over a network that keeps none.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use dst::net::SimStream;
use dst::runtime::{Runtime, SimRuntime};
use signal_hub::cluster::engine::{
    Ask, Event, NodeName, Request, RequestId, Unanswered, WriteOutcome,
};
use tokio::select;
use tokio::sync::mpsc;

use super::engine::{AUTHORITY, BEAT_EVERY};
use super::line::Line;
use super::shared::{Frame, Shared};

/// An engine that says nothing for so long is lost.
const SILENCE_MAX: Duration = BEAT_EVERY.saturating_mul(3);
const DIAL_TIMEOUT: Duration = Duration::from_secs(2);
const AGAIN_IN: Duration = Duration::from_millis(100);

/// The hub is gone.
struct Ended;

/// What is asked and not answered.
#[derive(Clone, Copy)]
enum Asked {
    Read,
    Write,
}

/// The link of one process.
pub struct Link {
    pub shared: Shared,
    pub runtime: SimRuntime,
    pub process: NodeName,
    pub asks: mpsc::Receiver<Ask>,
    pub events: mpsc::Sender<Event>,
    /// How often it told that the engine is back.
    backs: u64,
    pending: BTreeMap<RequestId, (Asked, Duration)>,
    answer_timeout: Duration,
}

impl Link {
    pub fn new(
        (shared, runtime, process): (Shared, SimRuntime, NodeName),
        (asks, events): (mpsc::Receiver<Ask>, mpsc::Sender<Event>),
        answer_timeout: Duration,
    ) -> Self {
        let pending = BTreeMap::new();
        Self { shared, runtime, process, asks, events, backs: 0, pending, answer_timeout }
    }

    /// Carries out what is asked and tells what is heard, until the hub is gone.
    pub async fn run(mut self) {
        while let Ok(stream) = self.dial().await
            && self.serve(stream).await.is_ok()
        {}
    }

    /// Connects; meanwhile nothing that is asked is carried out.
    async fn dial(&mut self) -> Result<SimStream, Ended> {
        let mut dialling = pin!(connect(self.runtime.clone()));
        loop {
            select! {
                biased;
                stream = &mut dialling => return Ok(stream),
                ask = self.asks.recv() => self.refuse(ask.ok_or(Ended)?.request).await?,
            }
        }
    }

    /// Uses a connection until it is lost.
    async fn serve(&mut self, stream: SimStream) -> Result<(), Ended> {
        let mut line = Line::new(self.shared.clone(), stream);
        line.queue(Frame::Hello(self.process.clone()));
        let (mut is_back, mut heard) = (false, self.runtime.monotonic());
        loop {
            let deadlines = self.pending.values().map(|(_, deadline)| *deadline);
            let next = deadlines.chain([heard + SILENCE_MAX]).min().unwrap_or_default();
            let alarm = self.runtime.sleep(next.saturating_sub(self.runtime.monotonic()));
            select! {
                biased;
                frame = line.next() => {
                    heard = self.runtime.monotonic();
                    match frame {
                        Ok(Frame::Tell(event)) => {
                            is_back |= event == Event::Back;
                            self.hear(event).await?;
                        }
                        Ok(Frame::Beat) => {}
                        Ok(Frame::Hello(_) | Frame::Ask(..)) => unreachable!("the engine tells"),
                        Err(_) => break,
                    }
                }
                ask = self.asks.recv() => {
                    let Ask { backs, request } = ask.ok_or(Ended)?;
                    if is_back && backs == self.backs {
                        line.queue(self.ask(request));
                    } else {
                        self.refuse(request).await?;
                    }
                }
                () = alarm => {
                    let now = self.runtime.monotonic();
                    if now >= heard + SILENCE_MAX {
                        break;
                    }
                    self.leave_unanswered(now).await?;
                }
            }
        }
        drop(line);
        self.leave_unanswered(Duration::MAX).await?;
        if is_back { self.tell(Event::Lost).await } else { Ok(()) }
    }

    fn ask(&mut self, request: Request) -> Frame {
        let deadline = self.runtime.monotonic() + self.answer_timeout;
        match &request {
            Request::Read { id, .. } => self.pending.insert(*id, (Asked::Read, deadline)),
            Request::Write { id, .. } => self.pending.insert(*id, (Asked::Write, deadline)),
            Request::Send { .. } | Request::Watch { .. } => None,
        };
        self.shared.with(|state| state.ask_frame(&self.process, request))
    }

    /// What was given up is answered already.
    async fn hear(&mut self, event: Event) -> Result<(), Ended> {
        match &event {
            Event::Read { id, .. } | Event::Written { id, .. } => {
                if self.pending.remove(id).is_none() {
                    return Ok(());
                }
            }
            Event::Back => self.backs += 1,
            Event::Row { .. } | Event::CaughtUp { .. } | Event::Arrived { .. } | Event::Lost => {}
        }
        self.tell(event).await
    }

    async fn refuse(&self, request: Request) -> Result<(), Ended> {
        match request {
            Request::Read { id, .. } => self.tell(unanswered(id, Asked::Read)).await,
            Request::Write { id, .. } => self.tell(unanswered(id, Asked::Write)).await,
            Request::Send { .. } | Request::Watch { .. } => Ok(()),
        }
    }

    async fn leave_unanswered(&mut self, now: Duration) -> Result<(), Ended> {
        let over = self.pending.extract_if(.., |_, (_, deadline)| *deadline <= now);
        for (id, (asked, _)) in over.collect::<Vec<_>>() {
            self.tell(unanswered(id, asked)).await?;
        }
        Ok(())
    }

    async fn tell(&self, event: Event) -> Result<(), Ended> {
        self.events.send(event).await.map_err(|_| Ended)
    }
}

fn unanswered(id: RequestId, asked: Asked) -> Event {
    match asked {
        Asked::Read => Event::Read { id, row: Err(Unanswered) },
        Asked::Write => Event::Written { id, outcome: WriteOutcome::Unknown },
    }
}

async fn connect(runtime: SimRuntime) -> SimStream {
    loop {
        select! {
            biased;
            stream = runtime.connect(AUTHORITY) => if let Ok(stream) = stream {
                return stream;
            },
            () = runtime.sleep(DIAL_TIMEOUT) => {}
        }
        runtime.sleep(AGAIN_IN).await;
    }
}
