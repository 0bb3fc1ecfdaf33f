//! What a scenario says has to make sense before anything is played: who is named takes part, and can do
//! what is asked of them; what is waited for can come.

use std::collections::BTreeSet;

use serde_json::Value;

use super::mistake::nearest;
use super::{
    Act, ActorKind, Expect, Expectation, HUB_HOST, NOBODY, ProcessAct, Scenario, Step, What, Who,
    bounds,
};
use crate::System;

/// Whether a file may say so: the first mistake, and in which step it is, if it is in one.
pub fn check<S: System>(scenario: &Scenario<S>) -> Result<(), (Option<usize>, String)> {
    check_actors(scenario).map_err(|what| (None, what))?;
    check_expected(scenario).map_err(|what| (None, what))?;
    let names = Names::of(scenario);
    for (number, step) in scenario.steps.iter().enumerate() {
        check_step(scenario, &names, step)
            .and_then(|()| bounds::check_step(step))
            .map_err(|what| (Some(number), what))?;
    }
    bounds::check(scenario).map_err(|what| (None, what))
}

/// What is expected to break has to be something that can.
fn check_expected<S: System>(scenario: &Scenario<S>) -> Result<(), String> {
    let Some(expected) = &scenario.expect_failure else { return Ok(()) };
    let codes = S::codes();
    if codes.contains(&expected.breaks) {
        return Ok(());
    }
    let breaks = &expected.breaks;
    Err(match nearest(breaks, codes.iter().map(String::as_str)) {
        Some(near) => {
            format!("`expect_failure`: nothing is called {breaks:?}; did you mean {near:?}?")
        }
        None => format!("`expect_failure`: nothing is called {breaks:?}"),
    })
}

fn check_actors<S: System>(scenario: &Scenario<S>) -> Result<(), String> {
    let mut names = BTreeSet::new();
    for actor in &scenario.actors {
        let name = &actor.name;
        if name.is_empty() || name.len() > 64 || !is_plain(name) {
            return Err(format!(
                "{name:?} is no name for an actor: use letters, digits and . _ ~ - only"
            ));
        } else if name == HUB_HOST || name == "network" {
            return Err(format!("an actor cannot be called {name:?}: steps need that word"));
        } else if !names.insert(name) {
            return Err(format!("two actors are called {name:?}"));
        }
    }
    Ok(())
}

/// Returns whether it can be the name of an actor, and not an address.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte))
}

/// Whom a step can name.
struct Names<'a> {
    /// All actors, what else they register, and what steps register.
    known: BTreeSet<&'a str>,
    /// Who can do something, in the order of the file.
    doers: Vec<String>,
}

impl<'a> Names<'a> {
    fn of<S: System>(scenario: &'a Scenario<S>) -> Self {
        let actors = scenario.actors.iter();
        let own = actors.flat_map(|actor| actor.addresses.iter().chain([&actor.name]));
        let registered = scenario.steps.iter().filter_map(|step| match &step.what {
            What::Act { act, .. } => S::registers(act.own()?),
            What::Hub(_) | What::Network(_) => None,
        });
        let known = own.map(String::as_str).chain(registered).chain([NOBODY]).collect();
        let actors = scenario.actors.iter().map(|actor| actor.name.clone());
        Self { known, doers: actors.chain(S::others(scenario)).collect() }
    }

    /// Whether there is somebody of this name who can do something.
    fn known(&self, who: &Who) -> Result<(), String> {
        let doers = self.doers.iter().map(String::as_str);
        if doers.clone().any(|name| name == who.actor()) {
            return Ok(());
        }
        Err(nobody(who.actor(), doers))
    }

    /// Whether these fields of a step name somebody, or an address, which need not be anybody's.
    fn check(&self, step: &Value, fields: &[&str]) -> Result<(), String> {
        for field in fields {
            let Some(name) = step[field].as_str().filter(|name| is_plain(name)) else { continue };
            if !name.is_empty() && !self.known.contains(name) {
                let known = self.known.iter().copied();
                let who = nobody(name, known.filter(|known| *known != NOBODY));
                return Err(format!("`{field}`: {who}"));
            }
        }
        Ok(())
    }
}

