//! A server that echoes lines, under simulation.
//!
//! ```sh
//! cargo run -- run                       # 200 storms: nothing fails
//! cargo run -- run --profile careless    # its bug: found, made small and drawn; a file is left
//! cargo run -- show failures/EveryLineComesBack-....json
//! ```

mod server;
mod simulated;
#[cfg(test)]
mod tests;

/// How this is started: what reports tell to type.
const COMMAND: &str = "cargo run --";

fn main() -> std::process::ExitCode {
    dst::commands::main::<simulated::Echo>()
}
