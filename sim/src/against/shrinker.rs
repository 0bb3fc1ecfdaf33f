//! Makes a failure small where playing takes time but no work: as many candidates at once as there is room for, and as
//! few rounds as can be.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use dst::net::Fault;
use dst::scenario::{self, HUB_HOST, Progress, Shrunk, Step, What, When};

use super::{AnyHub, Scenario};

/// Candidates that are played at the same time.
pub const AT_ONCE: usize = 24;
/// The longest pauses between steps that are tried: what is left waits, and nothing else takes time.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(3),
];
/// How much later than a failure its story ends: no two runs take the same time.
const SLACK: Duration = Duration::from_millis(500);

/// When each of these scenarios fails the same way, if it does.
type Failed<'a> = &'a dyn Fn(&[Scenario]) -> Vec<Option<Duration>>;
/// A scenario that fails, and until when its story has to go.
type Story = (Scenario, Duration);
/// A scenario that failed in the first tries, and when.
type Glanced = (Scenario, Vec<Duration>);

/// Each candidate is played so many times, and is as good if it fails in half of them. Where the failure always comes,
/// one that does not fail at once is given up, and only the smallest of the others are played as often.
pub struct Shrinker<'a> {
    tries: usize,
    first_tries: usize,
    failed: Failed<'a>,
    /// Scenarios played.
    pub played: usize,
}

impl<'a> Shrinker<'a> {
    /// With so many tries of each candidate.
    pub fn new(tries: usize, failed: Failed<'a>) -> Self {
        let tries = tries.max(1);
        Self { tries, first_tries: tries, failed, played: 0 }
    }

    /// Shrinks a scenario that failed at that time.
    pub fn shrink(
        &mut self,
        storm: &Scenario,
        failed_at: Duration,
        time_is_up: &mut dyn FnMut(Progress) -> bool,
    ) -> Shrunk<AnyHub> {
        let cut = self.cut(storm, failed_at + SLACK);
        let (thinned, when) = self.thin(cut, time_is_up);
        let mut fails = |candidate: &Scenario| self.try_all(std::slice::from_ref(candidate))[0];
        scenario::shrink(&thinned, when, &mut fails, time_is_up)
    }

    /// Ends the story soon after the failure: no candidate has to wait for what comes later. Learns as well how surely
    /// it fails.
    fn cut(&mut self, storm: &Scenario, when: Duration) -> Story {
        let cut = scenario::until(storm, when);
        let failed = self.try_each(std::slice::from_ref(&cut), self.tries).remove(0);
        if failed.len() == self.tries {
            self.first_tries = 1;
        }
        quorum(&failed, self.tries).map_or((storm.clone(), when), |when| (cut, when))
    }

    /// Drops what each does who takes part, then ever smaller parts of the steps, all parts of a size at once.
    fn thin(&mut self, mut best: Story, time_is_up: &mut dyn FnMut(Progress) -> bool) -> Story {
        let (mut part_of, mut size) = (by_host(&best.0), usize::MAX);
        loop {
            let steps = best.0.steps.len();
            let progress = Progress { pass: "dropping parts", tries: self.played, steps };
            if time_is_up(progress) {
                return best;
            }
            match self.drop_parts(&best.0, &part_of) {
                Some(smaller) => best = self.squeeze(smaller),
                None if size == 1 => return best,
                None => size /= 2,
            }
            let steps = acting(&best.0).len();
            size = size.min(steps.div_ceil(AT_ONCE)).max(1);
            part_of = (0..steps).map(|place| place / size).collect();
        }
    }

    /// The smallest that still fails of those without parts of the steps that can go.
    fn drop_parts(&mut self, best: &Scenario, part_of: &[usize]) -> Option<Story> {
        let without = |dropped: &[usize]| {
            let mut part_of = part_of.iter();
            let mut best = best.clone();
            best.steps.retain(|_| part_of.next().is_none_or(|part| !dropped.contains(part)));
            best
        };
        let parts: BTreeSet<usize> = part_of.iter().copied().collect();
        let alone = self.glance(parts.iter().map(|part| without(&[*part])).collect());
        let can_go = parts.iter().zip(&alone).filter(|(_, glanced)| glanced.is_some());
        let can_go: Vec<usize> = can_go.map(|(part, _)| *part).collect();
        // Not all that can go alone can go together.
        let sizes = std::iter::successors(Some(can_go.len()), |size| Some(size.div_ceil(2)));
        let together = sizes.take_while(|size| *size > 1).flat_map(|size| can_go.chunks(size));
        let together = self.glance(together.take(AT_ONCE).map(without).collect());
        self.smallest(together.into_iter().chain(alone).flatten().collect())
    }

