//! Rollback always: whatever breaks, and whoever goes away.

use std::{sync::Arc, time::Duration};

use chaos_core::testkit::{Act, Gate, ScriptedFault, Step};
use chaos_runner::{
    FaultGuard, Run, RunEvent,
    report::{AbortReason, Conclusion, Ending},
    source::function,
};

use crate::support::{Bench, endless, experiment, fast, figures, good, until, within};

async fn run_with(bench: &Bench, fault: ScriptedFault) -> chaos_runner::RunReport {
    let run = Run::new(experiment().build().expect("an experiment")).fault(fault).metrics(good());
    within(bench.runner.run_all(run)).await.expect("a report")
}

#[tokio::test]
async fn an_inject_that_fails_half_way_is_undone() {
    for act in [Act::Fail, Act::FailForGood, Act::Panic] {
        for held in [false, true] {
            let bench = Bench::new();
            let fault = bench.fault("db").always(Step::Landed, act.clone());
            let report = run_with(&bench, if held { fault.held() } else { fault }).await;
            assert!(matches!(report.conclusion, Conclusion::Failed(_)), "{act:?}: {report}");
            bench.assert_clean();
        }
    }
}

#[tokio::test]
async fn an_inject_that_hangs_is_dropped_and_undone() {
    for step in [Step::Inject, Step::Landed] {
        let mut settings = fast();
        settings.inject_timeout = Duration::from_millis(50);
        let bench = Bench::with(|builder| builder.settings(settings));
        let report = run_with(&bench, bench.fault("db").always(step, Act::Hang)).await;
        assert!(matches!(report.conclusion, Conclusion::Failed(_)), "{step:?}: {report}");
        bench.assert_clean();
    }
}

/// A blocked thread cannot be dropped: the inject lands after the abort, and is undone then.
#[tokio::test]
async fn an_inject_that_lands_after_the_abort_is_undone() {
    let bench = Bench::new();
    let fault = bench.fault("db").always(Step::Inject, Act::Block(Duration::from_millis(800)));
    let mut handle = bench.runner.start(Run::new(endless()).fault(fault).metrics(good()));
    until("inject is called", || bench.host.calls().contains(&"inject db".into())).await;
    handle.abort();
    while within(handle.next_event()).await.is_some() {}
    let report = within(handle.wait()).await.expect("a report");
    assert_eq!(report.ending, Ending::Aborted(AbortReason::Requested));
    assert!(report.left_behind().next().is_none(), "{report}");
    bench.assert_clean();
}

#[tokio::test]
async fn an_abort_joins_a_running_inject() {
    let bench = Bench::new();
    let gate = Gate::new();
    let fault = bench.fault("db").held().always(Step::Landed, Act::Wait(gate.clone()));
    let handle = bench.runner.start(Run::new(endless()).fault(fault).metrics(good()));
    until("the inject is half way", || gate.arrived() == 1).await;
    handle.abort();
    gate.open();
    let report = within(handle.wait()).await.expect("a report");
    assert_eq!(report.ending, Ending::Aborted(AbortReason::Requested));
    bench.assert_clean();
}

