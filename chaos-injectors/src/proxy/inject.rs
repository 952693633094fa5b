//! A toxic as a fault of an experiment.

use std::{
    marker::PhantomData,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use chaos_core::{
    error::{InjectError, PlanError, RevertError},
    id::FaultKind,
    injector::{Capabilities, Effect, FaultCtx, Injector, Live, Prepared},
    scope::Target,
};

use super::{
    ToxicSpec, effect,
    engine::{ProxyHandle, Toxic, ToxicError},
    undo::{ToxicUndo, mark},
};

/// How much longer than its run a toxic lives at least. A run measures the effect of a toxic at its very end and takes
/// it away in its rollback; a toxic that goes by itself before that shows nothing.
const EXPIRY_MARGIN: Duration = Duration::from_secs(30);

/// A toxic on a proxy of this process, for as long as it is held.
///
/// It is of the class [`Guarantee::Process`](chaos_core::injector::Guarantee::Process): it ends with this process, and
/// by itself no later than the run allows. Its target is `tcp-proxy:<name of the proxy>`. Of each kind there is one
/// fault on a direction at a time; toxics that the program adds by [`ProxyHandle::add_toxic`] do not count.
///
/// ```
/// use chaos_core::units::HumanDuration;
/// use chaos_injectors::proxy::{Latency, ToxicSpec};
///
/// let fault = Latency::new(HumanDuration::from_millis(200)).on_named("db");
/// ```
///
/// It is read from the fields of its spec and `proxy`, the name of the proxy, and like the spec not checked until
/// [`ToxicFault::validate`].
///
/// ```
/// use chaos_injectors::proxy::{Latency, ToxicFault};
///
/// let fault: ToxicFault<Latency> = serde_json::from_str(r#"{"proxy": "db", "latency": "200ms"}"#)?;
/// fault.validate()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ToxicFault<T> {
    spec: T,
    proxy: Place,
}

/// Where the toxic goes.
#[derive(Debug, Clone)]
enum Place {
    Handle(ProxyHandle),
    Name(String),
}

impl<T: ToxicSpec> ToxicFault<T> {
    /// The fault on this proxy.
    #[must_use]
    pub fn on(spec: T, proxy: &ProxyHandle) -> Self {
        Self { spec, proxy: Place::Handle(proxy.clone()) }
    }

    /// The fault on the proxy of this name, which has to live in this process when the fault is prepared.
    #[must_use]
    pub fn on_named(spec: T, proxy: impl Into<String>) -> Self {
        Self { spec, proxy: Place::Name(proxy.into()) }
    }

    /// What it is asked to do.
    pub const fn spec(&self) -> &T {
        &self.spec
    }

    /// Checks the spec.
    ///
    /// # Errors
    /// [`PlanError`] with every problem.
    pub fn validate(&self) -> Result<(), PlanError> {
        self.spec.validate()
    }

    fn proxy(&self) -> Result<ProxyHandle, InjectError> {
        let none = |why: String| InjectError::NoTargets { kind: Self::fault_kind(), why };
        match &self.proxy {
            Place::Handle(proxy) if proxy.is_closed() => {
                Err(none(format!("proxy {} is closed", proxy.name())))
            }
            Place::Handle(proxy) => Ok(proxy.clone()),
            Place::Name(name) => ProxyHandle::find(name).ok_or_else(|| none(unknown(name))),
        }
    }

    const fn fault_kind() -> FaultKind {
        FaultKind::from_static(T::KIND)
    }

    fn toxic(&self, ctx: &FaultCtx) -> Toxic {
        let mut toxic = Toxic::new(mark(&ctx.run, &ctx.fault), self.spec.toxic())
            .stream(self.spec.direction())
            .toxicity(self.spec.share().fraction())
            .seed(ctx.seed)
            .owner(ctx.run.as_str());
        toxic.expires = Instant::now().checked_add(lifetime(ctx.max_duration));
        toxic
    }
}

/// How long a toxic lives if nobody takes it away: the safety net, for a run that no longer does anything.
fn lifetime(run: Duration) -> Duration {
    run.saturating_add(EXPIRY_MARGIN.max(run / 2))
}

fn unknown(name: &str) -> String {
    let names = ProxyHandle::names();
    let known =
        if names.is_empty() { "there is none".to_owned() } else { format!("there are {}", names.join(", ")) };
    format!("no proxy of this process is called {}; {known}", name.escape_debug())
}

fn target(proxy: &ProxyHandle) -> Target {
    Target::new("tcp-proxy", proxy.name())
}

fn refused<T: ToxicSpec>(proxy: &ProxyHandle, error: ToxicError) -> InjectError {
    let kind = ToxicFault::<T>::fault_kind();
    match error {
        ToxicError::Conflict { taken_by, .. } | ToxicError::NameTaken { name: taken_by, .. } => {
            let why = format!("fault {taken_by} is of the same kind and direction");
            InjectError::Conflict { kind, target: target(proxy), why }
        }
        error => InjectError::failed(kind, "add the toxic", error),
    }
}

#[async_trait]
impl<T: ToxicSpec> Injector for ToxicFault<T> {
    fn kind(&self) -> FaultKind {
        Self::fault_kind()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::process()
    }

    async fn prepare(&self, ctx: &FaultCtx) -> Result<Prepared, InjectError> {
        self.spec.validate().map_err(|source| InjectError::Invalid { kind: self.kind(), source })?;
        let proxy = self.proxy()?;
        proxy.may_add(&self.toxic(ctx)).map_err(|error| refused::<T>(&proxy, error))?;
        let prepared = Prepared::new(&ToxicUndo::<T>::of(&proxy))?.target(target(&proxy));
        Ok(prepared.manual("end the process that runs the proxy"))
    }

    async fn inject(&self, ctx: &FaultCtx, _: &Prepared) -> Result<Option<Box<dyn Live>>, InjectError> {
        let proxy = self.proxy()?;
        let toxic = self.toxic(ctx);
        let name = toxic.name.clone();
        proxy.add_toxic(toxic).map_err(|error| refused::<T>(&proxy, error))?;
        let held: LiveToxic<T> = LiveToxic { proxy, name, spec: PhantomData };
        held.proxy.settled().await;
        Ok(Some(Box::new(held)))
    }

    async fn effect(&self, ctx: &FaultCtx) -> Result<Effect, InjectError> {
        let proxy = self.proxy()?;
        let Some(report) = proxy.report(&mark(&ctx.run, &ctx.fault)) else {
            return Ok(Effect::not_measured(format!("the toxic is not on proxy {}", proxy.name())));
        };
        Ok(effect::measure(&proxy, &self.spec.toxic(), self.spec.share().fraction(), &report).await)
    }
}

/// A toxic that a run holds; removed when it is dropped.
#[derive(Debug)]
struct LiveToxic<T> {
    proxy: ProxyHandle,
    name: String,
    spec: PhantomData<fn() -> T>,
}

impl<T> Drop for LiveToxic<T> {
    fn drop(&mut self) {
        // It may have gone by itself, or with its proxy.
        let _ = self.proxy.remove_toxic(&self.name);
    }
}

#[async_trait]
impl<T: ToxicSpec> Live for LiveToxic<T> {
    async fn end(self: Box<Self>) -> Result<(), RevertError> {
        let proxy = self.proxy.clone();
        drop(self);
        proxy.settled().await;
        Ok(())
    }
}
