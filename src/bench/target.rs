//! Whom the load may hit: this machine, and another only if it is named on purpose.

use std::net::SocketAddr;

use anyhow::Context;
use signal_hub::client::HubUrl;
use tokio::net::{TcpStream, lookup_host};

/// A hub, and the addresses that its name had when they were checked.
#[derive(Debug)]
pub struct Target {
    pub hub: HubUrl,
    addresses: Vec<SocketAddr>,
}

/// The hub is not on this machine and was not named.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{host} is {address}, not this machine: --allow-remote {host} allows the load on it")]
pub struct NotAllowed {
    host: String,
    address: SocketAddr,
}

impl Target {
    /// Looks the host up once; all connections go to what was found then.
    pub async fn find(hub: HubUrl, allowed: Option<&str>) -> anyhow::Result<Self> {
        let cannot_find = || format!("cannot find {}", hub.host());
        let found = lookup_host(hub.authority()).await.with_context(cannot_find)?;
        let addresses: Vec<SocketAddr> = found.collect();
        check(hub.host(), &addresses, allowed)?;
        Ok(Self { hub, addresses })
    }

    pub async fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(&*self.addresses).await?;
        stream.set_nodelay(true)?;
        // Ten thousand connections that end in order would keep their ports for a minute.
        stream.set_zero_linger()?;
        Ok(stream)
    }
}

fn check(host: &str, addresses: &[SocketAddr], allowed: Option<&str>) -> Result<(), NotAllowed> {
    let is_remote = |address: &&SocketAddr| !address.ip().to_canonical().is_loopback();
    match addresses.iter().find(is_remote) {
        Some(address) if allowed != Some(host) => {
            Err(NotAllowed { host: host.to_owned(), address: *address })
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(host: &str, addresses: &[&str], allowed: Option<&str>) -> Option<String> {
        let addresses: Vec<SocketAddr> =
            addresses.iter().map(|address| address.parse().unwrap()).collect();
        check(host, &addresses, allowed).err().map(|refused| refused.to_string())
    }

    #[test]
    fn this_machine_may_be_loaded_by_any_of_its_names() {
        for address in ["127.0.0.1:9000", "127.9.9.9:1", "[::1]:9000", "[::ffff:127.0.0.1]:9000"] {
            assert_eq!(checked("hub", &[address], None), None, "{address}");
        }
    }

    #[test]
    fn one_address_elsewhere_is_enough_to_refuse_a_name() {
        assert_eq!(
            checked("hub", &["127.0.0.1:9000", "192.0.2.1:9000"], None).unwrap(),
            "hub is 192.0.2.1:9000, not this machine: --allow-remote hub allows the load on it"
        );
        for address in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[::ffff:192.0.2.1]:1"] {
            assert!(checked("hub", &[address], None).is_some(), "{address}");
        }
    }

    #[test]
    fn another_machine_may_be_loaded_by_the_name_that_was_allowed_and_no_other() {
        assert_eq!(checked("hub", &["192.0.2.1:9000"], Some("hub")), None);
        assert!(checked("hub", &["192.0.2.1:9000"], Some("hub2")).is_some());
        assert!(checked("192.0.2.1", &["192.0.2.1:9000"], Some("hub")).is_some());
    }
}
