//! One timer, as the shells have it: an alarm that is set too early stays, because most deadlines
//! are replaced by later ones.

use std::time::Duration;

use signal_hub::time::Timestamp;

#[derive(Debug, Default)]
pub struct Alarm {
    set: Option<Timestamp>,
    number: u64,
}

impl Alarm {
    /// Returns after how long which alarm is to ring, if it has to be set anew.
    pub fn set(&mut self, now: Timestamp, deadline: Option<Timestamp>) -> Option<(Duration, u64)> {
        let Some(deadline) = deadline else {
            self.set = None;
            return None;
        };
        if self.set.is_some_and(|set| set <= deadline) {
            return None;
        }
        self.set = Some(deadline);
        self.number += 1;
        Some((deadline.since(now), self.number))
    }

    /// Whether this ring is of the alarm that is set; then it is set no more.
    pub fn ring(&mut self, number: u64) -> bool {
        self.number == number && self.set.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_earlier_deadline_sets_the_alarm_anew() {
        let [now, early, late] = [0, 5, 9].map(Timestamp::from_millis);
        let mut alarm = Alarm::default();
        assert_eq!(alarm.set(now, Some(late)), Some((Duration::from_millis(9), 1)));
        assert_eq!(alarm.set(now, Some(early)), Some((Duration::from_millis(5), 2)));
        assert_eq!(alarm.set(now, Some(late)), None);
        assert!(!alarm.ring(1) && alarm.ring(2) && !alarm.ring(2));
    }
}
