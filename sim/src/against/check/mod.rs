//! Tests a dialect that is a process, without a hub: whether it keeps to the lines of docs/DIALECTS.md.

mod client;
mod frames;
mod listener;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::child::Conversation;
use super::dialect::{Connection, Mute, Operation, Promise, Promises, Report, Verb};
use super::history::escaped;
use super::lines::{Hello, Mode};
use crate::scenario::WhichToken;

/// An answer that takes longer would hold up a run.
const SLOW: Duration = Duration::from_secs(1);

/// After so many failures the rest is not tried: each may take the time of a silent answer.
const FAILED_MAX: usize = 5;

/// Something that a dialect has to do, and whether it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What it has to do.
    pub what: String,
    /// What it did instead.
    pub failed: Option<String>,
}

/// What it did instead of what it has to do.
type Failed = String;

/// Makes all checks that its mode has. After a failure the process is started anew, so that one failure is one.
pub fn check(argv: &[String]) -> Vec<Check> {
    let starts = "starts, and says what the hub promises";
    let hello = match Conversation::begin(argv) {
        Ok((_, hello)) => hello,
        Err(mute) => return vec![done(starts, Err(mute.to_string()))],
    };
    let mut checks = vec![
        done(starts, Ok(())),
        done("promises what its verbs can show", promises_hold_together(&hello.promises)),
    ];
    let (mut failed, mut process) = (0, None);
    let mut test = |what: String, test: &dyn Fn(&mut Trial) -> Result<(), Failed>| {
        if failed == FAILED_MAX {
            return;
        }
        let result = process.take().map_or_else(|| Trial::begin(argv), Ok).and_then(|mut trial| {
            test(&mut trial)?;
            trial.settles()?;
            process = Some(trial);
            Ok(())
        });
        failed += usize::from(result.is_err());
        checks.push(done(&what, result));
    };
    test("has no words for a verb that nobody knows".to_owned(), &|trial| {
        let dance = json!({ "id": "1", "as": "alice", "do": "dance" });
        trial.has_no_words(json!({ "line": "say", "connection": 1, "operation": dance }))
    });
    test("has no words for a line that nobody knows".to_owned(), &|trial| {
        trial.has_no_words(json!({ "line": "dance", "connection": 1 }))
    });
    match hello.mode {
        Mode::Frames => frames::checks(&hello, &mut test),
        Mode::Client => client::checks(&hello, &mut test),
    }
    checks.push(done("ends when its stdin is closed", ends_when_left(argv)));
    checks
}

fn done(what: &str, result: Result<(), Failed>) -> Check {
    Check { what: what.to_owned(), failed: result.err() }
}

/// One process under test.
struct Trial {
    conversation: Conversation,
    hello: Hello,
    connections: Connection,
    slowest: Duration,
}

impl Trial {
    fn begin(argv: &[String]) -> Result<Self, Failed> {
        let (conversation, hello) = Conversation::begin(argv).map_err(|mute| mute.to_string())?;
        Ok(Self { conversation, hello, connections: 0, slowest: Duration::ZERO })
    }

    /// The number of a connection that was not yet.
    fn fresh(&mut self) -> Connection {
        self.connections += 1;
        self.connections
    }

    /// Says a line, and takes the time of its answer.
    fn exchange(&mut self, line: &impl serde::Serialize) -> Result<Value, Mute> {
        let line = serde_json::to_value(line).map_err(|error| Mute::Broken(error.to_string()))?;
        #[expect(clippy::disallowed_methods, reason = "a real process takes real time")]
        let began = Instant::now();
        let answer = self.conversation.exchange(line);
        self.slowest = self.slowest.max(began.elapsed());
        answer
    }

    fn has_no_words(&mut self, line: Value) -> Result<(), Failed> {
        match self.exchange(&line) {
            Err(Mute::NoWords(_)) => Ok(()),
            Err(Mute::Broken(why)) => Err(why),
            Ok(answer) => {
                Err(format!("it answered {}: `no_words` is meant", escaped(&answer.to_string())))
            }
        }
    }

