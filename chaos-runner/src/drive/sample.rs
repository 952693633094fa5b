//! The eyes of a run: its metrics, its probes, and the judge of its steady state.

use std::{borrow::Cow, sync::Arc, time::Duration};

use chaos_core::{
    experiment::{Experiment, Observation, Phase},
    metrics::{Metrics, MetricsSource, UnknownReason},
    probe::{Judgement, Probe, SteadyState},
};
use futures_util::future;

use super::Driver;
use crate::{
    error::chain,
    event::RunEvent,
    run::{Broke, Shared, on_worker},
};

/// A look under the fault may take this long, however short the interval.
const SHORTEST_LOOK: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Eyes {
    source: Option<Arc<dyn MetricsSource>>,
    probes: Vec<Arc<dyn Probe>>,
    steady_state: Option<Arc<dyn SteadyState>>,
}

impl Eyes {
    pub(super) const fn new(
        source: Option<Arc<dyn MetricsSource>>,
        probes: Vec<Arc<dyn Probe>>,
        steady_state: Option<Arc<dyn SteadyState>>,
    ) -> Self {
        Self { source, probes, steady_state }
    }

    /// Reads everything at the same time, each within the limit; what cannot be read is unknown.
    pub(super) async fn look(&self, shared: &Shared, limit: Duration) -> Metrics {
        let source = async {
            match &self.source {
                Some(source) => read(shared, Arc::clone(source), limit).await,
                None => Metrics::new(),
            }
        };
        if self.probes.is_empty() {
            return source.await;
        }
        let probes = self.probes.iter().map(|probe| ask(shared, Arc::clone(probe), limit));
        let (mut metrics, answers) = Box::pin(future::join(source, future::join_all(probes))).await;
        answers.into_iter().for_each(|answer| metrics.merge(answer));
        metrics
    }

    /// Judges the steady state; `None` where there is none to judge.
    pub(super) fn judge(&self, experiment: &Experiment, metrics: &Metrics) -> Option<Judgement> {
        let tolerances = &experiment.hypothesis.steady_state;
        let typed = (!tolerances.0.is_empty()).then(|| tolerances.judge(metrics));
        let custom = self.steady_state.as_ref().map(|judge| judge.judge(metrics));
        match (typed, custom) {
            (Some(typed), Some(custom)) => Some(worse(typed, custom)),
            (typed, custom) => typed.or(custom),
        }
    }
}

/// The worse of two judgements; a deviation is worse than an unknown.
fn worse(left: Judgement, right: Judgement) -> Judgement {
    match (&left, &right) {
        (Judgement::Held, _) => right,
        (_, Judgement::Held) | (Judgement::Deviated { .. }, _) => left,
        _ => right,
    }
}

async fn read(shared: &Shared, source: Arc<dyn MetricsSource>, limit: Duration) -> Metrics {
    let read = on_worker(&shared.workers, limit, async move { source.sample().await });
    match read.await {
        Ok(Ok(metrics)) => metrics,
        Ok(Err(error)) => blind("the metrics source", &chain(&error)),
        Err(broke) => blind("the metrics source", &broke.to_string()),
    }
}

/// No figures: whoever asks for one finds that it is missing, and the log says why.
fn blind(what: &str, why: &str) -> Metrics {
    tracing::warn!(why, "{what} yields nothing");
    let why = UnknownReason::Failed(why.to_owned());
    let names = [chaos_core::metrics::ERROR_RATE, chaos_core::metrics::LATENCY_P99];
    let mut metrics = Metrics::new();
    names.into_iter().for_each(|name| metrics.insert_unknown(name, why.clone()));
    metrics
}

async fn ask(shared: &Shared, probe: Arc<dyn Probe>, limit: Duration) -> Metrics {
    let name: Cow<'static, str> = probe.name().to_owned().into();
    let mut metrics = Metrics::new();
    match on_worker(&shared.workers, limit, async move { probe.observe().await }).await {
        Ok(Ok(value)) => metrics.insert(name, value),
        Ok(Err(error)) => metrics.insert_unknown(name, UnknownReason::Failed(chain(&error))),
        Err(Broke::TimedOut(_)) => metrics.insert_unknown(name, UnknownReason::TimedOut),
        Err(broke) => metrics.insert_unknown(name, UnknownReason::Failed(broke.to_string())),
    }
    metrics
}

impl Driver {
    /// Looks once, keeps what was seen, and tells it.
    pub(super) async fn look(&mut self, phase: Phase) -> Metrics {
        let settings = &self.shared.settings;
        // Under the fault two blind intervals must not take longer because a source hangs.
        let limit = match phase {
            Phase::Observation => settings.sample_timeout.min(settings.interval.max(SHORTEST_LOOK)),
            _ => settings.sample_timeout,
        };
        let metrics = self.eyes.look(&self.shared, limit).await;
        let observation = Observation::new(self.shared.clock.now(), phase, metrics.clone());
        self.tell(|| RunEvent::Observed(observation.clone()));
        self.experiment.observe(observation);
        metrics
    }

    pub(super) fn judge_steady(&self, metrics: &Metrics) -> Option<Judgement> {
        let judge = || self.eyes.judge(&self.experiment, metrics);
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(judge)).unwrap_or_else(|panic| {
            let why =
                format!("the judge of the steady state panicked: {}", crate::error::panic_text(&*panic));
            Some(Judgement::Unknown { reasons: vec![why] })
        })
    }
}
