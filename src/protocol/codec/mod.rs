//! The only place where bytes become protocol types and protocol types become bytes.
//!
//! `client_frame`: what clients send, read by the server and written by the client.
//! `hub_frame`: what the hub sends, written by the server and read by the client.
//!
//! ```
//! use signal_hub::protocol::codec::{
//!     Bounds, HubFrame, decode_client_frame, decode_hub_frame, encode_hub_frame,
//! };
//! use signal_hub::protocol::{ActorAddress, Body, ClientFrame, Malformed, Outgoing, Verb};
//! use signal_hub::time::Timestamp;
//!
//! // What a hub reads: a request, or what is wrong with the frame.
//! let frame = r#"{
//!   "id": "m1", "from": "@(alice)", "to": "@(hub)", "type": "hub:send", "pattern": "ask",
//!   "timestamp": 1700000000000,
//!   "payload": { "to": "@(bob)", "type": "chat:hello", "data": { "text": "hi" } }
//! }"#;
//! let Ok(ClientFrame::Request(request)) = decode_client_frame(frame.as_bytes(), &Bounds::default())
//! else {
//!     panic!("it is an envelope");
//! };
//! let Ok(Verb::Send(send)) = &request.verb else { panic!("its payload is valid") };
//! assert_eq!(send.data.as_str(), r#"{ "text": "hi" }"#);
//! let Err(Malformed::Frame { refusal, .. }) = decode_client_frame(b"[]", &Bounds::default()) else {
//!     panic!("it is no envelope");
//! };
//! assert_eq!(refusal.code.as_str(), "internal_error");
//!
//! // What a hub writes, and a client reads.
//! let [hub, alice]: [ActorAddress; 2] = ["@(hub)".parse()?, "@(alice)".parse()?];
//! let pong = Outgoing::new(uuid::Uuid::nil(), alice, Timestamp::from_millis(5), Body::Pong);
//! let text = encode_hub_frame(&pong, &hub);
//! assert_eq!(text, r#"{"type":"pong"}"#);
//! assert_eq!(decode_hub_frame(&text.into())?, HubFrame::Pong);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bounds;
mod client_frame;
mod fields;
mod hub_frame;
mod write;

pub use bounds::Bounds;
pub use client_frame::{
    Template, decode_client_frame, decode_client_text, decode_plain_frame, decode_thoroughly,
    encode_client_frame,
};
pub use hub_frame::{
    HubBody, HubFrame, HubMessage, InvalidHubFrame, SEQ_LEN_MAX, copy_len, decode_hub_frame,
    encode_hub_frame, hand_over, payload_text, write_hub_frame,
};