    /// One more line shows an answer too many to those before it.
    fn settles(&mut self) -> Result<(), Failed> {
        self.has_no_words(json!({ "line": "dance", "connection": 1 }))?;
        if self.slowest > SLOW {
            return Err(format!("it took {:?} to answer a line", self.slowest));
        }
        Ok(())
    }
}

fn ends_when_left(argv: &[String]) -> Result<(), Failed> {
    let (conversation, _) = Conversation::begin(argv).map_err(|mute| mute.to_string())?;
    if conversation.ends_when_left() { Ok(()) } else { Err("it had to be ended".to_owned()) }
}

/// What each promise is shown by: a verb, and a time that goes with it.
fn promises_hold_together(promises: &Promises) -> Result<(), Failed> {
    let words: Vec<&str> = samples().iter().map(Verb::word).collect();
    let unknown = promises.verbs.iter().flatten().find(|verb| !words.contains(&verb.as_str()));
    if let Some(verb) = unknown {
        return Err(format!("there is no verb `{}`", escaped(verb)));
    }
    for &promise in &promises.keeps {
        let verb = match promise {
            Promise::Takeover | Promise::TakeoverTold | Promise::Versions => "register",
            Promise::Resume | Promise::SubscriptionsSurviveTakeover => "subscribe",
            Promise::RegistrationTtl => "renew",
            Promise::Dedupe | Promise::AskOutcome => "ask",
            Promise::QuietTell => "tell",
            Promise::Publish => "publish",
            Promise::Broadcast => "broadcast",
            Promise::Discovery => "discover",
            Promise::Sender
            | Promise::AtMostOnce
            | Promise::Fifo
            | Promise::Counts
            | Promise::MessageTtl
            | Promise::IdleTimeout
            | Promise::ShutdownTold => "connect",
        };
        if !promises.knows(verb) {
            return Err(format!("`{promise}` needs the verb `{verb}`"));
        }
        let (time, given) = match promise {
            Promise::Resume => ("resume_window", promises.resume_window),
            Promise::Dedupe => ("dedupe_window", promises.dedupe_window),
            Promise::IdleTimeout => ("idle_timeout", promises.idle_timeout),
            _ => continue,
        };
        if given.is_none() {
            return Err(format!("`{promise}` needs a `{time}`"));
        }
    }
    Ok(())
}

/// Each verb, said by alice.
fn samples() -> Vec<Verb> {
    let (alice, bob, news) = ("alice".to_owned(), "bob".to_owned(), "news".to_owned());
    let (payload, ttl) = (json!({ "text": "hi" }), Some(Duration::from_secs(30)));
    vec![
        Verb::Connect { version: None },
        Verb::Register {
            address: alice.clone(),
            ttl: Duration::from_secs(60),
            renew_on_heartbeat: false,
            capability: None,
        },
        Verb::Subscribe { topic: news.clone() },
        Verb::Tell { to: bob.clone(), payload: payload.clone(), ttl },
        Verb::Ask { to: bob, payload: payload.clone(), ttl: None },
        Verb::Publish { topic: news.clone(), payload: payload.clone(), ttl: None },
        Verb::Broadcast { payload, exclude_self: true, capability: None, ttl: None },
        Verb::Discover { pattern: "*".to_owned() },
        Verb::Query { what: "metrics".to_owned() },
        Verb::Heartbeat,
        Verb::Ping,
        Verb::Renew { address: alice.clone(), token: WhichToken::None },
        Verb::Unsubscribe { topic: news, by_id: false },
        Verb::Unregister { address: alice },
        Verb::Disconnect,
    ]
}

/// One of them as an operation.
fn operation(number: usize, verb: Verb) -> Operation {
    Operation { id: number.to_string(), speaker: "alice".to_owned(), verb }
}

/// Returns whether nothing but a hub could have said so.
fn is_of_a_hub(report: &Report) -> bool {
    matches!(report, Report::Owned { .. } | Report::Done { .. } | Report::Delivered { .. })
}

/// How the tests of a mode are made.
type Tests<'a> = &'a mut dyn FnMut(String, &dyn Fn(&mut Trial) -> Result<(), Failed>);
