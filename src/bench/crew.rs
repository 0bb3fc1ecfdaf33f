//! The sessions of a workload, one task each, and their common exchange.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use signal_hub::client::{RawArrival, RawTransport};
use signal_hub::protocol::Pattern;
use signal_hub::runtime::{Runtime, Tokio};
use tokio::select;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::serve::EndSignals;

use super::exchange::Exchange;
use super::figures::Latencies;
use super::pace::{Loop, Pace, Schedule};
use super::plan::{Plan, Seat};
use super::session::{Opener, leave};

/// How long nothing has to arrive before nothing more is waited for.
pub const PATIENCE: Duration = Duration::from_secs(5);
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Sessions at work. Dropped, their connections are reset.
pub struct Crew {
    tasks: JoinSet<anyhow::Result<()>>,
    shared: Arc<Shared>,
    lanes: usize,
}

/// Why a run ends before its time.
#[derive(Debug)]
pub enum Cut {
    Interrupted,
    /// The hub ended a connection.
    Lost(anyhow::Error),
}

/// How long it took to open all sessions, and each.
#[derive(Debug, Clone)]
pub struct Opened {
    pub all: Duration,
    pub each: Latencies,
}

struct Shared {
    exchange: Mutex<Exchange>,
    /// Wakes the member of this number: it may send, or is to leave.
    wakes: Vec<Notify>,
    is_over: AtomicBool,
}

impl Crew {
    /// Opens all sessions, `at_once` at a time, and tells of each.
    pub async fn open(
        opener: &Arc<Opener>,
        plan: Plan,
        at_once: usize,
        signals: &mut EndSignals,
        tell: impl Fn(),
    ) -> Result<(Self, Opened), Cut> {
        let (hears, lanes) = (plan.hears(), plan.lanes);
        let exchange = Exchange::new(lanes, &hears, plan.pattern == Pattern::Ask);
        let wakes = hears.iter().map(|_| Notify::new()).collect();
        let shared = Arc::new(Shared {
            exchange: Mutex::new(exchange),
            wakes,
            is_over: AtomicBool::new(false),
        });
        let (places, (opened, mut news)) =
            (Arc::new(Semaphore::new(at_once)), mpsc::unbounded_channel());
        let begun = Tokio.monotonic();
        let mut tasks = JoinSet::new();
        for (number, mut seat) in plan.seats.into_iter().enumerate() {
            let (opener, places) = (Arc::clone(opener), Arc::clone(&places));
            let (shared, opened) = (Arc::clone(&shared), opened.clone());
            tasks.spawn(async move {
                let place = places.acquire_owned().await;
                let begun = Tokio.monotonic();
                let transport = opener
                    .open(&seat)
                    .await
                    .with_context(|| format!("session {} of {}", number + 1, shared.wakes.len()))?;
                // Whoever waits for the news has gone if it cannot be told.
                let _ = opened.send(Tokio.monotonic() - begun);
                drop((place, opened));
                let transport = attend(transport, &mut seat, number, &shared).await?;
                leave(transport, &seat).await;
                Ok(())
            });
        }
        let mut crew = Self { tasks, shared, lanes };
        let mut each = Latencies::default();
        let all_open = async {
            for _ in &hears {
                each.record(news.recv().await.expect("this end has a sender too"));
                tell();
            }
        };
        crew.until(signals, all_open).await?;
        Ok((crew, Opened { all: Tokio.monotonic() - begun, each }))
    }

