//! What a writer takes and loses.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc::{Receiver, channel};

use super::*;

const BOUNDS: Bounds = Bounds { lines_max: 100, bytes_max: 1_000 };

fn path(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("signal-hub-{}-{name}", std::process::id()));
    let _ = fs::remove_file(&path);
    path
}

/// Takes nothing until told to.
struct Gate(Receiver<()>, Arc<Mutex<Vec<u8>>>);

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.recv();
        self.1.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn lines_and_bytes_that_wait_are_bounded_and_the_rest_is_counted() {
    for (bounds, kept) in [
        (Bounds { lines_max: 1_000, bytes_max: 100 }, 10),
        (Bounds { lines_max: 3, bytes_max: 1_000 }, 3),
    ] {
        let (open, gate) = channel();
        let written = Arc::default();
        let gate = Box::new(Gate(gate, Arc::clone(&written)));
        let writer = LineWriter::begin("audit", Path::new("x"), gate, bounds).unwrap();
        for _ in 0..20 {
            writer.lines().write_all(b"123456789\n").unwrap();
        }
        let lost = writer.state()().lines_lost as usize;
        // One batch may have reached the writer's thread before the queue was full.
        assert!((20 - 2 * kept..=20 - kept).contains(&lost), "{lost}");
        drop(open);
        drop(writer);
        assert_eq!(written.lock().unwrap().len(), 10 * (20 - lost));
    }
}

#[test]
fn what_cannot_be_written_is_counted_and_told() {
    let writer = LineWriter::audit(Path::new("/dev/full"), BOUNDS).unwrap();
    let state = writer.state();
    writer.lines().write_all(b"one\ntwo\n").unwrap();
    drop(writer);
    assert_eq!(state(), AuditState { failing: true, lines_lost: 0, write_errors: 2 });
}

/// Takes three bytes, fails once, then takes everything.
#[derive(Default)]
struct Torn(usize, Arc<Mutex<Vec<u8>>>);

impl Write for Torn {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += 1;
        let taken = match self.0 {
            1 => 3,
            2 => return Err(ErrorKind::StorageFull.into()),
            _ => bytes.len(),
        };
        self.1.lock().unwrap().extend(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_line_after_a_torn_one_begins_anew() {
    let torn = Torn::default();
    let written = Arc::clone(&torn.1);
    let mut sheet = Sheet::new(Box::new(torn));
    assert_eq!(sheet.write(b"12345\n").map_err(|unwritten| unwritten.lines), Err(1));
    assert!(sheet.write(b"67890\n").is_ok());
    assert_eq!(*written.lock().unwrap(), b"123\n67890\n");
}

#[test]
fn a_file_that_was_moved_away_is_made_anew_and_only_its_group_reads_it() {
    let (file, moved) = (path("audit"), path("moved"));
    let writer = LineWriter::audit(&file, BOUNDS).unwrap();
    writer.lines().write_all(b"one\n").unwrap();
    fs::rename(&file, &moved).unwrap();
    writer.reopen().unwrap();
    drop(writer);
    assert!(file.exists());
    let all = [&moved, &file].map(|path| fs::read_to_string(path).unwrap());
    assert_eq!(all.concat(), "one\n");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o137, 0);
    let _ = (fs::remove_file(file), fs::remove_file(moved));
}

#[test]
fn a_pipe_that_nobody_reads_is_told_at_once() {
    let pipe = path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let error = LineWriter::audit(&pipe, BOUNDS).err().unwrap();
    assert!(format!("{error:#}").contains("nobody reads this pipe"), "{error:#}");
    let _ = fs::remove_file(pipe);
}
