//! Several hubs with one set of addresses: what they keep in the engine that they share, and what they tell each
//! other.

pub mod engine;
