//! Plays the examples of docs/PROTOCOL.md against the real server, so that the page cannot rot.

use std::collections::BTreeMap;

use serde_json::Value;
use signal_hub::hub::Config;
use tokio_tungstenite::tungstenite::Message;

use crate::fixture::{Client, Running};

const PAGE: &str = include_str!("../../docs/PROTOCOL.md");

/// One example: who says or hears what.
struct Example {
    line: usize,
    who: String,
    direction: Direction,
    frame: Value,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Says,
    Hears,
}

fn examples() -> Vec<Example> {
    let mut examples = Vec::new();
    let mut lines = PAGE.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(title) = line.strip_prefix("```json ") else { continue };
        let (who, direction) = match (title.strip_suffix(" says"), title.strip_suffix(" hears")) {
            (Some(who), _) => (who, Direction::Says),
            (_, Some(who)) => (who, Direction::Hears),
            (None, None) => panic!("line {}: {title:?} neither says nor hears", number + 1),
        };
        let body: Vec<&str> =
            lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
        let frame = serde_json::from_str(&body.join("\n"))
            .unwrap_or_else(|error| panic!("line {}: {error}", number + 1));
        examples.push(Example { line: number + 1, who: who.to_owned(), direction, frame });
    }
    examples
}

/// What the words in angle brackets stand for.
#[derive(Default)]
struct Meanings(BTreeMap<String, Value>);

impl Meanings {
    fn word(value: &Value) -> Option<&str> {
        value.as_str().filter(|text| text.starts_with('<') && text.ends_with('>'))
    }

    /// The frame with every word replaced by what it stands for.
    fn fill(&self, frame: &Value) -> Value {
        match frame {
            Value::Object(fields) => {
                fields.iter().map(|(key, value)| (key.clone(), self.fill(value))).collect()
            }
            Value::Array(values) => values.iter().map(|value| self.fill(value)).collect(),
            value => match Self::word(value) {
                Some(word) => self.0.get(word).unwrap_or_else(|| panic!("{word} is new")).clone(),
                None => value.clone(),
            },
        }
    }

    /// Returns whether the frame is what the page says; words that are new get their meaning.
    fn matches(&mut self, page: &Value, frame: &Value) -> bool {
        match (page, frame) {
            (Value::Object(page), Value::Object(frame)) => {
                page.len() == frame.len()
                    && page.iter().all(|(key, value)| {
                        frame.get(key).is_some_and(|found| self.matches(value, found))
                    })
            }
            (Value::Array(page), Value::Array(frame)) => {
                page.len() == frame.len()
                    && page.iter().zip(frame).all(|(page, frame)| self.matches(page, frame))
            }
            (page, frame) => match Self::word(page) {
                Some("<time>" | "<id>") => true,
                Some(word) => {
                    self.0.entry(word.to_owned()).or_insert_with(|| frame.clone()) == frame
                }
                None => page == frame,
            },
        }
    }
}

#[tokio::test]
async fn every_example_is_what_the_server_does() {
    let server = Running::start(Config::default()).await;
    let mut clients: BTreeMap<String, Client> = BTreeMap::new();
    let mut meanings = Meanings::default();
    let examples = examples();
    assert!(examples.len() > 20, "the page has examples");
    for Example { line, who, direction, frame } in examples {
        if !clients.contains_key(&who) {
            clients.insert(who.clone(), server.connect().await);
        }
        let client = clients.get_mut(&who).unwrap();
        match direction {
            Direction::Says => client.send(Message::text(meanings.fill(&frame).to_string())).await,
            Direction::Hears => {
                let heard = client.hear().await;
                assert!(
                    meanings.matches(&frame, &heard),
                    "docs/PROTOCOL.md line {line}: {who} heard\n{heard:#}"
                );
            }
        }
    }
}
