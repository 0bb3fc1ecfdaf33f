//! A dialect that is a process of its own: lines of JSON on its stdin and stdout, one answer to each of ours
//! (docs/DIALECTS.md). Whatever it does instead, there is a sentence for it, soon.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use super::dialect::{
    ARRIVALS_MAX, Arrival, Connection, Dialect, Frame, Library, Mute, Operation, Promises, Speaker,
    Turn,
};
use super::history::escaped;
use super::lines::{Fault, Hello, Line, Mode, Nothing, Ours, PROTOCOL, Sorry, Theirs};
use super::process::{Group, Output};

/// Bytes of a line of the process.
pub const LINE_MAX: usize = 1 << 20;
/// What it may take to answer one of ours.
pub const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// What it may take to start, and to answer the first.
const STARTS_WITHIN: Duration = Duration::from_secs(20);
/// Answers that nobody asked for, until it is given up.
const ANSWERS_MAX: usize = 16;
/// Why nothing is read of a process that closed its stdout.
const ENDED: &str = "it ended";
/// Lines of its stderr that are shown with an error, the last ones.
const LINES_SHOWN: usize = 12;
/// What is waited for a process to end that says no more.
const ENDS_WITHIN: Duration = Duration::from_millis(500);

impl Speaker {
    /// Starts the process with its arguments, and has it say what the hub promises.
    ///
    /// # Errors
    /// If it cannot be started, or does not keep to the lines.
    pub fn start(argv: &[String]) -> Result<Self, Mute> {
        let (conversation, hello) = Conversation::begin(argv)?;
        Ok(conversation.speaker(hello))
    }
}

/// Lines to and from one process.
pub struct Conversation {
    process: Group,
    said: Output,
    // Dropped, it closes the process's stdin.
    lines: Option<Sender<String>>,
    answers: Receiver<Answer>,
    shared: Arc<Mutex<Shared>>,
    next: u64,
    /// Why it is over. It stays so.
    over: Option<String>,
}

/// What the thread that reads knows as well.
#[derive(Default)]
struct Shared {
    /// Why nothing is read any more.
    broken: Option<String>,
    /// The greatest number of a connection so far.
    opened: Connection,
    arrivals: BTreeMap<Connection, mpsc::Sender<Arrival>>,
}

/// An answer, without its number.
struct Answer {
    n: u64,
    says: Map<String, Value>,
}

impl Conversation {
    /// Starts the process and exchanges the first lines.
    ///
    /// # Errors
    /// If it cannot be started, or does not keep to the lines.
    pub fn begin(argv: &[String]) -> Result<(Self, Hello), Mute> {
        let (program, arguments) =
            argv.split_first().ok_or_else(|| Mute::Broken("no program is named".to_owned()))?;
        let cannot = |error: std::io::Error| {
            Mute::Broken(format!("cannot start {}: {error}", escaped(program)))
        };
        let mut command = Command::new(program);
        command.args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let process = Group::start(&mut command).map_err(cannot)?;
        let said = Output::default();
        process.keep_errors(&said);
        let shared = Arc::<Mutex<Shared>>::default();
        let (lines, to_write) = channel();
        let (answered, answers) = sync_channel(ANSWERS_MAX);
        if let Some((stdin, stdout)) = process.pipes() {
            let known = Arc::clone(&shared);
            let thread = |name: &str| thread::Builder::new().name(name.to_owned());
            thread("stdin").spawn(move || write(stdin, &to_write)).map_err(cannot)?;
            thread("stdout").spawn(move || read(stdout, &answered, &known)).map_err(cannot)?;
        }
        let mut conversation =
            Self { process, said, lines: Some(lines), answers, shared, next: 0, over: None };
        let init = Ours::Init { protocol: PROTOCOL };
        let hello = conversation.ask(init)?;
        Ok((conversation, hello))
    }

    /// Whoever speaks by it.
    pub fn speaker(self, hello: Hello) -> Speaker {
        let (conversation, promises) = (self, hello.promises);
        match hello.mode {
            Mode::Frames => Speaker::Frames(Box::new(Frames { conversation, promises })),
            Mode::Client => Speaker::Client(Box::new(Client { conversation, promises })),
        }
    }

