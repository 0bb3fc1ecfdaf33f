//! What must come true once the faults are over: L1 to L8, and L10 of clients. The director looks at L1, L2, L4 and
//! L5; the others show in the history.

mod agreement;
mod asks;
mod delays;
mod ping_pong;
mod promptness;
mod renewals;
mod shutdown;

pub use agreement::{Agreement, check_agreement};
pub(super) use asks::Asks;
pub(super) use delays::Delays;
pub(super) use ping_pong::PingPong;
pub use promptness::{check_rest_in_time, probe_unanswered};
pub(super) use renewals::Renewals;
pub(super) use shutdown::Shutdown;
