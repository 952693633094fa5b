//! Where an HTTP source connects, under which rules, and with which secret.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::PathBuf,
};

use chaos_core::error::Problem;
use reqwest::Url;

use super::{
    excerpt,
    transport::{Token, TokenError},
};

/// The longest URL that is accepted, in bytes.
const MAX_URL: usize = 8 * 1024;

/// A URL with the rules of connecting to it.
///
/// - The scheme is `http` or `https`. Plain HTTP goes to loopback only, unless [`allow_plain_http`](Self::allow_plain_http).
/// - Addresses that are link-local, where clouds keep their credentials (169.254.0.0/16, fe80::/10, fd00:ec2::254), are blocked, as
///   literals and after the name was resolved.
/// - There is no secret in the URL: a bearer token is named, not given, and read anew at each request.
/// - No proxy of the environment is used, nothing is decompressed, no cookie is kept.
///
/// A string becomes an endpoint with these rules.
///
/// ```
/// use chaos_runner::source::endpoint::Endpoint;
/// let endpoint = Endpoint::new("https://prometheus.example.com").bearer_token_file("/run/secrets/prometheus");
/// # let _ = endpoint;
/// ```
#[derive(Clone)]
pub struct Endpoint {
    url: String,
    plain_http: bool,
    token: Option<Token>,
    roots: Option<PathBuf>,
}

impl Endpoint {
    /// A URL under the safe rules. It is judged when the source is built.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), plain_http: false, token: None, roots: None }
    }

    /// Allows plain HTTP to other hosts than this one, where anybody on the way can read and change the answers, and the
    /// token.
    #[must_use]
    pub const fn allow_plain_http(mut self) -> Self {
        self.plain_http = true;
        self
    }

    /// Sends the bearer token that stands in this environment variable.
    #[must_use]
    pub fn bearer_token_env(mut self, name: impl Into<String>) -> Self {
        self.token = Some(Token::Env(name.into()));
        self
    }

    /// Sends the bearer token that stands in this file, without the white space around it.
    #[must_use]
    pub fn bearer_token_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.token = Some(Token::File(path.into()));
        self
    }

    /// Trusts the certificates in this PEM file too, beside those of the system.
    #[must_use]
    pub fn root_certificate_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.roots = Some(path.into());
        self
    }

    /// The URL, if it and the token obey the rules; otherwise what is wrong, under `path`.
    pub(super) fn check(&self, path: &str) -> Result<Url, Vec<Problem>> {
        let token = self.token.as_ref().map_or(Ok(()), |token| token.read().map(drop));
        let token = token.map_err(|error| token_problem(path, &error));
        match (self.check_url(path), token) {
            (Ok(url), Ok(())) => Ok(url),
            (url, token) => Err(url.err().into_iter().chain(token.err()).collect()),
        }
    }

    pub(super) const fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    pub(super) const fn roots(&self) -> Option<&PathBuf> {
        self.roots.as_ref()
    }

    /// Whether only loopback may be reached.
    pub(super) fn loopback_only(&self, url: &Url) -> bool {
        url.scheme() == "http" && !self.plain_http
    }

    fn check_url(&self, path: &str) -> Result<Url, Problem> {
        let problem = |message: String, hint: &str| Problem::new(path, message).hint(hint);
        if self.url.len() > MAX_URL {
            return Err(problem(format!("URL of {} bytes", self.url.len()), "at most 8 KiB"));
        }
        let url = Url::parse(&self.url).map_err(|error| {
            problem(format!("`{}` is not a URL: {error}", shown(&self.url)), "such as http://127.0.0.1:9090")
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(problem(format!("bad scheme `{}`", excerpt(url.scheme(), 64)), "use http or https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            let hint = "name them by bearer_token_env or bearer_token_file";
            return Err(problem("credentials in the URL".to_owned(), hint));
        }
        let host = Host::of(&url);
        if let Some(address) = host.address().filter(|address| is_blocked(*address)) {
            let hint = "link-local and metadata addresses are never asked";
            return Err(problem(format!("blocked address {address}"), hint));
        }
        if self.loopback_only(&url) && !host.may_be_loopback() {
            let hint = "use https, or allow_plain_http if nobody on the way can touch the answers";
            return Err(problem(format!("plain HTTP to {}", excerpt(&host.to_string(), 64)), hint));
        }
        Ok(url)
    }
}

impl<T: Into<String>> From<T> for Endpoint {
    fn from(url: T) -> Self {
        Self::new(url)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = Url::parse(&self.url).map_or_else(|_| shown(&self.url), |url| label(&url));
        f.debug_struct("Endpoint")
            .field("url", &url)
            .field("plain_http", &self.plain_http)
            .field("token", &self.token)
            .field("roots", &self.roots)
            .finish()
    }
}

/// The URL without whatever may be secret: credentials, query, fragment.
pub(super) fn label(url: &Url) -> String {
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    let label = format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path());
    excerpt(&label, 128)
}

/// Whether nothing good answers there: link-local, or a cloud's metadata service, also when written as IPv6.
pub(super) fn is_blocked(address: IpAddr) -> bool {
    const EC2_METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254);
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => {
            v6.is_unicast_link_local() || v6 == EC2_METADATA || nat64(v6).is_some_and(|v4| v4.is_link_local())
        }
    }
}

