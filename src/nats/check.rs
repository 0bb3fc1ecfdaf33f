//! Whether servers and stream are what a hub relies on.

use std::time::Duration;

use async_nats::{Client, ServerInfo};
use bytes::Bytes;
use serde_json::Value;

use super::wire::{self, ApiError};
use super::{NatsError, Settings};

/// In clusters before, two writers of one row could both be told that they had won.
const CLUSTER_MIN: (u64, u64, u64) = (2, 12, 3);
const SERVER_MIN: (u64, u64, u64) = (2, 9, 0);

/// What of a stream has to be as it would be made.
const DEMANDED: [&str; 9] = [
    "subjects",
    "retention",
    "storage",
    "num_replicas",
    "max_msgs_per_subject",
    "max_msgs",
    "max_bytes",
    "max_age",
    "max_msg_size",
];
/// What a stream must not have or be.
const FORBIDDEN: [&str; 5] = ["sealed", "mirror", "sources", "subject_transform", "allow_atomic"];

/// Asks the server, and makes the stream if there is none.
pub(super) async fn check(client: &Client, settings: &Settings) -> Result<(), NatsError> {
    server(&client.server_info(), settings)?;
    let name = settings.stream();
    let account = ask(client, settings, "$JS.API.INFO".to_owned(), Bytes::new()).await?;
    account.map_err(|error| NatsError::NoJetStream(error.description))?;
    let info = ask(client, settings, format!("$JS.API.STREAM.INFO.{name}"), Bytes::new()).await?;
    match info {
        Ok(info) => return stream(&info["config"], settings),
        Err(error) if error.is_no_stream() => {}
        Err(error) => return Err(NatsError::Silent(error.description)),
    }
    let config = wire::text(&wire::stream_config(settings));
    let made = ask(client, settings, format!("$JS.API.STREAM.CREATE.{name}"), config).await?;
    let not_made = |error: ApiError| NatsError::NotMade { stream: name, said: error.description };
    stream(&made.map_err(not_made)?["config"], settings)
}

async fn ask(
    client: &Client,
    settings: &Settings,
    subject: String,
    payload: Bytes,
) -> Result<Result<Value, ApiError>, NatsError> {
    // Whoever makes a stream waits for all of its servers.
    let timeout = settings.request_timeout.max(Duration::from_secs(5));
    let request = async_nats::Request::new().payload(payload).timeout(Some(timeout));
    match client.send_request(subject, request).await {
        Ok(message) => Ok(wire::answered(&message.payload)),
        Err(error) if error.kind() == async_nats::RequestErrorKind::NoResponders => {
            Err(NatsError::NoJetStream("nobody answers for it".to_owned()))
        }
        Err(error) => Err(NatsError::Silent(error.to_string())),
    }
}

fn server(info: &ServerInfo, settings: &Settings) -> Result<(), NatsError> {
    let version = || info.version.clone();
    let has = numbers(&info.version);
    if has < SERVER_MIN {
        let because = "it cannot name the consumers that watch rows";
        return Err(NatsError::TooOld { version: version(), because, needed: "2.9.0" });
    }
    let is_cluster = info.cluster.is_some() || settings.replicas > 1;
    if is_cluster && has < CLUSTER_MIN {
        let because = "in a cluster before 2.12.3, two hubs that write a row at once may both be told that they won";
        return Err(NatsError::TooOld { version: version(), because, needed: "2.12.3" });
    }
    if info.cluster.is_none() && settings.replicas > 1 {
        return Err(NatsError::Alone { replicas: settings.replicas });
    }
    if info.max_payload < settings.payload_bytes_min {
        let (has, needed) = (info.max_payload, settings.payload_bytes_min);
        return Err(NatsError::PayloadTooSmall { has, needed });
    }
    Ok(())
}

fn numbers(version: &str) -> (u64, u64, u64) {
    let mut parts = version.splitn(3, '.').map(|part| {
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part[..digits].parse().unwrap_or(0)
    });
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}

