//! The payload of each verb, read field by field.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::{ADDRESS, RawEnvelope, TEXT, json, object_json};
use crate::protocol::codec::Bounds;
use crate::protocol::codec::fields::{
    Raw, few_strings, flag, kind_of, name, object, optional_integer, optional_name,
    optional_string, strings, text,
};
use crate::protocol::{
    ActorAddress, AuthToken, Broadcast, Connect, Disconnect, Epoch, ErrorCode, Heartbeat, Position,
    Publish, Recipient, Recover, RecoveryWish, RefreshToken, Refusal, Register, Renew,
    RenewalToken, Send, Subscribe, Subscription, SubscriptionId, Topic, Unregister, Unsubscribe,
    check_version,
};

const EPOCH: &str = "an epoch as hub:registered bore it";
const TOPIC: &str = "a string of 1 to 256 bytes";

impl RawEnvelope<'_> {
    pub(super) fn connect(&self) -> Result<Connect, Refusal> {
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Fields<'a> {
            #[serde(borrow)]
            protocol_version: Raw<'a>,
            #[serde(borrow)]
            capabilities: Raw<'a>,
            #[serde(borrow)]
            auth_token: Raw<'a>,
            #[serde(borrow)]
            client_metadata: Raw<'a>,
        }
        const VERSION: &str = "the hub's version, or one of the same major number";
        let fields: Fields<'_> = object("metadata", self.metadata)?;
        let version = required_string("protocolVersion", VERSION, fields.protocol_version);
        let protocol_version =
            version.map_err(|refusal| Refusal { code: ErrorCode::VersionMismatch, ..refusal })?;
        let client_metadata = match fields.client_metadata {
            None => Ok(None),
            raw => object_json("clientMetadata", text(raw)).map(Some),
        };
        let read = || {
            Ok(Connect {
                protocol_version: protocol_version.clone(),
                capabilities: strings("capabilities", fields.capabilities)?,
                auth_token: optional_name("authToken", TEXT, fields.auth_token, |text| {
                    Ok(AuthToken::new(text))
                })?,
                client_metadata: client_metadata?,
            })
        };
        // A client of another version makes no mistake in the fields; its version is what is wrong.
        read().map_err(|refusal| check_version(&protocol_version).err().unwrap_or(refusal))
    }

    /// The token may stand in the payload or, as in hub:connect, in the metadata. Any other value
    /// there is an invalid token.
    pub(super) fn refresh_token(&self) -> Result<RefreshToken, Refusal> {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Fields<'a> {
            #[serde(borrow)]
            token: Raw<'a>,
        }
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Metadata<'a> {
            #[serde(borrow)]
            auth_token: Raw<'a>,
        }
        let fields: Fields<'_> = object("payload", self.payload)?;
        let metadata: Metadata<'_> = object("metadata", self.metadata)?;
        let (field, raw) = match (fields.token, metadata.auth_token) {
            (None, Some(raw)) => ("authToken", Some(raw)),
            (raw, _) => ("token", raw),
        };
        let token = name(field, TEXT, raw, |text| Ok(AuthToken::new(text)))
            .map_err(|refusal| Refusal { code: ErrorCode::InvalidToken, ..refusal })?;
        Ok(RefreshToken { token })
    }

    pub(super) fn heartbeat(&self) -> Result<Heartbeat, Refusal> {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Fields<'a> {
            #[serde(borrow)]
            timestamp: Raw<'a>,
        }
        let fields: Fields<'_> = object("payload", self.payload)?;
        Ok(Heartbeat { timestamp: json(text(fields.timestamp)) })
    }

    pub(super) fn disconnect(&self) -> Result<Disconnect, Refusal> {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Fields<'a> {
            #[serde(borrow)]
            reason: Raw<'a>,
        }
        let fields: Fields<'_> = object("payload", self.payload)?;
        let reason = optional_string("reason", TEXT, fields.reason)?.map(Cow::into_owned);
        Ok(Disconnect { reason })
    }

    pub(super) fn register(&self, bounds: &Bounds) -> Result<Register, Refusal> {
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Fields<'a> {
            #[serde(borrow)]
            actor_address: Raw<'a>,
            #[serde(borrow)]
            capabilities: Raw<'a>,
            #[serde(borrow)]
            metadata: Raw<'a>,
            #[serde(borrow)]
            ttl_seconds: Raw<'a>,
            #[serde(borrow)]
            recovery: Raw<'a>,
        }
        let fields: Fields<'_> = object("payload", self.payload)?;
        bounds.check_registration(text(fields.metadata))?;
        let metadata = object_json("metadata", text(fields.metadata))?;
        let envelope = object_json("metadata", text(self.metadata))?;
        let renew_on_heartbeat =
            [&metadata, &envelope].into_iter().any(Register::renews_on_heartbeat);
        Ok(Register {
            actor_address: name(
                "actorAddress",
                ADDRESS,
                fields.actor_address,
                ActorAddress::parse,
            )?,
            capabilities: few_strings(
                "capabilities",
                bounds.capabilities_max,
                bounds.capability_bytes_max,
                fields.capabilities,
            )?,
            ttl: registration_ttl(fields.ttl_seconds)?,
            renew_on_heartbeat,
            metadata,
            recovery: recovery_wish(fields.recovery)?,
        })
    }

    pub(super) fn unregister(&self) -> Result<Unregister, Refusal> {
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Fields<'a> {
            #[serde(borrow)]
            actor_address: Raw<'a>,
        }
        let fields: Fields<'_> = object("payload", self.payload)?;
        let actor_address =
            optional_name("actorAddress", ADDRESS, fields.actor_address, ActorAddress::parse)?;
        Ok(Unregister { actor_address })
    }

    /// The token may stand in the payload or in the metadata: TypeScript clients differ. A value of
    /// another form was never issued.
    pub(super) fn renew(&self) -> Result<Renew, Refusal> {
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Fields<'a> {
            #[serde(borrow)]
            renewal_token: Raw<'a>,
        }
        let payload: Fields<'_> = object("payload", self.payload)?;
        let metadata: Fields<'_> = object("metadata", self.metadata)?;
        let raw = payload.renewal_token.or(metadata.renewal_token);
        let renewal_token = optional_name("renewalToken", TEXT, raw, RenewalToken::parse);
        Ok(Renew { renewal_token: renewal_token.map_err(|_| Refusal::renewal_token())? })
    }

    pub(super) fn recover(&self) -> Result<Recover, Refusal> {
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Fields<'a> {
            #[serde(borrow)]
            actor_address: Raw<'a>,
            #[serde(borrow)]
            after: Raw<'a>,
        }
        let fields: Fields<'_> = object("payload", self.payload)?;
        let actor_address =
            optional_name("actorAddress", ADDRESS, fields.actor_address, ActorAddress::parse)?;
        Ok(Recover { actor_address, after: number_after(fields.after)? })
    }

    pub(super) fn send(&self, bounds: &Bounds) -> Result<Send, Refusal> {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Fields<'a> {
            #[serde(borrow)]
            to: Raw<'a>,
            #[serde(borrow, rename = "type")]
            kind: Raw<'a>,
            #[serde(borrow)]
            data: Raw<'a>,
            #[serde(borrow)]
            queue: Raw<'a>,
        }
        let fields: Fields<'_> = object("payload", self.payload)?;
        Ok(Send {
            to: self.recipient(fields.to)?,
            kind: application_type(fields.kind, bounds)?,
            data: json(text(fields.data)),
            queue: fields.queue.is_none() || flag("queue", fields.queue)?,
        })
    }

    /// Without a recipient, or with an empty one, the envelope's counts.
    fn recipient(&self, to: Raw<'_>) -> Result<Recipient, Refusal> {
        const EXPECTED: &str = "an address";
        match optional_string("to", EXPECTED, to)? {
            Some(text) if !text.is_empty() => Recipient::parse(&text)
                .map_err(|rule| Refusal::invalid("to", rule.expected, "string".to_owned())),
            Some(_) | None => {
                name("to", ADDRESS, self.to, ActorAddress::parse).map(Recipient::from)
            }
        }
    }

    /// The metadata says whom it is for.
    pub(super) fn broadcast(&self, bounds: &Bounds) -> Result<Broadcast, Refusal> {
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Fields<'a> {
            #[serde(borrow, rename = "type")]
            kind: Raw<'a>,
            #[serde(borrow)]
            data: Raw<'a>,
            #[serde(borrow)]
            exclude_self: Raw<'a>,
        }
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Target<'a> {
            #[serde(borrow)]
            target_capability: Raw<'a>,
        }
        let fields: Fields<'_> = object("payload", self.payload)?;
        let target: Target<'_> = object("metadata", self.metadata)?;
        Ok(Broadcast {
            kind: application_type(fields.kind, bounds)?,
            data: json(text(fields.data)),
            exclude_self: flag("excludeSelf", fields.exclude_self)?,
            target_capability: optional_string("targetCapability", TEXT, target.target_capability)?
                .map(Cow::into_owned),
        })
    }

    pub(super) fn subscribe(&self) -> Result<Subscribe, Refusal> {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Fields<'a> {
            #[serde(borrow)]
            topic: Raw<'a>,
            #[serde(borrow)]
            durable: Raw<'a>,
        }
        let fields: Fields<'_> = object("payload", self.payload)?;
        Ok(Subscribe {
            topic: name("topic", TOPIC, fields.topic, Topic::parse)?,
            durable: flag("durable", fields.durable)?,
        })
    }

    /// A `subscriptionId` that is none names the topic: both TypeScript clients send that.
    pub(super) fn unsubscribe(&self) -> Result<Unsubscribe, Refusal> {
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Fields<'a> {
            #[serde(borrow)]
            topic: Raw<'a>,
            #[serde(borrow)]
            subscription_id: Raw<'a>,
        }
        const SUBSCRIPTION: &str = "a subscription id or a topic";
        let fields: Fields<'_> = object("payload", self.payload)?;
        let subscription =
            match (fields.topic, fields.subscription_id) {
                (Some(topic), _) => {
                    Subscription::Topic(name("topic", TOPIC, Some(topic), Topic::parse)?)
                }
                (None, Some(id)) => name("subscriptionId", SUBSCRIPTION, Some(id), |text| {
                    match SubscriptionId::parse(text) {
                        Ok(id) => Ok(Subscription::Id(id)),
                        Err(_) => Topic::parse(text).map(Subscription::Topic),
                    }
                })?,
                (None, None) => return Err(Refusal::missing("topic", TOPIC)),
            };
        Ok(Unsubscribe { subscription })
    }

    pub(super) fn publish(&self, bounds: &Bounds) -> Result<Publish, Refusal> {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Fields<'a> {
            #[serde(borrow)]
            topic: Raw<'a>,
            #[serde(borrow, rename = "type")]
            kind: Raw<'a>,
            #[serde(borrow)]
            data: Raw<'a>,
        }
        let fields: Fields<'_> = object("payload", self.payload)?;
        Ok(Publish {
            topic: name("topic", TOPIC, fields.topic, Topic::parse)?,
            kind: application_type(fields.kind, bounds)?,
            data: json(text(fields.data)),
        })
    }
}

