//! Numbers of frames over a connection.

use std::io;

use bytes::{Buf, BufMut, BytesMut};
use dst::net::SimStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::select;

use super::shared::{Frame, Shared};

/// One end of a connection between a hub and the engine.
pub struct Line {
    shared: Shared,
    read: ReadHalf<SimStream>,
    write: WriteHalf<SimStream>,
    come: BytesMut,
    goes: BytesMut,
}

impl Line {
    pub fn new(shared: Shared, stream: SimStream) -> Self {
        let (read, write) = tokio::io::split(stream);
        Self { shared, read, write, come: BytesMut::new(), goes: BytesMut::new() }
    }

    /// [`Line::next`] writes it.
    pub fn queue(&mut self, frame: Frame) {
        let number = self.shared.with(|state| state.frame(frame));
        self.goes.put_u64(number);
    }

    /// Bytes that are not written yet.
    pub fn unwritten(&self) -> usize {
        self.goes.len()
    }

    /// Writes what is queued and meanwhile waits for what arrives. Cancel safe.
    ///
    /// # Errors
    /// If the connection has ended.
    pub async fn next(&mut self) -> io::Result<Frame> {
        let Self { shared, read, write, come, goes } = self;
        while come.len() < size_of::<u64>() {
            select! {
                biased;
                read = read.read_buf(come) => if read? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                },
                written = write.write_buf(goes), if !goes.is_empty() => {
                    written?;
                }
            }
        }
        let number = come.get_u64();
        Ok(shared.with(|state| state.unframe(number)))
    }
}
