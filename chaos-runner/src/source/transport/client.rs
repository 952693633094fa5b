//! The one HTTP client of the sources.

use std::{fmt, future::Future, time::Duration};

use chaos_core::error::Problem;
use reqwest::{
    RequestBuilder, Response, Url,
    header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE},
    redirect::{Attempt, Policy},
};

use super::{RequestError, Token, resolve::Guarded, tls};
use crate::source::{
    endpoint::{self, Endpoint},
    excerpt,
};

/// The longest answer that is kept, in bytes.
pub(in crate::source) const MAX_BODY: usize = 1024 * 1024;

/// How many redirects are followed at most.
const MAX_REDIRECTS: usize = 3;

/// Whether redirects are followed.
#[derive(Debug, Clone, Copy)]
pub(in crate::source) enum Redirects {
    /// A few, to the same scheme, host and port.
    SameOrigin,
    /// They are answers like others.
    Never,
}

/// A client of one URL, with a bound for each request.
pub(in crate::source) struct Client {
    http: reqwest::Client,
    url: Url,
    token: Option<Token>,
    limit: Duration,
}

/// A whole answer.
#[derive(Debug)]
pub(in crate::source) struct Answer {
    pub(in crate::source) status: u16,
    pub(in crate::source) body: Vec<u8>,
}

/// A redirect that is not followed.
#[derive(Debug, thiserror::Error)]
#[error("refused the redirect to {to}")]
pub(super) struct Refused {
    pub(super) to: String,
}

impl Client {
    /// A client of `url`, which [`Endpoint::check`] gave.
    pub(in crate::source) fn new(
        endpoint: &Endpoint,
        url: Url,
        limit: Duration,
        redirects: Redirects,
    ) -> Result<Self, Problem> {
        let tls = if url.scheme() == "https" {
            tls::config(endpoint.roots().map(AsRef::as_ref))?
        } else {
            tls::none()
        };
        let guard = Guarded { loopback_only: endpoint.loopback_only(&url) };
        let http = plain_builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(guard)
            .redirect(policy(redirects))
            .connect_timeout(limit)
            .build()
            .map_err(|error| Problem::new("endpoint", super::super::explain(&error.without_url())))?;
        Ok(Self { http, url, token: endpoint.token().cloned(), limit })
    }

    /// The URL without secrets.
    pub(in crate::source) fn label(&self) -> String {
        endpoint::label(&self.url)
    }

    /// Posts fields as a form and reads the whole answer, whatever its status.
    pub(in crate::source) async fn post_form(&self, fields: &[(&str, &str)]) -> Result<Answer, RequestError> {
        let request = self.http.post(self.url.clone());
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form(fields));
        self.bounded(async { self.read(self.send(request).await?).await }).await
    }

    /// Gets the URL, reads the answer to its end without keeping it, and gives the status.
    pub(in crate::source) async fn get_status(&self) -> Result<u16, RequestError> {
        self.bounded(async {
            let mut response = self.send(self.http.get(self.url.clone())).await?;
            while response.chunk().await.map_err(|error| self.failed(error))?.is_some() {}
            Ok(response.status().as_u16())
        })
        .await
    }

    async fn bounded<T>(
        &self,
        work: impl Future<Output = Result<T, RequestError>> + Send,
    ) -> Result<T, RequestError> {
        let timed_out = || RequestError::TimedOut { limit: self.limit };
        tokio::time::timeout(self.limit, work).await.unwrap_or_else(|_| Err(timed_out()))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, RequestError> {
        let request = match &self.token {
            Some(token) => request.header(AUTHORIZATION, token.read().map_err(RequestError::Token)?),
            None => request,
        };
        request.send().await.map_err(|error| self.failed(error))
    }

    async fn read(&self, mut response: Response) -> Result<Answer, RequestError> {
        let encoding = response.headers().get(CONTENT_ENCODING);
        if let Some(encoding) = encoding.filter(|encoding| encoding.as_bytes() != b"identity") {
            let encoding = String::from_utf8_lossy(encoding.as_bytes());
            return Err(RequestError::Encoded(excerpt(&encoding, 64)));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failed(error))? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(RequestError::TooLarge { limit: MAX_BODY });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status: response.status().as_u16(), body })
    }

    fn failed(&self, error: reqwest::Error) -> RequestError {
        RequestError::from_reqwest(error, self.limit)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("url", &self.label())
            .field("token", &self.token)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// No comfort that another crate's features could switch on behind our back.
fn plain_builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .no_proxy()
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .referer(false)
        .retry(reqwest::retry::never())
        .http1_only()
        .user_agent(concat!("chaos-runner/", env!("CARGO_PKG_VERSION")))
}

fn policy(redirects: Redirects) -> Policy {
    match redirects {
        Redirects::Never => Policy::none(),
        Redirects::SameOrigin => Policy::custom(|attempt| {
            if follows(&attempt) {
                return attempt.follow();
            }
            let to = endpoint::label(attempt.url());
            attempt.error(Refused { to })
        }),
    }
}

fn follows(attempt: &Attempt<'_>) -> bool {
    let same_origin = attempt.previous().iter().all(|url| url.origin() == attempt.url().origin());
    same_origin && attempt.previous().len() <= MAX_REDIRECTS
}

/// Fields in the encoding of HTML forms (the URL standard's `application/x-www-form-urlencoded`).
fn form(fields: &[(&str, &str)]) -> String {
    let mut url = Url::parse("http://form.invalid").expect("a constant URL");
    url.query_pairs_mut().extend_pairs(fields);
    url.query().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_escapes_all_that_could_end_a_field() {
        assert_eq!(
            form(&[("query", "a{b=\"c\"}\n&d=1+1 é")]),
            "query=a%7Bb%3D%22c%22%7D%0A%26d%3D1%2B1+%C3%A9"
        );
        assert_eq!(form(&[("query", "")]), "query=");
    }
}
