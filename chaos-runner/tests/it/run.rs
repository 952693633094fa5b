//! Whole runs on a fake host: what is asked is done, and what was done is undone.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use chaos_core::{
    clock::ManualClock,
    criterion::Outcome,
    error::MetricsError,
    experiment::{ExperimentStatus, Phase},
    metrics::{LATENCY_P99, Metrics, UnknownReason},
    probe::{Probe, Strategy},
    safety::SafetyConstraints,
    scope::BlastRadius,
    testkit::{Act, Step},
    units::HumanDuration,
};
use chaos_runner::{
    Run, RunError, RunEvent,
    report::{AbortReason, Conclusion, Ending},
    source::{fixed::Fixed, function},
};

use crate::support::{Bench, endless, experiment, figures, good, within};

#[tokio::test]
async fn a_run_looks_injects_observes_undoes_and_looks_again() {
    let bench = Bench::new();
    bench.host.set("db", "primary");
    let report = within(bench.runner.run_all(bench.run())).await.expect("a report");
    assert_eq!(report.status(), ExperimentStatus::Success, "{report}");
    assert_eq!(bench.host.get("db").as_deref(), Some("primary"));
    assert_eq!(report.exit_code(), 0);
    assert_eq!(
        bench.journaled(),
        [
            "run",
            "phase preflight",
            "phase baseline",
            "phase injection",
            "intent fault-1",
            "applied fault-1",
            "phase observation",
            "phase rollback",
            "undone fault-1: undone",
            "phase verification",
            "phase closed",
            "closed success"
        ]
    );
}

#[tokio::test]
async fn the_first_look_is_at_once_and_not_after_an_interval() {
    let bench = Bench::with(|builder| builder.interval(std::time::Duration::from_secs(3600)));
    let report = within(bench.runner.run_all(bench.run())).await.expect("a report");
    let seen = report.experiment.observations().iter().filter(|seen| seen.phase == Phase::Observation);
    assert_eq!(seen.count(), 1);
    assert_eq!(report.status(), ExperimentStatus::Success);
}

#[tokio::test]
async fn a_breach_aborts_and_undoes() {
    let bench = Bench::new();
    let source = Fixed::script([figures(0.01), figures(0.02), figures(0.5)]);
    let run = Run::new(endless()).fault(bench.fault("db")).metrics(source);
    let report = within(bench.runner.run_all(run)).await.expect("a report");
    assert!(matches!(&report.ending, Ending::Aborted(AbortReason::Breach(_))), "{:?}", report.ending);
    assert_eq!(report.status(), ExperimentStatus::Aborted);
    assert_eq!(report.exit_code(), 3);
    assert!(
        report.conclusion.to_string().contains("error_rate is 50%, the limit is 10%"),
        "{}",
        report.conclusion
    );
    bench.assert_clean();
}

#[tokio::test]
async fn unknown_metrics_abort_after_two_intervals_and_not_before() {
    let bench = Bench::new();
    let mut blind = figures(0.01);
    blind.insert_unknown(LATENCY_P99, UnknownReason::Empty);
    let source = Fixed::script([figures(0.01), blind]);
    let run = Run::new(endless()).fault(bench.fault("db")).metrics(source);
    let report = within(bench.runner.run_all(run)).await.expect("a report");
    assert!(matches!(&report.ending, Ending::Aborted(AbortReason::Unknown(_))), "{:?}", report.ending);
    let under_fault = report.experiment.observations().iter().filter(|seen| seen.phase == Phase::Observation);
    assert_eq!(under_fault.count(), 3);
    bench.assert_clean();
}

#[tokio::test]
async fn no_data_before_the_injection_refuses() {
    let bench = Bench::new();
    let run = bench.run().metrics(function::from_fn(Metrics::new));
    let report = within(bench.runner.run_all(run)).await.expect("a report");
    assert!(matches!(report.conclusion, Conclusion::Refused(_)), "{}", report.conclusion);
    assert_eq!(report.status(), ExperimentStatus::Aborted);
    assert!(!bench.host.calls().iter().any(|call| call.starts_with("inject")), "{:?}", bench.host.calls());
    assert_eq!(bench.journaled().last().map(String::as_str), Some("closed aborted"));
}

