//! The simulated world: an executor's tasks and virtual clock, our network, each host's own seed.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::{Listener, Runtime, wall_clock};
use crate::executor::{Current, CurrentNode, Executor, Node, Task};
use crate::net::{Host, SimListener, SimStream};

/// Runs `body` as the main task of a simulation of its own, on a thread of its own: std seeds its
/// hash maps once for each thread.
///
/// # Panics
/// If `body` does, or if nothing is left that could wake it.
pub fn simulate<T, F>(seed: u64, body: impl FnOnce() -> F + Send + 'static) -> T
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    let run = move || Current::run(seed, body());

    #[expect(clippy::disallowed_methods, reason = "the simulation itself knows no threads")]
    let thread = std::thread::spawn(run);
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The world as one simulated host has it.
#[derive(Clone)]
pub struct SimRuntime {
    host: Host,
    node: Option<CurrentNode>,
}

impl SimRuntime {
    /// Tasks run on the node of whoever spawns them.
    pub fn new(host: Host) -> Self {
        Self { host, node: None }
    }

    /// Tasks run on `node`.
    pub fn on(host: Host, node: CurrentNode) -> Self {
        Self { host, node: Some(node) }
    }
}

impl Runtime for SimRuntime {
    type Stream = SimStream;
    type Listener = SimListener;
    type Sleep = SimSleep;

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        // Boxed: the executor is compiled once, not for each kind of task.
        let task: Task = Box::pin(task);
        match &self.node {
            Some(node) => node.spawn(task),
            None => Current::current().spawn(task),
        }
    }

    fn sleep(&self, duration: Duration) -> SimSleep {
        // Ten years outlast every run and do not overflow the clock.
        SimSleep::new(duration.min(Duration::from_secs(10 * 365 * 24 * 60 * 60)))
    }

    fn wall_clock(&self) -> Duration {
        wall_clock(self.monotonic(), self.host.clock_skew())
    }

    fn monotonic(&self) -> Duration {
        Current::current().elapsed()
    }

    fn random_seed(&self) -> [u8; 32] {
        self.host.random_seed()
    }

    async fn listen(&self, address: SocketAddr) -> io::Result<SimListener> {
        self.host.listen(address)
    }

    async fn connect(&self, authority: &str) -> io::Result<SimStream> {
        self.host.connect(authority).await
    }
}

impl Listener for SimListener {
    type Stream = SimStream;

    async fn accept(&mut self) -> io::Result<(SimStream, SocketAddr)> {
        SimListener::accept(self).await
    }

    fn local_address(&self) -> io::Result<SocketAddr> {
        Ok(SimListener::local_address(self))
    }
}

/// A sleep in virtual time, at least 1 ms long. It asks to be woken once for each waker, not at every poll: that
/// cannot be taken back.
pub struct SimSleep {
    executor: Current,
    until: Duration,
    /// Who is woken. Only compared: a waker kept here would keep the task that owns this sleep alive. The
    /// executor holds the waker itself, so the address stays its own.
    timed: Option<(usize, usize)>,
}

impl SimSleep {
    pub(crate) fn new(duration: Duration) -> Self {
        let executor = Current::current();
        let until = executor.elapsed().saturating_add(duration.max(Duration::from_millis(1)));
        Self { executor, until, timed: None }
    }
}

impl Future for SimSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.executor.elapsed() >= self.until {
            return Poll::Ready(());
        }
        let waker = Some(identity(context.waker()));
        if self.timed != waker {
            self.timed = waker;
            self.executor.wake_at(self.until, context.waker());
        }
        Poll::Pending
    }
}

fn identity(waker: &Waker) -> (usize, usize) {
    (waker.data().addr(), std::ptr::from_ref(waker.vtable()).addr())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::net::{Fault, LinkConfig, Net};

    fn network(seed: u64) -> Net {
        Net::new(seed, LinkConfig::default(), Box::new(|_| {}))
    }

    async fn echo_once<R: Runtime>(runtime: R) {
        let address = SocketAddr::from(([0, 0, 0, 0], 7));
        let mut listener = runtime.listen(address).await.unwrap();
        runtime.clone().spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = [0; 5];
            stream.read_exact(&mut bytes).await.unwrap();
            stream.write_all(&bytes).await.unwrap();
        });
    }

    #[test]
    fn a_generic_server_echoes_to_another_host() {
        simulate(1, async || {
            let net = network(1);
            echo_once(SimRuntime::new(net.host("hub"))).await;
            let client = SimRuntime::new(net.host("alice"));
            let mut stream = client.connect("hub:7").await.unwrap();
            stream.write_all(b"hello").await.unwrap();
            let mut echoed = Vec::new();
            stream.read_to_end(&mut echoed).await.unwrap();
            assert_eq!(echoed, b"hello");
            net.stop();
        });
    }

    #[test]
    fn a_clock_that_is_ahead_says_so_on_its_host_only() {
        simulate(1, async || {
            let net = network(1);
            let (ahead, right) =
                (SimRuntime::new(net.host("ahead")), SimRuntime::new(net.host("right")));
            let skew = Fault::ClockSkew { host: "ahead".to_owned(), milliseconds: 5000 };
            let fault = net.inject(skew.clone()).unwrap();
            assert!(net.took_effect(fault));
            assert_eq!(ahead.wall_clock() - right.wall_clock(), Duration::from_secs(5));
            let again = net.inject(skew).unwrap();
            assert!(!net.took_effect(again));
            net.stop();
        });
    }

    #[test]
    fn seeds_differ_by_host_and_by_draw_and_repeat_with_the_run() {
        let draw = |seed| {
            simulate(seed, async move || {
                let net = network(seed);
                let (one, two) = (SimRuntime::new(net.host("one")), net.host("two"));
                let seeds = [one.random_seed(), one.random_seed(), two.random_seed()];
                net.stop();
                seeds
            })
        };
        let seeds = draw(1);
        assert!(seeds[0] != seeds[1] && seeds[0] != seeds[2]);
        assert_eq!(seeds, draw(1));
        assert_ne!(seeds, draw(2));
    }

    #[derive(Default)]
    struct Rings(AtomicUsize);

    impl Wake for Rings {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_sleep_that_is_polled_often_wakes_once() {
        simulate(1, async || {
            let net = network(1);
            let runtime = SimRuntime::new(net.host("hub"));
            let rings = Arc::new(Rings::default());
            let waker = Waker::from(rings.clone());
            let mut sleep = runtime.sleep(Duration::from_secs(1));
            let mut poll =
                || Pin::new(&mut sleep).poll(&mut Context::from_waker(&waker)).is_ready();
            assert!((0..100).all(|_| !poll()));
            runtime.sleep(Duration::from_secs(2)).await;
            assert!(poll());
            assert_eq!(rings.0.load(Ordering::Relaxed), 1);
            net.stop();
        });
    }

    #[test]
    fn the_longest_sleep_is_just_long() {
        simulate(1, async || {
            let net = network(1);
            let runtime = SimRuntime::new(net.host("hub"));
            tokio::select! {
                biased;
                () = runtime.sleep(Duration::MAX) => panic!("it is over"),
                () = runtime.sleep(Duration::from_secs(9)) => {}
            }
            net.stop();
        });
    }
}