    /// Those that fail in the first tries, and when.
    fn glance(&mut self, candidates: Vec<Scenario>) -> Vec<Option<Glanced>> {
        let failed = self.try_each(&candidates, self.first_tries);
        let all = candidates.into_iter().zip(failed);
        all.map(|glanced| quorum(&glanced.1, self.first_tries).map(|_| glanced)).collect()
    }

    /// The smallest that fails in the other tries as well.
    fn smallest(&mut self, mut glanced: Vec<Glanced>) -> Option<Story> {
        glanced.sort_by_key(|(candidate, _)| candidate.steps.len());
        let rest = self.tries - self.first_tries;
        glanced.truncate((AT_ONCE / rest.max(1)).max(1));
        let (candidates, first): (Vec<_>, Vec<_>) = glanced.into_iter().unzip();
        let more = self.try_each(&candidates, rest);
        let failed = first.into_iter().zip(more).map(|(first, more)| [first, more].concat());
        candidates.into_iter().zip(failed).find_map(|(candidate, failed)| {
            quorum(&failed, self.tries).map(|when| (candidate, when))
        })
    }

    /// The soonest that still fails of the same steps with shorter pauses, and with an earlier end.
    fn squeeze(&mut self, (story, when): Story) -> Story {
        let end = last_at(&story);
        let ended = match story.steps.len() - acting(&story).len() {
            0 => story.clone(),
            _ => {
                scenario::until(&Scenario { steps: acting(&story).to_vec(), ..story.clone() }, when)
            }
        };
        let mut sooner: Vec<Scenario> = PAUSES.map(|pause| with_pauses(&ended, pause)).into();
        sooner.push(ended);
        // What saves little costs more.
        sooner.retain(|sooner| last_at(sooner) + SLACK * 2 < end);
        let failed = self.try_all(&sooner);
        let mut failing = sooner.into_iter().zip(failed);
        failing.find_map(|(sooner, when)| Some((sooner, when?))).unwrap_or((story, when))
    }

    /// For each that fails: until when its story has to go.
    fn try_all(&mut self, candidates: &[Scenario]) -> Vec<Option<Duration>> {
        let failed = self.try_each(candidates, self.tries);
        failed.iter().map(|failed| quorum(failed, self.tries)).collect()
    }

    /// When each candidate failed, in each try in which it did.
    fn try_each(&mut self, candidates: &[Scenario], tries: usize) -> Vec<Vec<Duration>> {
        let again = |candidate| std::iter::repeat_n(candidate, tries);
        let each: Vec<Scenario> = candidates.iter().cloned().flat_map(again).collect();
        self.played += each.len();
        let mut failed = (self.failed)(&each).into_iter();
        candidates.iter().map(|_| failed.by_ref().take(tries).flatten().collect()).collect()
    }
}

/// The steps without the last, if that only waits.
fn acting(story: &Scenario) -> &[Step<AnyHub>] {
    match story.steps.split_last() {
        Some((last, acting)) if last.what == What::Network(Fault::Heal) => acting,
        _ => &story.steps,
    }
}

fn last_at(story: &Scenario) -> Duration {
    story.steps.iter().filter_map(Step::begins_at).max().unwrap_or_default()
}

/// The same with no longer pauses than this between two steps that do something: the failure may take its time.
fn with_pauses(story: &Scenario, pause: Duration) -> Scenario {
    let (mut before, mut saved) = (Duration::ZERO, Duration::ZERO);
    let (mut steps, acting) = (story.steps.clone(), acting(story).len());
    for (place, step) in steps.iter_mut().enumerate() {
        if let When::At(at) = &mut step.when {
            if place < acting {
                saved += at.saturating_sub(before).saturating_sub(pause);
            }
            before = *at;
            *at -= saved;
        }
    }
    Scenario { steps, ..story.clone() }
}

/// For each step the number of who does it or has its network disturbed; some together where there are many.
fn by_host(story: &Scenario) -> Vec<usize> {
    let name = |step: &Step<AnyHub>| match &step.what {
        What::Act { who, .. } => who.to_string(),
        What::Hub(_) => HUB_HOST.to_owned(),
        What::Network(fault) => {
            fault.hosts().into_iter().find(|host| *host != HUB_HOST).unwrap_or_default().to_owned()
        }
    };
    let names: Vec<String> = acting(story).iter().map(name).collect();
    let all: Vec<&String> = names.iter().collect::<BTreeSet<_>>().into_iter().collect();
    let together = all.len().div_ceil(AT_ONCE).max(1);
    names.iter().map(|name| all.partition_point(|other| *other < name) / together).collect()
}

/// Until when a story has to go of which half of so many tries failed, at these times.
fn quorum(failed: &[Duration], tries: usize) -> Option<Duration> {
    failed.iter().max().filter(|_| 2 * failed.len() >= tries).map(|latest| *latest + SLACK)
}
