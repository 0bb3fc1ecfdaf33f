//! The only place where bytes become protocol types and protocol types become bytes.
//!
//! `client_frame`: what clients send, read by the server and written by the client.
//! `hub_frame`: what the hub sends, written by the server and read by the client.

mod bounds;
mod client_frame;
mod fields;
mod hub_frame;
mod write;

pub use bounds::Bounds;
pub use client_frame::{
    decode_client_frame, decode_plain_frame, decode_thoroughly, encode_client_frame,
};
pub use hub_frame::{
    HubBody, HubFrame, HubMessage, InvalidHubFrame, SEQ_LEN_MAX, copy_len, decode_hub_frame,
    encode_hub_frame, hand_over, payload_text, write_hub_frame,
};
