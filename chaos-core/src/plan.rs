//! What a run would do, before it does it.

use std::{fmt, time::Duration};

use serde::Serialize;

use crate::{
    id::{FaultId, FaultKind, RunId},
    injector::Capabilities,
    scope::{BlastRadius, Scope},
};

/// One fault of a plan: what it touches, what it promises, what it needs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PlannedFault {
    /// The fault within the run.
    pub id: FaultId,
    /// Its kind.
    pub kind: FaultKind,
    /// What it touches.
    pub scope: Scope,
    /// What it promises and needs.
    pub capabilities: Capabilities,
    /// What a person can do by hand if every program fails.
    pub manual: String,
}

impl PlannedFault {
    /// A fault of a plan.
    #[must_use]
    pub const fn new(
        id: FaultId,
        kind: FaultKind,
        scope: Scope,
        capabilities: Capabilities,
        manual: String,
    ) -> Self {
        Self { id, kind, scope, capabilities, manual }
    }
}

/// What a run would do. Nothing was changed to make it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Plan {
    /// The run.
    pub run: RunId,
    /// The experiment's name.
    pub experiment: String,
    /// The faults, in the order of injection.
    pub faults: Vec<PlannedFault>,
    /// The scope of impact that the faults were checked against.
    pub blast_radius: BlastRadius,
    /// How long the faults are held.
    pub duration: Duration,
    /// The seed of every random choice.
    pub seed: u64,
}

impl Plan {
    /// A plan.
    #[must_use]
    pub const fn new(
        run: RunId,
        experiment: String,
        faults: Vec<PlannedFault>,
        blast_radius: BlastRadius,
        duration: Duration,
        seed: u64,
    ) -> Self {
        Self { run, experiment, faults, blast_radius, duration, seed }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "plan of {} (run {}, seed {})", self.experiment, self.run, self.seed)?;
        writeln!(f, "  held for {:?}", self.duration)?;
        self.faults.iter().try_for_each(|fault| write!(f, "{fault}"))
    }
}

impl fmt::Display for PlannedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {} {}", self.id, self.kind)?;
        for target in &self.scope.targets {
            writeln!(f, "    touches {target}")?;
        }
        writeln!(f, "    if the runner is killed: {}", self.capabilities.guarantee)?;
        if self.capabilities.needs.is_empty() {
            writeln!(f, "    needs nothing")?;
        }
        self.capabilities.needs.iter().try_for_each(|need| writeln!(f, "    needs {need}"))?;
        if self.manual.is_empty() { Ok(()) } else { writeln!(f, "    by hand: {}", self.manual) }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;
    use crate::{
        injector::{Guarantee, Need},
        scope::Target,
    };

    #[test]
    fn a_plan_says_what_would_be_touched_and_what_ends_it() {
        let scope = Scope { targets: vec![Target::new("netns", "web")], population: Some(1) };
        let needs = Capabilities::new(Guarantee::Guardian).needing(Need::Capability("CAP_NET_ADMIN".into()));
        let fault = |id: usize, capabilities, manual: &str| {
            let kind = FaultKind::from_static("net.delay");
            PlannedFault::new(FaultId::numbered(id), kind, scope.clone(), capabilities, manual.into())
        };
        let plan = Plan::new(
            RunId::from_parts(DateTime::<Utc>::UNIX_EPOCH, 1),
            "Slow network".into(),
            vec![fault(0, needs, "tc qdisc del dev eth0 root"), fault(1, Capabilities::process(), "")],
            BlastRadius::default(),
            Duration::from_secs(30),
            7,
        );
        insta::assert_snapshot!(plan, @r"
        plan of Slow network (run 19700101t000000-00000001, seed 7)
          held for 30s
          fault-1 net.delay
            touches netns:web
            if the runner is killed: undone by the guardian
            needs capability CAP_NET_ADMIN
            by hand: tc qdisc del dev eth0 root
          fault-2 net.delay
            touches netns:web
            if the runner is killed: ends with the process
            needs nothing
        ");
    }
}