fn required_string(
    field: &'static str,
    expected: &'static str,
    raw: Raw<'_>,
) -> Result<String, Refusal> {
    let text = optional_string(field, expected, raw)?;
    text.map(Cow::into_owned).ok_or_else(|| Refusal::missing(field, expected))
}

fn application_type(raw: Raw<'_>, bounds: &Bounds) -> Result<Arc<str>, Refusal> {
    /// Named in full, unlike the envelope's `type`: clients match on this text.
    const FIELD: &str = "payload.type";
    const EXPECTED: &str = "an application type: a string that does not begin with hub:";
    let kind = required_string(FIELD, EXPECTED, raw)?;
    bounds.check_type(&kind)?;
    if kind.starts_with("hub:") || kind.is_empty() {
        Err(Refusal::invalid(FIELD, EXPECTED, kind.chars().take(64).collect()))
    } else {
        Ok(kind.into())
    }
}

/// Absent, null and false are the same.
fn recovery_wish(raw: Raw<'_>) -> Result<Option<RecoveryWish>, Refusal> {
    const EXPECTED: &str = "true, or an object with epoch and after";
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Fields<'a> {
        #[serde(borrow)]
        epoch: Raw<'a>,
        #[serde(borrow)]
        after: Raw<'a>,
    }
    match text(raw) {
        None | Some("false") => Ok(None),
        Some("true") => Ok(Some(RecoveryWish::Begin)),
        Some(object_text) if object_text.starts_with('{') => {
            let fields: Fields<'_> = object("recovery", raw)?;
            let epoch = name("recovery.epoch", EPOCH, fields.epoch, Epoch::parse)?;
            Ok(Some(RecoveryWish::From(Position { epoch, after: number_after(fields.after)? })))
        }
        Some(other) => Err(Refusal::invalid("recovery", EXPECTED, kind_of(other))),
    }
}

