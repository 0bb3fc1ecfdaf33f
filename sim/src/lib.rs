//! sim

pub mod net;

pub mod runtime;
