//! A story as a picture in text: time runs down, every client has a column, the hub the last one,
//! and what they say to each other are arrows.

use std::collections::BTreeMap;

use signal_hub::hub::{Input, Output, SessionKey};
use signal_hub::protocol::{ClientFrame, Malformed};

use super::links::{Arrow, Carries, Fate, HubSession, Links, Place};
use super::story::output;
use super::words::{id, noted, said, why_gone};
use crate::history::{ClientName, Event, HubEvent, Stop, What};
use crate::net::NetEventKind;
use crate::scenario;

/// Columns beside the hub's; what others say and hear is noted beside the hub.
const CLIENTS_MAX: usize = 3;
const LINES_MAX: usize = 40;
/// Rows whose changes are told.
const CHANGES_MAX: usize = 6;
/// Where the first column stands: the time is before it.
const LEFT: usize = 14;
/// Characters from one client's column to the next: three, the time and a note are 140.
const COLUMN: usize = 30;
/// Characters from the first column to the hub's, at least.
const SPAN_MIN: usize = 50;
/// Characters behind the hub's column.
const NOTE_LENGTH: usize = 34;

/// The chosen events, if any client takes part in them; under the one that broke something, what it
/// changed.
pub fn picture(
    events: &[Event],
    chosen: &[usize],
    broken: usize,
    changes: &[String],
) -> Option<String> {
    let links = Links::of(events);
    let columns = Columns::of(events, chosen, &links)?;
    let mut painter = Painter { links: &links, columns, lines: Vec::new() };
    let mut place = Place::default();
    let mut next = chosen.iter().peekable();
    for (number, event) in events.iter().enumerate() {
        place.pass(event);
        if next.next_if_eq(&&number).is_some() {
            painter.event(number, event, &place, number == broken);
            if number == broken {
                painter.changes(changes);
            }
        }
    }
    let shown = painter.lines.len().saturating_sub(LINES_MAX);
    let marked = match broken + 1 == events.len() {
        true => "the event that broke it",
        false => "where a wait in vain began",
    };
    let mut text =
        format!("(seconds; s1, s2, ... are sessions of the hub; {BROKEN} marks {marked})\n");
    text.push_str(&painter.columns.heading());
    for line in &painter.lines[shown..] {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    Some(text)
}

const BROKEN: char = '✗';

/// Who has a column: the clients that came last into the story.
struct Columns {
    clients: Vec<ClientName>,
}

impl Columns {
    fn of(events: &[Event], chosen: &[usize], links: &Links) -> Option<Self> {
        let mut latest: BTreeMap<&ClientName, usize> = BTreeMap::new();
        let mut place = Place::default();
        for (number, event) in events.iter().enumerate() {
            place.pass(event);
            if chosen.binary_search(&number).is_err() {
                continue;
            }
            match &event.what {
                What::Client { client, .. } => drop(latest.insert(client, number)),
                What::Hub(hub) => {
                    let told = hub.outputs.iter().filter_map(|o| output(o).map(|(key, _)| key));
                    let keys = hub.input.session().into_iter().chain(told);
                    let known = keys.filter_map(|key| links.sessions.get(&place.session(key)));
                    latest.extend(known.map(|connection| (&connection.client, number)));
                }
                What::HubStarted { .. }
                | What::HubStopped { .. }
                | What::Net(_)
                | What::Run(_)
                | What::Step { .. } => {}
            }
        }
        let mut ranked: Vec<(usize, &ClientName)> =
            latest.into_iter().map(|(c, n)| (n, c)).collect();
        ranked.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        let mut clients: Vec<ClientName> =
            ranked.into_iter().take(CLIENTS_MAX).map(|(_, client)| client.clone()).collect();
        clients.sort();
        (!clients.is_empty()).then_some(Self { clients })
    }

    fn at(&self, column: usize) -> usize {
        LEFT + column * COLUMN
    }

    fn hub(&self) -> usize {
        LEFT + self.span()
    }

    fn span(&self) -> usize {
        (self.clients.len() * COLUMN).max(SPAN_MIN)
    }

    fn client(&self, client: &ClientName) -> Option<usize> {
        self.clients.iter().position(|known| known == client).map(|column| self.at(column))
    }

    /// The column of a host: that of its actor's youngest client.
    fn host(&self, host: &str) -> Option<usize> {
        let own = |client: &ClientName| *client.actor == *host;
        self.clients.iter().rposition(own).map(|column| self.at(column))
    }

    fn heading(&self) -> String {
        let mut line = format!("{:>13}", "seconds");
        let names = self.clients.iter().map(ToString::to_string).enumerate();
        let columns = names.map(|(column, name)| (self.at(column), name));
        for (at, name) in columns.chain([(self.hub(), "hub".to_owned())]) {
            let gap = at.saturating_sub(line.chars().count());
            line.push_str(&" ".repeat(gap));
            line.push_str(&name);
        }
        line.push('\n');
        line
    }
}

/// Who says something to whom.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Towards {
    Hub,
    Client,
    /// It never arrived there.
    Nobody,
}

