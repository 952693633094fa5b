//! A function as a source of metrics.

use std::{fmt, future::Future, pin::Pin};

use async_trait::async_trait;
use chaos_core::{
    error::{MetricsError, Source},
    metrics::{Metrics, MetricsSource},
};

use super::panic_text;

/// Figures by a function that returns at once, such as one that reads counters.
///
/// It runs on the caller's task, where nothing can bound it: a function that waits, or calls a service, belongs into
/// [`from_blocking_fn`] or [`from_async_fn`].
///
/// ```
/// use chaos_runner::source::function::from_fn;
/// fn get_current_metrics() -> [(&'static str, f64); 2] {
///     [("error_rate", 0.02), ("latency_p99", 0.45)]
/// }
/// let source = from_fn(get_current_metrics);
/// # let _ = source;
/// ```
pub fn from_fn<F, M>(function: F) -> Function
where
    F: Fn() -> M + Send + Sync + 'static,
    M: Into<Metrics>,
{
    Function::new(move || ready(Ok(function().into())))
}

/// Figures by a function that returns at once and may fail.
pub fn from_try_fn<F, M, E>(function: F) -> Function
where
    F: Fn() -> Result<M, E> + Send + Sync + 'static,
    M: Into<Metrics>,
    E: Into<Source>,
{
    Function::new(move || ready(function().map(Into::into).map_err(|error| Failure::Error(error.into()))))
}

/// Figures by a function that takes its time; it runs on tokio's threads for blocking work.
///
/// One that hangs is left behind when the runner's bound passes, and its thread with it.
///
/// # Panics
/// A sample panics outside a tokio runtime.
pub fn from_blocking_fn<F, M>(function: F) -> Function
where
    F: Fn() -> M + Clone + Send + Sync + 'static,
    M: Into<Metrics>,
{
    Function::new(move || {
        let function = function.clone();
        let task = tokio::task::spawn_blocking(move || function().into());
        Box::pin(async move { task.await.map_err(joined) })
    })
}

/// Figures by an async function.
///
/// ```
/// use chaos_runner::source::function::from_async_fn;
/// let source = from_async_fn(|| async { [("queue_length", 3.0)] });
/// # let _ = source;
/// ```
pub fn from_async_fn<F, T, M>(function: F) -> Function
where
    F: Fn() -> T + Send + Sync + 'static,
    T: Future<Output = M> + Send + 'static,
    M: Into<Metrics>,
{
    Function::new(move || {
        let answer = function();
        Box::pin(async move { Ok(answer.await.into()) })
    })
}

/// Figures by an async function that may fail.
pub fn from_try_async_fn<F, T, M, E>(function: F) -> Function
where
    F: Fn() -> T + Send + Sync + 'static,
    T: Future<Output = Result<M, E>> + Send + 'static,
    M: Into<Metrics>,
    E: Into<Source>,
{
    Function::new(move || {
        let answer = function();
        Box::pin(async move { answer.await.map(Into::into).map_err(|error| Failure::Error(error.into())) })
    })
}

/// A source that calls a function at every sample. A value that is not finite is unknown.
pub struct Function {
    label: String,
    call: Box<dyn Fn() -> Answer + Send + Sync>,
}

type Answer = Pin<Box<dyn Future<Output = Result<Metrics, Failure>> + Send>>;

enum Failure {
    Error(Source),
    Panic(String),
}

impl Function {
    fn new(call: impl Fn() -> Answer + Send + Sync + 'static) -> Self {
        Self { label: "a function".to_owned(), call: Box::new(call) }
    }

    /// Names the function in errors.
    #[must_use]
    pub fn labeled(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }
}

#[async_trait]
impl MetricsSource for Function {
    async fn sample(&self) -> Result<Metrics, MetricsError> {
        let from = || self.label.clone();
        (self.call)().await.map_err(|failure| match failure {
            Failure::Error(source) => MetricsError::Failed { from: from(), source },
            Failure::Panic(message) => MetricsError::Panicked { from: from(), message },
        })
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function").field("label", &self.label).finish_non_exhaustive()
    }
}

fn ready(answer: Result<Metrics, Failure>) -> Answer {
    Box::pin(std::future::ready(answer))
}

fn joined(error: tokio::task::JoinError) -> Failure {
    match error.try_into_panic() {
        Ok(payload) => Failure::Panic(panic_text(&*payload)),
        Err(cancelled) => Failure::Error(cancelled.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use chaos_core::metrics::{Sample, UnknownReason};

    use super::*;

    #[tokio::test]
    async fn a_function_is_called_at_every_sample() {
        let counter = std::sync::atomic::AtomicU32::new(0);
        let source = from_fn(move || {
            let count = counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            [("calls", f64::from(count))]
        });
        assert_eq!(source.sample().await.unwrap().value("calls"), Some(0.0));
        assert_eq!(source.sample().await.unwrap().value("calls"), Some(1.0));
    }

    #[tokio::test]
    async fn a_value_that_is_not_finite_is_unknown() {
        let metrics = from_fn(|| [("error_rate", f64::NAN)]).sample().await.unwrap();
        assert_eq!(metrics.sample("error_rate"), Sample::Unknown(UnknownReason::NotFinite));
    }

    #[tokio::test]
    async fn all_ways_to_succeed_agree() {
        let values = || [("a", 1.0)];
        let sources = [
            from_fn(values),
            from_try_fn(move || Ok::<_, io::Error>(values())),
            from_blocking_fn(values),
            from_async_fn(move || async move { values() }),
            from_try_async_fn(move || async move { Ok::<_, io::Error>(values()) }),
        ];
        for source in sources {
            assert_eq!(source.sample().await.unwrap(), Metrics::from(values()));
        }
    }

    #[tokio::test]
    async fn an_error_names_the_function_and_keeps_the_cause() {
        let fail = || Err::<Metrics, _>(io::Error::other("database is gone"));
        for source in [from_try_fn(fail), from_try_async_fn(move || async move { fail() })] {
            let error = source.labeled("orders").sample().await.unwrap_err();
            assert_eq!(error.to_string(), "cannot read the metrics of orders");
            assert_eq!(super::super::explain(&error), "cannot read the metrics of orders: database is gone");
        }
    }

    #[tokio::test]
    async fn a_panic_of_a_blocking_function_is_an_error() {
        let source = from_blocking_fn(|| -> Metrics { panic!("no luck") });
        let error = source.labeled("orders").sample().await.unwrap_err();
        assert_eq!(error.to_string(), "metrics of orders panicked: no luck");
    }
}
