//! I51: what one input makes the hub do is bounded by what the input and its outcome are, and by the
//! walks that the protocol has.

use signal_hub::hub::{Config, Input, Output, Work};
use signal_hub::protocol::codec::encode_client_frame;
use signal_hub::protocol::{ActorAddress, ClientFrame, Discover, ErrorCode, Verb};

use super::super::{HubObserver, Invariant, Moment, Verdict, broken};

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
    fn walk(&self, moment: &Moment<'_>) -> usize {
        if matches!(moment.hub.input, Input::Shutdown) {
            return moment.before.session_count();
        }
        let verb = moment.asked.as_ref().and_then(|asked| asked.verb());
        let rows = match verb {
            Some(Verb::Discover(ask)) => candidates(moment, ask),
            Some(Verb::ListActors(_)) => moment.before.address_count(),
            // Whether a copy is too long is up to the recipient with the longest address.
            Some(Verb::Publish(_) | Verb::Broadcast(_)) if is_too_long(moment) => {
                moment.before.address_count()
            }
            Some(_) | None => return 0,
        };
        rows.min(self.config.scan_rows_max)
    }
}

impl HubObserver for BoundedWork {
    fn observe(&mut self, moment: &Moment<'_>) -> Verdict {
        let (hub, Work { rows, bytes }) = (moment.hub, moment.hub.work);
        let touched = &hub.touched;
        let changed = touched.sessions.len() + touched.addresses.len() + touched.topics.len();
        let rows_max = ROWS + ROWS_EACH * (hub.outputs.len() + changed);
        if rows > rows_max && rows > rows_max + self.walk(moment) {
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
        Ok(())
    }

    fn watches_silence(&self) -> bool {
        true
    }
}

fn is_too_long(moment: &Moment<'_>) -> bool {
    moment.asked.as_ref().is_some_and(|asked| asked.refused == Some(ErrorCode::MessageTooLarge))
}

/// Those whom the request must look at: whose names begin as asked and who have each capability.
fn candidates(moment: &Moment<'_>, ask: &Discover) -> usize {
    let prefix = ask.prefix();
    let begins = |address: &ActorAddress| address.as_str().starts_with(&prefix);
    let rows = moment.before.address_rows().filter(|(address, _)| begins(address));
    let known: Vec<_> =
        rows.filter_map(|(address, _)| moment.before.registration(address)).collect();
    let rarest = |wanted: &str| {
        let has = |own: &[String]| own.iter().any(|own| own == wanted);
        known.iter().filter(|row| has(&row.asked().capabilities)).count()
    };
    match ask.metadata.is_empty() {
        true => ask.wanted_capabilities().map(rarest).min().unwrap_or(known.len()),
        false => known.iter().map(|row| 1 + row.asked().metadata.len() / COMPARED_BYTES).sum(),
    }
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
