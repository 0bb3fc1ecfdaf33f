//! Hubs that behave badly on purpose.

#![expect(clippy::disallowed_methods, reason = "hubs of others have threads")]

use std::net::{SocketAddr, TcpListener, TcpStream};

use futures_util::{SinkExt, StreamExt};
use tokio_websockets::{Message, ServerBuilder};

/// What is wrong with a hub.
#[derive(Debug, Clone)]
pub enum Habit {
    /// It accepts streams and says nothing.
    NeverAnswers,
    /// It ends streams at once.
    Resets,
    /// It answers the handshake with 404.
    Refuses,
    /// It closes every connection.
    Closes,
    /// It reads and says nothing.
    Silent,
    /// It says this to whatever it reads.
    Says(String),
    /// The same in bytes.
    SaysBytes(Vec<u8>),
    /// It says the same again and again.
    Floods,
}

/// Starts one, for the rest of the test.
pub fn hub(habit: Habit) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = listener.local_addr().expect("it listens");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let habit = habit.clone();
            std::thread::spawn(move || serve(&habit, stream));
        }
    });
    address
}

fn serve(habit: &Habit, mut stream: TcpStream) {
    match habit {
        Habit::NeverAnswers => std::thread::sleep(std::time::Duration::from_secs(60)),
        Habit::Resets => {}
        Habit::Refuses => {
            use std::io::{Read, Write};
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
        }
        _ => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("the system lets a runtime begin");
            // Whoever tests it leaves when it likes.
            let _ = runtime.block_on(talk(habit, stream));
        }
    }
}

async fn talk(habit: &Habit, stream: TcpStream) -> Result<(), tokio_websockets::Error> {
    stream.set_nonblocking(true)?;
    let stream = tokio::net::TcpStream::from_std(stream)?;
    let (_, mut socket) = ServerBuilder::new().accept(stream).await?;
    if let Habit::Closes = habit {
        return socket.close().await;
    }
    while let Some(message) = socket.next().await.transpose()? {
        if message.is_close() {
            return Ok(());
        }
        match habit {
            Habit::Says(text) => socket.send(Message::text(text.clone())).await?,
            Habit::SaysBytes(bytes) => socket.send(Message::binary(bytes.clone())).await?,
            Habit::Floods => loop {
                socket.send(Message::text(r#"{"type":"pong"}"#)).await?;
            },
            _ => {}
        }
    }
    Ok(())
}
