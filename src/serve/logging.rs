//! Where logs and audit records go: to writers of their own threads, which take lines without
//! making anybody wait.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use signal_hub::server::AuditLinesLost;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt as logs};

use super::process::Process;

/// The target of audit records.
const AUDIT: &str = "hub::audit";

/// The writers; dropping this writes what still waits.
pub struct Writers {
    audit_lines_lost: Option<AuditLinesLost>,
    _guards: Vec<WorkerGuard>,
}

impl Writers {
    /// How many audit lines were lost, if any are written.
    pub fn audit_lines_lost(&self) -> Option<AuditLinesLost> {
        self.audit_lines_lost.clone()
    }
}

/// Logs to stderr and writes the audit where it is wanted, from now on.
pub fn begin(process: &Process) -> anyhow::Result<Writers> {
    let (stderr, guard) = tracing_appender::non_blocking(io::stderr());
    let mut writers = Writers { audit_lines_lost: None, _guards: vec![guard] };
    let ordinary = match io::stderr().is_terminal() {
        true => logs::layer().with_writer(stderr).boxed(),
        false => logs::layer().json().with_writer(stderr).boxed(),
    };
    let audit = match &process.audit {
        Some(path) => {
            let (lines, guard) = audit_writer(path, process.audit_lines_max)?;
            let counter = lines.error_counter();
            writers.audit_lines_lost = Some(Arc::new(move || counter.dropped_lines() as u64));
            writers._guards.push(guard);
            let only = Targets::new().with_target(AUDIT, Level::INFO);
            Some(logs::layer().event_format(BareMessage).with_writer(lines).with_filter(only))
        }
        None => None,
    };
    tracing_subscriber::registry()
        .with(ordinary.with_filter(filter(&process.log)?))
        .with(audit)
        .init();
    Ok(writers)
}

/// What the client tools log, for a person. `RUST_LOG` chooses.
pub fn begin_plainly() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    logs::fmt().with_env_filter(filter).with_writer(io::stderr).init();
}

/// Audit records are no logs, unless somebody asks for them by name.
fn filter(text: &str) -> anyhow::Result<EnvFilter> {
    let filter = EnvFilter::try_new(text).context("log is no filter")?;
    match text.contains(AUDIT) {
        true => Ok(filter),
        false => Ok(filter.add_directive(format!("{AUDIT}=off").parse()?)),
    }
}

fn audit_writer(path: &Path, lines_max: usize) -> anyhow::Result<(NonBlocking, WorkerGuard)> {
    let writer: Box<dyn Write + Send> = match path.as_os_str().as_encoded_bytes() {
        b"-" => Box::new(io::stdout()),
        _ => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            Box::new(file.with_context(|| format!("cannot write the audit to {}", path.display()))?)
        }
    };
    Ok(NonBlockingBuilder::default().buffered_lines_limit(lines_max).lossy(true).finish(writer))
}

/// An event's message and nothing else: it is a line of JSON already.
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