fn check_step<S: System>(
    scenario: &Scenario<S>,
    names: &Names<'_>,
    step: &Step<S>,
) -> Result<(), String> {
    match &step.what {
        What::Hub(_) => S::check_step(scenario, step),
        What::Network(fault) => {
            fault.hosts().into_iter().filter(|host| *host != HUB_HOST).try_for_each(|host| {
                let who: Who = host.parse().map_err(|_| format!("{host:?} is no host"))?;
                names.known(&who).map_err(|what| format!("`{}`: {what}", field_of(step, host)))
            })?;
            S::check_step(scenario, step)
        }
        What::Act { who, act, .. } => {
            names.known(who).map_err(|what| format!("`who`: {what}"))?;
            S::check_step(scenario, step)?;
            check_kind(scenario, who, act)?;
            let value = serde_json::to_value(step).unwrap_or_default();
            names.check(&value, &["as", "from"])?;
            names.check(&value, S::NAMING_FIELDS)?;
            check_type(scenario, act)
        }
    }
}

/// The field of a step that has this value.
fn field_of<S: System>(step: &Step<S>, value: &str) -> String {
    let fields = serde_json::to_value(step).unwrap_or_default();
    let mut fields = fields.as_object().into_iter().flatten();
    fields.find(|(_, field)| *field == value).map_or_else(String::new, |(name, _)| name.clone())
}

/// What nobody can say is not worth waiting for, and its absence proves nothing.
fn check_type<S: System>(scenario: &Scenario<S>, act: &Act<S>) -> Result<(), String> {
    let (Act::Expect(Expect::Sees(Expectation { kind, .. }))
    | Act::Expect(Expect::SeesNo { kind, .. })) = act
    else {
        return Ok(());
    };
    let types = S::message_types();
    let is_said = || {
        scenario.steps.iter().any(|step| match &step.what {
            What::Act { act: Act::Do(_), .. } => step.to_string().contains(kind.as_str()),
            What::Act { .. } | What::Hub(_) | What::Network(_) => false,
        })
    };
    if types.is_empty() || types.contains(&kind.as_str()) || is_said() {
        return Ok(());
    }
    Err(match nearest(kind, types.iter().copied()) {
        Some(known) => format!("`type`: no message is called {kind:?}; did you mean {known:?}?"),
        None => format!("`type`: no message is called {kind:?}; there are {}", types.join(", ")),
    })
}

/// Whether whoever is named can do it.
fn check_kind<S: System>(scenario: &Scenario<S>, who: &Who, act: &Act<S>) -> Result<(), String> {
    let word = || act.to_value().map_or_else(|_| String::new(), |value| value["do"].to_string());
    let has_no_client = |actor: &str| {
        let mut actors = scenario.actors.iter();
        actors.any(|known| known.name == *actor && known.kind == ActorKind::Raw)
    };
    match (who, act.only_for()) {
        (Who::Client(actor), Some(ActorKind::Raw)) => {
            Err(format!("{} is for raw connections, such as {actor}/1", word()))
        }
        (Who::Raw(actor, _), Some(ActorKind::Client)) => {
            Err(format!("{} is for clients, such as {actor}", word()))
        }
        (Who::Client(actor), _)
            if !matches!(act, Act::Process(ProcessAct::Start)) && has_no_client(actor) =>
        {
            Err(format!("{actor} has no client: name a connection, such as {actor}/1"))
        }
        (Who::Client(_) | Who::Raw(..), _) => Ok(()),
    }
}

fn nobody<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(name, known.clone()) {
        Some(near) => format!("nobody is called {name:?}; did you mean {near:?}?"),
        None => {
            let all: Vec<&str> = known.collect();
            format!("nobody is called {name:?}; the actors are {}", all.join(", "))
        }
    }
}