fn number_after(raw: Raw<'_>) -> Result<u64, Refusal> {
    const EXPECTED: &str = "the metadata.seq of the last message, or 0";
    optional_integer("after", EXPECTED, raw)?.ok_or_else(|| Refusal::missing("after", EXPECTED))
}

fn registration_ttl(raw: Raw<'_>) -> Result<Duration, Refusal> {
    const EXPECTED: &str = "a whole number of seconds from 1 to 3600";
    match optional_integer("ttlSeconds", EXPECTED, raw)? {
        None => Ok(Register::TTL_DEFAULT),
        Some(0) => Err(Refusal::invalid("ttlSeconds", EXPECTED, "0".to_owned())),
        Some(seconds) => Ok(Duration::from_secs(seconds).min(Register::TTL_MAX)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    #[test]
    fn a_time_to_live_is_capped_and_never_zero() {
        assert_eq!(registration_ttl(None), Ok(Register::TTL_DEFAULT));
        let raw = |text: &'static str| serde_json::from_str::<&RawValue>(text).ok();
        assert_eq!(registration_ttl(raw("99999")), Ok(Register::TTL_MAX));
        for bad in ["0", "-1", "1.5", "\"3\""] {
            assert!(registration_ttl(raw(bad)).is_err(), "{bad}");
        }
    }
}
