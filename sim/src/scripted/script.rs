//! The script of a hub that behaves badly on purpose: what it does when, as data.

use std::fs;
use std::path::Path;
use std::time::Duration;

use dst::duration_text;
use dst::scenario::{explained, nearest};
use serde::Deserialize;
use signal_hub::hub::Config;
use signal_hub::protocol::ActorAddress;
use signal_hub::settings;

use crate::scenario::MESSAGE_TYPES;

/// What a rule waits for that is no message: somebody has connected, and has said nothing yet.
pub const CONNECT: &str = "connect";

/// What clients say to a hub.
const REQUESTS: [&str; 17] = [
    "hub:connect",
    "hub:heartbeat",
    "hub:disconnect",
    "hub:register",
    "hub:unregister",
    "hub:renew",
    "hub:recover",
    "hub:discover",
    "hub:list_actors",
    "hub:send",
    "hub:broadcast",
    "hub:subscribe",
    "hub:unsubscribe",
    "hub:publish",
    "hub:queue_stats",
    "hub:metrics",
    "hub:refresh_token",
];

/// What a rule has beside the fields of its deed.
const RULE_FIELDS: [&str; 4] = ["on", "connection", "skip", "times"];

const FILE_BYTES_MAX: u64 = 1024 * 1024;
const RULES_MAX: usize = 1_000;
const LASTS_MAX: Duration = Duration::from_secs(3_600);
/// Of a close frame, whose whole payload has 125 bytes.
const REASON_BYTES_MAX: usize = 123;

/// What a hub does when.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// What a client shows that comes through it; for people.
    #[serde(default)]
    pub why: String,
    /// How the hub is set, apart from what the rules do.
    #[serde(default)]
    pub hub: Config,
    /// What it does differently. Those that wait for the same are played in their order.
    pub rules: Vec<Rule>,
}

/// What becomes of something that happens.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Rule {
    /// `connect`, or the type of a message, whoever says it.
    pub on: String,
    /// On which connection alone, counted from 1; on each unless given.
    pub connection: Option<u64>,
    /// How many of them pass as they are before it counts.
    #[serde(default)]
    pub skip: u64,
    /// How often it is played; each time unless given.
    pub times: Option<u64>,
    /// What becomes of it.
    #[serde(flatten)]
    pub deed: Deed,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Deed {
    /// Answers the upgrade with another status than 101, and closes. For `connect` alone.
    Refuse {
        /// The HTTP status.
        status: u16,
    },
    /// Resets the connection: the client gets no close frame, and the message is lost.
    Reset {
        /// After what time the hub learns of it. Until then the session lives on: its close is late.
        #[serde(with = "duration_text", default)]
        hub_learns_after: Duration,
    },
    /// From now on nothing passes, neither way, and nobody is told.
    HalfOpen {},
    /// Closes with this close frame; the message is lost.
    Close {
        /// The close code.
        code: u16,
        /// The reason text.
        #[serde(default)]
        reason: String,
    },
    /// Loses the message.
    Drop {},
    /// Holds the connection up: this and all behind it, both ways.
    Delay {
        /// How long.
        #[serde(with = "duration_text")]
        lasts: Duration,
    },
    /// The message passes once more.
    Repeat {},
    /// Answers a request with `hub:error`; the hub never hears of it.
    Error {
        /// The code, also one that no hub knows.
        code: String,
        /// What the answer says of when to try again.
        #[serde(with = "duration_text::optional", default)]
        retry_after: Option<Duration>,
    },
    /// Says this to the client before the message passes, whatever it is.
    Say {
        /// The text of the frame.
        text: String,
    },
    /// Another session registers an address, and keeps it.
    TakeOver {
        /// Which one.
        address: ActorAddress,
    },
}

impl Deed {
    /// The word of a script.
    pub const fn word(&self) -> &'static str {
        match self {
            Deed::Refuse { .. } => "refuse",
            Deed::Reset { .. } => "reset",
            Deed::HalfOpen {} => "half_open",
            Deed::Close { .. } => "close",
            Deed::Drop {} => "drop",
            Deed::Delay { .. } => "delay",
            Deed::Repeat {} => "repeat",
            Deed::Error { .. } => "error",
            Deed::Say { .. } => "say",
            Deed::TakeOver { .. } => "take_over",
        }
    }

    /// Returns whether it needs no message.
    const fn is_for_connect(&self) -> bool {
        match self {
            Deed::Refuse { .. }
            | Deed::Reset { .. }
            | Deed::HalfOpen {}
            | Deed::Delay { .. }
            | Deed::TakeOver { .. } => true,
            Deed::Close { .. }
            | Deed::Drop {}
            | Deed::Repeat {}
            | Deed::Error { .. }
            | Deed::Say { .. } => false,
        }
    }

    fn check(&self) -> Result<(), String> {
        let within = |name: &str, time: Duration| {
            let must = format!("{name} = {}: at most 1h", humantime::format_duration(time));
            ensure(time <= LASTS_MAX, must)
        };
        match self {
            Deed::Refuse { status } => ensure(
                (200..=599).contains(status),
                format!("status = {status}: expected an HTTP status of 200 to 599"),
            ),
            Deed::Reset { hub_learns_after } => within("hub_learns_after", *hub_learns_after),
            Deed::Delay { lasts } => within("lasts", *lasts),
            Deed::Close { code, reason } => {
                let is_reserved = matches!(code, 1004..=1006 | 1015..=2999);
                let must = format!("code = {code}: no close frame may say this code");
                ensure((1000..=4999).contains(code) && !is_reserved, must)?;
                let must = format!("reason: a close frame takes {REASON_BYTES_MAX} bytes");
                ensure(reason.len() <= REASON_BYTES_MAX, must)
            }
            Deed::HalfOpen {}
            | Deed::Drop {}
            | Deed::Repeat {}
            | Deed::Error { .. }
            | Deed::Say { .. }
            | Deed::TakeOver { .. } => Ok(()),
        }
    }
}

