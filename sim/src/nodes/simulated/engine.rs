//! The engine's process: it serves each hub's process by the connection that came last.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use dst::executor::{Current, CurrentNode, Executor, Node};
use dst::net::SimStream;
use dst::runtime::{Runtime, SimRuntime};
use tokio::select;

use super::line::Line;
use super::shared::{Frame, Shared};
use crate::nodes::scenario;

/// The engine's host.
pub const HOST: &str = scenario::ENGINE;
const PORT: u16 = 4222;
/// Where it is found.
pub const AUTHORITY: &str = "engine:4222";
/// How often it says that it is there.
pub const BEAT_EVERY: Duration = Duration::from_secs(1);
/// Beyond this nothing more is written to a connection until some of it has gone.
const UNWRITTEN_MAX: usize = 1024;

/// Starts the engine's process; what the engine has is in the world.
pub fn start(shared: &Shared) -> CurrentNode {
    let process = Current::current().node(HOST);
    let runtime = SimRuntime::on(shared.net.host(HOST), process.clone());
    let shared = shared.clone();
    process.spawn(Box::pin(async move {
        let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT));
        let listener = runtime.listen(address).await.expect("the engine's host lets it listen");
        loop {
            // A connection that is lost before it is accepted concerns nobody.
            let Ok((stream, _)) = listener.accept().await else { continue };
            runtime.spawn(serve(shared.clone(), runtime.clone(), stream));
        }
    }));
    process
}

async fn serve(shared: Shared, runtime: SimRuntime, stream: SimStream) {
    let mut line = Line::new(shared.clone(), stream);
    let Ok(Frame::Hello(process)) = line.next().await else { return };
    let (number, mut events) = shared.with(|state| state.begin(&process));
    let mut beat = runtime.sleep(BEAT_EVERY);
    loop {
        shared.with(|state| state.pump());
        select! {
            biased;
            frame = line.next() => match frame {
                Ok(Frame::Ask(request, place, last)) => {
                    shared.with(|state| state.ask(&process, number, (request, place, last)));
                }
                Ok(Frame::Hello(_) | Frame::Tell(_) | Frame::Beat) => unreachable!("nodes ask"),
                Err(_) => break,
            },
            event = events.recv(), if line.unwritten() < UNWRITTEN_MAX => match event {
                Some(event) => line.queue(Frame::Tell(event)),
                None => return,
            },
            () = &mut beat => {
                line.queue(Frame::Beat);
                beat = runtime.sleep(BEAT_EVERY);
            }
        }
    }
    shared.with(|state| state.end(&process, number));
}