#[tokio::test]
async fn the_default_window_refuses_at_noon_and_admits_at_six() {
    for (time, status) in [("12:00:00", ExperimentStatus::Aborted), ("18:00:00", ExperimentStatus::Success)] {
        let now = format!("2026-01-15T{time}Z").parse().expect("an instant");
        let safety = SafetyConstraints::default();
        let bench = Bench::with(|builder| builder.policy(safety).clock(ManualClock::new(now)));
        let report = within(bench.runner.run_all(bench.run())).await.expect("a report");
        assert_eq!(report.status(), status, "{report}");
    }
}

#[tokio::test]
async fn a_baseline_may_take_its_time_to_become_good() {
    let mut settings = crate::support::fast();
    settings.baseline_wait = crate::support::BOUND;
    let bench = Bench::with(|builder| builder.settings(settings));
    let source = Fixed::script([Metrics::new(), figures(0.5), figures(0.01)]);
    let report = within(bench.runner.run_all(bench.run().metrics(source))).await.expect("a report");
    assert_eq!(report.status(), ExperimentStatus::Success, "{report}");
    assert_eq!(report.baseline.value("error_rate"), Some(0.01));
}

#[tokio::test]
async fn a_target_is_held_by_one_run_at_a_time() {
    let bench = Bench::new();
    let mut first = bench.runner.start(Run::new(endless()).fault(bench.fault("db")).metrics(good()));
    while !matches!(within(first.next_event()).await, Some(RunEvent::Applied { .. })) {}
    let refused = within(bench.runner.run_all(bench.run())).await;
    assert!(matches!(refused, Err(RunError::Prepare { .. } | RunError::Target(_))), "{refused:?}");
    let other =
        Run::new(experiment().build().expect("an experiment")).fault(bench.fault("cache")).metrics(good());
    let beside = within(bench.runner.run_all(other)).await.expect("a report");
    assert_eq!(beside.status(), ExperimentStatus::Success);
    first.abort();
    let report = within(first.wait()).await.expect("a report");
    assert_eq!(report.ending, Ending::Aborted(AbortReason::Requested));
    bench.assert_clean();
}

#[tokio::test]
async fn faults_go_in_reverse_and_one_that_is_stuck_stops_none() {
    let bench = Bench::new();
    let run = Run::new(experiment().build().expect("an experiment"))
        .fault(bench.fault("a"))
        .fault(bench.fault("b").always(Step::Revert, Act::Stuck))
        .fault(bench.fault("c"))
        .metrics(good());
    let report = within(bench.runner.run_all(run)).await.expect("a report");
    assert_eq!(report.conclusion, Conclusion::LeftBehind);
    assert_eq!(report.exit_code(), 4);
    assert_eq!(report.left_behind().map(|undo| undo.fault.as_str()).collect::<Vec<_>>(), ["fault-2"]);
    assert!(report.to_string().contains("set b back"), "{report}");
    let calls = bench.host.calls();
    let reverts: Vec<_> =
        calls.iter().filter(|call| call.starts_with("revert ")).map(String::as_str).collect();
    assert_eq!(reverts, ["revert c", "revert b", "revert a"]);
    assert!(bench.host.get("a").is_none() && bench.host.get("c").is_none());
    let next = within(bench.runner.run_all(bench.run())).await;
    assert!(
        matches!(next, Err(RunError::Unrecovered(_))),
        "no new run over a fault that is left behind: {next:?}"
    );
}

#[tokio::test]
async fn an_undo_is_tried_again_while_that_may_help() {
    let bench = Bench::new();
    let run = bench.run();
    let _ = bench.fault("db").first(2, Step::Revert, Act::Fail).first(1, Step::Reverted, Act::Panic);
    let report = within(bench.runner.run_all(run)).await.expect("a report");
    assert_eq!(report.faults[0].undo.as_ref().map(|undo| undo.tries), Some(4), "{report}");
    bench.assert_clean();
}

#[tokio::test]
async fn what_cannot_be_undone_needs_an_opt_in() {
    let bench = Bench::new();
    let run = |experiment| Run::new(experiment).fault(bench.fault("db").irreversible()).metrics(good());
    let refused = within(bench.runner.run_all(run(experiment().build().expect("an experiment")))).await;
    let Err(RunError::Plan(error)) = refused else { panic!("{refused:?}") };
    assert!(error.to_string().contains("allow_irreversible"), "{error}");
    assert!(bench.journal.runs().is_empty(), "bad input leaves no journal");
}