impl Rule {
    fn check(&self) -> Result<(), String> {
        let Rule { on, deed, .. } = self;
        let word = deed.word();
        if on == CONNECT {
            let must = format!("{word} needs a message: give the type of one as \"on\"");
            ensure(deed.is_for_connect(), must)?;
        } else {
            let must = format!("{word} is for \"on\": \"{CONNECT}\" alone");
            ensure(!matches!(deed, Deed::Refuse { .. }), must)?;
        }
        let is_request = REQUESTS.contains(&&**on);
        let is_known = is_request || MESSAGE_TYPES.contains(&&**on);
        if on.starts_with("hub:") && !is_known {
            let words = REQUESTS.iter().chain(MESSAGE_TYPES).copied();
            let meant = nearest(on, words);
            let meant = meant.map_or_else(String::new, |word| format!("; did you mean `{word}`?"));
            return Err(format!("on = {on}: neither a client nor a hub says this{meant}"));
        }
        let must = format!("{word} answers a request, and {on} is none");
        ensure(is_request || !matches!(deed, Deed::Error { .. }), must)?;
        ensure(self.connection != Some(0), "connection = 0: they count from 1".to_owned())?;
        ensure(self.times != Some(0), "times = 0: the rule would do nothing".to_owned())?;
        deed.check()
    }
}

fn ensure(holds: bool, must: String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(must) }
}

/// Where and why it is none. Of a rule's fields, the reader names those of its deed alone.
fn mistake(error: &serde_json::Error) -> String {
    let told = explained(error);
    let wrong = told.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
    let meant = wrong.and_then(|wrong| nearest(wrong, RULE_FIELDS.into_iter()));
    let meant = meant.filter(|_| !told.contains("did you mean"));
    let meant = meant.map_or_else(String::new, |word| format!("; did you mean `{word}`?"));
    format!("{}: {told}{meant}", error.line())
}

/// Reads and checks the text of a script.
///
/// # Errors
/// If it is none, with the line or the rule.
pub fn read(text: &str) -> Result<Script, String> {
    let script: Script = serde_json::from_str(text).map_err(|error| mistake(&error))?;
    settings::check(&script.hub).map_err(|why| format!("1: hub: {why}"))?;
    let rules = &script.rules;
    ensure(!rules.is_empty(), "1: no rules: this hub would behave".to_owned())?;
    ensure(rules.len() <= RULES_MAX, format!("1: {} rules: at most {RULES_MAX}", rules.len()))?;
    for (number, rule) in (1..).zip(rules) {
        rule.check().map_err(|why| format!("1: rule {number}: {why}"))?;
    }
    Ok(script)
}

/// Reads and checks a file.
///
/// # Errors
/// If it cannot be read or is no script, with the file and the line.
pub fn read_file(path: &Path) -> Result<Script, String> {
    let file = path.display();
    let unreadable = |error: std::io::Error| format!("cannot read {file}: {error}");
    let bytes = fs::metadata(path).map_err(unreadable)?.len();
    ensure(bytes <= FILE_BYTES_MAX, format!("{file}: {bytes} bytes: at most {FILE_BYTES_MAX}"))?;
    let text = fs::read_to_string(path).map_err(unreadable)?;
    read(&text).map_err(|why| format!("{file}:{why}"))
}

/// A script that is played.
#[derive(Debug)]
pub struct Play(Vec<Under>);

/// A rule, and what has become of it.
#[derive(Debug)]
struct Under {
    rule: Rule,
    met: u64,
    played: u64,
}

