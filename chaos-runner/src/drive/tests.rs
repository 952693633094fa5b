//! The driver against mocks, on paused time: what is called, how often, and in which order.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chaos_core::{
    clock::SystemClock,
    error::{JournalError, MetricsError, RevertError},
    experiment::{Experiment, ExperimentStatus, Phase},
    id::{FaultKind, RunId},
    journal::{Durability, Event, Journal, Outstanding},
    metrics::{Metrics, MetricsSource},
    safety::{AllOf, OperatingWindow, SafetyConstraints},
    testkit::{FakeFault, FakeHost},
    undo::{Found, Presence, RevertCtx, Reverted, Reverter, ReverterRegistry, Snapshot, UndoRecord},
};
use mockall::{Sequence, mock, predicate::always};

use super::{Job, drive};
use crate::{
    journal::TargetLocks,
    report::{Conclusion, RunReport},
    run::{AbortSwitch, Run, Shared},
    settings::Settings,
    sys,
};

mock! {
    #[derive(Debug)]
    Store {}
    impl Journal for Store {
        fn append(&self, run: &RunId, events: &[Event], durability: Durability) -> Result<(), JournalError>;
        fn outstanding(&self) -> Result<Vec<Outstanding>, JournalError>;
        fn release(&self, run: &RunId);
    }
}

mock! {
    #[derive(Debug)]
    Undoing {}
    #[async_trait]
    impl Reverter for Undoing {
        fn kind(&self) -> FaultKind;
        async fn revert(&self, ctx: &RevertCtx, record: &UndoRecord) -> Result<Reverted, RevertError>;
        async fn presence(&self, ctx: &RevertCtx, record: &UndoRecord) -> Presence;
        async fn snapshot(&self, ctx: &RevertCtx, record: &UndoRecord) -> Result<Snapshot, RevertError>;
        async fn discover(&self, ctx: &RevertCtx) -> Result<Vec<Found>, RevertError>;
    }
}

mock! {
    #[derive(Debug)]
    Figures {}
    #[async_trait]
    impl MetricsSource for Figures {
        async fn sample(&self) -> Result<Metrics, MetricsError>;
    }
}

fn good_store() -> MockStore {
    let mut store = MockStore::new();
    store.expect_outstanding().returning(|| Ok(Vec::new()));
    store
}

/// A reverter that is called once in the right order and finds the fault gone.
fn good_reverter() -> MockUndoing {
    let mut order = Sequence::new();
    let mut reverter = MockUndoing::new();
    reverter.expect_kind().returning(|| FaultKind::from_static(FakeFault::KIND));
    reverter.expect_snapshot().returning(|_, _| Ok(Snapshot::default()));
    reverter
        .expect_revert()
        .withf(|_, record| record.fault.as_str() == "fault-1")
        .times(1)
        .in_sequence(&mut order)
        .returning(|_, _| Ok(Reverted::Undone));
    reverter.expect_presence().times(1).in_sequence(&mut order).returning(|_, _| Presence::Absent);
    reverter
}

/// A reverter that must not be called.
fn idle_reverter() -> MockUndoing {
    let mut reverter = MockUndoing::new();
    reverter.expect_kind().returning(|| FaultKind::from_static(FakeFault::KIND));
    reverter
}

fn shared(store: MockStore, reverter: MockUndoing, settings: Settings) -> Arc<Shared> {
    let mut registry = ReverterRegistry::new();
    registry.register(reverter);
    Arc::new(Shared {
        policy: AllOf::new().and(SafetyConstraints::default().window(OperatingWindow::always())),
        registry,
        journal: Arc::new(store),
        clock: Arc::new(SystemClock),
        settings,
        locks: TargetLocks::in_process(),
        process: sys::process_id(),
        workers: tokio::runtime::Handle::current(),
        undoer: None,
        loose: Default::default(),
        danger_allow_unrecovered: false,
        recovered: false.into(),
        switches: Default::default(),
    })
}

