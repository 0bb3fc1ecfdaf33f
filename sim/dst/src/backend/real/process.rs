//! A process that is none: a group of tokio tasks that is paused and killed as one, with a host's
//! clock and sockets of its own.

use std::any::Any;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::network::Network;
use super::sockets::{connect, listen};
use crate::backend::testbed::Process;
use crate::backend::wire::{Program, WireProcess};
use crate::net::Host;
use crate::runtime::{Listener, Runtime, Tokio, skewed};
use crate::scenario::HUB_HOST;

/// Hears of the panics of tasks.
pub type PanicSink = Arc<dyn Fn(&(dyn Any + Send)) + Send + Sync>;

/// A process on a host.
#[derive(Clone)]
pub struct RealProcess {
    host: Host,
    network: Network,
    panicked: PanicSink,
    killed: CancellationToken,
    pause: Arc<Mutex<Pause>>,
    program: Arc<Mutex<Option<Box<dyn Program>>>>,
}

#[derive(Default)]
enum Pause {
    #[default]
    Running,
    /// Who wants to go on.
    Paused(Vec<Waker>),
}

impl RealProcess {
    pub fn new(host: &str, network: Network, panicked: PanicSink) -> Self {
        let (killed, pause, program) = (CancellationToken::new(), Arc::default(), Arc::default());
        Self { host: network.net.host(host), network, panicked, killed, pause, program }
    }

    fn lock(&self) -> MutexGuard<'_, Pause> {
        self.pause.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn program(&self) -> MutexGuard<'_, Option<Box<dyn Program>>> {
        self.program.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WireProcess for RealProcess {
    type Runtime = RealRuntime;

    fn runtime(&self) -> RealRuntime {
        RealRuntime(self.clone())
    }

    fn carry(&self, program: Box<dyn Program>) {
        if !self.killed.is_cancelled() {
            *self.program() = Some(program);
        }
    }
}

impl Process for RealProcess {
    fn kill(&self) {
        self.killed.cancel();
        drop(self.program().take());
    }

    fn pause(&self) {
        let mut pause = self.lock();
        if let Pause::Running = *pause {
            *pause = Pause::Paused(Vec::new());
        }
        self.program().iter().for_each(|program| program.pause());
    }

    fn resume(&self) {
        self.program().iter().for_each(|program| program.resume());
        let pause = std::mem::take(&mut *self.lock());
        match pause {
            Pause::Running => {}
            Pause::Paused(waiting) => waiting.into_iter().for_each(Waker::wake),
        }
    }
}

/// A task of a process: runs only while the process does, and does not panic unseen.
struct Task {
    process: RealProcess,
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        // Whoever waits for the end looks at the task first, and a killed one sees nothing more.
        if self.process.killed.is_cancelled() {
            return Poll::Ready(());
        }
        if let Pause::Paused(waiting) = &mut *self.process.lock() {
            waiting.push(context.waker().clone());
            return Poll::Pending;
        }
        let poll = || self.future.as_mut().poll(context);
        panic::catch_unwind(AssertUnwindSafe(poll)).unwrap_or_else(|payload| {
            (self.process.panicked)(&*payload);
            Poll::Ready(())
        })
    }
}

/// Tokio as a process has it.
#[derive(Clone)]
pub struct RealRuntime(RealProcess);

impl Runtime for RealRuntime {
    type Stream = TcpStream;
    type Listener = RealListener;
    type Sleep = tokio::time::Sleep;

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let task = Task { process: self.0.clone(), future: Box::pin(task) };
        let killed = self.0.killed.clone();
        Tokio.spawn(async move {
            // A task that is killed leaves nothing to tell.
            let _ = killed.run_until_cancelled_owned(task).await;
        });
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        Tokio.sleep(duration)
    }

    fn wall_clock(&self) -> Duration {
        skewed(Tokio.wall_clock(), self.0.host.clock_skew())
    }

    fn monotonic(&self) -> Duration {
        Tokio.monotonic()
    }

    fn random_seed(&self) -> [u8; 32] {
        Tokio.random_seed()
    }

    async fn listen(&self, address: SocketAddr) -> io::Result<RealListener> {
        let listener = listen(address)?;
        Ok(RealListener { address: listener.local_addr()?, listener, process: self.0.clone() })
    }

    async fn connect(&self, authority: &str) -> io::Result<TcpStream> {
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
        connect(authority.parse().map_err(invalid)?).await
    }
}

/// A listener that tells the network when it is gone.
pub struct RealListener {
    listener: TcpListener,
    address: SocketAddr,
    process: RealProcess,
}

impl Listener for RealListener {
    type Stream = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = self.listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok((stream, peer))
    }

    fn local_address(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

impl Drop for RealListener {
    fn drop(&mut self) {
        if **self.process.host.name() == *HUB_HOST {
            self.process.network.hub_left(self.address);
        }
    }
}
