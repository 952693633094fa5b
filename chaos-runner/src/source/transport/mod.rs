//! Requests with bounds: how long, how large, where to, and how they fail.

mod client;
mod resolve;
mod tls;
mod token;

use std::{error::Error as StdError, net::IpAddr, time::Duration};

use chaos_core::error::Source;

pub(super) use client::{Client, Redirects};
pub(super) use token::Token;
pub use token::TokenError;

/// Why a request got no answer that can be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The bearer token cannot be read.
    #[error("no bearer token")]
    Token(#[source] TokenError),
    /// The name resolves to addresses that are never asked.
    #[error("{host} resolves to the blocked address {address}")]
    BlockedAddress {
        /// The name.
        host: String,
        /// One of its addresses.
        address: IpAddr,
    },
    /// There is no connection.
    #[error("cannot connect")]
    Connect(#[source] Source),
    /// The server's certificate is not trusted, or it does not speak TLS.
    #[error("TLS failed")]
    Tls(#[source] Source),
    /// The whole answer was not there in time.
    #[error("no answer within {limit:?}")]
    TimedOut {
        /// The bound.
        limit: Duration,
    },
    /// The server sends us to another host, in circles or too far.
    #[error("refused the redirect to {to}")]
    Redirect {
        /// Scheme, host, port and path of the target.
        to: String,
    },
    /// The answer is longer than allowed.
    #[error("answer of more than {limit} bytes")]
    TooLarge {
        /// The bound in bytes.
        limit: usize,
    },
    /// The answer is compressed, though nothing was asked to be.
    #[error("answer in the encoding `{0}`, which was not asked for")]
    Encoded(String),
    /// The connection broke, or what came was not HTTP.
    #[error("the request failed")]
    Broken(#[source] Source),
}

impl RequestError {
    /// Finds out what went wrong; the URL is taken out of the error, since it may hold secrets.
    fn from_reqwest(error: reqwest::Error, limit: Duration) -> Self {
        if let Some(blocked) = find::<resolve::Blocked>(&error) {
            return Self::BlockedAddress { host: blocked.host.clone(), address: blocked.address };
        }
        if let Some(refused) = find::<client::Refused>(&error) {
            return Self::Redirect { to: refused.to.clone() };
        }
        if let Some(tls) = find::<rustls::Error>(&error) {
            return Self::Tls(Box::new(tls.clone()));
        }
        let (timed_out, connect) = (error.is_timeout(), error.is_connect());
        match Source::from(error.without_url()) {
            _ if timed_out => Self::TimedOut { limit },
            cause if connect => Self::Connect(cause),
            cause => Self::Broken(cause),
        }
    }
}

/// The first cause of this type, also where an I/O error hides it.
fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    std::iter::successors(Some(error), |&error| inner(error)).find_map(|error| error.downcast_ref())
}

/// An I/O error skips what it wraps in its `source()`.
fn inner<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    match wrapped {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_found_behind_io_errors() {
        let hidden = std::io::Error::other(std::io::Error::other(rustls::Error::DecryptError));
        assert_eq!(find::<rustls::Error>(&hidden), Some(&rustls::Error::DecryptError));
        assert!(find::<rustls::Error>(&std::io::Error::other("plain")).is_none());
    }

    /// A resolver that finds only a metadata address behind every name.
    struct Poisoned;

    impl reqwest::dns::Resolve for Poisoned {
        fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
            let blocked =
                resolve::Blocked { host: name.as_str().to_owned(), address: [169, 254, 169, 254].into() };
            Box::pin(std::future::ready(Err(blocked.into())))
        }
    }

    #[tokio::test]
    async fn a_blocked_address_behind_a_name_is_told() {
        let client = reqwest::Client::builder().tls_backend_preconfigured(tls::none()).dns_resolver(Poisoned);
        let sent = client.build().unwrap().get("http://metrics.invalid/").send().await;
        let error = RequestError::from_reqwest(sent.unwrap_err(), Duration::from_secs(1));
        assert_eq!(error.to_string(), "metrics.invalid resolves to the blocked address 169.254.169.254");
    }

    #[tokio::test]
    async fn an_error_does_not_repeat_the_url() {
        let closed = tokio::net::TcpSocket::new_v4().unwrap();
        closed.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let url = format!("http://{}/?token=hunter2", closed.local_addr().unwrap());
        let client = reqwest::Client::builder().tls_backend_preconfigured(tls::none()).build().unwrap();
        let error = client.get(url).send().await.unwrap_err();
        assert!(error.to_string().contains("hunter2"), "the test needs an error that holds the URL: {error}");
        let error = RequestError::from_reqwest(error, Duration::from_secs(1));
        assert!(matches!(error, RequestError::Connect(_)), "{error:?}");
        assert!(!format!("{error:?} {}", crate::source::explain(&error)).contains("hunter2"), "{error:?}");
    }
}
