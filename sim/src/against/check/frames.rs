//! Checks of a dialect that makes and reads frames.

use serde_json::json;

use super::{Failed, Tests, Trial, is_of_a_hub, operation, samples};
use crate::against::dialect::{Connection, Frame, Mute, Operation, Report, Turn, Verb};
use crate::against::history::escaped;
use crate::against::lines::{Hello, Ours};

/// Bytes of a payload that is long, and of a frame that says nothing.
const LONG: usize = 200_000;

pub fn checks(hello: &Hello, test: Tests<'_>) {
    for (number, verb) in samples().into_iter().enumerate() {
        let (word, operation) = (verb.word(), operation(number, verb));
        if hello.promises.knows(word) {
            test(format!("has words for `{word}`"), &|trial| {
                let connection = trial.opens()?;
                trial.says(connection, &operation)
            });
        } else {
            test(format!("has no words for `{word}`, as it declares"), &|trial| {
                let connection = trial.opens()?;
                let line = Ours::Say { connection, operation: operation.clone() };
                trial.has_no_words(serde_json::to_value(line).unwrap_or_default())
            });
        }
    }
    test("has words for a long payload".to_owned(), &|trial| {
        if !trial.hello.promises.knows("tell") {
            return Ok(());
        }
        let connection = trial.opens()?;
        let payload = json!({ "text": "x".repeat(LONG) });
        let tell = Verb::Tell { to: "bob".to_owned(), payload, ttl: None };
        let turn = trial.turn(Ours::Say { connection, operation: operation(0, tell) })?;
        let bytes: usize = turn.frames.iter().map(length).sum();
        if bytes >= LONG { Ok(()) } else { Err(format!("its frames have {bytes} bytes")) }
    });
    test("makes nothing of frames that say nothing".to_owned(), &|trial| {
        let connection = trial.opens()?;
        senseless().into_iter().try_for_each(|frame| trial.makes_nothing_of(connection, frame))
    });
    test("keeps connections apart".to_owned(), &kept_apart);
    test("answers for connections that are not open".to_owned(), &|trial| {
        let connection = trial.fresh();
        trial.turn_or_nothing(Ours::Closed { connection })?;
        let frame = Frame::Text("late".to_owned());
        trial.turn_or_nothing(Ours::Hear { connection, frame })?;
        let operation = operation(0, Verb::Ping);
        trial.turn_or_nothing(Ours::Say { connection, operation })
    });
}

/// The end of one changes nothing for another.
fn kept_apart(trial: &mut Trial) -> Result<(), Failed> {
    let (first, second) = (trial.opens()?, trial.opens()?);
    let known: Vec<Verb> =
        samples().into_iter().filter(|verb| trial.hello.promises.knows(verb.word())).collect();
    for (number, verb) in known.into_iter().enumerate() {
        let end = matches!(verb, Verb::Disconnect);
        let operation = operation(number, verb);
        trial.says(first, &operation)?;
        if end {
            trial.turn_or_nothing(Ours::Closed { connection: first })?;
        }
        trial.says(second, &Operation { id: format!("second-{number}"), ..operation })?;
    }
    Ok(())
}

impl Trial {
    fn turn(&mut self, line: Ours) -> Result<Turn, Failed> {
        let answer = self.exchange(&as_line(&line)).map_err(|mute| mute.to_string())?;
        let shown = escaped(&answer.to_string());
        serde_json::from_value(answer).map_err(|error| format!("{error}: {shown}"))
    }

    /// No words are an answer, too.
    fn turn_or_nothing(&mut self, line: Ours) -> Result<(), Failed> {
        match self.exchange(&as_line(&line)) {
            Ok(_) | Err(Mute::NoWords(_)) => Ok(()),
            Err(Mute::Broken(why)) => Err(why),
        }
    }

    fn opens(&mut self) -> Result<Connection, Failed> {
        let connection = self.fresh();
        self.turn(Ours::Opened { connection, client: "alice".to_owned() }).map(|_| connection)
    }

    fn says(&mut self, connection: Connection, operation: &Operation) -> Result<(), Failed> {
        let turn = self.turn(Ours::Say { connection, operation: operation.clone() })?;
        if turn == Turn::default() {
            let word = operation.verb.word();
            return Err(format!("`{word}` makes no frame, and nothing is known at once either"));
        }
        Ok(())
    }

    fn makes_nothing_of(&mut self, connection: Connection, frame: Frame) -> Result<(), Failed> {
        let shown = escaped(&format!("{frame:?}").chars().take(60).collect::<String>());
        let turn = self.turn(Ours::Hear { connection, frame })?;
        let invented = turn.heard.iter().map(|heard| &heard.report).find(|report| {
            is_of_a_hub(report) || matches!(report, Report::Connected { .. } | Report::Told { .. })
        });
        invented.map_or(Ok(()), |report| Err(format!("it took {shown} for `{}`", report.word())))
    }
}

fn as_line(line: &Ours) -> serde_json::Value {
    serde_json::to_value(line).unwrap_or_default()
}

fn length(frame: &Frame) -> usize {
    match frame {
        Frame::Text(text) => text.len(),
        Frame::Binary(bytes) => bytes.len(),
    }
}

fn senseless() -> Vec<Frame> {
    let texts = ["", " ", "\n", "null", "7", "{}", "[]", "{", "\u{0}", "\u{1f4a5}"];
    let long = Frame::Text("x".repeat(LONG));
    let bytes = [Vec::new(), vec![0], vec![0xff; 64]];
    let texts = texts.into_iter().map(|text| Frame::Text(text.to_owned()));
    texts.chain([long]).chain(bytes.map(Frame::Binary)).collect()
}
