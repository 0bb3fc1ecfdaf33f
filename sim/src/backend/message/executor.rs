//! Runs the director and the few tasks that play steps: whoever is awake goes on, then the next
//! event happens.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::stream::{FuturesUnordered, StreamExt};

use dst::backend::testbed::{Doing, awaited};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where tasks are put to run beside the director. Cloning gives another handle.
#[derive(Clone, Default)]
pub struct Tasks(Arc<Mutex<Vec<Task>>>);

impl Tasks {
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> Doing {
        let (task, doing) = awaited(task);
        self.lock().push(Box::pin(task));
        doing
    }

    fn take(&self) -> Vec<Task> {
        std::mem::take(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Task>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `root` to its end; `step` lets the next event happen and says whether there was one.
pub fn run(root: impl Future<Output = ()>, tasks: &Tasks, mut step: impl FnMut() -> bool) {
    let flag = Arc::new(Flag(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&flag));
    let mut context = Context::from_waker(&waker);
    let mut running: FuturesUnordered<Task> = FuturesUnordered::new();
    let mut root = pin!(root);
    loop {
        while flag.0.load(Ordering::Relaxed) {
            flag.0.store(false, Ordering::Relaxed);
            if root.as_mut().poll(&mut context).is_ready() {
                // A task holds a handle to where it waits: one that never ran would keep itself.
                return drop(tasks.take());
            }
            loop {
                running.extend(tasks.take());
                match running.poll_next_unpin(&mut context) {
                    Poll::Ready(Some(())) => {}
                    Poll::Ready(None) | Poll::Pending => break,
                }
            }
        }
        assert!(step(), "nothing is due any more, and the director waits");
    }
}
