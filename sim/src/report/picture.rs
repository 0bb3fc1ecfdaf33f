//! A story as a picture in text: time runs down, every client has a column, the hub the last one,
//! and what they say to each other are arrows.

use std::collections::BTreeMap;

use dst::report::canvas::{Arrow as Line, Canvas, cut, legend};
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
/// Characters behind the hub's column: three columns, the time and a note are 140.
const NOTE: usize = 34;
/// Rows whose changes are told.
const CHANGES_MAX: usize = 6;

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
    let canvas = Canvas::new(columns.clients.len(), NOTE);
    let mut painter = Painter { links: &links, columns, canvas, lines: Vec::new() };
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
    let legend = legend(Some(broken), events.len());
    let mut text = format!("(seconds; s1, s2, ... are sessions of the hub; {legend})\n");
    text.push_str(&painter.canvas.heading(painter.columns.names()));
    for line in &painter.lines[shown..] {
        text.push_str(line);
        text.push('\n');
    }
    Some(text)
}

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

    fn client(&self, client: &ClientName) -> Option<usize> {
        self.clients.iter().position(|known| known == client)
    }

    /// The column of a host: that of its actor's youngest client.
    fn host(&self, host: &str) -> Option<usize> {
        let own = |client: &ClientName| *client.actor == *host;
        self.clients.iter().rposition(own)
    }

    fn names(&self) -> impl Iterator<Item = String> {
        self.clients.iter().map(ToString::to_string).chain(["hub".to_owned()])
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
    canvas: Canvas,
    lines: Vec<String>,
}

impl Painter<'_> {
    fn event(&mut self, number: usize, event: &Event, place: &Place, is_last: bool) {
        let begin = self.lines.len();
        match &event.what {
            What::Hub(hub) => self.hub(number, hub, place),
            What::Client { client, event } => match self.columns.client(client) {
                Some(at) => self.mark(at, &event.to_string()),
                None => self.mark(self.canvas.hub(), &format!("{client} {event}")),
            },
            What::Net(NetEventKind::Injected { fault, .. }) => {
                let at = fault.hosts().iter().find_map(|host| self.columns.host(host));
                self.mark(at.unwrap_or(self.canvas.hub()), &format!("fault {fault}"));
            }
            What::Net(net) => self.mark(0, &net.to_string()),
            What::HubStarted { .. } => self.mark(self.canvas.hub(), "starts"),
            What::HubStopped { how } => self.mark(
                self.canvas.hub(),
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
                self.mark(at.unwrap_or(self.canvas.hub()), &step.in_short());
            }
            What::Run(milestone) => {
                self.lines.push(self.canvas.across(&milestone.to_string()));
            }
        }
        let time = format!("{:.6}", event.at.as_secs_f64());
        for (place, line) in self.lines[begin..].iter_mut().enumerate() {
            let time = if place == 0 { time.as_str() } else { "" };
            *line = self.canvas.timed(time, is_last && place == 0, line);
        }
    }

    /// Where the columns would be, so that nothing is cut that need not be.
    fn changes(&mut self, changes: &[String]) {
        let room = self.canvas.width();
        let shown = changes.iter().take(CHANGES_MAX);
        self.lines.extend(shown.map(|change| self.canvas.timed("", false, &cut(change, room))));
        if let Some(more) = changes.len().checked_sub(CHANGES_MAX + 1) {
            self.lines.push(self.canvas.timed("", false, &format!("and {} more rows", more + 1)));
        }
    }

    fn hub(&mut self, number: usize, hub: &HubEvent, place: &Place) {
        let lane = |key: &SessionKey| self.lane(place.session(*key));
        let hub_at = self.canvas.hub();
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
        let hub = self.canvas.hub();
        let Some(client) = lane else {
            let verb = if towards == Towards::Hub { "" } else { "to " };
            return self.mark(hub, &format!("{verb}{note}: {label}"));
        };
        let (from, to) = if towards == Towards::Hub { (client, hub) } else { (hub, client) };
        let is_lost = towards == Towards::Nobody;
        self.lines.push(self.canvas.arrow(Line { from, to, is_lost, stroke, label, note }));
    }

    /// One line of somebody alone.
    fn mark(&mut self, column: usize, text: &str) {
        self.lines.push(self.canvas.mark(column, text));
    }
}
