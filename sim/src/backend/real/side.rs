//! One end of a carried connection: the socket towards it, and what it has sent that has not arrived.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::FutureExt;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::TcpStream;

/// What travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    Data(Bytes),
    Fin,
    Reset,
}

#[derive(Debug)]
struct Segment {
    arrives: Duration,
    piece: Piece,
    /// It stays late when everything else is hurried.
    late: bool,
}

/// What came of reading.
#[derive(Debug)]
pub enum Read {
    Data(Bytes),
    Ended,
    Reset,
    Nothing,
}

/// What came of writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// All that was due.
    Whole,
    /// The rest has to wait.
    Part,
    /// Nobody takes it.
    Refused,
}

#[derive(Debug)]
pub struct Side {
    /// None once its end has let go, or knows of a reset.
    socket: Option<TcpStream>,
    in_flight: VecDeque<Segment>,
    last_arrival: Duration,
    /// Bytes that count against its window.
    pub window_used: usize,
    /// Its end has said all that it will.
    pub ended: bool,
    /// It was told that nothing more comes from the other end.
    pub told: bool,
    /// What it has sent is held without a time at which to look again.
    pub parked: bool,
    /// Nobody takes what it sends: it was or will be told.
    pub refused: bool,
    /// Its socket takes nothing more at the moment.
    full: bool,
}

impl Side {
    pub fn new(socket: TcpStream) -> Self {
        Self {
            socket: Some(socket),
            in_flight: VecDeque::new(),
            last_arrival: Duration::ZERO,
            window_used: 0,
            ended: false,
            told: false,
            parked: false,
            refused: false,
            full: false,
        }
    }

    pub fn is_there(&self) -> bool {
        self.socket.is_some()
    }

    /// Whether nothing more comes from this end or goes to it.
    pub fn is_over(&self) -> bool {
        self.socket.is_none() || (self.ended && self.told)
    }

    /// Puts `piece` behind all others, there at `arrives` at the earliest.
    pub fn push(&mut self, arrives: Duration, piece: Piece) {
        self.last_arrival = self.last_arrival.max(arrives);
        let arrives = self.last_arrival;
        self.in_flight.push_back(Segment { arrives, piece, late: false });
    }

    /// Puts the orderly end behind everything, `late` later than it would arrive.
    pub fn push_late_end(&mut self, arrives: Duration, late: Duration) {
        let arrives = self.last_arrival.max(arrives).saturating_add(late);
        self.in_flight.push_back(Segment { arrives, piece: Piece::Fin, late: true });
    }

    /// Puts a reset behind everything but a late end, which it overtakes.
    pub fn push_reset(&mut self, arrives: Duration) {
        if self.in_flight.back().is_some_and(|segment| segment.late) {
            self.in_flight.pop_back();
        }
        self.push(arrives, Piece::Reset);
    }

    /// When the first piece in flight arrives.
    pub fn next_arrival(&self) -> Option<Duration> {
        self.in_flight.front().map(|segment| segment.arrives)
    }

    /// Lets the first piece arrive at `at`.
    pub fn postpone(&mut self, at: Duration) {
        if let Some(first) = self.in_flight.front_mut() {
            first.arrives = first.arrives.max(at);
        }
    }

    /// Lets everything arrive by `at` that is not late on purpose.
    pub fn hurry(&mut self, at: Duration) {
        for segment in self.in_flight.iter_mut().filter(|segment| !segment.late) {
            segment.arrives = segment.arrives.min(at);
        }
        self.last_arrival = self.last_arrival.min(at);
    }

    pub fn first(&self) -> Option<&Piece> {
        self.in_flight.front().map(|segment| &segment.piece)
    }

    /// Drops the first piece in flight.
    pub fn pop(&mut self) {
        if let Some(Segment { piece: Piece::Data(bytes), .. }) = self.in_flight.pop_front() {
            self.window_used -= bytes.len();
        }
    }

    /// Drops everything in flight; the window stays as full as it is.
    pub fn lose_all(&mut self) {
        self.in_flight.clear();
        self.parked = false;
    }

    /// Reads at most `most` bytes of what this end has sent.
    pub fn read(&mut self, most: usize) -> Read {
        let Some(socket) = &self.socket else { return Read::Nothing };
        let mut buffer = vec![0; most];
        match socket.try_read(&mut buffer) {
            Ok(0) => Read::Ended,
            Ok(length) => {
                buffer.truncate(length);
                Read::Data(buffer.into())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Read::Nothing,
            Err(_) => Read::Reset,
        }
    }

    /// Hands the bytes at the front of what `from` has sent to this end.
    pub fn take_from(&mut self, from: &mut Side) -> Written {
        let Some(Segment { piece: Piece::Data(bytes), .. }) = from.in_flight.front_mut() else {
            return Written::Whole;
        };
        let Some(socket) = &self.socket else { return Written::Refused };
        match socket.try_write(bytes) {
            Ok(written) => {
                from.window_used -= written;
                bytes.advance(written);
                match bytes.is_empty() {
                    true => Written::Whole,
                    false => {
                        self.full = true;
                        Written::Part
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.full = true;
                Written::Part
            }
            Err(_) => Written::Refused,
        }
    }

    /// Tells this end of an orderly end.
    pub fn end(&mut self) {
        self.told = true;
        if let Some(socket) = &mut self.socket {
            // It never waits, and a socket that cannot be shut down has ended already.
            let _ = socket.shutdown().now_or_never();
        }
    }

    /// Has this end see a reset.
    pub fn reset(&mut self) {
        if let Some(socket) = self.socket.take() {
            // Without this the kernel would say goodbye: a reset that is an orderly end is no reset.
            socket.set_zero_linger().expect("a TCP socket can be closed with a reset");
        }
        self.ended = true;
    }

    /// Lets go of a socket whose end has gone itself.
    pub fn let_go(&mut self) {
        self.socket = None;
        self.ended = true;
    }

    /// Ends when the socket can be read, if `reads`, or takes bytes again.
    pub async fn ready(&self, reads: bool) {
        let interest = match (reads && !self.ended, self.full) {
            (true, true) => Interest::READABLE | Interest::WRITABLE,
            (true, false) => Interest::READABLE,
            (false, true) => Interest::WRITABLE,
            (false, false) => return std::future::pending().await,
        };
        match &self.socket {
            Some(socket) => {
                // What is wrong with it shows at the next read or write.
                let _ = socket.ready(interest).await;
            }
            None => std::future::pending().await,
        }
    }

    pub fn try_again(&mut self) {
        self.full = false;
    }
}