fn stream(config: &Value, settings: &Settings) -> Result<(), NatsError> {
    let demanded = wire::stream_config(settings);
    let is_other = |name: &&&str| config[**name] != demanded[**name];
    let is_set = |name: &&&str| match &config[**name] {
        Value::Null | Value::Bool(false) => false,
        Value::Array(list) => !list.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::String(_) | Value::Object(_) => true,
    };
    let other = DEMANDED.iter().find(is_other);
    let wrong =
        other.map(|name| format!("has `{name}` {} and needs {}", config[*name], demanded[*name]));
    let set =
        || FORBIDDEN.iter().find(is_set).map(|name| format!("has `{name}`, which it must not"));
    let forgets = (config["persist_mode"] == "async").then(|| {
        "has `persist_mode` \"async\": it acknowledges what it has not yet written".to_owned()
    });
    match wrong.or_else(set).or(forgets) {
        Some(wrong) => Err(NatsError::Stream { stream: settings.stream(), wrong }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::engine::NodeName;

    fn settings(replicas: u8) -> Settings {
        let name = |text| NodeName::parse(text).unwrap();
        Settings { replicas, ..Settings::new(Vec::new(), name("hubs"), name("hub-1")) }
    }

    fn info(version: &str, cluster: Option<&str>) -> ServerInfo {
        let (version, cluster) = (version.to_owned(), cluster.map(str::to_owned));
        ServerInfo { version, cluster, max_payload: 1 << 20, ..ServerInfo::default() }
    }

    #[test]
    fn a_single_server_may_be_older_than_those_of_a_cluster() {
        for (version, cluster, replicas, is_fine) in [
            ("2.9.10", None, 1, true),
            ("2.8.4", None, 1, false),
            ("2.9.10", Some("c"), 1, false),
            ("2.12.2", Some("c"), 3, false),
            ("2.12.2", None, 3, false),
            ("2.15.1", None, 3, false),
            ("2.12.3", Some("c"), 3, true),
            ("2.13.0-RC.1", Some("c"), 3, true),
            ("3.0", Some("c"), 3, true),
            ("", None, 1, false),
            ("new", None, 1, false),
        ] {
            let checked = server(&info(version, cluster), &settings(replicas));
            assert_eq!(checked.is_ok(), is_fine, "{version} {cluster:?}: {checked:?}");
        }
        let said = server(&info("2.9.10", Some("c")), &settings(3)).unwrap_err().to_string();
        assert!(said.contains("both be told that they won"), "{said}");
        let said = server(&info("2.15.1", None), &settings(3)).unwrap_err().to_string();
        assert!(said.contains("cluster_replicas = 1"), "{said}");
    }

    #[test]
    fn a_server_takes_what_the_hub_may_send() {
        let settings = Settings { payload_bytes_min: (1 << 20) + 1, ..settings(1) };
        let said = server(&info("2.15.1", None), &settings).unwrap_err().to_string();
        assert!(said.contains("max_payload` of its servers to 1048577"), "{said}");
        assert!(said.ends_with("lower message_bytes_max of all hubs by 1"), "{said}");
    }

    #[test]
    fn a_stream_that_forgets_rows_is_refused() {
        let fine = wire::stream_config(&settings(1));
        assert!(stream(&fine, &settings(1)).is_ok());
        for (name, value) in [
            ("max_age", Value::from(1)),
            ("max_msgs_per_subject", Value::from(5)),
            ("num_replicas", Value::from(3)),
            ("storage", Value::from("memory")),
            ("sealed", Value::from(true)),
            ("persist_mode", Value::from("async")),
        ] {
            let mut config = fine.clone();
            config[name] = value;
            let said = stream(&config, &settings(1)).unwrap_err().to_string();
            assert!(said.contains(name) && said.contains("KV_hubs"), "{said}");
        }
        assert!(stream(&Value::Null, &settings(1)).is_err());
    }
}
