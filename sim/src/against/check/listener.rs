//! A listener of ours, which is no hub.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::Failed;
use crate::against::child::ANSWERS_WITHIN;

const LOOK_UP_EVERY: Duration = Duration::from_millis(10);

/// What it does with connections.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It reads, and says nothing.
    Silent,
    /// It ends each at once.
    Closing,
    /// It says what no protocol has, and reads.
    Garbled,
}

/// On a port of its own, until it is dropped.
pub struct Listener {
    port: u16,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    accepted: AtomicUsize,
    ended: AtomicUsize,
    over: AtomicBool,
}

impl Listener {
    pub fn begin(manner: Manner) -> Result<Self, Failed> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| error.to_string())?;
        let port = listener.local_addr().map_err(|error| error.to_string())?.port();
        let seen = Arc::<Seen>::default();
        let known = Arc::clone(&seen);
        let accept = move || {
            for stream in listener.incoming().flatten() {
                if known.over.load(Ordering::SeqCst) {
                    return;
                }
                known.accepted.fetch_add(1, Ordering::SeqCst);
                let known = Arc::clone(&known);
                let _ = thread::Builder::new().spawn(move || attend(stream, manner, &known));
            }
        };
        thread::Builder::new().spawn(accept).map_err(|error| error.to_string())?;
        Ok(Self { port, seen })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether so many connections came, and no more for a while.
    pub fn stays_at(&self, connections: usize, watched_for: Duration) -> Result<(), Failed> {
        let more = waited_for(watched_for, || {
            let accepted = self.seen.accepted.load(Ordering::SeqCst);
            (accepted > connections).then_some(())
        });
        let accepted = self.seen.accepted.load(Ordering::SeqCst);
        if more.is_some() || accepted < connections {
            return Err(format!("it dialled {accepted} times"));
        }
        Ok(())
    }

    /// Whether so many connections end.
    pub fn loses(&self, connections: usize) -> Result<(), Failed> {
        let ended = waited_for(ANSWERS_WITHIN, || {
            (self.seen.ended.load(Ordering::SeqCst) >= connections).then_some(())
        });
        ended.ok_or_else(|| "the connection does not end".to_owned())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.seen.over.store(true, Ordering::SeqCst);
        // Whoever accepts looks up.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

fn attend(mut stream: TcpStream, manner: Manner, seen: &Seen) {
    if manner == Manner::Closing {
        return;
    }
    if manner == Manner::Garbled {
        let _ = stream.write_all(&[0xff; 64]);
    }
    let mut bytes = [0; 4096];
    while let Ok(1..) = stream.read(&mut bytes) {}
    seen.ended.fetch_add(1, Ordering::SeqCst);
}

/// What comes of it within so much time.
pub fn waited_for<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let mut waited = Duration::ZERO;
    loop {
        let found = look();
        if found.is_some() || waited >= patience {
            return found;
        }
        thread::sleep(LOOK_UP_EVERY);
        waited += LOOK_UP_EVERY;
    }
}
