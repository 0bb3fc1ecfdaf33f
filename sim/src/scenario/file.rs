//! Scenario files: JSON, checked before anything is played.

use std::path::Path;

use super::{Action, HUB_HOST, Scenario};

/// A scenario that cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum InvalidScenario {
    #[error("cannot read {file}: {error}")]
    Unreadable { file: String, error: std::io::Error },
    #[error("{file}: {error}")]
    File { file: String, error: Box<InvalidScenario> },
    #[error("not a scenario: {0}")]
    Format(#[from] serde_json::Error),
    #[error("step {step} names {name:?}; the actors are {actors}")]
    UnknownActor { step: usize, name: String, actors: String },
    #[error("{0:?} is no name for an actor: use letters, digits and . _ ~ - only, and not \"hub\"")]
    ActorName(String),
    #[error("step {0} comes before the one above it: put the steps in the order of time")]
    Order(usize),
}

/// Reads and checks a file.
pub fn read_file(path: &Path) -> Result<Scenario, InvalidScenario> {
    let file = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => {
            read(&text).map_err(|error| InvalidScenario::File { file, error: Box::new(error) })
        }
        Err(error) => Err(InvalidScenario::Unreadable { file, error }),
    }
}

/// Reads and checks the text of a file.
pub fn read(text: &str) -> Result<Scenario, InvalidScenario> {
    let scenario: Scenario = serde_json::from_str(text)?;
    for actor in &scenario.actors {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
        if actor.is_empty() || actor == HUB_HOST || actor.len() > 64 || !actor.bytes().all(plain) {
            return Err(InvalidScenario::ActorName(actor.clone()));
        }
    }
    let mut before = None;
    for (number, step) in (1..).zip(&scenario.steps) {
        if before.replace(step.at).is_some_and(|before| before > step.at) {
            return Err(InvalidScenario::Order(number));
        }
        check_names(&scenario, number, &step.action)?;
    }
    Ok(scenario)
}

fn check_names(scenario: &Scenario, step: usize, action: &Action) -> Result<(), InvalidScenario> {
    let known = |name: &str| scenario.actors.iter().any(|actor| actor == name);
    let named: Vec<&str> = match action {
        Action::Send { actor, to } | Action::Ask { actor, to } | Action::AskTwice { actor, to } => {
            vec![actor, to]
        }
        Action::Publish { actor, .. }
        | Action::Broadcast { actor, .. }
        | Action::Subscribe { actor, .. }
        | Action::Unsubscribe { actor, .. }
        | Action::Reconnect { actor, .. }
        | Action::Replace { actor }
        | Action::Leave { actor, .. } => vec![actor],
        Action::RestartHub { .. } => Vec::new(),
        Action::Net { fault } => {
            fault.hosts().into_iter().filter(|host| *host != HUB_HOST).collect()
        }
    };
    match named.into_iter().find(|name| !known(name)) {
        None => Ok(()),
        Some(name) => Err(InvalidScenario::UnknownActor {
            step,
            name: name.to_owned(),
            actors: scenario.actors.join(", "),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(steps: &str) -> String {
        let text = format!(
            r#"{{ "seed": 1, "actors": ["alice"], "duration": "5s", "steps": [{steps}] }}"#
        );
        read(&text).expect_err("it cannot be played").to_string()
    }

    #[test]
    fn a_step_that_names_nobody_is_refused() {
        let steps = r#"{ "at": "1s", "action": { "do": "ask", "actor": "alice", "to": "bob" } }"#;
        assert_eq!(error(steps), r#"step 1 names "bob"; the actors are alice"#);
    }

    #[test]
    fn a_fault_on_an_unknown_host_is_refused() {
        let fault = r#"{ "fault": "stall", "from": "hub", "to": "bob", "lasts": "1s" }"#;
        let steps = format!(r#"{{ "at": "1s", "action": {{ "do": "net", "fault": {fault} }} }}"#);
        assert_eq!(error(&steps), r#"step 1 names "bob"; the actors are alice"#);
    }

    #[test]
    fn steps_out_of_order_are_refused() {
        let step = |at: &str| {
            format!(r#"{{ "at": "{at}", "action": {{ "do": "replace", "actor": "alice" }} }}"#)
        };
        let error = error(&format!("{},{}", step("2s"), step("1s")));
        assert!(error.starts_with("step 2 comes before"), "{error}");
    }

    #[test]
    fn an_unknown_word_is_told_with_those_that_are_known() {
        let steps = r#"{ "at": "1s", "action": { "do": "dance", "actor": "alice" } }"#;
        let error = error(steps);
        assert!(error.contains("unknown variant `dance`, expected one of `send`"), "{error}");
    }
}
