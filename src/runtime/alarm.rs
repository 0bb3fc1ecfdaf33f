//! One timer for many deadlines.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// One timer. Most deadlines are replaced by later ones, so an alarm that is set too early stays: it
/// rings early and is set again then. `S` is what rings.
#[derive(Debug)]
pub struct Alarm<T, S> {
    set: Option<(T, S)>,
}

impl<T, S> Default for Alarm<T, S> {
    fn default() -> Self {
        Self { set: None }
    }
}

impl<T: Copy + Ord, S> Alarm<T, S> {
    /// Sees to it that the alarm rings by `deadline`; `begin` makes what rings then.
    pub fn set(&mut self, deadline: Option<T>, begin: impl FnOnce(T) -> S) {
        match deadline {
            None => self.set = None,
            Some(at) if self.set.as_ref().is_some_and(|(set, _)| *set <= at) => {}
            Some(at) => self.set = Some((at, begin(at))),
        }
    }

    /// Returns whether what was set rings; then it is set no more.
    pub fn rings(&mut self, is_ringing: impl FnOnce(&S) -> bool) -> bool {
        self.set.take_if(|(_, set)| is_ringing(set)).is_some()
    }
}

impl<T, S: Future + Unpin> Alarm<T, S> {
    /// Ends when the alarm rings; never while it is not set. Cancel safe.
    pub async fn ring(&mut self) {
        poll_fn(|task| self.poll_ring(task)).await;
    }

    /// The same for whoever polls.
    pub fn poll_ring(&mut self, task: &mut Context<'_>) -> Poll<()> {
        let Some((_, set)) = &mut self.set else { return Poll::Pending };
        ready!(Pin::new(set).poll(task));
        self.set = None;
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_earlier_deadline_sets_the_alarm_anew() {
        let (mut alarm, mut begun) = (Alarm::default(), Vec::new());
        for deadline in [Some(9), Some(5), Some(9), None, Some(9)] {
            alarm.set(deadline, |at| begun.push(at));
        }
        assert_eq!(begun, [9, 5, 9]);
    }

    #[test]
    fn an_alarm_rings_once() {
        let mut alarm = Alarm::default();
        alarm.set(Some(5), |at| at);
        assert_eq!([4, 5, 6].map(|now| alarm.rings(|at| *at <= now)), [false, true, false]);
    }
}
