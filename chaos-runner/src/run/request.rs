use std::sync::Arc;

use chaos_core::{
    experiment::Experiment,
    id::FaultId,
    injector::Injector,
    metrics::MetricsSource,
    probe::{Probe, SteadyState},
    safety::{AllOf, SafetyPolicy},
};

/// An experiment with its faults and its eyes, ready to be started.
///
/// Several faults are injected in the order in which they are added and undone in reverse.
#[derive(Debug)]
#[must_use = "a run does nothing until it is started"]
pub struct Run {
    pub(crate) experiment: Experiment,
    pub(crate) faults: Vec<RequestedFault>,
    pub(crate) metrics: Option<Arc<dyn MetricsSource>>,
    pub(crate) probes: Vec<Arc<dyn Probe>>,
    pub(crate) steady_state: Option<Arc<dyn SteadyState>>,
    pub(crate) policy: AllOf,
}

#[derive(Debug, Clone)]
pub(crate) struct RequestedFault {
    pub(crate) id: FaultId,
    pub(crate) injector: Arc<dyn Injector>,
}

impl Run {
    /// A run of an experiment, without faults yet.
    pub const fn new(experiment: Experiment) -> Self {
        Self {
            experiment,
            faults: Vec::new(),
            metrics: None,
            probes: Vec::new(),
            steady_state: None,
            policy: AllOf::new(),
        }
    }

    /// Adds a fault; it is called `fault-1`, `fault-2` and so on.
    pub fn fault(self, injector: impl Injector) -> Self {
        let id = FaultId::numbered(self.faults.len());
        self.named_fault(id, injector)
    }

    /// Adds a fault under a name of its own.
    pub fn named_fault(mut self, id: FaultId, injector: impl Injector) -> Self {
        self.faults.push(RequestedFault { id, injector: Arc::new(injector) });
        self
    }

    /// Sets where the figures come from.
    pub fn metrics(mut self, source: impl MetricsSource) -> Self {
        self.metrics = Some(Arc::new(source));
        self
    }

    /// Adds a question that is asked with the metrics.
    pub fn probe(mut self, probe: impl Probe) -> Self {
        self.probes.push(Arc::new(probe));
        self
    }

    /// Adds a judge of the steady state to the tolerances of the experiment; both must hold.
    pub fn steady_state(mut self, judge: impl SteadyState) -> Self {
        self.steady_state = Some(Arc::new(judge));
        self
    }

    /// Adds a safety policy for this run to those of the runner.
    pub fn policy(mut self, policy: impl SafetyPolicy) -> Self {
        self.policy = self.policy.and(policy);
        self
    }
}
