//! Where the runner's figures come from.
//!
//! # Map
//!
//! From the easiest to the most primitive: [`function`] turns a function into a source, [`fixed`] replays figures in tests,
//! `http_probe` measures a URL by requests of its own, `prometheus` asks PromQL, [`composite`] merges several sources. `endpoint` is
//! where and how these two connect, `transport` is how that fails; the four are there with the feature `http`.
//!
//! All follow one rule of [`chaos_core::metrics`]: no data is never a number. Whoever builds a source learns everything that is
//! wrong with its options at once, as a [`PlanError`](chaos_core::error::PlanError).

pub mod composite;
#[cfg(feature = "http")]
pub mod endpoint;
pub mod fixed;
pub mod function;
#[cfg(feature = "http")]
pub mod http_probe;
#[cfg(feature = "http")]
pub mod prometheus;
#[cfg(feature = "http")]
pub mod transport;

use std::{borrow::Cow, error::Error as StdError};

use chaos_core::{
    error::MetricsError,
    metrics::{MetricsSource, UnknownReason},
};

/// A metric's name, borrowed where it is a literal.
pub type Name = Cow<'static, str>;

/// A source that knows beforehand which metrics it reports, so that they can be unknown when it fails.
pub trait NamedSource: MetricsSource {
    /// The names of all that it reports.
    fn names(&self) -> Vec<Name>;
}

/// How long a text of somebody else may become in our messages, in characters.
const MAX_EXCERPT: usize = 256;

/// An error as one line with all its causes, control characters escaped, cut to a bound.
fn explain(error: &(dyn StdError + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    let lines: Vec<String> = causes.map(ToString::to_string).collect();
    excerpt(&lines.join(": "), MAX_EXCERPT)
}

/// Escapes control characters and cuts after `limit` characters.
fn excerpt(text: &str, limit: usize) -> String {
    let escaped = || text.chars().flat_map(visible);
    let mut cut: String = escaped().take(limit).collect();
    if escaped().nth(limit).is_some() {
        cut.push('…');
    }
    cut
}

/// Quotes stay as they are, everything that could forge or hide a line is escaped.
fn visible(c: char) -> impl Iterator<Item = char> {
    let plain = matches!(c, '"' | '\'' | '\\');
    plain.then_some(c).into_iter().chain((!plain).then(|| c.escape_debug()).into_iter().flatten())
}

/// What the failure of a whole source means for each of its metrics.
fn reason(error: &MetricsError) -> UnknownReason {
    match error {
        MetricsError::TimedOut { .. } => UnknownReason::TimedOut,
        other => UnknownReason::Failed(explain(other)),
    }
}

/// The text of a panic's payload.
fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    excerpt(text.unwrap_or("a panic without a text"), MAX_EXCERPT)
}

#[expect(dead_code, reason = "pins that the trait can be a trait object")]
fn object_safe(_: &dyn NamedSource) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_somebody_else_cannot_forge_a_line() {
        assert_eq!(excerpt("say \"no\"\n\u{1b}[31mred", 64), "say \"no\"\\n\\u{1b}[31mred");
        assert_eq!(excerpt(&"x".repeat(300), 4), "xxxx…");
        assert_eq!(excerpt("xxxx", 4), "xxxx");
    }

    #[test]
    fn causes_are_named_once_each() {
        let cause = std::io::Error::other("disk full");
        let error = MetricsError::Failed { from: "x".into(), source: cause.into() };
        assert_eq!(explain(&error), "cannot read the metrics of x: disk full");
        assert_eq!(reason(&error), UnknownReason::Failed("cannot read the metrics of x: disk full".into()));
    }
}
