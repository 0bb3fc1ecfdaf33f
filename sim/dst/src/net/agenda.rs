//! What the network still has to do, in the order of time; ties keep the order of planning.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::world::Plan;

#[derive(Debug, Default)]
pub(super) struct Agenda {
    plans: BinaryHeap<Reverse<(Duration, u64, Plan)>>,
    planned: u64,
}

impl Agenda {
    pub(super) fn plan(&mut self, at: Duration, plan: Plan) {
        self.planned += 1;
        self.plans.push(Reverse((at, self.planned, plan)));
    }

    pub(super) fn next(&self) -> Option<Duration> {
        self.plans.peek().map(|Reverse((at, _, _))| *at)
    }

    pub(super) fn pop_due(&mut self, now: Duration) -> Option<Plan> {
        if self.next()? > now {
            return None;
        }
        self.plans.pop().map(|Reverse((_, _, plan))| plan)
    }

    pub(super) fn clear(&mut self) {
        self.plans.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::ids::HostId;

    #[test]
    fn plans_come_in_the_order_of_time_and_then_of_planning() {
        let mut agenda = Agenda::default();
        let (early, late) = (Duration::from_secs(1), Duration::from_secs(2));
        agenda.plan(late, Plan::ResumeHost(HostId::nth(1)));
        agenda.plan(early, Plan::ResumeHost(HostId::nth(3)));
        agenda.plan(early, Plan::ResumeHost(HostId::nth(2)));
        assert_eq!(agenda.next(), Some(early));
        assert_eq!(agenda.pop_due(early), Some(Plan::ResumeHost(HostId::nth(3))));
        assert_eq!(agenda.pop_due(early), Some(Plan::ResumeHost(HostId::nth(2))));
        assert_eq!(agenda.pop_due(early), None);
    }
}
