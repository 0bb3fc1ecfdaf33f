//! A picture in text: time runs down, each client has a column, the hub the last one, and what they say to each other
//! are arrows.

/// Characters from one column to the next.
const COLUMN: usize = 30;
/// Characters from the first column to the hub's, at least.
const SPAN_MIN: usize = 50;
/// Characters before the first column: the time.
const LEFT: usize = 14;
/// What marks the event that broke something.
pub const BROKEN: char = '✗';

/// Where columns and texts stand in a line.
#[derive(Debug, Clone, Copy)]
pub struct Canvas {
    clients: usize,
    note: usize,
}

/// From whom to whom an arrow goes, and what stands at it.
#[derive(Debug, Clone, Copy)]
pub struct Arrow<'a> {
    /// The column of who speaks.
    pub from: usize,
    /// That of who hears it, or would have.
    pub to: usize,
    /// Whether it never arrives.
    pub is_lost: bool,
    /// What the shaft is made of.
    pub stroke: char,
    /// On the way.
    pub label: &'a str,
    /// Beside the hub.
    pub note: &'a str,
}

impl Canvas {
    /// For so many clients and the hub, with so many characters behind its column.
    pub fn new(clients: usize, note: usize) -> Self {
        Self { clients, note }
    }

    /// The hub's column.
    pub fn hub(self) -> usize {
        self.clients
    }

    /// Characters of a line that no note cuts.
    pub fn width(self) -> usize {
        self.at(self.clients) + self.note
    }

    /// What each column is, under what the picture says of itself.
    pub fn heading(self, names: impl IntoIterator<Item = String>) -> String {
        let mut line = format!("{:>13}", "seconds");
        for (column, name) in names.into_iter().enumerate() {
            let gap = (LEFT + self.at(column)).saturating_sub(line.chars().count());
            line.push_str(&" ".repeat(gap));
            line.push_str(&name);
        }
        line + "\n"
    }

    /// A drawn line, with its time and the sign of what broke something.
    pub fn timed(self, time: &str, is_broken: bool, line: &str) -> String {
        let sign = if is_broken { BROKEN } else { ' ' };
        format!("{sign}{time:>12} {line}").trim_end().to_owned()
    }

    /// What concerns all.
    pub fn across(self, text: &str) -> String {
        let text = format!("═══ {text} ");
        text.chars().chain(std::iter::repeat('═')).take(self.at(self.clients)).collect()
    }

    /// What somebody does alone.
    pub fn mark(self, column: usize, text: &str) -> String {
        let mut line = self.empty();
        let (at, hub) = (self.at(column), self.at(self.clients));
        let room = if column == self.clients { self.note } else { hub - at - 4 };
        line[at] = '●';
        write(&mut line, at + 1, &format!(" {} ", cut(text, room)));
        line.into_iter().collect()
    }

    /// What goes from one column to another.
    pub fn arrow(self, arrow: Arrow<'_>) -> String {
        let mut line = self.empty();
        let (left, right) = (self.at(arrow.from.min(arrow.to)), self.at(arrow.from.max(arrow.to)));
        for cell in &mut line[left + 1..right] {
            *cell = if *cell == '│' { '┼' } else { arrow.stroke };
        }
        (line[left], line[right]) = ('├', '┤');
        let (head, tip) =
            if arrow.to > arrow.from { (right - 1, '▶') } else { (left + 1, '◀') };
        line[head] = if arrow.is_lost { '✕' } else { tip };
        let label = cut(arrow.label, right - left - 6);
        if !label.is_empty() {
            write(&mut line, left + 3, &format!(" {label} "));
        }
        write(&mut line, self.at(self.clients) + 2, &cut(arrow.note, self.note));
        line.into_iter().collect()
    }

    fn at(self, column: usize) -> usize {
        if column == self.clients { (column * COLUMN).max(SPAN_MIN) } else { column * COLUMN }
    }

    /// A line in which nothing happens.
    fn empty(self) -> Vec<char> {
        let mut line = vec![' '; self.width() + 4];
        for column in 0..=self.clients {
            line[self.at(column)] = '│';
        }
        line
    }
}

/// What the sign of what broke something means, if it stands at this place of so many.
pub fn legend(broken: Option<usize>, events: usize) -> String {
    let is_last = broken.is_some_and(|broken| broken + 1 == events);
    let marked = if is_last { "the event that broke it" } else { "where a wait in vain began" };
    format!("{BROKEN} marks {marked}")
}

/// So many characters of it, each of which leaves the line whole.
pub fn cut(text: &str, length: usize) -> String {
    let plain = text.chars().map(|c| if c.is_control() { '·' } else { c });
    match text.chars().nth(length) {
        Some(_) => plain.take(length.saturating_sub(1)).chain(['…']).collect(),
        None => plain.collect(),
    }
}

fn write(line: &mut [char], at: usize, text: &str) {
    line[at..].iter_mut().zip(text.chars()).for_each(|(cell, c)| *cell = c);
}
