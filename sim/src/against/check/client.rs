//! Checks of a dialect that brings a client library.

use std::time::Duration;

use tokio::sync::mpsc::{Receiver, channel};

use super::listener::{Listener, Manner, waited_for};
use super::{Failed, Tests, Trial, is_of_a_hub, operation, samples};
use crate::against::child::ANSWERS_WITHIN;
use crate::against::dialect::{ARRIVALS_MAX, Arrival, Connection, Mute, Verb};
use crate::against::lines::{Hello, Nothing, Ours};

/// How long a library is watched that has nothing to do.
const WATCHED_FOR: Duration = Duration::from_millis(1200);

pub fn checks(hello: &Hello, test: Tests<'_>) {
    for verb in samples() {
        let (word, known) = (verb.word(), hello.promises.knows(verb.word()));
        let has = if known { "has words" } else { "has no words, as it declares," };
        test(format!("{has} for `{word}`"), &|trial| {
            let hub = Listener::begin(Manner::Silent)?;
            let (connection, _arrivals) = trial.begins(&hub)?;
            trial.asks_for(connection, verb.clone(), known)
        });
    }
    test("dials the port that it is given, once".to_owned(), &|trial| {
        let hub = Listener::begin(Manner::Silent)?;
        let (_, mut arrivals) = trial.dials(hub.port())?;
        expect_opened(&mut arrivals)?;
        hub.stays_at(1, WATCHED_FOR)
    });
    test("tells once that the hub ended a connection, and dials no other".to_owned(), &|trial| {
        let hub = Listener::begin(Manner::Closing)?;
        let (_, mut arrivals) = trial.dials(hub.port())?;
        expect_lost(&mut arrivals)?;
        hub.stays_at(1, WATCHED_FOR)
    });
    test("tells that nobody listens".to_owned(), &|trial| {
        let nobody = Listener::begin(Manner::Silent)?.port();
        let (_, mut arrivals) = trial.dials(nobody)?;
        expect_lost(&mut arrivals)
    });
    for (in_order, how) in [(true, "in order"), (false, "at once")] {
        test(format!("ends a connection {how}"), &|trial| {
            let hub = Listener::begin(Manner::Silent)?;
            let (connection, mut arrivals) = trial.begins(&hub)?;
            trial.ask_nothing(Ours::Close { connection, in_order })?;
            expect_lost(&mut arrivals)?;
            hub.loses(1)
        });
    }
    test("keeps connections apart".to_owned(), &kept_apart);
    test("makes nothing of a hub that says nothing readable".to_owned(), &|trial| {
        let hub = Listener::begin(Manner::Garbled)?;
        let (_, mut arrivals) = trial.begins(&hub)?;
        let invented = waited_for(WATCHED_FOR, || match arrivals.try_recv() {
            Ok(Arrival::Heard(heard)) if is_of_a_hub(&heard.report) => Some(heard.report.word()),
            _ => None,
        });
        invented.map_or(Ok(()), |word| Err(format!("it took it for `{word}`")))
    });
    test("answers for connections that are not open".to_owned(), &|trial| {
        let connection = trial.fresh();
        let close = Ours::Close { connection, in_order: true };
        let say = Ours::Say { connection, operation: operation(0, Verb::Ping) };
        [close, say].into_iter().try_for_each(|line| match trial.nothing(line) {
            Ok(()) | Err(Mute::NoWords(_)) => Ok(()),
            Err(Mute::Broken(why)) => Err(why),
        })
    });
}

/// The end of one changes nothing for another.
fn kept_apart(trial: &mut Trial) -> Result<(), Failed> {
    let hub = Listener::begin(Manner::Silent)?;
    let (connection, mut first) = trial.dials(hub.port())?;
    let (_, mut second) = trial.begins(&hub)?;
    trial.ask_nothing(Ours::Close { connection, in_order: false })?;
    expect_lost(&mut first)?;
    let lost = waited_for(WATCHED_FOR, || match second.try_recv() {
        Ok(Arrival::Lost { why, .. }) => Some(why),
        _ => None,
    });
    lost.map_or(Ok(()), |why| Err(format!("the other was lost as well: {why}")))
}

impl Trial {
    fn nothing(&mut self, line: Ours) -> Result<(), Mute> {
        let answer = self.exchange(&line)?;
        let nothing = serde_json::from_value(answer);
        nothing.map(|Nothing {}| ()).map_err(|error| Mute::Broken(error.to_string()))
    }

    fn ask_nothing(&mut self, line: Ours) -> Result<(), Failed> {
        self.nothing(line).map_err(|mute| mute.to_string())
    }

    fn dials(&mut self, port: u16) -> Result<(Connection, Receiver<Arrival>), Failed> {
        let (arrivals, receiver) = channel(ARRIVALS_MAX);
        let connection = self.fresh();
        self.conversation.awaits(connection, arrivals);
        let speaker = "alice".to_owned();
        self.ask_nothing(Ours::Open { connection, port, speaker })?;
        Ok((connection, receiver))
    }

    /// So that a session has begun, as far as the library goes without a hub.
    fn begins(&mut self, hub: &Listener) -> Result<(Connection, Receiver<Arrival>), Failed> {
        let (connection, mut arrivals) = self.dials(hub.port())?;
        expect_opened(&mut arrivals)?;
        for verb in samples().into_iter().take(2) {
            let known = self.hello.promises.knows(verb.word());
            self.asks_for(connection, verb, known)?;
        }
        Ok((connection, arrivals))
    }

    fn asks_for(&mut self, connection: Connection, verb: Verb, known: bool) -> Result<(), Failed> {
        let word = verb.word();
        let line = Ours::Say { connection, operation: operation(0, verb) };
        match self.nothing(line) {
            Ok(()) if known => Ok(()),
            Ok(()) => Err(format!("it has words for `{word}`")),
            Err(Mute::NoWords(_)) if !known => Ok(()),
            Err(Mute::NoWords(why)) => Err(format!("it has no words for `{word}`: {why}")),
            Err(Mute::Broken(why)) => Err(why),
        }
    }
}

fn expect_opened(arrivals: &mut Receiver<Arrival>) -> Result<(), Failed> {
    match waited_for(ANSWERS_WITHIN, || arrivals.try_recv().ok()) {
        Some(Arrival::Opened) => Ok(()),
        Some(other) => Err(format!("it told {other:?} before `opened`")),
        None => Err("it did not tell `opened`".to_owned()),
    }
}

/// Nothing follows.
fn expect_lost(arrivals: &mut Receiver<Arrival>) -> Result<(), Failed> {
    let lost = waited_for(ANSWERS_WITHIN, || match arrivals.try_recv() {
        Ok(Arrival::Lost { .. }) => Some(()),
        _ => None,
    });
    lost.ok_or_else(|| "it did not tell `lost`".to_owned())
}
