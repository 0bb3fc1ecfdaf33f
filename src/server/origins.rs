//! Decides whose web pages may connect. Browsers send the page's origin with each handshake; a
//! client that sends none is no page.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::{PoisonError, RwLock};

use http::uri::Authority;
use serde::{Deserialize, Serialize};

/// One entry of `allowed_origins`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum AllowedOrigin {
    /// `*`: every page.
    All,
    /// The pages of one origin.
    Of(Origin),
}

/// The scheme, host and port of a page, normalised: lower case, without a default port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

/// Why a text is not the origin of any page that could connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidOrigin {
    /// Not `scheme://host` or `scheme://host:port`.
    #[error("an origin is scheme://host or scheme://host:port")]
    Form,
    /// It has a path.
    #[error("an origin has no path, not even /")]
    Path,
    /// It has a `*` beside other text.
    #[error("* stands for every origin and is never a part of one")]
    Wildcard,
    /// The text is `null`.
    #[error("null is what pages send that hide their origin: they are let in by * alone")]
    Null,
    /// No page has an origin of this scheme.
    #[error("no page has an origin of this scheme; most have http or https")]
    Scheme,
    /// The host is not ASCII.
    #[error("browsers send hosts in ASCII: write the xn-- form")]
    NotAscii,
}

/// Schemes of WebSockets themselves, and of pages whose origin browsers hide.
const SCHEMES_OF_NO_PAGE: [&str; 7] = ["ws", "wss", "file", "data", "blob", "about", "javascript"];

impl Origin {
    /// Returns whether the page comes from this machine.
    fn is_loopback(&self) -> bool {
        let name = &self.host;
        let address = name.trim_start_matches('[').trim_end_matches(']');
        name == "localhost"
            || name.ends_with(".localhost")
            || name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
            || address.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
    }
}

impl FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        if text.eq_ignore_ascii_case("null") {
            return Err(InvalidOrigin::Null);
        }
        let (scheme, rest) = text.split_once("://").ok_or(InvalidOrigin::Form)?;
        if text.contains('*') {
            return Err(InvalidOrigin::Wildcard);
        }
        if !text.is_ascii() {
            return Err(InvalidOrigin::NotAscii);
        }
        if rest.contains('/') {
            return Err(InvalidOrigin::Path);
        }
        let scheme: http::uri::Scheme = scheme.parse().map_err(|_| InvalidOrigin::Form)?;
        let authority: Authority = rest.parse().map_err(|_| InvalidOrigin::Form)?;
        let scheme = scheme.as_str().to_ascii_lowercase();
        let (host, port) = host_and_port(&authority).ok_or(InvalidOrigin::Form)?;
        if SCHEMES_OF_NO_PAGE.contains(&scheme.as_str()) {
            return Err(InvalidOrigin::Scheme);
        }
        let default = match scheme.as_str() {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        };
        Ok(Self { scheme, host, port: port.filter(|port| Some(*port) != default) })
    }
}

/// Splits `host` or `host:port`; none for anything else.
fn host_and_port(authority: &Authority) -> Option<(String, Option<u16>)> {
    let host = authority.host();
    let port = match authority.as_str().strip_prefix(host)? {
        "" => None,
        port => Some(port.strip_prefix(':')?.parse().ok()?),
    };
    let v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = match v6 {
        Some(address) => format!("[{}]", address.parse::<Ipv6Addr>().ok()?),
        None => host.to_ascii_lowercase(),
    };
    let is_plain = !host.is_empty() && !host.contains(['@', '%', '\\', '"']);
    is_plain.then_some((host, port))
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl FromStr for AllowedOrigin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        match text {
            "*" => Ok(Self::All),
            text => text.parse().map(Self::Of),
        }
    }
}

impl TryFrom<String> for AllowedOrigin {
    type Error = InvalidOrigin;

    fn try_from(text: String) -> Result<Self, InvalidOrigin> {
        text.parse()
    }
}

impl From<AllowedOrigin> for String {
    fn from(allowed: AllowedOrigin) -> Self {
        match allowed {
            AllowedOrigin::All => "*".to_owned(),
            AllowedOrigin::Of(origin) => origin.to_string(),
        }
    }
}

/// The origins of a server, which may change while it runs.
#[derive(Debug)]
pub(super) struct Origins {
    /// If it is empty, `unnamed` decides.
    named: RwLock<Vec<AllowedOrigin>>,
    unnamed: Unnamed,
}