#[tokio::test]
async fn what_lies_outside_the_blast_radius_is_refused() {
    let bench = Bench::new();
    let radius = BlastRadius::described("one setting").max_targets(1);
    let experiment = experiment().blast_radius(radius).build().expect("an experiment");
    let run = Run::new(experiment).fault(bench.fault("a")).fault(bench.fault("b")).metrics(good());
    let refused = within(bench.runner.run_all(run)).await;
    let Err(RunError::Plan(error)) = refused else { panic!("{refused:?}") };
    assert!(error.to_string().contains("2 targets are planned, at most 1 are allowed"), "{error}");
    bench.assert_clean();
}

#[tokio::test]
async fn a_fault_without_a_reverter_is_refused() {
    let host = chaos_core::testkit::FakeHost::new();
    let runner = chaos_runner::Runner::builder(crate::support::safety())
        .journal(chaos_core::testkit::MemoryJournal::new())
        .build()
        .expect("a runner");
    let fault = chaos_core::testkit::FakeFault::new(&host, "db", "gone");
    let refused = within(runner.run(experiment().build().expect("an experiment"), fault, good())).await;
    let Err(RunError::Plan(error)) = refused else { panic!("{refused:?}") };
    assert!(error.to_string().contains("no reverter for fake.setting"), "{error}");
}