    /// Says a line and reads its answer.
    ///
    /// # Errors
    /// If the answer is an error, or is none.
    pub fn ask<T: DeserializeOwned>(&mut self, what: Ours) -> Result<T, Mute> {
        let line = Line { n: self.next, what };
        let line = serde_json::to_value(line).map_err(|error| self.breaks(&error.to_string()))?;
        let answer = self.exchange(line)?;
        serde_json::from_value(answer).map_err(|error| {
            let number = self.next - 1;
            self.breaks(&format!("its answer to line {number} makes no sense: {error}"))
        })
    }

    /// Says whatever object under the next number, and reads its answer.
    ///
    /// # Errors
    /// If the answer is an error, or is none.
    pub fn exchange(&mut self, mut line: Value) -> Result<Value, Mute> {
        if self.over.is_some() || self.shared().broken.is_some() {
            return Err(self.breaks("it says no more"));
        }
        let n = self.next;
        self.next += 1;
        line["n"] = n.into();
        // Its thread ends with the process's stdin; then there is no answer either.
        let _ = self.lines.as_ref().map(|lines| lines.send(format!("{line}\n")));
        let patience = if n == 0 { STARTS_WITHIN } else { ANSWERS_WITHIN };
        let answer = match self.answers.recv_timeout(patience) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => {
                let within = patience.as_secs();
                let line = escaped(&line.to_string());
                return Err(self.breaks(&format!("it did not answer within {within} s: {line}")));
            }
            Err(RecvTimeoutError::Disconnected) => return Err(self.breaks("it says no more")),
        };
        if answer.n != n {
            let number = answer.n;
            return Err(self.breaks(&format!("it answered line {number} where line {n} was next")));
        }
        let answer = Value::Object(answer.says);
        if answer.get("error").is_none() {
            return Ok(answer);
        }
        let sorry: Sorry = serde_json::from_value(answer).map_err(|error| {
            self.breaks(&format!("its error in answer to line {n} makes no sense: {error}"))
        })?;
        let why = escaped(&sorry.why);
        Err(match sorry.error {
            Fault::NoWords => Mute::NoWords(why),
            Fault::Broken => self.breaks(&format!("it gave up at line {n}: {why}")),
        })
    }

    /// Hands on what it tells of the connection, until that is lost.
    pub fn awaits(&self, connection: Connection, arrivals: mpsc::Sender<Arrival>) {
        let mut shared = self.shared();
        shared.opened = shared.opened.max(connection);
        shared.arrivals.insert(connection, arrivals);
    }

    /// Closes its stdin. Returns whether it ends by itself in as much time as an answer may take.
    pub fn ends_when_left(mut self) -> bool {
        self.lines = None;
        self.process.ended_within(ANSWERS_WITHIN).is_some()
    }

    /// Ends the process: why, unless that is known, and what is known of its own account.
    fn breaks(&mut self, why: &str) -> Mute {
        if let Some(why) = self.over.clone() {
            return Mute::Broken(why);
        }
        let known = self.shared().broken.take();
        let has_ended = known.as_deref() == Some(ENDED);
        let status = has_ended.then(|| self.process.ended_within(ENDS_WITHIN)).flatten();
        self.process.end();
        let mut why = known.unwrap_or_else(|| why.to_owned());
        why.extend(status.map(|status| format!(" ({status})")));
        let said = self.said.last_words(ENDS_WITHIN);
        let lines: Vec<&str> = said.lines().collect();
        let last = &lines[lines.len().saturating_sub(LINES_SHOWN)..];
        why.extend(last.iter().map(|line| format!("\n  stderr: {line}")));
        self.shared().arrivals.clear();
        self.over = Some(why.clone());
        Mute::Broken(why)
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write(mut stdin: ChildStdin, lines: &Receiver<String>) {
    for line in lines {
        if stdin.write_all(line.as_bytes()).is_err() {
            return;
        }
    }
}

/// Until the end of the process, or to its first mistake.
fn read(stdout: ChildStdout, answers: &SyncSender<Answer>, shared: &Mutex<Shared>) {
    let mut stdout = BufReader::new(stdout);
    let why = loop {
        let read = next_line(&mut stdout).and_then(|line| take(&line, answers, shared));
        if let Err(why) = read {
            break why;
        }
    };
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    shared.broken.get_or_insert(why);
    shared.arrivals.clear();
}

fn next_line(stdout: &mut BufReader<ChildStdout>) -> Result<Vec<u8>, String> {
    let mut line = Vec::new();
    let read = stdout.take(LINE_MAX as u64 + 1).read_until(b'\n', &mut line);
    if line.len() > LINE_MAX {
        return Err(format!("a line of its has more than {LINE_MAX} bytes"));
    }
    match read {
        Ok(0) => Err(ENDED.to_owned()),
        Ok(_) => Ok(line),
        Err(error) => Err(format!("it cannot be read: {error}")),
    }
}

/// An answer is handed to whoever waits for it, anything else to the connection that it is of.
fn take(line: &[u8], answers: &SyncSender<Answer>, shared: &Mutex<Shared>) -> Result<(), String> {
    let garbled = |error: &dyn std::fmt::Display| {
        let line = escaped(String::from_utf8_lossy(line).trim_end());
        format!("a line of its makes no sense, {error}: {line}")
    };
    let mut says: Map<String, Value> =
        serde_json::from_slice(line).map_err(|error| garbled(&error))?;
    if let Some(n) = says.remove("n") {
        let n = n.as_u64().ok_or_else(|| garbled(&"its number is none"))?;
        let handed = answers.try_send(Answer { n, says });
        return handed.map_err(|_| format!("it answers what nobody asked: line {n}"));
    }
    let theirs = serde_json::from_value(Value::Object(says)).map_err(|error| garbled(&error))?;
    let (connection, arrival) = match theirs {
        Theirs::Opened { connection } => (connection, Arrival::Opened),
        Theirs::Heard { connection, heard } => (connection, Arrival::Heard(heard)),
        Theirs::Lost { connection, code, why } => (connection, Arrival::Lost { code, why }),
    };
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    if connection > shared.opened {
        return Err(garbled(&"there is no such connection"));
    }
    let is_last = matches!(arrival, Arrival::Lost { .. });
    let told = shared.arrivals.get(&connection).map(|arrivals| arrivals.try_send(arrival));
    if let Some(Err(mpsc::error::TrySendError::Full(_))) = told {
        return Err(format!("it told {ARRIVALS_MAX} things that nobody had the time to read"));
    }
    if is_last {
        shared.arrivals.remove(&connection);
    }
    Ok(())
}

struct Frames {
    conversation: Conversation,
    promises: Promises,
}

impl Dialect for Frames {
    fn promises(&self) -> &Promises {
        &self.promises
    }

    fn opened(&mut self, connection: Connection, client: &str) -> Turn {
        let client = client.to_owned();
        // A process that is broken says so when it is next asked for anything.
        self.conversation.ask(Ours::Opened { connection, client }).unwrap_or_default()
    }

    fn say(&mut self, connection: Connection, operation: &Operation) -> Result<Turn, Mute> {
        self.conversation.ask(Ours::Say { connection, operation: operation.clone() })
    }

    fn hear(&mut self, connection: Connection, frame: &Frame) -> Result<Turn, Mute> {
        self.conversation.ask(Ours::Hear { connection, frame: frame.clone() })
    }

    fn closed(&mut self, connection: Connection) {
        let _: Result<Nothing, Mute> = self.conversation.ask(Ours::Closed { connection });
    }
}

struct Client {
    conversation: Conversation,
    promises: Promises,
}

impl Client {
    fn tell(&mut self, what: Ours) -> Result<(), Mute> {
        self.conversation.ask(what).map(|Nothing {}| ())
    }
}

impl Library for Client {
    fn promises(&self) -> &Promises {
        &self.promises
    }

    fn open(
        &mut self,
        connection: Connection,
        port: u16,
        speaker: &str,
        arrivals: mpsc::Sender<Arrival>,
    ) -> Result<(), Mute> {
        self.conversation.awaits(connection, arrivals);
        self.tell(Ours::Open { connection, port, speaker: speaker.to_owned() })
    }

    fn say(&mut self, connection: Connection, operation: &Operation) -> Result<(), Mute> {
        self.tell(Ours::Say { connection, operation: operation.clone() })
    }

    fn close(&mut self, connection: Connection, in_order: bool) -> Result<(), Mute> {
        self.tell(Ours::Close { connection, in_order })
    }
}
