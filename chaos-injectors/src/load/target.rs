//! Where a load goes: an `http` URL, parsed once.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use hyper::Uri;

/// A parsed `http` URL: host, port, path and query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadTarget {
    host: String,
    port: u16,
    authority: String,
    path: Uri,
}

impl LoadTarget {
    /// Reads a URL such as `http://127.0.0.1:8080/orders?limit=5`.
    ///
    /// # Errors
    /// [`UrlError`]: another scheme than `http`, credentials, a host or port that is none, or a link-local address.
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        // First of all, so that no other message shows them.
        if before_path(url).contains('@') {
            return Err(UrlError::Credentials);
        }
        let (scheme, _) = url.split_once("://").ok_or_else(|| UrlError::Malformed(excerpt(url)))?;
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(UrlError::Scheme(excerpt(scheme)));
        }
        check_port(before_path(url))?;
        let uri: Uri = url.parse().map_err(|_| UrlError::Malformed(excerpt(url)))?;
        Self::from_uri(&uri, url)
    }

    fn from_uri(uri: &Uri, url: &str) -> Result<Self, UrlError> {
        let authority = uri.authority().ok_or_else(|| UrlError::Malformed(excerpt(url)))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if !valid_host(&host) {
            return Err(UrlError::Host(excerpt(&host)));
        }
        if host.parse().is_ok_and(blocked) {
            return Err(UrlError::Blocked(excerpt(&host)));
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let path = path.parse().map_err(|_| UrlError::Malformed(excerpt(url)))?;
        let port = authority.port_u16().unwrap_or(80);
        Ok(Self { host, port, authority: authority.as_str().to_owned(), path })
    }

    /// The host without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 80 where the URL names none.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Host and port as the URL has them; what stands in the `Host` header.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Path and query: what stands in the request line.
    pub(crate) const fn path(&self) -> &Uri {
        &self.path
    }

    /// The addresses to connect to, without those that are blocked.
    pub(crate) async fn resolve(&self) -> std::io::Result<Vec<SocketAddr>> {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await?;
        let allowed: Vec<SocketAddr> = found.filter(|address| !blocked(address.ip())).collect();
        if allowed.is_empty() { Err(std::io::ErrorKind::AddrNotAvailable.into()) } else { Ok(allowed) }
    }
}

impl fmt::Display for LoadTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

/// Why a text is not the URL of a load.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// The scheme is not `http`. TLS is out of scope: put the load before a terminating proxy.
    #[error("scheme `{0}` is not supported: write http://host:port/path")]
    Scheme(String),
    /// User and password stand in the URL, where every log would show them.
    #[error("the URL holds credentials: use a header instead")]
    Credentials,
    /// The host is neither a name by RFC 1123 nor an address.
    #[error("`{0}` is not a host: write a name of letters, digits, `-` and `.`, or an address")]
    Host(String),
    /// The port is not within 1 to 65535.
    #[error("`{0}` is not a port: write 1 to 65535")]
    Port(String),
    /// A link-local address, where clouds keep their metadata service.
    #[error("`{0}` is blocked: link-local addresses hold the metadata of clouds")]
    Blocked(String),
    /// The text is not a URL.
    #[error("`{0}` is not a URL: write http://host:port/path")]
    Malformed(String),
}

/// What stands between the scheme and the path, or the whole text.
fn before_path(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or(rest)
}

fn check_port(authority: &str) -> Result<(), UrlError> {
    let after_host = authority.rfind(']').map_or(authority, |bracket| &authority[bracket..]);
    match after_host.rsplit_once(':') {
        None => Ok(()),
        Some((_, port)) => match port.parse::<u16>() {
            Ok(1..) if port.bytes().all(|byte| byte.is_ascii_digit()) => Ok(()),
            _ => Err(UrlError::Port(excerpt(port))),
        },
    }
}

fn valid_host(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok() || (host.len() <= 253 && host.split('.').all(valid_label))
}

fn valid_label(label: &str) -> bool {
    let inner = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    inner && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
}

fn blocked(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => {
            v6.is_unicast_link_local() || v6.to_ipv4_mapped().is_some_and(|v4| v4.is_link_local())
        }
    }
}

/// Cuts a value for a message: control characters escaped, at most 64 characters.
pub(crate) fn excerpt(value: &str) -> String {
    let mut escaped = value.chars().flat_map(char::escape_debug);
    let mut cut: String = escaped.by_ref().take(64).collect();
    if escaped.next().is_some() {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(url: &str) -> String {
        LoadTarget::parse(url).unwrap_err().to_string()
    }

    #[test]
    fn parts_of_a_url() {
        let target = LoadTarget::parse("http://localhost:8080/a?b=1#c").unwrap();
        assert_eq!((target.host(), target.port(), target.authority()), ("localhost", 8080, "localhost:8080"));
        assert_eq!(target.to_string(), "http://localhost:8080/a?b=1");
        let bare = LoadTarget::parse("http://[::1]").unwrap();
        assert_eq!((bare.host(), bare.port(), bare.path().path()), ("::1", 80, "/"));
    }

    #[test]
    fn bad_urls_each_get_their_error() {
        insta::assert_snapshot!(
            [
                "https://127.0.0.1/", "file:///etc/passwd", "127.0.0.1:80", "http://u:p@h/", "http://h:99999/",
                "http://h:0/", "http://h:/", "http://h:+80/", "http://h h/", "http:///", "http://127.0.0.1/a\nb",
                "http://bücher.example/", "http://-x.example/", "http://169.254.169.254/latest", "http://[fe80::1]/",
                "http://[::ffff:169.254.169.254]/", "", "u:p@h",
            ]
            .map(error)
            .join("\n"),
            @r"
        scheme `https` is not supported: write http://host:port/path
        scheme `file` is not supported: write http://host:port/path
        `127.0.0.1:80` is not a URL: write http://host:port/path
        the URL holds credentials: use a header instead
        `99999` is not a port: write 1 to 65535
        `0` is not a port: write 1 to 65535
        `` is not a port: write 1 to 65535
        `+80` is not a port: write 1 to 65535
        `http://h h/` is not a URL: write http://host:port/path
        `http:///` is not a URL: write http://host:port/path
        `http://127.0.0.1/a\nb` is not a URL: write http://host:port/path
        `http://bücher.example/` is not a URL: write http://host:port/path
        `-x.example` is not a host: write a name of letters, digits, `-` and `.`, or an address
        `169.254.169.254` is blocked: link-local addresses hold the metadata of clouds
        `fe80::1` is blocked: link-local addresses hold the metadata of clouds
        `::ffff:169.254.169.254` is blocked: link-local addresses hold the metadata of clouds
        `` is not a URL: write http://host:port/path
        the URL holds credentials: use a header instead
        "
        );
    }

    #[tokio::test]
    async fn an_address_resolves_to_itself() {
        let target = LoadTarget::parse("http://127.0.0.1:9/").unwrap();
        assert_eq!(target.resolve().await.unwrap(), ["127.0.0.1:9".parse().unwrap()]);
    }
}
