//! Payloads and metadata whose JSON differs from the protocol's types.

use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use crate::protocol::{ActorAddress, Details, ErrorCode, Refusal, RenewalToken};
use crate::time::Timestamp;

/// What replies say in their metadata: hub:connected the token's address, hub:registered its
/// outcome once more, and every reply the request's trace id.
#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReplyMetadata<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor_identity: Option<ActorAddress>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor_address: Option<ActorAddress>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renewal_token: Option<RenewalToken>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", skip_deserializing)]
    pub trace_id: Option<&'a str>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ErrorPayload {
    code: ErrorCode,
    message: String,
    resolution: String,
    details: serde_json::Value,
}

impl From<&Refusal> for ErrorPayload {
    fn from(refusal: &Refusal) -> Self {
        Self {
            code: refusal.code,
            message: refusal.message.to_string(),
            resolution: refusal.resolution.to_string(),
            details: details_json(&refusal.details),
        }
    }
}

fn details_json(details: &Details) -> serde_json::Value {
    match details {
        Details::None => serde_json::json!({}),
        Details::Field { field, expected, received } => {
            serde_json::json!({ "field": field, "expected": expected, "received": received })
        }
        Details::RetryAfter { wait, limit } => serde_json::json!({
            "retryAfterMs": u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            "retryAfter": wait.as_millis().div_ceil(1000) as u64,
            "limit": limit,
        }),
        Details::Size { actual, max } => {
            serde_json::json!({ "actualSize": actual, "maxSize": max })
        }
        Details::Limit { limit } => serde_json::json!({ "limit": limit }),
        Details::Reason { reason } => serde_json::json!({ "reason": reason }),
    }
}

impl Serialize for Refusal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ErrorPayload::from(self).serialize(serializer)
    }
}

impl From<ErrorPayload> for Refusal {
    fn from(payload: ErrorPayload) -> Self {
        let details = read_details(&payload.details);
        Refusal {
            code: payload.code,
            message: payload.message.into(),
            resolution: payload.resolution.into(),
            details,
        }
    }
}

fn read_details(details: &serde_json::Value) -> Details {
    let number = |key: &str| details.get(key).and_then(serde_json::Value::as_u64);
    let text = |key: &str| details.get(key).and_then(serde_json::Value::as_str).map(str::to_owned);
    if let (Some(field), Some(expected)) = (text("field"), text("expected")) {
        let received = text("received").unwrap_or_default();
        return Details::Field { field: field.into(), expected: expected.into(), received };
    }
    if let (Some(wait), Some(limit)) = (number("retryAfterMs"), number("limit")) {
        return Details::RetryAfter { wait: Duration::from_millis(wait), limit };
    }
    if let (Some(actual), Some(max)) = (number("actualSize"), number("maxSize")) {
        return Details::Size { actual: actual as usize, max: max as usize };
    }
    if let Some(limit) = number("limit") {
        return Details::Limit { limit: limit as usize };
    }
    text("reason").map_or(Details::None, |reason| Details::Reason { reason: reason.into() })
}
