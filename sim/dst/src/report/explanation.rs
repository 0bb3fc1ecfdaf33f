//! A failure explained, on one screen: when it became likely, what differs from what passes, what led to it,
//! and what else breaks like that.

use super::canvas::cut;
use crate::System;
use crate::campaign::broken_by;
use crate::explain::{Explanation, Jump, Likelihood, Line, Moment, Nearest};
use crate::history::Event;
use crate::scenario::{self, Scenario, Step};

/// Lines of what led there, and of one event before the last.
const PAST_MAX: usize = 17;
const EARLIER_MAX: usize = 4;
/// Lines of one side of the difference, and of the event that broke something.
const LINES_MAX: usize = 6;
/// Bugs that break alike.
const BUGS_MAX: usize = 3;
/// Characters of a line.
const WIDTH: usize = 140;
/// What stands before a line under a heading.
const INDENT: &str = "         ";

/// The explanation of a scenario.
pub fn explanation<S: System>(scenario: &Scenario<S>, explanation: &Explanation<S>) -> String {
    let Explanation { backend, outcome, likelihood, nearest } = explanation;
    let Some(violation) = &outcome.violation else { return String::new() };
    let mut lines = vec![
        format!("FAILED   {}, on the backend {backend}", violation.invariant),
        format!("seen     {}", violation.evidence),
    ];
    lines.extend(likelihood.as_ref().map_or_else(no_likelihood, when));
    lines.extend(match nearest {
        Some(nearest) => what(scenario, nearest),
        None => vec![
            "what     nothing that is one thing less passes: no difference tells more".to_owned(),
        ],
    });
    lines
        .push("why      only what led there (seconds; ✗ marks the event that broke it)".to_owned());
    lines.extend(why(explanation));
    let by = broken_by(outcome).unwrap_or_default();
    let bugs = S::known_bugs(violation.invariant, &by);
    lines.push(match bugs.len() {
        0 => format!("like     broken by {by:?}; no planted bug is known to break it"),
        _ => format!("like     broken by {by:?}; planted bugs that break it, too"),
    });
    lines.extend(bugs.iter().take(BUGS_MAX).map(|bug| format!("{INDENT}{bug}")));
    if bugs.len() > BUGS_MAX {
        lines.push(format!("{INDENT}and {} more", bugs.len() - BUGS_MAX));
    }
    lines.iter().map(|line| cut(line, WIDTH) + "\n").collect()
}

fn no_likelihood() -> Vec<String> {
    vec!["when     two backends play each run: too long to play it again and again".to_owned()]
}

fn when<S: System>(likelihood: &Likelihood<S>) -> Vec<String> {
    let of = if likelihood.is_of_storm {
        "the storm before shrinking"
    } else {
        "the scenario itself (no storm is beside it)"
    };
    let draws = likelihood.moments.iter().map(|moment| moment.draws).max().unwrap_or_default();
    let mut lines = vec![format!(
        "when     {of} up to a moment, then {draws} times with the rest and the network drawn anew"
    )];
    lines.extend(likelihood.moments.iter().map(bar));
    let last = likelihood.moments.last().map_or(100, |moment| moment.percent());
    lines.push(match &likelihood.jump {
        None if last < 50 => {
            format!("{INDENT}even with all steps as they were: it takes the network's timing, too")
        }
        Some(Jump { before, after, step }) => {
            let steps = match after.kept - before.kept {
                1 => format!("step {},", after.kept),
                _ => format!("steps {} to {}, the last of them", before.kept + 1, after.kept),
            };
            let (at, was, is) = (after.at.as_secs_f64(), before.percent(), after.percent());
            format!("{INDENT}{was} % -> {is} % with {steps} {} ({at:.3} s)", step.in_short())
        }
        None => format!("{INDENT}no step makes it much likelier"),
    });
    lines
}

fn bar(moment: &Moment) -> String {
    let (kept, percent) = (moment.kept, moment.percent());
    let bar = "█".repeat(percent.div_ceil(5) as usize);
    let steps = if kept == 1 { "step " } else { "steps" };
    let line = format!(
        "{INDENT}{:>9.3} s, {kept:>4} {steps} {percent:>4} % {bar}",
        moment.at.as_secs_f64()
    );
    line.trim_end().to_owned()
}

fn what<S: System>(scenario: &Scenario<S>, nearest: &Nearest<S>) -> Vec<String> {
    let changes = changes(scenario, &nearest.scenario);
    let mut lines = vec![format!("what     it passes {}", changes.join(", "))];
    let (breaks, passes) = (nearest.breaks.as_ref(), nearest.passes.as_ref());
    let begin = |line: Option<&Line>| Some(line?.told.first()?.clone());
    if begin(breaks).is_some() && begin(breaks) == begin(passes) {
        // The same is done, and something else comes of it.
        lines.extend(side("both", breaks, |place, _| place == 0));
        let other = |one: Option<&Line>, told: &str| {
            !one.is_some_and(|line| line.told.iter().any(|known| known == told))
        };
        lines.extend(side("breaks", breaks, |_, told| other(passes, told)));
        lines.extend(side("passes", passes, |_, told| other(breaks, told)));
    } else {
        lines.extend(side("both", nearest.both.as_ref(), |place, _| place == 0));
        match breaks {
            Some(_) => lines.extend(side("breaks", breaks, |_, _| true)),
            None => lines.push(format!("{INDENT}breaks here, where it tells the same")),
        }
        lines.extend(side("passes", passes, |_, _| true));
    }
    lines
}

