//! The names that a server answers to.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
};

/// The names that this server answers to, with any port: a forwarded port differs from our own.
#[derive(Clone, Debug)]
pub struct AllowedHosts {
    names: BTreeSet<String>,
    /// Whoever names an address has not been deceived about a name.
    takes_addresses: bool,
}

impl AllowedHosts {
    /// The names of loopback, and those that are configured. A server that others reach also takes its own addresses, and any
    /// other address, since rebinding needs a name.
    pub fn of(bind: SocketAddr, configured: &[String]) -> Self {
        let bound = match bind {
            SocketAddr::V4(address) => address.ip().to_string(),
            SocketAddr::V6(address) => format!("[{}]", address.ip()),
        };
        let own = ["localhost".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned(), bound];
        let configured = configured.iter().map(|name| name.to_ascii_lowercase());
        Self { names: own.into_iter().chain(configured).collect(), takes_addresses: !bind.ip().is_loopback() }
    }

    /// Whether this is a name of the server.
    pub fn contains(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        let name = name.to_ascii_lowercase();
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        let is_address = || match bare {
            Some(bare) => bare.parse::<std::net::Ipv6Addr>().is_ok(),
            None => name.parse::<IpAddr>().is_ok_and(|address| address.is_ipv4()),
        };
        self.names.contains(&name) || (self.takes_addresses && is_address())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_server_are_allowed() {
        let hosts = AllowedHosts::of("127.0.0.2:8081".parse().unwrap(), &["Flow.Example".to_owned()]);
        for ours in [
            "localhost",
            "LOCALHOST:8081",
            "127.0.0.1:9",
            "[::1]:8081",
            "[::1]",
            "127.0.0.2:8081",
            "flow.example",
        ] {
            assert!(hosts.contains(ours), "{ours}");
        }
        for foreign in
            ["", "evil.example", "localhost.evil.example", "127.0.0.1.nip.io:8081", "::1", "127.0.0.3"]
        {
            assert!(!hosts.contains(foreign), "{foreign}");
        }
    }

    #[test]
    fn a_server_for_others_takes_addresses_and_no_other_names() {
        let hosts = AllowedHosts::of("0.0.0.0:8081".parse().unwrap(), &[]);
        for ours in ["192.0.2.7:8081", "[2001:db8::1]:8081", "localhost:1"] {
            assert!(hosts.contains(ours), "{ours}");
        }
        for foreign in ["evil.example", "192.0.2.7.nip.io", "[evil]:1", "2001:db8::1"] {
            assert!(!hosts.contains(foreign), "{foreign}");
        }
    }
}
