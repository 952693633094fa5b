//! The options of the Prometheus source, and what is wrong with them.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chaos_core::{
    clock::{Clock, SystemClock},
    error::{PlanError, Problem},
};
use reqwest::Url;

use super::{Prometheus, Query};
use crate::source::{
    Name,
    endpoint::Endpoint,
    excerpt,
    transport::{Client, Redirects},
};

/// The longest query, in bytes.
const MAX_PROMQL: usize = 64 * 1024;
/// The longest name of a metric, in bytes.
const MAX_NAME: usize = 128;
/// How many queries a source may have; all are sent at the same time.
const MAX_QUERIES: usize = 64;
/// The longest timeout that makes sense for a sample.
const MAX_TIMEOUT: Duration = Duration::from_secs(60);

/// The options of a [`Prometheus`] source.
#[derive(Debug)]
pub struct PrometheusBuilder {
    endpoint: Endpoint,
    queries: Vec<Query>,
    timeout: Duration,
    max_age: Duration,
    clock_skew: Duration,
    clock: Arc<dyn Clock>,
}

impl PrometheusBuilder {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            queries: Vec::new(),
            timeout: Duration::from_secs(2),
            max_age: Duration::from_secs(30),
            clock_skew: Duration::from_secs(5),
            clock: Arc::new(SystemClock),
        }
    }

    /// Adds a metric and the PromQL that yields it, which is sent as it stands, at most 64 KiB.
    #[must_use]
    pub fn query(mut self, name: impl Into<Name>, promql: impl Into<String>) -> Self {
        self.queries.push(Query { name: name.into(), promql: promql.into() });
        self
    }

    /// Bounds each query from the connection to the last byte; 2 s by default, at most 60 s.
    #[must_use]
    pub const fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// How old the time stamp of an answer may be; 30 s by default. [`Prometheus`] says what it tells.
    #[must_use]
    pub const fn max_age(mut self, limit: Duration) -> Self {
        self.max_age = limit;
        self
    }

    /// How far the server's clock may be ahead of ours; 5 s by default.
    #[must_use]
    pub const fn clock_skew(mut self, limit: Duration) -> Self {
        self.clock_skew = limit;
        self
    }

    /// The clock that time stamps are compared with; the machine's by default.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Finishes the source. Sends nothing.
    ///
    /// # Errors
    /// All problems: the URL and its rules (see [`Endpoint`]), names, queries, bounds.
    pub fn build(self) -> Result<Prometheus, PlanError> {
        let mut problems = query_problems(&self.queries);
        problems.extend(bound_problems(self.timeout, self.max_age));
        let client = self.client().map_err(|found| problems.extend(found)).ok();
        PlanError::check("prometheus source", problems)?;
        Ok(Prometheus {
            client: client.expect("a client that could not be built is a problem"),
            queries: self.queries,
            max_age: self.max_age,
            clock_skew: self.clock_skew,
            clock: self.clock,
        })
    }

    fn client(&self) -> Result<Client, Vec<Problem>> {
        let url =
            self.endpoint.check("base_url").and_then(|url| api(url).map_err(|problem| vec![problem]))?;
        Client::new(&self.endpoint, url, self.timeout, Redirects::SameOrigin).map_err(|problem| vec![problem])
    }
}

/// The URL of the instant query.
fn api(mut url: Url) -> Result<Url, Problem> {
    if url.query().is_some() || url.fragment().is_some() {
        let problem = Problem::new("base_url", "a query or a fragment in the URL");
        return Err(problem.hint("give what stands before /api/v1/query"));
    }
    let segments = url.path_segments_mut();
    segments.expect("http and https have a path").pop_if_empty().extend(["api", "v1", "query"]);
    Ok(url)
}

fn bound_problems(timeout: Duration, max_age: Duration) -> Vec<Problem> {
    let mut problems = Vec::new();
    if timeout.is_zero() || timeout > MAX_TIMEOUT {
        problems.push(Problem::new("timeout", format!("{timeout:?}")).hint("more than 0, at most 60 s"));
    }
    if max_age.is_zero() {
        problems.push(Problem::new("max_age", "an age of zero makes every value stale"));
    }
    problems
}

fn query_problems(queries: &[Query]) -> Vec<Problem> {
    let mut problems = Vec::new();
    if queries.is_empty() || queries.len() > MAX_QUERIES {
        let count = format!("{} queries", queries.len());
        problems.push(Problem::new("queries", count).hint(format!("from 1 to {MAX_QUERIES}")));
    }
    let mut names = BTreeSet::new();
    for (index, query) in queries.iter().enumerate() {
        let mut add = |problem: Problem| problems.push(problem.under(&format!("queries[{index}]")));
        if !is_name(&query.name) {
            let message = format!("`{}` is not the name of a metric", excerpt(&query.name, 64));
            add(Problem::new("name", message)
                .hint("a letter or `_`, then letters, digits, `_`, `:`, `.`, `-`"));
        }
        if !names.insert(&query.name) {
            add(Problem::new("name", format!("`{}` is there twice", excerpt(&query.name, 64))));
        }
        if query.promql.trim().is_empty() {
            add(Problem::new("promql", "an empty query"));
        }
        if query.promql.len() > MAX_PROMQL {
            let message = format!("a query of {} bytes", query.promql.len());
            add(Problem::new("promql", message).hint("at most 64 KiB"));
        }
    }
    problems
}

/// The names that criteria can speak of.
fn is_name(name: &str) -> bool {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let goes_on = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '.' | '-'));
    begins && goes_on && name.len() <= MAX_NAME
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_are_reported_at_once() {
        let error = Prometheus::builder("http://169.254.169.254/")
            .query("error rate\n", "up")
            .query("a", "")
            .query("a", "x".repeat(MAX_PROMQL + 1))
            .timeout(Duration::ZERO)
            .max_age(Duration::ZERO)
            .build()
            .unwrap_err();
        insta::assert_snapshot!(error);
    }

    #[test]
    fn a_source_has_a_query_and_not_too_many() {
        let none = Prometheus::builder("http://127.0.0.1:9090").build().unwrap_err();
        assert_eq!(none.to_string(), "prometheus source: 1 problem\n  queries: 0 queries (from 1 to 64)");
        let many = (0..65).fold(Prometheus::builder("http://127.0.0.1:9090"), |builder, index| {
            builder.query(format!("m{index}"), "up")
        });
        assert!(many.build().unwrap_err().to_string().contains("65 queries"));
    }

    #[test]
    fn the_path_of_the_base_url_is_kept() {
        for (base, expected) in [
            ("http://127.0.0.1:9090", "http://127.0.0.1:9090/api/v1/query"),
            ("http://127.0.0.1:9090/", "http://127.0.0.1:9090/api/v1/query"),
            ("https://h/prometheus/", "https://h/prometheus/api/v1/query"),
        ] {
            assert_eq!(api(Url::parse(base).unwrap()).unwrap().as_str(), expected);
        }
        assert!(api(Url::parse("https://h/?token=x").unwrap()).is_err());
    }

    #[test]
    fn long_queries_with_every_character_are_accepted() {
        let query = "\"\\\n&=%é".repeat(7000);
        assert!(query.len() <= MAX_PROMQL);
        assert!(Prometheus::builder("http://127.0.0.1:9090").query("a", query).build().is_ok());
    }
}
