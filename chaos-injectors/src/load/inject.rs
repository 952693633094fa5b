//! Load as a fault of an experiment.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{
    KIND, Load, LoadMeter, LoadPlan, LoadSpec, LoadStats,
    table::{self, Key},
    undo::LoadUndo,
};
use async_trait::async_trait;
use chaos_core::{
    error::{InjectError, PlanError, RevertError},
    id::FaultKind,
    injector::{Capabilities, Effect, FaultCtx, Injector, Live, Prepared},
    metrics::{MetricsSource, REQUEST_RATE, Sample},
    scope::Target,
};

/// The least share of the asked requests that must have been sent for the load to count as injected.
const REACHED: f64 = 0.9;

/// Requests that became due within this time are not missed yet.
const YOUNG: Duration = Duration::from_millis(100);

/// The fault `load.http`: traffic on a target, for as long as it is held.
///
/// It is of the class [`Guarantee::Process`](chaos_core::injector::Guarantee::Process): it ends with this process, by
/// itself after its own duration, and no later than the run allows. Its target is `http:<host>:<port>`, and there is
/// one load of this kind on a target at a time.
///
/// ```
/// use chaos_core::units::HumanDuration;
/// use chaos_injectors::load::{LoadInjector, LoadSpec, Profile};
///
/// let spec = LoadSpec::new("http://127.0.0.1:8080/", Profile::Multiple { times: 10.0, baseline: Some(40.0) });
/// let injector = LoadInjector::new(spec.duration(HumanDuration::from_secs(30)))?;
/// # Ok::<(), chaos_core::error::PlanError>(())
/// ```
#[derive(Debug, Clone)]
pub struct LoadInjector {
    spec: LoadSpec,
    baseline: Option<Arc<dyn MetricsSource>>,
    latest: Arc<Mutex<Option<LoadMeter>>>,
}

impl LoadInjector {
    /// Takes a spec.
    ///
    /// # Errors
    /// [`PlanError`] with everything that is wrong with it.
    pub fn new(spec: LoadSpec) -> Result<Self, PlanError> {
        spec.validate()?;
        Ok(Self { spec, baseline: None, latest: Arc::default() })
    }

    /// Measures the baseline of a [`Profile::Multiple`](super::Profile::Multiple) that names none: the `request_rate`
    /// of this source while the fault is prepared.
    #[must_use]
    pub fn measure_baseline(mut self, source: impl MetricsSource) -> Self {
        self.baseline = Some(Arc::new(source));
        self
    }

    /// The figures of the load that this injector started last, also after it has ended.
    #[must_use]
    pub fn meter(&self) -> Option<LoadMeter> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The spec whose baseline is known, if one is needed.
    async fn measured(&self) -> Result<(LoadSpec, Option<f64>), InjectError> {
        if self.spec.unmeasured().is_none() {
            return Ok((self.spec.clone(), None));
        }
        let source = self.baseline.as_ref().ok_or_else(|| no_baseline("no metrics source was given"))?;
        let metrics = source
            .sample()
            .await
            .map_err(|error| InjectError::failed(self.kind(), "measure the baseline", error))?;
        match metrics.sample(REQUEST_RATE) {
            Sample::Value(rate) => Ok((self.spec.clone().baseline(rate), Some(rate))),
            unknown => Err(no_baseline(&format!("{REQUEST_RATE} is {unknown}"))),
        }
    }

    fn plan(&self, spec: &LoadSpec) -> Result<LoadPlan, InjectError> {
        spec.plan().map_err(|source| InjectError::Invalid { kind: self.kind(), source })
    }
}

fn no_baseline(why: &str) -> InjectError {
    InjectError::Missing {
        kind: FaultKind::from_static(KIND),
        need: format!("a measured baseline ({why})"),
        fix: "set `profile.multiple.baseline`, or give a metrics source that knows request_rate".into(),
    }
}

/// What a load touches, with the port always written out, so that one target has one name.
fn target_of(plan: &LoadPlan) -> Target {
    let target = plan.target();
    let host = target.host().to_ascii_lowercase();
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    Target::new("http", &format!("{host}:{}", target.port()))
}

#[async_trait]
impl Injector for LoadInjector {
    fn kind(&self) -> FaultKind {
        FaultKind::from_static(KIND)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::process()
    }

    async fn prepare(&self, _: &FaultCtx) -> Result<Prepared, InjectError> {
        let (spec, baseline) = self.measured().await?;
        let plan = self.plan(&spec)?;
        let target = target_of(&plan);
        table::refuse_taken(&target)?;
        let undo = LoadUndo { target: target.name().to_owned(), mean_rate: plan.mean_rate(), baseline };
        let prepared = Prepared::new(&undo)?.target(target);
        Ok(prepared.manual("end the process that runs the experiment"))
    }

    async fn inject(
        &self,
        ctx: &FaultCtx,
        prepared: &Prepared,
    ) -> Result<Option<Box<dyn Live>>, InjectError> {
        let prepared: LoadUndo = prepared.state(self.kind())?;
        let spec = self.spec.clone();
        let spec = prepared.baseline.into_iter().fold(spec, LoadSpec::baseline);
        let plan = self.plan(&spec)?.at_most(ctx.max_duration);
        let load = table::start(Key::of(ctx), target_of(&plan), plan)?;
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(load.meter());
        Ok(Some(Box::new(LiveLoad(load))))
    }

    async fn effect(&self, _: &FaultCtx) -> Result<Effect, InjectError> {
        let not_started = || Effect::not_measured("the load was not started");
        Ok(self.meter().map_or_else(not_started, |meter| effect_of(&meter.stats())))
    }
}

/// The asked rate beside what was sent. A target that keeps connections busy or refuses them is not under the load
/// that was asked for, and the effect says so.
fn effect_of(stats: &LoadStats) -> Effect {
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let expected = stats.scheduled as f64 - stats.asked_rate * YOUNG.as_secs_f64();
    let effect = if (stats.sent as f64) < REACHED * expected {
        Effect::absent(shortfall(stats))
    } else if stats.sent == 0 {
        Effect::not_measured("no request was sent yet")
    } else {
        Effect::seen()
    };
    effect
        .figure("request rate", stats.asked_rate, stats.achieved_rate, "requests/s")
        .figure("latency p50", None, stats.latency.map(|latency| millis(latency.p50)), "ms")
        .figure("latency p99", None, stats.latency.map(|latency| millis(latency.p99)), "ms")
        .figure("error rate", None, stats.error_rate.map(|rate| rate * 100.0), "%")
}

fn shortfall(stats: &LoadStats) -> String {
    let errors = stats.errors;
    format!(
        "{} of {} requests were sent: {} found no connection, {} were dropped, {} wait or fly",
        stats.sent, stats.scheduled, errors.connect, errors.dropped, stats.outstanding
    )
}

/// A load that a run holds.
#[derive(Debug)]
struct LiveLoad(Load);

#[async_trait]
impl Live for LiveLoad {
    async fn end(self: Box<Self>) -> Result<(), RevertError> {
        self.0.stop().await;
        Ok(())
    }
}
