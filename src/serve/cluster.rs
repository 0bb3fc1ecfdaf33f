//! The engine that the hubs of one cluster share.

use signal_hub::cluster::ClusterConfig;
use signal_hub::hub::Config;
use signal_hub::server::EngineLink;
use signal_hub::settings::Process;

/// Finds the engine, if the hub is to be a node.
#[cfg(not(feature = "cluster"))]
pub async fn link(
    _: &Process,
    _: &Config,
    cluster: Option<&ClusterConfig>,
) -> anyhow::Result<Option<EngineLink>> {
    anyhow::ensure!(
        cluster.is_none(),
        "this program was built without clusters: build it with `--features cluster`"
    );
    Ok(None)
}

/// Finds the engine, if the hub is to be a node.
#[cfg(feature = "cluster")]
pub async fn link(
    process: &Process,
    hub: &Config,
    cluster: Option<&ClusterConfig>,
) -> anyhow::Result<Option<EngineLink>> {
    use signal_hub::runtime::{Runtime, Tokio};
    use tokio::sync::mpsc;

    /// What may be on its way to the engine's task, and to the hub.
    const WAITING_MAX: usize = 1_024;

    let Some(config) = cluster else { return Ok(None) };
    let engine = signal_hub::nats::connect(engine(process, hub, config)).await?;
    tracing::info!(node = %config.node, cluster = %process.cluster_name, "the engine is there");
    let ((asks, asked), (told, events)) = (mpsc::channel(WAITING_MAX), mpsc::channel(WAITING_MAX));
    Tokio.spawn(engine.run(asked, told));
    Ok(Some(EngineLink { asks, events }))
}

#[cfg(feature = "cluster")]
fn engine(process: &Process, hub: &Config, config: &ClusterConfig) -> signal_hub::nats::Settings {
    use signal_hub::cluster::{ENVELOPE_BYTES_MAX, ROW_BYTES_MAX};
    use signal_hub::nats::{Credentials, Settings};

    let (servers, node) = (process.cluster.clone(), config.node.clone());
    let file = process.cluster_credentials_file.clone().map(Credentials::File);
    let variable = std::env::var("SIGNAL_HUB_CLUSTER_CREDENTIALS").ok().map(Credentials::Text);
    Settings {
        credentials: file.or(variable),
        root_certificates: process.cluster_root_certificates.clone(),
        replicas: process.cluster_replicas,
        request_timeout: config.answer_timeout,
        start_timeout: process.cluster_start_timeout,
        payload_bytes_min: (hub.message_bytes_max + ENVELOPE_BYTES_MAX).max(ROW_BYTES_MAX),
        ..Settings::new(servers, process.cluster_name.clone(), node)
    }
}
