//! Reports to look at: made by hand, so that every figure is known.

use std::time::Duration;

use chaos_core::{
    criterion::{Criterion, Outcome},
    experiment::{Experiment, ExperimentStatus, Observation, Phase},
    id::{FaultId, FaultKind, RunId},
    injector::{Capabilities, Effect, Guarantee},
    metrics::{Metrics, UnknownReason},
    plan::{Plan, PlannedFault},
    probe::Judgement,
    safety::{Reason, SafetyConstraints, SafetyPolicy},
    scope::{BlastRadius, Scope, Target},
    undo::Reverted,
};
use chrono::{DateTime, Utc};

use super::{
    AbortReason, Conclusion, CriterionResult, Ending, FaultReport, PhaseStart, RunReport, UndoReport,
};

const KIND: FaultKind = FaultKind::from_static("proxy.latency");

/// An instant of the run, in milliseconds after its start.
pub(super) fn at(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_789_000_000_000 + millis).expect("the instant is in range")
}

/// A run that kept what it promised.
pub(super) fn success() -> RunReport {
    completed(Conclusion::Success)
}

fn completed(conclusion: Conclusion) -> RunReport {
    let mut report = skeleton(conclusion, Ending::Completed);
    report.criteria = vec![
        result("Error rate <5%", Outcome::Met { observed: 0.012 }),
        result("latency p99 <1s", Outcome::Met { observed: 0.3124 }),
    ];
    report.steady_before = Some(Judgement::Held);
    report.steady_after = Some(Judgement::Held);
    report.recovered_in = Some(Duration::from_millis(230));
    report.faults = vec![fault(Some(Reverted::Undone))];
    report
}

/// A run that a breach stopped.
pub(super) fn aborted() -> RunReport {
    breached(None)
}

fn breached(instead: Option<Conclusion>) -> RunReport {
    let why = Reason::new("max_error_rate", "error_rate is 12%, the limit is 10%");
    let reason = AbortReason::Breach(vec![why]);
    let conclusion = instead.unwrap_or(Conclusion::Aborted(reason.clone()));
    let mut report = skeleton(conclusion, Ending::Aborted(reason.clone()));
    report.criteria = vec![
        result("Error rate <5%", Outcome::NotMet { observed: 0.12 }),
        result("latency p99 <1s", Outcome::Met { observed: 0.3124 }),
        result("No data loss", Outcome::NotEvaluated { why: "manual criterion".into() }),
    ];
    report.steady_before = Some(Judgement::Held);
    let late = "error_rate < 1%: observed 12%".to_owned();
    report.steady_during = Some(Judgement::Deviated { reasons: vec![late] });
    report.steady_after = Some(Judgement::Held);
    report.recovered_in = Some(Duration::from_millis(230));
    report.phases[4].note = reason.to_string();
    let mut undone = fault(Some(Reverted::Undone));
    undone.effect = Some(Effect::not_measured("the measurement did not end in time"));
    report.faults = vec![undone];
    report
}

/// A run that a policy did not let start.
pub(super) fn refused() -> RunReport {
    let why = Reason::new("window", "10:30 lies within 09:00 to 18:00 UTC");
    let mut report = skeleton(Conclusion::Refused(why.to_string()), Ending::Refused(vec![why]));
    report.experiment = never_ran(&report.conclusion);
    report.baseline = Metrics::new();
    report.phases = phases(&[(Phase::Preflight, 0), (Phase::Closed, 2)]);
    report.phases[1].note = report.conclusion.to_string();
    report.faults = vec![FaultReport { effect: None, ..fault(None) }];
    report
}

/// A run that showed nothing, since nobody answered its criterion.
pub(super) fn not_evaluated() -> RunReport {
    let mut report = completed(Conclusion::NotEvaluated("1 of 3 criteria".into()));
    report.criteria.push(result("No data loss", Outcome::NotEvaluated { why: "manual criterion".into() }));
    report
}

/// A run whose fault had no effect.
pub(super) fn not_injected() -> RunReport {
    let why = "no connection passed the proxy";
    let mut report = completed(Conclusion::NotInjected(format!("fault-1: {why}")));
    report.faults[0].effect = Some(Effect::absent(why).figure("latency p50", 100.0, None, "ms").figure(
        "connections",
        None,
        0.0,
        "",
    ));
    report
}

/// A run whose fault is still on.
pub(super) fn left_behind() -> RunReport {
    let mut report = breached(Some(Conclusion::LeftBehind));
    report.steady_after = Some(Judgement::Deviated { reasons: vec!["error_rate < 1%: observed 12%".into()] });
    report.recovered_in = None;
    let why = "it is still there after the undo".to_owned();
    report.faults = vec![fault(Some(Reverted::Stuck { why }))];
    report
}

/// A run of nothing: no phase, no fault, no figure.
pub(super) fn empty() -> RunReport {
    let mut report = skeleton(Conclusion::Failed("a safety policy panicked".into()), Ending::Completed);
    report.experiment = never_ran(&report.conclusion);
    (report.baseline, report.phases) = (Metrics::new(), Vec::new());
    report
}

