//! A server that echoes lines, under simulation: `examples/template` as a program of this workspace.
//!
//! ```sh
//! cargo run --package signal-hub-dst --example echo -- run                     # 200 storms: nothing fails
//! cargo run --package signal-hub-dst --example echo -- run --profile careless  # its bug, made small
//! ```

#[path = "../../../../examples/template/src/server.rs"]
mod server;
#[path = "../../../../examples/template/src/simulated.rs"]
mod simulated;

/// How this is started.
const COMMAND: &str = "cargo run --package signal-hub-dst --example echo --";

fn main() -> std::process::ExitCode {
    dst::commands::main::<simulated::Echo>()
}