/// Those of the lines of an event that are to be shown.
fn side(name: &str, line: Option<&Line>, shows: impl Fn(usize, &str) -> bool) -> Vec<String> {
    let told = line.map_or(&[][..], |line| &line.told).iter().enumerate();
    let shown = told.filter(|(place, told)| shows(*place, told)).map(|(_, told)| told.as_str());
    let shown: Vec<&str> = shown.take(LINES_MAX).collect();
    let Some((line, (first, others))) = line.zip(shown.split_first()) else {
        return vec![format!("{INDENT}{name:<7}nothing more")];
    };
    let others = others.iter().map(|told| format!("{INDENT}{:<7}         {told}", ""));
    let at = line.at.as_secs_f64();
    std::iter::once(format!("{INDENT}{name:<7}{at:.6} {first}")).chain(others).collect()
}

/// What is other in the second.
pub(super) fn changes<S: System>(one: &Scenario<S>, other: &Scenario<S>) -> Vec<String> {
    let mut changes = Vec::new();
    let gone = one.actors.iter().filter(|actor| !other.actors.iter().any(|o| o.name == actor.name));
    changes.extend(gone.map(|actor| format!("without {}", actor.name)));
    changes.extend(steps(&one.steps, &other.steps));
    let (set, reset) = (scenario::settings(one), scenario::settings(other));
    let differing = reset.iter().filter(|line| !set.contains(line));
    changes.extend(differing.map(|line| format!("with {line}")));
    let left = set.iter().filter(|line| {
        let name = line.split(':').next();
        !reset.iter().any(|other| other.split(':').next() == name)
    });
    changes.extend(left.map(|line| format!("without {line}")));
    if changes.is_empty() {
        changes.push("with another seed, ending or address".to_owned());
    }
    changes
}

/// What became of the steps between those that are the same.
fn steps<S: System>(one: &[Step<S>], other: &[Step<S>]) -> Option<String> {
    let alike = |(one, other): &(&Step<S>, &Step<S>)| one == other;
    let begin = one.iter().zip(other).take_while(alike).count();
    let (rest, others) = (&one[begin..], &other[begin..]);
    let end = rest.iter().rev().zip(others.iter().rev()).take_while(alike).count();
    let (gone, new) = (&rest[..rest.len() - end], &others[..others.len() - end]);
    let number = begin + 1;
    match (gone, new) {
        ([], []) => None,
        ([step], []) => Some(format!("without step {number}, {}", step.in_short())),
        ([step, ..], []) => {
            let last = begin + gone.len();
            Some(format!("without steps {number} to {last}, {} ...", step.in_short()))
        }
        ([step], [new]) if step.what == new.what => {
            let (at, earlier) = (step.begins_at()?, new.begins_at()?);
            Some(format!("with step {number}, {}, at {earlier:?}, not {at:?}", step.in_short()))
        }
        ([step], [new]) => {
            Some(format!("with step {number} as {}, not {}", new.in_short(), step.in_short()))
        }
        (_, [new, ..]) => Some(format!("if step {number} and those after it begin with {new}")),
    }
}

fn why<S: System>(explanation: &Explanation<S>) -> Vec<String> {
    let outcome = &explanation.outcome;
    let (told, past) = (S::told(&outcome.events), S::past(outcome));
    let broken = outcome.broken_at();
    let mut events: Vec<Vec<String>> = Vec::new();
    for place in past {
        let is_broken = Some(place) == broken;
        let most = if is_broken { LINES_MAX + 2 } else { EARLIER_MAX };
        events.push(event(&outcome.events[place], &told[place], is_broken, most));
    }
    let mut room = PAST_MAX;
    let shown = events.iter().rev().take_while(|lines| {
        let fits = lines.len() <= room;
        room = room.saturating_sub(lines.len());
        fits
    });
    let shown = shown.count().max(1).min(events.len());
    let left = events.len() - shown;
    let before = (left > 0).then(|| format!("{INDENT}left out: {left} before"));
    before.into_iter().chain(events.drain(left..).flatten()).collect()
}

/// What an event tells, in so many lines at most.
fn event<S: System>(
    event: &Event<S>,
    told: &[String],
    is_broken: bool,
    most: usize,
) -> Vec<String> {
    let mark = if is_broken { '✗' } else { ' ' };
    let words = event.what.to_string();
    let first =
        told.first().map(String::as_str).or_else(|| words.lines().next()).unwrap_or_default();
    let mut lines = vec![format!("{mark}{:>12.6} {first}", event.at.as_secs_f64())];
    let more = told.get(1..).unwrap_or_default();
    let (shown, rest) = more.split_at(more.len().min(most - 2));
    lines.extend(shown.iter().map(|line| format!("{:14}{line}", "")));
    if !rest.is_empty() {
        lines.push(format!("{:14}{}", "", rest.join("; ")));
    }
    lines
}