/// Whose pages may connect if no origin is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unnamed {
    /// Every page: none gets in without a token.
    All,
    /// Only this machine's pages: without tokens any page that somebody opens here could get in.
    Loopback,
}

impl Origins {
    pub(super) fn new(named: Vec<AllowedOrigin>, unnamed: Unnamed) -> Self {
        Self { named: RwLock::new(named), unnamed }
    }

    pub(super) fn replace(&self, named: Vec<AllowedOrigin>) {
        *self.named.write().unwrap_or_else(PoisonError::into_inner) = named;
    }

    /// Returns whether a page of this origin may connect.
    pub(super) fn allow(&self, origin: Option<&[u8]>) -> bool {
        let Some(origin) = origin else { return true };
        let named = self.named.read().unwrap_or_else(PoisonError::into_inner);
        if named.contains(&AllowedOrigin::All) {
            return true;
        }
        let text = str::from_utf8(origin).unwrap_or_default();
        let Ok(origin) = text.parse::<Origin>() else { return false };
        match (named.is_empty(), self.unnamed) {
            (true, Unnamed::All) => true,
            (true, Unnamed::Loopback) => origin.is_loopback(),
            (false, _) => named.contains(&AllowedOrigin::Of(origin)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(named: &[&str], unnamed: Unnamed, origin: &str) -> bool {
        let named = named.iter().map(|text| text.parse().unwrap()).collect();
        Origins::new(named, unnamed).allow(Some(origin.as_bytes()))
    }

    #[test]
    fn without_keys_and_names_only_pages_of_this_machine_get_in() {
        for (origin, allowed) in [
            ("http://localhost:3000", true),
            ("https://LOCALHOST", true),
            ("http://app.localhost", true),
            ("http://127.0.0.1:8080", true),
            ("http://127.1.2.3", true),
            ("http://[::1]:8080", true),
            ("https://evil.example", false),
            ("http://localhost.evil.example", false),
            ("http://127.0.0.1.evil.example", false),
            ("http://notlocalhost", false),
            ("http://127.0.0.1@evil.example", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(allows(&[], Unnamed::Loopback, origin), allowed, "{origin}");
        }
        assert!(Origins::new(Vec::new(), Unnamed::Loopback).allow(None), "no page");
    }

    #[test]
    fn with_keys_and_without_names_every_page_gets_in_that_tells_its_origin() {
        for (origin, allowed) in [("https://any.example", true), ("null", false)] {
            assert_eq!(allows(&[], Unnamed::All, origin), allowed, "{origin}");
        }
    }

    #[test]
    fn a_star_lets_everybody_in() {
        for origin in ["https://any.example", "null", "nonsense"] {
            assert!(allows(&["*"], Unnamed::Loopback, origin), "{origin}");
        }
    }

    #[test]
    fn default_ports_and_cases_make_no_difference() {
        let named = ["https://A.example:443", "http://b.example", "http://[::1]:80"];
        for (origin, allowed) in [
            ("https://a.example", true),
            ("https://a.example:443", true),
            ("https://a.example:8443", false),
            ("http://a.example", false),
            ("HTTP://B.example:80", true),
            ("http://[0:0::1]", true),
            ("http://localhost", false),
        ] {
            assert_eq!(allows(&named, Unnamed::Loopback, origin), allowed, "{origin}");
        }
    }

    #[test]
    fn what_can_never_match_is_no_origin() {
        for (text, why) in [
            ("", InvalidOrigin::Form),
            ("a.example", InvalidOrigin::Form),
            ("https://", InvalidOrigin::Form),
            ("https://user@a.example", InvalidOrigin::Form),
            ("https://a.example:", InvalidOrigin::Form),
            ("https://a.example:port", InvalidOrigin::Form),
            ("https://a.example:65536", InvalidOrigin::Form),
            ("https://a b", InvalidOrigin::Form),
            ("https://a.example?x", InvalidOrigin::Form),
            ("https://a.example/", InvalidOrigin::Path),
            ("https://a.example/chat", InvalidOrigin::Path),
            ("https://*.a.example", InvalidOrigin::Wildcard),
            ("null", InvalidOrigin::Null),
            ("wss://a.example", InvalidOrigin::Scheme),
            ("file://a", InvalidOrigin::Scheme),
            ("https://bücher.example", InvalidOrigin::NotAscii),
        ] {
            assert_eq!(text.parse::<AllowedOrigin>(), Err(why), "{text:?}");
        }
    }
}
