//! What carries requests: TLS, certificates and proxies.

use std::sync::Arc;

use ureq::Agent;
use ureq::http::Uri;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};

use super::Options;
use crate::error::{Error, Result};
use crate::transport::http;

/// One for each way out.
#[derive(Debug)]
pub(super) struct Agents {
    pub(super) direct: Agent,
    http: Option<Agent>,
    https: Option<Agent>,
}

impl Agents {
    pub(super) fn new(options: &Options) -> Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::Specific(Arc::new(certificates(options)?)))
            .unversioned_rustls_crypto_provider(provider)
            .build();
        let agent = |proxy: Option<ureq::Proxy>| {
            http::settings(options.timeouts)
                .tls_config(tls.clone())
                .user_agent(options.user_agent.clone())
                .proxy(proxy)
                .build()
                .new_agent()
        };
        let proxied = |address: &Option<String>| match address {
            Some(address) => match ureq::Proxy::new(address) {
                Ok(proxy) => Ok(Some(agent(Some(proxy)))),
                // The address may hold a password and is not quoted.
                Err(_) => Err(Error::Remote {
                    service: "the proxy".to_owned(),
                    action: "be used".to_owned(),
                    reason: "its address makes no sense".to_owned(),
                    status: None,
                }),
            },
            None => Ok(None),
        };
        Ok(Self {
            direct: agent(None),
            http: proxied(&options.proxy.http)?,
            https: proxied(&options.proxy.https)?,
        })
    }

    pub(super) fn for_url(&self, url: &Uri, except: &[String]) -> &Agent {
        let host = url.host().unwrap_or_default();
        let proxied = match url.scheme_str() {
            Some("http") => &self.http,
            _ => &self.https,
        };
        let direct = is_loopback(host) || except.iter().any(|entry| is_within(host, entry));
        match proxied {
            Some(agent) if !direct => agent,
            _ => &self.direct,
        }
    }
}

/// Returns whether a host is meant by an entry of `NO_PROXY`.
fn is_within(host: &str, entry: &str) -> bool {
    let entry = entry
        .trim()
        .trim_start_matches("*.")
        .trim_start_matches('.');
    let entry = entry.rsplit_once(':').map_or(entry, |(name, port)| {
        match port.bytes().all(|b| b.is_ascii_digit()) && !name.contains(':') {
            true => name,
            false => entry,
        }
    });
    let inner = host
        .len()
        .checked_sub(entry.len())
        .filter(|_| !entry.is_empty());
    entry == "*"
        || inner.is_some_and(|at| {
            host.is_char_boundary(at)
                && host[at..].eq_ignore_ascii_case(entry)
                && (at == 0 || host[..at].ends_with('.'))
        })
}

/// Returns whether a host, with or without port, is this machine.
pub(super) fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let address = host.parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// Where distributions keep the certificates they trust (the list of Go's crypto/x509).
const SYSTEM_CERTIFICATES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

fn certificates(options: &Options) -> Result<Vec<Certificate<'static>>> {
    let parse = |pem: &[u8]| -> Vec<Certificate<'static>> {
        let items = ureq::tls::parse_pem(pem);
        let certificate = |item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        };
        items.filter_map(certificate).collect()
    };
    let system = SYSTEM_CERTIFICATES
        .iter()
        .find_map(|path| std::fs::read(path).ok());
    let mut trusted = system.map(|pem| parse(&pem)).unwrap_or_default();
    if trusted.is_empty() {
        let bundled = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
        trusted.extend(bundled.map(|der| Certificate::from_der(der)));
    }
    for pem in &options.ca_certificates {
        let given = parse(pem);
        if given.is_empty() {
            return Err(Error::Remote {
                service: "TLS".to_owned(),
                action: "use the CA certificates given".to_owned(),
                reason: "there is no certificate in them".to_owned(),
                status: None,
            });
        }
        trusted.extend(given);
    }
    Ok(trusted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_recognised() {
        for (authority, expected) in [
            ("localhost:5000", true),
            ("127.0.0.1", true),
            ("127.9.0.1:80", true),
            ("[::1]:5000", true),
            ("localhost.example", false),
            ("10.0.0.1:5000", false),
            ("127.0.0.1.example", false),
        ] {
            assert_eq!(is_loopback(authority), expected, "{authority}");
        }
    }

    #[test]
    fn exceptions_from_the_proxy() {
        for (host, entry, expected) in [
            ("a.example", "example", true),
            ("a.example", ".example", true),
            ("a.example", "*.example", true),
            ("example", "example:443", true),
            ("A.Example", "a.example", true),
            ("badexample", "example", false),
            ("a.example", "", false),
            ("x", "*", true),
        ] {
            assert_eq!(is_within(host, entry), expected, "{host} {entry}");
        }
    }
}