async fn driven(shared: Arc<Shared>, host: &FakeHost, source: impl MetricsSource) -> RunReport {
    let experiment =
        Experiment::builder("mocked").success_criteria("error rate <5%").build().expect("an experiment");
    let run = Run::new(experiment).fault(FakeFault::new(host, "db", "gone")).metrics(source);
    let job = Job { id: RunId::from_parts(chrono::DateTime::UNIX_EPOCH, 7), run, abort: AbortSwitch::new() };
    *drive(shared, Box::new(job), None).await.expect("a report")
}

fn steady() -> MockFigures {
    let mut source = MockFigures::new();
    source.expect_sample().returning(|| Ok(Metrics::from([("error_rate", 0.01), ("latency_p99", 0.1)])));
    source
}

fn disk_full() -> JournalError {
    let source = io::Error::from(io::ErrorKind::StorageFull);
    JournalError::Io { operation: "append to", journal: "runs/x".into(), source }
}

#[tokio::test(start_paused = true)]
async fn the_seeds_quarter_of_an_hour_takes_ninety_looks() {
    let settings = Settings { interval: Duration::from_secs(10), ..Settings::default() };
    let mut store = good_store();
    store.expect_append().returning(|_, _, _| Ok(()));
    let host = FakeHost::new();
    let report = driven(shared(store, good_reverter(), settings), &host, steady()).await;
    let looks = report.experiment.observations().iter().filter(|seen| seen.phase == Phase::Observation);
    assert_eq!(looks.count(), 90);
    assert_eq!(report.status(), ExperimentStatus::Success, "{report}");
}

#[tokio::test]
async fn without_a_durable_intent_there_is_no_fault() {
    let mut store = good_store();
    store
        .expect_append()
        .with(always(), always(), mockall::predicate::eq(Durability::Durable))
        .times(1)
        .returning(|_, _, _| Err(disk_full()));
    store.expect_append().returning(|_, _, _| Ok(()));
    let host = FakeHost::new();
    let report = driven(shared(store, idle_reverter(), Settings::default()), &host, steady()).await;
    let Conclusion::Failed(why) = &report.conclusion else { panic!("{report}") };
    assert!(why.contains("no fault without its intent") && why.contains("runs/x"), "{why}");
    assert_eq!(host.get("db"), None, "nothing was injected");
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_fails_under_the_fault_stops_no_rollback() {
    let appended = AtomicUsize::new(0);
    let mut store = good_store();
    store.expect_append().returning(move |_, _, durability| match durability {
        Durability::Durable => {
            appended.store(1, Ordering::SeqCst);
            Ok(())
        }
        Durability::Written if appended.load(Ordering::SeqCst) > 0 => Err(disk_full()),
        Durability::Written => Ok(()),
    });
    store.expect_release().times(1).return_const(());
    let host = FakeHost::new();
    let report = driven(shared(store, good_reverter(), Settings::default()), &host, steady()).await;
    assert_eq!(report.status(), ExperimentStatus::Success, "{report}");
    assert_eq!(report.left_behind().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_hangs_is_bounded_and_counts_as_unknown() {
    #[derive(Debug)]
    struct Hanging;
    #[async_trait]
    impl MetricsSource for Hanging {
        async fn sample(&self) -> Result<Metrics, MetricsError> {
            std::future::pending().await
        }
    }
    let mut store = good_store();
    store.expect_append().returning(|_, _, _| Ok(()));
    let host = FakeHost::new();
    let report = driven(shared(store, idle_reverter(), Settings::default()), &host, Hanging).await;
    let Conclusion::Refused(why) = &report.conclusion else { panic!("{report}") };
    assert!(why.contains("did not return within 5s"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_is_still_there_after_its_undo_is_left_behind() {
    let mut reverter = idle_reverter();
    reverter.expect_snapshot().returning(|_, _| Ok(Snapshot::default()));
    reverter.expect_revert().times(2..).returning(|_, _| Ok(Reverted::Undone));
    reverter.expect_presence().times(2..).returning(|_, _| Presence::Present);
    let mut store = good_store();
    store.expect_append().returning(|_, _, _| Ok(()));
    store.expect_release().times(1).return_const(());
    let host = FakeHost::new();
    let report = driven(shared(store, reverter, Settings::default()), &host, steady()).await;
    assert_eq!(report.conclusion, Conclusion::LeftBehind);
    assert!(report.to_string().contains("it is still there after the undo"), "{report}");
}
