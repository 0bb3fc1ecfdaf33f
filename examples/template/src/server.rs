//! The server under test: each line that comes is sent back. Of the world it asks for no more than a
//! [`Runtime`] gives, so the very same code runs on a simulated network and on real sockets.

use std::io;
use std::time::Duration;

use dst::runtime::{Listener, Runtime};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// How long it waits when it cannot accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// How the server is set.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// A bug on purpose: of all that one read brings, only the first line is sent back.
    pub first_line_only: bool,
}

/// Serves for as long as it is polled; tells `heard` of each line.
pub async fn serve<R: Runtime>(
    runtime: R,
    mut listener: R::Listener,
    settings: Settings,
    heard: impl Fn(&str) + Clone + Send + Sync + 'static,
) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (settings, heard) = (settings.clone(), heard.clone());
                runtime.spawn(async move {
                    // A connection that breaks ends alone.
                    let _ = answer(stream, &settings, heard).await;
                });
            }
            Err(_) => runtime.sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    settings: &Settings,
    heard: impl Fn(&str),
) -> io::Result<()> {
    let (mut unread, mut chunk) = (Vec::new(), [0; 1024]);
    loop {
        let length = stream.read(&mut chunk).await?;
        if length == 0 {
            return Ok(());
        }
        unread.extend_from_slice(&chunk[..length]);
        while let Some(end) = unread.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = unread.drain(..=end).collect();
            heard(&String::from_utf8_lossy(&line[..end]));
            stream.write_all(&line).await?;
            if settings.first_line_only {
                unread.clear();
            }
        }
    }
}