    pub fn exchange(&self) -> MutexGuard<'_, Exchange> {
        self.shared.exchange()
    }

    /// Lets all lanes send from now on.
    pub fn send_at(&self, pace: Pace) {
        if let Loop::Open(schedule) = &pace.loop_ {
            let (schedule, shared) = (schedule.clone(), Arc::clone(&self.shared));
            let ticker = thread::Builder::new().name("ticker".to_owned());
            ticker.spawn(move || tick(&schedule, &shared)).expect("a thread can be started");
        }
        self.exchange().send_at(pace);
        self.shared.wakes[..self.lanes].iter().for_each(Notify::notify_one);
    }

    /// Waits for `done`, unless something cuts the run short.
    pub async fn until(
        &mut self,
        signals: &mut EndSignals,
        done: impl Future<Output = ()>,
    ) -> Result<(), Cut> {
        select! {
            biased;
            _ = signals.next() => Err(Cut::Interrupted),
            Some(ended) = self.tasks.join_next() => Err(Cut::Lost(match ended {
                Ok(Ok(())) => anyhow::anyhow!("a session ended by itself"),
                Ok(Err(why)) => why,
                Err(panicked) => panicked.into(),
            })),
            () = done => Ok(()),
        }
    }

    /// Waits until nothing is under way any more, or nothing came for [`PATIENCE`].
    pub async fn settle(&mut self, signals: &mut EndSignals) -> Result<(), Cut> {
        let (shared, begun) = (Arc::clone(&self.shared), Tokio.monotonic());
        let settled = async {
            loop {
                let latest = {
                    let exchange = shared.exchange();
                    if exchange.is_settled() {
                        return;
                    }
                    exchange.latest().max(begun)
                };
                if Tokio.monotonic() > latest + PATIENCE {
                    return;
                }
                Tokio.sleep(LOOK_EVERY).await;
            }
        };
        self.until(signals, settled).await
    }

    /// Resets all connections at once.
    pub async fn cut(mut self) {
        self.tasks.shutdown().await;
    }

    /// Takes leave of the hub.
    pub async fn leave(mut self) {
        self.shared.is_over.store(true, Relaxed);
        self.shared.wakes.iter().for_each(Notify::notify_one);
        let gone = async { while self.tasks.join_next().await.is_some() {} };
        select! {
            biased;
            () = gone => {}
            () = Tokio.sleep(LEAVE_TIMEOUT) => {}
        }
    }
}

impl Drop for Crew {
    /// Ends the ticker.
    fn drop(&mut self) {
        self.shared.is_over.store(true, Relaxed);
    }
}

impl Shared {
    fn exchange(&self) -> MutexGuard<'_, Exchange> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self, seat: &Seat, number: usize) -> Option<String> {
        let template = seat.template.as_ref()?;
        let message = self.exchange().next(number, Tokio.monotonic())?;
        Some(template.with(message))
    }
}

/// Sends what member `number` may send and takes down what it hears, until all is over.
async fn attend(
    mut transport: RawTransport,
    seat: &mut Seat,
    number: usize,
    shared: &Shared,
) -> anyhow::Result<RawTransport> {
    loop {
        let frame = select! {
            biased;
            arrival = transport.next() => match arrival {
                RawArrival::Frame(frame) => frame,
                RawArrival::Lost(why) => return Err(why.into()),
            },
            // Only now that all that came was read: what may be sent goes in one write.
            text = poll_fn(|_| shared.next(seat, number).map_or(Poll::Pending, Poll::Ready)) => {
                transport.queue(text);
                while let Some(text) = shared.next(seat, number) {
                    transport.queue(text);
                }
                continue;
            }
            () = shared.wakes[number].notified() => {
                if shared.is_over.load(Relaxed) {
                    return Ok(transport);
                }
                continue;
            }
        };
        let heard = seat.reader.read(&frame);
        let lane = shared.exchange().heard(number, heard, Tokio.monotonic());
        if let Some(lane) = lane.filter(|lane| *lane != number) {
            shared.wakes[lane].notify_one();
        }
    }
}

/// Wakes each lane when it is due. A thread of its own, because tokio's timers have steps of a
/// millisecond, which is more than a hub takes.
fn tick(schedule: &Schedule, shared: &Shared) {
    #[cfg(target_os = "linux")]
    // Without it, only the steps are coarser.
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
    for nth in 0.. {
        let due = schedule.due_of_all(nth);
        if let Some(wait) = due.checked_sub(Tokio.monotonic()) {
            thread::sleep(wait);
        }
        if shared.is_over.load(Relaxed) {
            return;
        }
        let lane = usize::try_from(nth % schedule.lanes as u64).expect("a lane's number");
        shared.wakes[lane].notify_one();
    }
}
