//! What every executor keeps.

use std::sync::{Arc, Mutex};

use super::*;

/// Ends at that time of the simulation.
async fn until<E: Executor>(at: Duration) {
    std::future::poll_fn(|context| {
        let is_to_come = E::current().wake_at(at, context.waker());
        if is_to_come { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
}

/// Notes what several tasks do, in the order in which they do it.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

const fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// The order in which five tasks go on that are all ready, again and again.
fn order<E: Executor>(seed: u64) -> Vec<String> {
    E::run(seed, async {
        let notes = Notes::default();
        for name in ["a", "b", "c", "d", "e"] {
            let notes = notes.clone();
            E::current().spawn(Box::pin(async move {
                for _ in 0..5 {
                    notes.note(name);
                    tokio::task::yield_now().await;
                }
            }));
        }
        until::<E>(millis(1)).await;
        notes.take()
    })
}

fn a_seed_decides_the_order<E: Executor>() {
    assert_eq!(order::<E>(1).len(), 25);
    assert_eq!(order::<E>(1), order::<E>(1));
    assert!((2..9).any(|seed| order::<E>(seed) != order::<E>(1)));
}

fn time_leaps_to_whoever_wakes_next<E: Executor>() {
    E::run(1, async {
        let executor = E::current();
        let notes = Notes::default();
        for at in [3_000, 1_000, 2_000] {
            let notes = notes.clone();
            executor.spawn(Box::pin(async move {
                until::<E>(millis(at)).await;
                notes.note(at.to_string());
            }));
        }
        until::<E>(millis(2_500)).await;
        assert_eq!(notes.take(), ["1000", "2000"]);
        assert!(executor.elapsed() >= millis(2_500) && executor.elapsed() < millis(2_501));
        assert!(!executor.wake_at(millis(2_500), Waker::noop()), "that time has come");
    });
}

/// A node with a task that notes each second, until it is dropped.
fn ticking<E: Executor>(notes: &Notes) -> (E::Node, Arc<()>) {
    let node = E::current().node("hub");
    let (notes, held) = (notes.clone(), Arc::new(()));
    let holds = Arc::clone(&held);
    node.spawn(Box::pin(async move {
        let _holds = holds;
        for second in 1.. {
            until::<E>(millis(1000 * second)).await;
            notes.note(second.to_string());
        }
    }));
    (node, held)
}

fn a_node_that_is_paused_does_nothing_until_it_is_resumed<E: Executor>() {
    E::run(1, async {
        let notes = Notes::default();
        let (node, _held) = ticking::<E>(&notes);
        until::<E>(millis(1_500)).await;
        node.pause();
        until::<E>(millis(3_500)).await;
        assert_eq!(notes.take(), ["1"]);
        node.resume();
        until::<E>(millis(4_500)).await;
        assert_eq!(notes.take(), ["2", "3", "4"]);
    });
}

fn a_node_that_is_killed_drops_its_tasks<E: Executor>() {
    for is_paused in [false, true] {
        E::run(1, async {
            let notes = Notes::default();
            let (node, held) = ticking::<E>(&notes);
            until::<E>(millis(1_500)).await;
            if is_paused {
                node.pause();
                until::<E>(millis(2_500)).await;
            }
            assert_eq!(Arc::strong_count(&held), 2);
            node.kill();
            until::<E>(millis(2_600)).await;
            assert_eq!((Arc::strong_count(&held), notes.take().len()), (1, 1));
        });
    }
}

fn a_run_that_ends_drops_what_waits<E: Executor>() {
    let held = E::run(1, async {
        let (_node, held) = ticking::<E>(&Notes::default());
        until::<E>(millis(1_500)).await;
        held
    });
    assert_eq!(Arc::strong_count(&held), 1);
}

fn a_task_that_panics_ends_the_run<E: Executor>() {
    let run = || {
        E::run(1, async {
            E::current().node("hub").spawn(Box::pin(async { panic!("on purpose") }));
            until::<E>(millis(1)).await;
        });
    };
    let panic = std::panic::catch_unwind(run).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"on purpose"));
}

/// Each test for one executor.
macro_rules! every {
    ($module:ident, $executor:ty, $($test:ident),+ $(,)?) => {
        mod $module {
            $(#[test]
            fn $test() {
                super::$test::<$executor>();
            })+
        }
    };
}

#[cfg(madsim)]
every! {
    of_madsim, crate::executor::with_madsim::Madsim,
    a_seed_decides_the_order,
    time_leaps_to_whoever_wakes_next,
    a_node_that_is_paused_does_nothing_until_it_is_resumed,
    a_node_that_is_killed_drops_its_tasks,
    a_task_that_panics_ends_the_run,
}

every! {
    of_our_own, crate::executor::without_flag::Own,
    a_seed_decides_the_order,
    time_leaps_to_whoever_wakes_next,
    a_node_that_is_paused_does_nothing_until_it_is_resumed,
    a_node_that_is_killed_drops_its_tasks,
    a_run_that_ends_drops_what_waits,
    a_task_that_panics_ends_the_run,
}

#[test]
#[should_panic(expected = "all of them wait forever")]
fn a_run_in_which_nobody_can_be_woken_ends() {
    super::without_flag::Own::run(1, std::future::pending::<()>());
}