#[tokio::test]
async fn a_plan_says_what_would_be_touched_and_touches_nothing() {
    let bench = Bench::new();
    let plan = within(bench.runner.plan(bench.run())).await.expect("a plan");
    let text = plan.to_string().replace(plan.run.as_str(), "RUN");
    insta::assert_snapshot!(text, @r"
    plan of A setting is lost (run RUN, seed 7)
      held for 60ms
      fault-1 fake.scripted
        touches fake:db
        if the runner is killed: undone at the next start
        needs nothing
        by hand: set db back
    ");
    assert_eq!(bench.host.calls(), ["prepare db"]);
    assert!(bench.journal.runs().is_empty());
}

#[tokio::test]
async fn a_manual_criterion_is_never_a_success() {
    let bench = Bench::new();
    let experiment =
        experiment().success_criteria("- Error rate <5%\n- No data loss").build().expect("an experiment");
    let run = || Run::new(experiment.clone()).fault(bench.fault("db")).metrics(good());
    let report = within(bench.runner.run_all(run())).await.expect("a report");
    assert!(matches!(report.conclusion, Conclusion::NotEvaluated(_)), "{report}");
    assert_ne!(report.status(), ExperimentStatus::Success);
    assert_eq!(report.exit_code(), 5);
    let answered = within(bench.runner.run_all(run().probe(NoDataLoss))).await.expect("a report");
    assert_eq!(answered.conclusion, Conclusion::Success, "{answered}");
    assert!(matches!(answered.criteria[1].outcome, Outcome::Met { .. }));
}

#[derive(Debug)]
struct NoDataLoss;

#[async_trait::async_trait]
impl Probe for NoDataLoss {
    fn name(&self) -> &str {
        "No data loss"
    }

    async fn observe(&self) -> Result<f64, MetricsError> {
        Ok(1.0)
    }
}

#[tokio::test]
async fn the_worst_observation_decides_a_criterion() {
    let bench = Bench::new();
    let source = Fixed::script([figures(0.01), figures(0.09), figures(0.01)]);
    let report = within(bench.runner.run_all(bench.run().metrics(source))).await.expect("a report");
    assert_eq!(report.criteria[0].outcome, Outcome::NotMet { observed: 0.09 });
    assert!(matches!(report.conclusion, Conclusion::NotHeld(_)));
    assert_eq!(report.status(), ExperimentStatus::Failed);
}

#[tokio::test]
async fn a_fault_without_an_effect_was_not_injected() {
    let bench = Bench::new();
    let host = bench.host.clone();
    let meddling = function::from_fn(move || {
        if host.is_marked() {
            host.set("db", "somebody else's");
        }
        figures(0.01)
    });
    let report = within(bench.runner.run_all(bench.run().metrics(meddling))).await.expect("a report");
    assert!(matches!(report.conclusion, Conclusion::NotInjected(_)), "{report}");
    assert_eq!(bench.host.get("db").as_deref(), Some("somebody else's"), "a foreign change stays");
}

/// Counts how often the steady state is looked at: each look reads the probe-like metric once.
#[tokio::test]
async fn the_strategies_judge_when_they_say() {
    for (strategy, before, during, after) in [
        (Strategy::Default, true, false, true),
        (Strategy::Before, true, false, false),
        (Strategy::After, false, false, true),
        (Strategy::During, false, true, false),
        (Strategy::Continuously, true, true, true),
        (Strategy::Skip, false, false, false),
    ] {
        let bench = Bench::new();
        let experiment =
            experiment().steady_state("error_rate < 5%").strategy(strategy).build().expect("an experiment");
        let run = Run::new(experiment).fault(bench.fault("db")).metrics(good());
        let report = within(bench.runner.run_all(run)).await.expect("a report");
        let judged =
            (report.steady_before.is_some(), report.steady_during.is_some(), report.steady_after.is_some());
        assert_eq!(judged, (before, during, after), "{strategy:?}");
        assert_eq!(report.recovered_in.is_some(), after, "{strategy:?}");
    }
}

#[tokio::test]
async fn a_steady_state_that_does_not_come_back_is_a_failure() {
    let bench = Bench::new();
    let host = bench.host.clone();
    let landed = Arc::new(AtomicUsize::new(0));
    let scarred = function::from_fn(move || {
        let count = landed.fetch_add(usize::from(host.is_marked()), Ordering::SeqCst);
        figures(if count > 0 { 0.06 } else { 0.01 })
    });
    let experiment =
        experiment().steady_state("error_rate < 5%").success_criteria("").build().expect("an experiment");
    let run = Run::new(experiment).fault(bench.fault("db")).metrics(scarred);
    let report = within(bench.runner.run_all(run)).await.expect("a report");
    assert!(matches!(report.conclusion, Conclusion::NotHeld(_)), "{report}");
    assert_eq!(report.recovered_in, None);
}

#[tokio::test]
async fn a_run_longer_than_the_limit_is_refused() {
    let bench = Bench::new();
    let experiment = experiment().duration(HumanDuration::from_secs(3600)).build().expect("an experiment");
    let report =
        within(bench.runner.run_all(Run::new(experiment).fault(bench.fault("db")).metrics(good()))).await;
    let report = report.expect("a report");
    assert!(report.conclusion.to_string().contains("max_duration"), "{}", report.conclusion);
}

#[tokio::test]
async fn three_hundred_runs_at_once() {
    let bench = Bench::new();
    let handles: Vec<_> = (0..300)
        .map(|index| {
            let fault = bench.fault(&format!("setting-{index}"));
            bench
                .runner
                .start(Run::new(experiment().build().expect("an experiment")).fault(fault).metrics(good()))
        })
        .collect();
    for handle in handles {
        let report = within(handle.wait()).await.expect("a report");
        assert_eq!(report.status(), ExperimentStatus::Success, "{report}");
    }
    bench.assert_clean();
}

#[tokio::test]
async fn even_the_shortest_run_looks_once_under_the_fault() {
    let bench = Bench::new();
    let host = bench.host.clone();
    let slow = function::from_async_fn(move || {
        let under_fault = host.is_marked();
        async move {
            // Under the fault the look takes longer than the experiment.
            tokio::time::sleep(std::time::Duration::from_millis(if under_fault { 50 } else { 0 })).await;
            figures(0.01)
        }
    });
    let experiment = experiment().duration(HumanDuration::from_millis(1)).build().expect("an experiment");
    let report =
        within(bench.runner.run_all(Run::new(experiment).fault(bench.fault("db")).metrics(slow))).await;
    assert_eq!(report.expect("a report").status(), ExperimentStatus::Success);
}

#[tokio::test]
async fn an_answer_that_stops_under_the_fault_is_no_success() {
    let bench = Bench::new();
    let looks = Arc::new(AtomicUsize::new(0));
    let source = function::from_fn(move || {
        let mut seen = figures(0.01);
        if looks.fetch_add(1, Ordering::SeqCst) < 2 {
            seen.insert("orders_ok", 1.0);
        }
        seen
    });
    let experiment = experiment().success_criteria("orders_ok >= 1").build().expect("an experiment");
    let run = Run::new(experiment).fault(bench.fault("db")).metrics(source);
    let report = within(bench.runner.run_all(run)).await.expect("a report");
    assert!(matches!(report.conclusion, Conclusion::NotEvaluated(_)), "{report}");
}
