//! I51: what one input makes the hub do is bounded by what the input and its outcome are, and by the
//! walks that the protocol has.

use signal_hub::hub::{Config, Input, Output, Work};
use signal_hub::protocol::codec::encode_client_frame;
use signal_hub::protocol::{ClientFrame, Discover, Reply, Verb};

use super::super::{HubObserver, Invariant, Transition, Verdict, broken};
use super::directory::{Row, behind, registered};

/// Rows that any input may go through.
const ROWS: usize = 16;
/// Rows for each output and each row that changed.
const ROWS_EACH: usize = 3;
/// Bytes that any input may have written anew.
const BYTES: usize = 8 * 1024;
/// Bytes for each byte of the input and of what is sent.
const BYTES_EACH: usize = 3;
/// So many bytes of metadata that are compared count as one more row.
const COMPARED_BYTES: usize = 128;

/// I51.
pub struct BoundedWork {
    config: Config,
}

impl BoundedWork {
    pub fn new(config: &Config) -> Self {
        Self { config: config.clone() }
    }

    /// How many rows the walk of the input may go through.
    fn walk(&self, transition: &Transition<'_>) -> usize {
        let asked = transition.asked.as_ref().and_then(|asked| asked.verb());
        match (&transition.hub.input, asked) {
            (Input::Shutdown, _) => transition.before.session_count(),
            // The reply lists what the address is subscribed to, and counts what it has no room for.
            (_, Some(Verb::Register(register))) => {
                let row = transition.after.address(&register.actor_address);
                row.map_or(0, |row| row.topics.len())
            }
            (_, _) => searched(transition).min(self.config.scan_rows_max),
        }
    }
}

impl HubObserver for BoundedWork {
    fn observe(&mut self, transition: &Transition<'_>) -> Verdict {
        let (hub, Work { rows, bytes, .. }) = (transition.hub, transition.hub.work);
        let touched = &hub.touched;
        let changed = touched.sessions.len()
            + touched.addresses.len()
            + touched.topics.len()
            + touched.logs.len();
        let rows_max = ROWS + ROWS_EACH * (hub.outputs.len() + changed);
        if rows > rows_max && rows > rows_max + self.walk(transition) {
            let outputs = hub.outputs.len();
            return broken(
                Invariant::I51,
                format!(
                    "{rows} rows gone through for {outputs} outputs and {changed} rows changed"
                ),
            );
        }
        if bytes > BYTES && bytes > BYTES + BYTES_EACH * (heard(&hub.input) + said(&hub.outputs)) {
            return broken(Invariant::I51, format!("{bytes} bytes written anew"));
        }
        check_search(transition)
    }

    fn watches_silence(&self) -> bool {
        true
    }
}

/// Whether a search says rightly how much it looked at: at all that may fit, unless its page ended.
fn check_search(transition: &Transition<'_>) -> Verdict {
    let (scanned, most) = (transition.hub.work.scanned, searched(transition));
    let (shown, has_more) = match transition.asked.as_ref().and_then(|asked| asked.reply) {
        Some(Reply::Discovered(told)) => (told.actors.len(), told.has_more),
        Some(Reply::ActorList(told)) => (told.actors.len(), told.has_more),
        Some(_) | None => (0, true),
    };
    let least = if has_more { shown } else { most };
    if (least..=most).contains(&scanned) {
        Ok(())
    } else {
        broken(
            Invariant::I51,
            format!("{scanned} rows are said to be looked at, and it was {least} to {most}"),
        )
    }
}

/// What the rows weigh that the search must look at, if it is one.
fn searched(transition: &Transition<'_>) -> usize {
    match transition.asked.as_ref().and_then(|asked| asked.verb()) {
        Some(Verb::Discover(ask)) => candidates(transition, ask),
        Some(Verb::ListActors(ask)) if ask.offset < registered(transition).count() => {
            registered(transition).filter(behind(ask.cursor.as_ref())).count()
        }
        Some(_) | None => 0,
    }
}

/// Those whose names begin as asked, and who have the capability that fewest have.
fn candidates(transition: &Transition<'_>, ask: &Discover) -> usize {
    let has = |(.., known): &Row<'_>, wanted: &str| {
        known.asked().capabilities.iter().any(|own| own == wanted)
    };
    let able = |wanted: &&str| registered(transition).filter(|row| has(row, wanted)).count();
    let rarest = ask.wanted_capabilities().min_by_key(able);
    let prefix = ask.prefix();
    let weight = |(.., known): Row<'_>| {
        if ask.metadata.is_empty() { 1 } else { 1 + known.asked().metadata.len() / COMPARED_BYTES }
    };
    registered(transition)
        .filter(|row| row.0.as_str().starts_with(&prefix))
        .filter(|row| rarest.is_none_or(|rarest| has(row, rarest)))
        .filter(behind(ask.cursor.as_ref()))
        .map(weight)
        .sum()
}

/// Bytes of the input, if it is a frame.
fn heard(input: &Input) -> usize {
    match input {
        Input::Frame(_, Ok(frame @ ClientFrame::Request(_))) => encode_client_frame(frame).len(),
        _ => 0,
    }
}

/// Bytes of the messages.
fn said(outputs: &[Output]) -> usize {
    let weight = |output: &Output| match output {
        Output::Send(_, message) => message.weight(),
        Output::Close(..) | Output::Linger(..) | Output::Audit(_) => 0,
    };
    outputs.iter().map(weight).sum()
}
