//! Sends logs and audit records to writers with their own threads, so that nobody waits for a
//! write.

use std::fmt;
use std::io::{self, IsTerminal};

use anyhow::Context;
use signal_hub::server::AuditStates;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt as logs, reload};

use super::lines::{Bounds, LineWriter};
use signal_hub::settings::Process;

/// The target of audit records.
const AUDIT: &str = "hub::audit";

/// The writers. On drop they write what still waits.
pub struct Writers {
    // Dropped first, so that what it says at its end is logged.
    audit: Option<LineWriter>,
    change_filter: ChangeFilter,
    _log: LineWriter,
}

type ChangeFilter = Box<dyn Fn(EnvFilter) -> anyhow::Result<()> + Send + Sync>;

impl Writers {
    /// The state of the audit's writer, if there is one.
    pub fn audit_states(&self) -> Option<AuditStates> {
        self.audit.as_ref().map(LineWriter::state)
    }

    /// Opens the audit's file again, if there is one.
    pub fn reopen_audit(&self) -> anyhow::Result<()> {
        self.audit.as_ref().map_or(Ok(()), LineWriter::reopen)
    }

    /// From now on logs what this filter lets through.
    pub fn set_filter(&self, text: &str) -> anyhow::Result<()> {
        (self.change_filter)(filter(text)?)
    }
}

/// From now on logs to stderr, and writes the audit where `process` says.
pub fn begin(process: &Process) -> anyhow::Result<Writers> {
    let log = LineWriter::log()?;
    let ordinary = if io::stderr().is_terminal() {
        logs::layer().with_writer(log.lines()).boxed()
    } else {
        logs::layer().json().with_writer(log.lines()).boxed()
    };
    let audit = match &process.audit {
        Some(path) => {
            let (lines_max, bytes_max) = (process.audit_lines_max, process.audit_bytes_max);
            Some(LineWriter::audit(path, Bounds { lines_max, bytes_max })?)
        }
        None => None,
    };
    let records = audit.as_ref().map(|audit| {
        let only = Targets::new().with_target(AUDIT, Level::INFO);
        logs::layer().event_format(BareMessage).with_writer(audit.lines()).with_filter(only).boxed()
    });
    let (filter, handle) = reload::Layer::new(filter(&process.log)?);
    // In one list, because beside a layer that is not there no target counts as unread.
    let layers: Vec<_> =
        [ordinary.with_filter(filter).boxed()].into_iter().chain(records).collect();
    tracing_subscriber::registry().with(layers).init();
    let change_filter =
        Box::new(move |filter| handle.reload(filter).context("cannot change the log filter"));
    Ok(Writers { audit, change_filter, _log: log })
}

/// Logs to a person, for the client tools. `RUST_LOG` is the filter.
pub fn begin_plainly() {
    let wanted = std::env::var("RUST_LOG").ok().filter(|text| !text.trim().is_empty());
    let filter = wanted.and_then(|text| EnvFilter::try_new(text).ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new("info"));
    logs::fmt().with_env_filter(filter).with_writer(io::stderr).init();
}

/// Leaves audit records out of the logs, unless the text names their target.
fn filter(text: &str) -> anyhow::Result<EnvFilter> {
    let filter = EnvFilter::try_new(text).context("log is no filter")?;
    if text.contains(AUDIT) {
        Ok(filter)
    } else {
        Ok(filter.add_directive(format!("{AUDIT}=off").parse()?))
    }
}

/// Formats only an event's message, which is already a line of JSON.
struct BareMessage;

impl<S, N> FormatEvent<S, N> for BareMessage
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Line { writer, result: Ok(()) };
        event.record(&mut line);
        line.result
    }
}

struct Line<'a> {
    writer: Writer<'a>,
    result: fmt::Result,
}

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.result = writeln!(self.writer, "{value:?}");
        }
    }
}