struct Painter<'a> {
    links: &'a Links,
    columns: Columns,
    lines: Vec<String>,
}

impl Painter<'_> {
    fn event(&mut self, number: usize, event: &Event, place: &Place, is_last: bool) {
        let begin = self.lines.len();
        match &event.what {
            What::Hub(hub) => self.hub(number, hub, place),
            What::Client { client, event } => match self.columns.client(client) {
                Some(at) => self.mark(at, &event.to_string()),
                None => self.mark(self.columns.hub(), &format!("{client} {event}")),
            },
            What::Net(NetEventKind::Injected { fault, .. }) => {
                let at = fault.hosts().iter().find_map(|host| self.columns.host(host));
                self.mark(at.unwrap_or(self.columns.hub()), &format!("fault {fault}"));
            }
            What::Net(net) => self.mark(LEFT, &net.to_string()),
            What::HubStarted { .. } => self.mark(self.columns.hub(), "starts"),
            What::HubStopped { how } => self.mark(
                self.columns.hub(),
                match how {
                    Stop::InOrder => "has shut down",
                    Stop::Crashed => "crashes",
                    Stop::Failed => "gives up",
                },
            ),
            What::Step { step, .. } => {
                let at = match &step.what {
                    scenario::What::Act { who, .. } => self.columns.host(who.actor()),
                    scenario::What::Network(fault) => {
                        fault.hosts().iter().find_map(|host| self.columns.host(host))
                    }
                    scenario::What::Hub(_) => None,
                };
                self.mark(at.unwrap_or(self.columns.hub()), &step.in_short());
            }
            What::Run(milestone) => {
                let line = format!("═══ {milestone} {}", "═".repeat(self.columns.span()));
                self.lines.push(line.chars().take(self.columns.span()).collect());
            }
        }
        let time = format!("{:>12.6}", event.at.as_secs_f64());
        for (place, line) in self.lines[begin..].iter_mut().enumerate() {
            let sign = if is_last && place == 0 { BROKEN } else { ' ' };
            let time = if place == 0 { time.as_str() } else { "" };
            *line =
                format!("{sign}{time:>12} {}{line}", if line.starts_with('═') { " " } else { "" });
        }
    }

    /// Where the columns would be, so that nothing is cut that need not be.
    fn changes(&mut self, changes: &[String]) {
        let room = self.columns.span() + NOTE_LENGTH;
        let shown = changes.iter().take(CHANGES_MAX);
        self.lines.extend(shown.map(|change| format!("{:LEFT$}{}", "", cut(change, room))));
        if let Some(more) = changes.len().checked_sub(CHANGES_MAX + 1) {
            self.lines.push(format!("{:LEFT$}and {} more rows", "", more + 1));
        }
    }

    fn hub(&mut self, number: usize, hub: &HubEvent, place: &Place) {
        let lane = |key: &SessionKey| self.lane(place.session(*key));
        let hub_at = self.columns.hub();
        match &hub.input {
            Input::Frame(key, frame) => {
                let (label, id) = match frame {
                    Ok(ClientFrame::Ping) => ("ping".to_owned(), String::new()),
                    Ok(ClientFrame::Request(request)) => (said(request), id(request)),
                    Err(Malformed::Frame { refusal, .. }) => {
                        (format!("nonsense: {}", refusal.message), String::new())
                    }
                    Err(Malformed::TooLarge { .. }) => ("too much".to_owned(), String::new()),
                };
                let note = format!("{key} {id}");
                self.arrow(lane(key), Towards::Hub, '─', &label, &note);
            }
            Input::Closed(key, cause) => {
                let note = format!("{key} is gone: {}", why_gone(*cause));
                self.arrow(lane(key), Towards::Hub, '╌', "", &note);
            }
            Input::Opened(key, _) => {
                self.arrow(lane(key), Towards::Hub, '╌', "opens", &key.to_string());
            }
            Input::Restored(rows) => {
                self.mark(hub_at, &format!("finds {} rows in its store", rows.len()));
            }
            Input::Alive(key) => self.mark(hub_at, &format!("{key} is alive")),
            Input::Drained(key, _) => self.mark(hub_at, &format!("{key} took messages")),
            Input::Tick => self.mark(hub_at, "a deadline is due"),
            Input::Late(_) => self.mark(hub_at, "stood still"),
            Input::Shutdown => self.mark(hub_at, "is to shut down"),
        }
        for (index, one) in hub.outputs.iter().enumerate() {
            if let Output::Audit(record) = one
                && let Some(note) = noted(record)
            {
                self.mark(hub_at, &note);
            }
            let Some((key, label)) = output(one) else { continue };
            let stroke =
                if matches!(one, Output::Close(..) | Output::Linger(..)) { '╌' } else { '─' };
            let lane = self.lane(place.session(key));
            let towards = self.fate(number, index);
            self.arrow(lane, towards, stroke, &label, &key.to_string());
        }
    }

    fn lane(&self, session: HubSession) -> Option<usize> {
        self.columns.client(&self.links.sessions.get(&session)?.client)
    }

    fn fate(&self, number: usize, index: usize) -> Towards {
        let arrows = &self.links.arrows;
        let begin = arrows.partition_point(|arrow| arrow.from < number);
        let mine = arrows[begin..].iter().take_while(|arrow| arrow.from == number);
        match mine.into_iter().find(|arrow| arrow.carries == Carries::Output(index)) {
            Some(Arrow { fate: Fate::Lost, .. }) => Towards::Nobody,
            Some(_) | None => Towards::Client,
        }
    }

    /// One line between a client's column and the hub's; a session that nobody is known to have
    /// speaks from nowhere.
    fn arrow(
        &mut self,
        lane: Option<usize>,
        towards: Towards,
        stroke: char,
        label: &str,
        note: &str,
    ) {
        let hub = self.columns.hub();
        let Some(at) = lane else {
            let verb = if towards == Towards::Hub { "" } else { "to " };
            return self.mark(hub, &format!("{verb}{note}: {label}"));
        };
        let mut line = self.empty();
        for cell in &mut line[at - LEFT + 1..hub - LEFT] {
            *cell = if *cell == '│' { '┼' } else { stroke };
        }
        (line[at - LEFT], line[hub - LEFT]) = ('├', '┤');
        match towards {
            Towards::Hub => line[hub - LEFT - 1] = '▶',
            Towards::Client => line[at - LEFT + 1] = '◀',
            Towards::Nobody => line[at - LEFT + 1] = '✕',
        }
        let room = hub - at - 6;
        let label = cut(label, room);
        if !label.is_empty() {
            write(&mut line, at - LEFT + 3, &format!(" {label} "));
        }
        write(&mut line, hub - LEFT + 2, &cut(note, NOTE_LENGTH));
        self.lines.push(line.into_iter().collect());
    }

    /// One line of somebody alone.
    fn mark(&mut self, at: usize, text: &str) {
        let mut line = self.empty();
        let room = if at == self.columns.hub() { NOTE_LENGTH } else { self.columns.hub() - at - 4 };
        line[at - LEFT] = '●';
        write(&mut line, at - LEFT + 1, &format!(" {} ", cut(text, room)));
        self.lines.push(line.into_iter().collect());
    }

    fn empty(&self) -> Vec<char> {
        let mut line = vec![' '; self.columns.span() + NOTE_LENGTH + 4];
        for column in 0..self.columns.clients.len() {
            line[self.columns.at(column) - LEFT] = '│';
        }
        line[self.columns.span()] = '│';
        line
    }
}

fn write(line: &mut [char], at: usize, text: &str) {
    line[at..].iter_mut().zip(text.chars()).for_each(|(cell, c)| *cell = c);
}

/// So many characters of it, each of which leaves the line whole.
fn cut(text: &str, length: usize) -> String {
    let plain = text.chars().map(|c| if c.is_control() { '·' } else { c });
    match text.chars().nth(length) {
        Some(_) => plain.take(length.saturating_sub(1)).chain(['…']).collect(),
        None => plain.collect(),
    }
}
