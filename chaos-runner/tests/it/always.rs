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
    assert_eq!(report.conclusion, Conclusion::Success, "the reverter looked: {report}");
    bench.assert_clean();
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

/// A fault that nobody can look at, whose inject fails before it hands over what it holds.
#[derive(Debug)]
struct Blind(Arc<std::sync::atomic::AtomicBool>);

#[async_trait::async_trait]
impl chaos_core::injector::Injector for Blind {
    fn kind(&self) -> chaos_core::id::FaultKind {
        chaos_core::id::FaultKind::from_static("test.blind")
    }

    fn capabilities(&self) -> chaos_core::injector::Capabilities {
        chaos_core::injector::Capabilities::process()
    }

    async fn prepare(
        &self,
        _: &chaos_core::injector::FaultCtx,
    ) -> Result<chaos_core::injector::Prepared, chaos_core::error::InjectError> {
        let prepared = chaos_core::injector::Prepared::held_by_process(self.kind(), &())?;
        Ok(prepared.target(chaos_core::scope::Target::new("test", "blind")))
    }

    async fn inject(
        &self,
        _: &chaos_core::injector::FaultCtx,
        _: &chaos_core::injector::Prepared,
    ) -> Result<Option<Box<dyn chaos_core::injector::Live>>, chaos_core::error::InjectError> {
        self.0.store(true, std::sync::atomic::Ordering::SeqCst);
        Err(chaos_core::error::InjectError::NoTargets { kind: self.kind(), why: "half way".into() })
    }
}

#[tokio::test]
async fn what_a_failed_inject_left_in_this_process_is_never_called_undone() {
    let bench = Bench::new();
    let on = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let run =
        Run::new(experiment().build().expect("an experiment")).fault(Blind(Arc::clone(&on))).metrics(good());
    let report = within(bench.runner.run_all(run)).await.expect("a report");
    assert!(on.load(std::sync::atomic::Ordering::SeqCst));
    assert_eq!(report.conclusion, Conclusion::LeftBehind, "{report}");
    let recovered = within(bench.runner.recover()).await.expect("a report");
    assert_eq!(recovered.unrecovered().len(), 1, "the next look knows no more: {recovered}");
    assert!(within(bench.runner.run_all(bench.run())).await.is_err(), "no new run beside it");
}

#[tokio::test]
async fn an_abort_between_two_faults_injects_no_more() {
    let bench = Bench::new();
    let gate = Gate::new();
    let first = bench.fault("a").always(Step::Landed, Act::Wait(gate.clone()));
    let run = Run::new(endless()).fault(first).fault(bench.fault("b")).metrics(good());
    let handle = bench.runner.start(run);
    until("the first inject is half way", || gate.arrived() == 1).await;
    handle.abort();
    gate.open();
    let report = within(handle.wait()).await.expect("a report");
    assert_eq!(report.ending, Ending::Aborted(AbortReason::Requested));
    assert!(!bench.host.calls().iter().any(|call| call == "inject b"), "{:?}", bench.host.calls());
    let journaled = bench.journaled();
    assert!(journaled.contains(&"undone fault-2: nothing to do".to_owned()), "{journaled:?}");
    bench.assert_clean();
}

#[tokio::test]
async fn an_abort_right_after_the_start_reaches_the_run() {
    for _ in 0..20 {
        let bench = Bench::new();
        let handle = bench.runner.start(Run::new(endless()).fault(bench.fault("db")).metrics(good()));
        assert_eq!(bench.runner.abort_all(), 1);
        let report = within(handle.wait()).await.expect("a report");
        assert_eq!(report.ending, Ending::Aborted(AbortReason::Requested));
        bench.assert_clean();
    }
}

#[tokio::test]
async fn a_panic_in_the_effect_check_loses_no_report() {
    let bench = Bench::new();
    let report = run_with(&bench, bench.fault("db").always(Step::Effect, Act::Panic)).await;
    assert_eq!(report.conclusion, Conclusion::Success, "{report}");
    assert!(report.to_string().contains("not measured"), "{report}");
    bench.assert_clean();
}

/// A journal that panics when something is undone.
#[derive(Debug, Default)]
struct Panicking(chaos_core::journal::MemoryJournal);

impl chaos_core::journal::Journal for Panicking {
    fn append(
        &self,
        run: &chaos_core::id::RunId,
        events: &[chaos_core::journal::Event],
        durability: chaos_core::journal::Durability,
    ) -> Result<(), chaos_core::error::JournalError> {
        let undone =
            events.iter().any(|event| matches!(event.body, chaos_core::journal::EventBody::Undone { .. }));
        assert!(!undone, "the journal breaks");
        self.0.append(run, events, durability)
    }

    fn outstanding(&self) -> Result<Vec<chaos_core::journal::Outstanding>, chaos_core::error::JournalError> {
        self.0.outstanding()
    }

    fn release(&self, run: &chaos_core::id::RunId) {
        self.0.release(run);
    }
}

#[tokio::test]
async fn a_journal_that_panics_leaves_no_fault() {
    let bench = Bench::with(|builder| builder.journal(Panicking::default()));
    let run = Run::new(experiment().build().expect("an experiment"))
        .fault(bench.fault("a"))
        .fault(bench.fault("b"))
        .fault(bench.fault("c"))
        .metrics(good());
    let report = within(bench.runner.run_all(run)).await.expect("a report");
    assert_eq!(report.left_behind().count(), 0, "{report}");
    bench.assert_clean();
}

#[tokio::test]
async fn a_reverter_that_blocks_holds_up_no_other_run() {
    let mut settings = fast();
    settings.rollback_timeout = Duration::from_millis(100);
    let bench = Bench::with(|builder| builder.settings(settings));
    let blocking = bench.fault("a").always(Step::Revert, Act::Block(Duration::from_secs(3)));
    let first =
        bench.runner.start(Run::new(experiment().build().expect("one")).fault(blocking).metrics(good()));
    until("the revert blocks", || bench.host.calls().contains(&"revert a".into())).await;
    let other = Run::new(endless()).fault(bench.fault("b")).metrics(good());
    let mut other = bench.runner.start(other);
    while !matches!(within(other.next_event()).await, Some(RunEvent::Applied { .. })) {}
    other.abort();
    assert!(within(first.wait()).await.is_ok());
    within(other.wait()).await.expect("a report");
    assert!(bench.host.get("b").is_none());
}