#[tokio::test]
async fn a_source_that_panics_refuses_before_and_aborts_in_flight() {
    let bench = Bench::new();
    let broken = function::from_fn(|| -> [(&'static str, f64); 0] { panic!("no figures") });
    let report = within(bench.runner.run_all(bench.run().metrics(broken))).await.expect("a report");
    assert!(matches!(report.conclusion, Conclusion::Refused(_)), "{report}");

    let host = bench.host.clone();
    let breaks = function::from_fn(move || {
        assert!(!host.is_marked(), "no figures under the fault");
        figures(0.01)
    });
    let run = Run::new(endless()).fault(bench.fault("db")).metrics(breaks);
    let report = within(bench.runner.run_all(run)).await.expect("a report");
    assert!(matches!(report.ending, Ending::Aborted(AbortReason::Unknown(_))), "{report}");
    bench.assert_clean();
}

#[tokio::test]
async fn a_live_fault_whose_end_panics_is_ended_by_its_drop() {
    let bench = Bench::new();
    let report = run_with(&bench, bench.fault("db").held().always(Step::End, Act::Panic)).await;
    assert!(bench.host.get("db").is_none(), "{report}");
    assert_eq!(report.conclusion, Conclusion::LeftBehind, "what is not proven gone is reported: {report}");
}

#[tokio::test]
async fn dropping_the_future_undoes() {
    let bench = Bench::new();
    let run = bench.runner.run_all(Run::new(endless()).fault(bench.fault("db")).metrics(good()));
    tokio::select! {
        report = run => panic!("it goes on until it is dropped: {report:?}"),
        () = until("the fault is on", || bench.host.is_marked()) => {}
    }
    until("the fault is gone", || !bench.host.is_marked()).await;
    until("the journal is closed", || bench.journaled().contains(&"closed aborted".into())).await;
}

#[test]
fn the_end_of_the_callers_runtime_undoes() {
    let bench = Arc::new(Bench::new());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let theirs = Arc::clone(&bench);
    runtime.spawn(async move {
        let run = Run::new(endless()).fault(theirs.fault("db")).metrics(good());
        theirs.runner.run_all(run).await
    });
    runtime.block_on(until("the fault is on", || bench.host.is_marked()));
    runtime.shutdown_background();
    let other = tokio::runtime::Runtime::new().expect("a runtime");
    other.block_on(until("the fault is gone", || !bench.host.is_marked()));
}

#[tokio::test]
async fn dropping_the_runner_waits_for_the_rollback() {
    let Bench { host, journal, runner } = Bench::new();
    let handle = runner.start(Run::new(endless()).fault(ScriptedFault::new(&host, "db")).metrics(good()));
    handle.detach();
    until("the fault is on", || host.is_marked()).await;
    drop(runner);
    assert!(!host.is_marked());
    assert_eq!(journal.runs().len(), 1);
}

#[tokio::test]
async fn a_guard_is_three_lines_in_a_test() {
    let host = chaos_core::testkit::FakeHost::new();
    let guard = within(FaultGuard::inject(ScriptedFault::new(&host, "db").held())).await.expect("a guard");
    assert!(host.is_marked());
    within(guard.rollback()).await.expect("rolled back");
    assert!(!host.is_marked());
}

#[tokio::test]
async fn a_dropped_guard_has_rolled_back_when_the_drop_returns() {
    let host = chaos_core::testkit::FakeHost::new();
    let guard = within(FaultGuard::inject(ScriptedFault::new(&host, "db").held())).await.expect("a guard");
    assert!(host.is_marked());
    drop(guard);
    assert!(!host.is_marked());
}

#[test]
fn a_guard_in_a_test_that_panics_rolls_back() {
    let host = chaos_core::testkit::FakeHost::new();
    let theirs = host.clone();
    let panicked = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let _guard = FaultGuard::inject(ScriptedFault::new(&theirs, "db").held()).await.expect("a guard");
            assert!(!theirs.is_marked(), "the test fails here");
        });
    });
    assert!(panicked.join().is_err());
    assert!(!host.is_marked());
}

#[tokio::test]
async fn a_guard_that_cannot_inject_says_why() {
    let host = chaos_core::testkit::FakeHost::new();
    let fault = ScriptedFault::new(&host, "db").held().always(Step::Inject, Act::Fail);
    let error = within(FaultGuard::inject(fault)).await.expect_err("no guard");
    assert!(error.to_string().contains("inject of fault-1 broke"), "{error}");
    assert!(!host.is_marked());
}

#[tokio::test]
async fn events_tell_the_run_in_order() {
    let bench = Bench::new();
    let mut handle = bench.runner.start(bench.run());
    let mut told = Vec::new();
    while let Some(event) = within(handle.next_event()).await {
        told.push(match event {
            RunEvent::Phase { phase, .. } => phase.to_string(),
            RunEvent::Observed(_) => "observed".into(),
            RunEvent::Applied { fault, .. } => format!("applied {fault}"),
            RunEvent::Undone { fault, how } => format!("{fault} {how}"),
            other => format!("{other:?}"),
        });
    }
    told.dedup();
    let story = "preflight, baseline, observed, injection, applied fault-1, observation, observed, rollback, fault-1 undone, \
                 verification, observed, closed";
    assert_eq!(told.join(", "), story);
}
