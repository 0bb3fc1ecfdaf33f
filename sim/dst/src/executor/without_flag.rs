//! An executor that asks for no flag: one thread, a list of woken tasks that the seed draws from, and wakers in
//! the order of their times.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Executor, Node, Task};

thread_local! {
    /// The node whose task is polled on this thread.
    static CURRENT: RefCell<Option<OwnNode>> = const { RefCell::new(None) };
}

/// Runs what it is given until it is dropped; then that is as before.
struct Entered(Option<OwnNode>);

impl Entered {
    fn new(node: &OwnNode) -> Self {
        Self(CURRENT.replace(Some(node.clone())))
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

/// A simulation.
#[derive(Clone)]
pub struct Own(Arc<Mutex<World>>);

struct World {
    now: Duration,
    dice: ChaCha8Rng,
    woken: Vec<Arc<Spawned>>,
    /// By time, and in the order in which they were set.
    alarms: BTreeMap<(Duration, u64), Waker>,
    alarms_set: u64,
}

impl Own {
    fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(World {
            now: Duration::ZERO,
            dice: ChaCha8Rng::seed_from_u64(seed),
            woken: Vec::new(),
            alarms: BTreeMap::new(),
            alarms_set: 0,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draw(&self) -> Option<Arc<Spawned>> {
        let mut world = self.lock();
        let count = world.woken.len();
        if count == 0 {
            return None;
        }
        let drawn = world.dice.random_range(0..count);
        Some(world.woken.swap_remove(drawn))
    }

    /// Goes on for as long as it takes to poll a task.
    fn go_on(&self) {
        let mut world = self.lock();
        let taken = Duration::from_nanos(world.dice.random_range(50..100));
        world.now += taken;
        drop(world);
        self.ring();
    }

    /// Goes to the time at which the next is to be woken.
    fn leap(&self) {
        let mut world = self.lock();
        let next = world.alarms.keys().next().map(|(at, _)| *at);
        world.now =
            next.expect("no task is left that could wake another: all of them wait forever");
        drop(world);
        self.ring();
    }

    /// Wakes all whose time has come.
    fn ring(&self) {
        loop {
            let mut world = self.lock();
            let now = world.now;
            let Some(first) = world.alarms.first_entry().filter(|first| first.key().0 <= now)
            else {
                return;
            };
            let waker = first.remove();
            // Waking takes the lock.
            drop(world);
            waker.wake();
        }
    }
}

impl Executor for Own {
    type Node = OwnNode;

    fn run<T>(seed: u64, main: impl Future<Output = T>) -> T {
        let own = Own::new(seed);
        let node = own.node("main");
        let _entered = Entered::new(&node);
        let _end = End(own.clone());
        let first = Spawned::new(&node, None);
        let waker = Waker::from(Arc::clone(&first));
        let mut main = pin!(main);
        waker.wake_by_ref();
        loop {
            let Some(task) = own.draw() else {
                own.leap();
                continue;
            };
            if Arc::ptr_eq(&task, &first) {
                task.is_woken.store(false, Ordering::Relaxed);
                if let Poll::Ready(value) = main.as_mut().poll(&mut Context::from_waker(&waker)) {
                    return value;
                }
            } else {
                task.run();
            }
            own.go_on();
        }
    }

    fn current() -> Self {
        CURRENT.with_borrow(|node| node.as_ref().expect("outside of a simulation").0.own.clone())
    }

    fn elapsed(&self) -> Duration {
        self.lock().now
    }

    fn wake_at(&self, at: Duration, waker: &Waker) -> bool {
        let mut world = self.lock();
        let is_to_come = at > world.now;
        if is_to_come {
            let number = world.alarms_set;
            world.alarms_set += 1;
            world.alarms.insert((at, number), waker.clone());
        }
        is_to_come
    }

    fn spawn(&self, task: Task) {
        CURRENT.with_borrow(Option::clone).expect("outside of a simulation").spawn(task);
    }

    fn node(&self, name: &str) -> OwnNode {
        let state = Mutex::default();
        OwnNode(Arc::new(Inner { own: self.clone(), name: name.to_owned(), state }))
    }
}

/// Drops what still waits when the first task is done: tasks hold wakers, and those hold tasks.
struct End(Own);

impl Drop for End {
    fn drop(&mut self) {
        loop {
            let mut world = self.0.lock();
            let left = (std::mem::take(&mut world.woken), std::mem::take(&mut world.alarms));
            // What is dropped may wake others.
            drop(world);
            if left.0.is_empty() && left.1.is_empty() {
                return;
            }
            for task in &left.0 {
                task.take();
            }
        }
    }
}

/// A node of [`Own`].
#[derive(Clone)]
pub struct OwnNode(Arc<Inner>);

struct Inner {
    own: Own,
    name: String,
    state: Mutex<NodeState>,
}

#[derive(Default)]
struct NodeState {
    is_killed: bool,
    is_paused: bool,
    /// Woken while the node was paused.
    parked: Vec<Arc<Spawned>>,
    tasks: Vec<Weak<Spawned>>,
}

/// What is to be done with a task that was drawn.
enum Fate {
    Poll,
    Park,
    Drop,
}

impl OwnNode {
    fn lock(&self) -> MutexGuard<'_, NodeState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fate(&self) -> Fate {
        match *self.lock() {
            NodeState { is_killed: true, .. } => Fate::Drop,
            NodeState { is_paused: true, .. } => Fate::Park,
            NodeState { .. } => Fate::Poll,
        }
    }
}

impl Node for OwnNode {
    fn spawn(&self, task: Task) {
        let task = Spawned::new(self, Some(task));
        let mut state = self.lock();
        if state.tasks.len() == state.tasks.capacity() {
            state.tasks.retain(|task| task.strong_count() > 0);
        }
        state.tasks.push(Arc::downgrade(&task));
        drop(state);
        task.wake();
    }

    fn kill(&self) {
        let mut state = self.lock();
        state.is_killed = true;
        let tasks = std::mem::take(&mut state.tasks);
        let parked = std::mem::take(&mut state.parked);
        drop(state);
        // Woken, they are drawn and then dropped. Those that were parked count as woken already.
        self.0.own.lock().woken.extend(parked);
        tasks.iter().filter_map(Weak::upgrade).for_each(Wake::wake);
    }

    fn pause(&self) {
        self.lock().is_paused = true;
    }

    fn resume(&self) {
        let mut state = self.lock();
        state.is_paused = false;
        let parked = std::mem::take(&mut state.parked);
        drop(state);
        self.0.own.lock().woken.extend(parked);
    }
}

/// A task of a node.
struct Spawned {
    node: OwnNode,
    /// Nothing while it is polled and once it is done; what is run as the first task is never here.
    future: Mutex<Option<Task>>,
    /// It is in the list of the woken, or parked.
    is_woken: AtomicBool,
}

impl Spawned {
    fn new(node: &OwnNode, task: Option<Task>) -> Arc<Self> {
        let is_woken = AtomicBool::new(false);
        Arc::new(Self { node: node.clone(), future: Mutex::new(task), is_woken })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Task>> {
        self.future.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<Task> {
        self.lock().take()
    }

    fn run(self: Arc<Self>) {
        match self.node.fate() {
            Fate::Park => {
                let node = self.node.clone();
                node.lock().parked.push(self);
            }
            Fate::Drop => {
                let _entered = Entered::new(&self.node);
                drop(self.take());
            }
            Fate::Poll => self.poll(),
        }
    }

    fn poll(self: Arc<Self>) {
        self.is_woken.store(false, Ordering::Relaxed);
        let Some(mut task) = self.take() else { return };
        let _entered = Entered::new(&self.node);
        let waker = Waker::from(Arc::clone(&self));
        let poll = || task.as_mut().poll(&mut Context::from_waker(&waker));
        match catch_unwind(AssertUnwindSafe(poll)) {
            Ok(Poll::Ready(())) => {}
            Ok(Poll::Pending) => *self.lock() = Some(task),
            Err(panic) => {
                anstream::eprintln!("a task of {} panicked", self.node.0.name);
                resume_unwind(panic)
            }
        }
    }
}

impl Wake for Spawned {
    fn wake(self: Arc<Self>) {
        if !self.is_woken.swap(true, Ordering::Relaxed) {
            let own = self.node.0.own.clone();
            own.lock().woken.push(self);
        }
    }
}