/// An observation of the two usual metrics.
pub(super) fn look(millis: i64, phase: Phase, error_rate: f64, p99: f64) -> Observation {
    Observation::new(at(millis), phase, Metrics::from([("error_rate", error_rate), ("latency_p99", p99)]))
}

/// A look at which the latency is unknown.
fn half_blind(millis: i64, error_rate: f64) -> Observation {
    let mut metrics = Metrics::from([("error_rate", error_rate)]);
    metrics.insert_unknown("latency_p99", UnknownReason::TimedOut);
    Observation::new(at(millis), Phase::Observation, metrics)
}

fn experiment() -> Experiment {
    Experiment::builder("The API bears a slow database")
        .hypothesis("Checkout stays available with a database that answers 100 ms later")
        .blast_radius("One replica of the API")
        .rollback_plan("The proxy forgets its toxic")
        .success_criteria("Error rate <5%, latency p99 <1s")
        .steady_state("error_rate < 1%")
        .build()
        .expect("the experiment is right")
}

fn never_ran(conclusion: &Conclusion) -> Experiment {
    let mut experiment = experiment();
    experiment.transition(conclusion.status(), at(2)).expect("it was planned");
    experiment
}

fn skeleton(conclusion: Conclusion, ending: Ending) -> RunReport {
    let run = RunId::from_parts(at(0), 0x9f86_d081);
    let mut experiment = experiment();
    experiment.transition(ExperimentStatus::Running, at(1_010)).expect("it was planned");
    let breach = matches!(ending, Ending::Aborted(_));
    observe(&mut experiment, breach.then(|| look(3_050, Phase::Observation, 0.12, 0.2955)));
    experiment.transition(conclusion.status(), at(4_300)).expect("it was running");
    let target = Target::new("tcp-proxy", "db");
    let scope = Scope { targets: vec![target], population: None };
    let planned =
        PlannedFault::new(FaultId::numbered(0), KIND, scope, Capabilities::process(), "restart it".into());
    let radius = BlastRadius::described("One replica of the API");
    let hold = Duration::from_secs(if breach { 10 } else { 2 });
    let closing = conclusion.to_string();
    let mut report = RunReport {
        plan: Plan::new(run.clone(), experiment.name.clone(), vec![planned], radius, hold, 42),
        run,
        baseline: Metrics::from([("error_rate", 0.001), ("latency_p99", 0.045)]),
        experiment,
        ending,
        conclusion,
        criteria: Vec::new(),
        steady_before: None,
        steady_during: None,
        steady_after: None,
        recovered_in: None,
        faults: Vec::new(),
        limits: SafetyConstraints::default().limits(),
        phases: phases(&[
            (Phase::Preflight, 0),
            (Phase::Baseline, 5),
            (Phase::Injection, 1_010),
            (Phase::Observation, 1_030),
            (Phase::Rollback, 3_060),
            (Phase::Verification, 3_075),
            (Phase::Closed, 4_300),
        ]),
    };
    report.phases[6].note = closing;
    report
}

fn observe(experiment: &mut Experiment, breach: Option<Observation>) {
    let mut seen = vec![
        look(10, Phase::Baseline, 0.002, 0.047),
        look(510, Phase::Baseline, 0.001, 0.045),
        look(1_030, Phase::Observation, 0.001, 0.1521),
        look(1_530, Phase::Observation, 0.012, 0.3124),
        half_blind(2_030, 0.009),
        look(2_530, Phase::Observation, 0.004, 0.2487),
        look(3_080, Phase::Verification, 0.002, 0.11),
        look(3_305, Phase::Verification, 0.0, 0.05),
    ];
    seen.extend(breach);
    seen.sort_by_key(|observation| observation.at);
    seen.into_iter().for_each(|observation| experiment.observe(observation));
}

fn phases(starts: &[(Phase, i64)]) -> Vec<PhaseStart> {
    let start =
        |(phase, millis): &(Phase, i64)| PhaseStart { phase: *phase, at: at(*millis), note: String::new() };
    starts.iter().map(start).collect()
}

fn result(text: &str, outcome: Outcome) -> CriterionResult {
    CriterionResult { criterion: Criterion::parse(text), from_hypothesis: false, outcome }
}

fn fault(how: Option<Reverted>) -> FaultReport {
    let undo = how.map(|how| {
        let manual = (!how.is_clear()).then(|| "restart the process that holds the proxy".to_owned());
        UndoReport {
            fault: FaultId::numbered(0),
            kind: KIND,
            how,
            tries: 1,
            took: Duration::from_micros(1_250),
            manual,
        }
    });
    let effect = Effect::seen().figure("latency p50", 100.0, 101.3, "ms").figure(
        "throughput",
        None,
        842.0,
        "requests/s",
    );
    FaultReport {
        id: FaultId::numbered(0),
        kind: KIND,
        guarantee: Guarantee::Process,
        effect: Some(effect),
        undo,
    }
}