/// The IPv4 address within the well-known NAT64 prefix 64:ff9b::/96 (RFC 6052).
fn nat64(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    match v6.segments() {
        [0x0064, 0xff9b, 0, 0, 0, 0, ..] => {
            let [.., a, b, c, d] = v6.octets();
            Some(Ipv4Addr::new(a, b, c, d))
        }
        _ => None,
    }
}

/// A URL that could not be parsed may hold a password, so nothing is shown of one with an `@`.
fn shown(text: &str) -> String {
    if text.contains('@') { "…@…".to_owned() } else { excerpt(text, 64) }
}

fn token_problem(path: &str, error: &TokenError) -> Problem {
    Problem::new(path, super::explain(error))
}

/// The host of a URL that has one.
struct Host<'a>(&'a str);

impl<'a> Host<'a> {
    fn of(url: &'a Url) -> Self {
        Self(url.host_str().unwrap_or_default())
    }

    fn address(&self) -> Option<IpAddr> {
        self.0.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    /// A name is judged again after it was resolved.
    fn may_be_loopback(&self) -> bool {
        let named = || self.0 == "localhost" || self.0.ends_with(".localhost");
        self.address().map_or_else(named, |address| address.to_canonical().is_loopback())
    }
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(endpoint: impl Into<Endpoint>) -> String {
        let endpoint = endpoint.into();
        endpoint
            .check("url")
            .map_or_else(|problems| problems[0].to_string(), |url| format!("ok {}", label(&url)))
    }

    #[test]
    fn bad_urls_say_what_would_be_right() {
        let urls = [
            "file:///etc/passwd",
            "ftp://127.0.0.1/",
            "unix:/run/x",
            "",
            "127.0.0.1:9090",
            "http://",
            "http://127.0.0.1:99999",
            "http://h h/",
            "http://user:secret@h h/",
            "http://user:secret@127.0.0.1/",
            "http://token@127.0.0.1/",
            "http://169.254.169.254/latest",
            "https://169.254.169.254/latest",
            "https://0xa9fea9fe/",
            "https://2852039166/",
            "https://[::ffff:169.254.169.254]/",
            "https://[64:ff9b::a9fe:a9fe]/",
            "https://[fe80::1]/",
            "https://[fd00:ec2::254]/",
            "http://10.0.0.1:9090/",
            "http://prometheus:9090/",
            "http://127.0.0.1.example.com/",
            "http://localhost.example.com/",
        ];
        let messages: Vec<String> = urls.iter().map(|url| format!("{url} -> {}", message(*url))).collect();
        insta::assert_snapshot!(messages.join("\n"));
    }

    #[test]
    fn loopback_and_tls_are_accepted() {
        for url in [
            "http://127.0.0.1:9090",
            "http://127.9.9.9/x",
            "http://localhost:9090/",
            "http://[::1]:1/",
            "https://h/x",
        ] {
            assert!(message(url).starts_with("ok http"), "{url}: {}", message(url));
        }
        assert_eq!(
            message(Endpoint::new("http://10.0.0.1:9090").allow_plain_http()),
            "ok http://10.0.0.1:9090/"
        );
        assert!(message(Endpoint::new("http://169.254.1.1").allow_plain_http()).contains("blocked address"));
    }

    #[test]
    fn debug_shows_no_secret() {
        let endpoint =
            Endpoint::new("http://user:secret@127.0.0.1/a?token=secret#secret").bearer_token_env("PATH");
        let shown = format!("{endpoint:?} {:?}", Endpoint::new("http://user:secret@h h/"));
        assert!(!shown.contains("secret") && !shown.contains(&std::env::var("PATH").unwrap()), "{shown}");
        assert!(shown.contains("PATH"), "{shown}");
    }

    #[test]
    fn a_missing_token_is_told_when_the_source_is_built() {
        let endpoint = Endpoint::new("file:///x").bearer_token_env("CHAOS_NO_SUCH_VARIABLE");
        let problems = endpoint.check("url").unwrap_err();
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[1].to_string().contains("CHAOS_NO_SUCH_VARIABLE"));
    }
}