impl Play {
    /// From the beginning.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self(rules.into_iter().map(|rule| Under { rule, met: 0, played: 0 }).collect())
    }

    /// What is to be done when this happens on a connection: rules by their numbers, from 1 on.
    pub fn on(&mut self, connection: u64, what: &str) -> Vec<(usize, Deed)> {
        let rules = (1..).zip(&mut self.0);
        rules
            .filter_map(|(number, Under { rule, met, played })| {
                let is_there = rule.connection.is_none_or(|only| only == connection);
                if !is_there || rule.on != what {
                    return None;
                }
                *met += 1;
                if *met <= rule.skip || rule.times.is_some_and(|times| *played >= times) {
                    return None;
                }
                *played += 1;
                Some((number, rule.deed.clone()))
            })
            .collect()
    }

    /// The numbers of those that were never played, or less often than they say.
    pub fn left(&self) -> Vec<usize> {
        let rules = (1..).zip(&self.0);
        let left = rules.filter(|(_, under)| under.played < under.rule.times.unwrap_or(1));
        left.map(|(number, _)| number).collect()
    }
}

#[cfg(test)]
mod tests {
    use signal_hub::protocol::codec::decode_client_frame;

    use super::*;

    fn rules(text: &str) -> Vec<Rule> {
        read(&format!(r#"{{"rules": [{text}]}}"#)).unwrap().rules
    }

    #[test]
    fn a_rule_is_played_so_often_after_so_many() {
        let rule = r#"{"on": "hub:send", "skip": 1, "times": 2, "do": "drop"}"#;
        let mut play = Play::new(rules(rule));
        let played: Vec<usize> = (0..5).map(|_| play.on(1, "hub:send").len()).collect();
        assert_eq!(played, [0, 1, 1, 0, 0]);
    }

    #[test]
    fn rules_for_the_same_are_played_in_their_order() {
        let mut play = Play::new(rules(
            r#"{"on": "hub:send", "do": "repeat"}, {"on": "note", "do": "drop"},
               {"on": "hub:send", "connection": 2, "do": "say", "text": "[]"}"#,
        ));
        let [first, second] = [1, 2].map(|connection| play.on(connection, "hub:send"));
        assert_eq!(first, [(1, Deed::Repeat {})]);
        assert_eq!(second, [(1, Deed::Repeat {}), (3, Deed::Say { text: "[]".to_owned() })]);
        assert_eq!(play.left(), [2]);
    }

    #[test]
    fn a_mistake_is_told_with_its_rule_and_the_word_that_was_meant() {
        let mistakes = [
            (r#"{"on": "hub:send", "do": "dorp"}"#, "did you mean `drop`?"),
            (r#"{"on": "hub:regster", "do": "drop"}"#, "did you mean `hub:register`?"),
            (r#"{"on": "hub:send", "do": "drop", "tims": 1}"#, "did you mean `times`?"),
            (r#"{"on": "hub:send", "do": "refuse", "status": 503}"#, "\"connect\" alone"),
            (r#"{"on": "connect", "do": "refuse", "status": 101}"#, "status of 200 to 599"),
            (r#"{"on": "connect", "do": "drop"}"#, "drop needs a message"),
            (r#"{"on": "note", "do": "error", "code": "x"}"#, "note is none"),
            (r#"{"on": "note", "do": "close", "code": 1006}"#, "no close frame may say"),
            (r#"{"on": "note", "do": "delay", "lasts": "2h"}"#, "lasts = 2h: at most 1h"),
            (r#"{"on": "note", "do": "drop", "times": 0}"#, "would do nothing"),
            (r#"{"on": "note", "do": "drop", "connection": 0}"#, "they count from 1"),
            ("", "no rules"),
        ];
        for (rule, told) in mistakes {
            let text = format!("{{\"why\": \"\",\n\"rules\": [{rule}]}}");
            let error = read(&text).expect_err(rule);
            assert!(error.contains(told), "{rule}: {error}");
        }
        let error = read(r#"{"hub": {"idle_timeout": "0s"}, "rules": []}"#).unwrap_err();
        assert!(error.starts_with("1: hub: idle_timeout"), "{error}");
    }

    #[test]
    fn the_hub_knows_every_request_of_the_list() {
        for kind in REQUESTS.into_iter().chain(["hub:no_such_verb"]) {
            let frame = format!(
                r#"{{"id": "1", "from": "@(a)", "to": "@(hub)", "type": "{kind}", "pattern": "ask",
                    "timestamp": 1, "payload": {{}}}}"#
            );
            let told =
                format!("{:?}", decode_client_frame(frame.as_bytes(), &Config::default().bounds()));
            assert_eq!(told.contains("Unknown message type"), kind == "hub:no_such_verb", "{told}");
        }
    }

    #[test]
    fn the_page_shows_a_script_and_every_word_of_one() {
        let page = include_str!("../../../docs/CLIENTS.md");
        let (_, section) = page.split_once("## A hub that behaves badly").unwrap();
        let (_, shown) = section.split_once("```json\n").unwrap();
        let (shown, rest) = shown.split_once("```").unwrap();
        assert_eq!(read(shown).unwrap().rules.len(), 3);
        let unknown = read(r#"{"rules": [{"on": "note", "do": ""}]}"#).unwrap_err();
        let words = unknown.split('`').skip(3).step_by(2);
        let missing: Vec<&str> =
            words.filter(|word| !rest.contains(&format!("`{word}`"))).collect();
        assert!(missing.is_empty(), "{missing:?}: {unknown}");
    }
}
