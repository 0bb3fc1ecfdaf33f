//! Conversations with the core: each rule of the protocol in a few lines, the refusal beside the
//! success, whole outputs asserted. Requests travel as JSON text, answers are read back from it. The
//! observers of all other runs judge these, too.

mod fixture;

mod connection;
mod identity;
mod registration;
mod renewal;

mod auth;

mod recovery;
mod resume;
mod takeover;

mod broadcast;
mod dedupe;
mod messaging;
mod pubsub;

mod directory;
mod figures;

mod backpressure;
mod limits;
mod liveness;
mod malformed;
mod prose;
mod rate_limit;
mod shutdown;
mod sizes;
mod work;

mod robustness;
mod room;
