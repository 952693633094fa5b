use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use chaos_core::{
    id::{FaultId, RunId},
    injector::{FaultCtx, Injector},
    testkit::{Act, FakeHost, Gate, ScriptedFault, ScriptedReverter, Step},
    undo::{Holder, ProcessId, RevertCtx, Reverted, Reverter, UndoRecord},
};
use chrono::DateTime;

fn ctx() -> FaultCtx {
    let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    FaultCtx::new(RunId::from_parts(now, 7), FaultId::numbered(0), now)
}

async fn record(fault: &ScriptedFault) -> UndoRecord {
    let prepared = fault.prepare(&ctx()).await.unwrap();
    let holder = ProcessId { boot_id: "boot".into(), pid: 1, start_time: 2 };
    UndoRecord::new(&ctx(), fault.kind(), fault.capabilities().guarantee, &prepared, holder)
}

fn gone() -> RevertCtx {
    RevertCtx::new(ctx().now, Holder::Gone)
}

#[tokio::test]
async fn a_failure_after_landing_leaves_the_fault_and_its_revert_takes_it_away() {
    let host = FakeHost::new();
    let fault = ScriptedFault::new(&host, "db").always(Step::Landed, Act::Fail);
    let record = record(&fault).await;
    let prepared = fault.prepare(&ctx()).await.unwrap();
    assert!(fault.inject(&ctx(), &prepared).await.is_err());
    assert!(host.is_marked());
    let reverted = ScriptedReverter::new(&host).revert(&gone(), &record).await.unwrap();
    assert_eq!(reverted, Reverted::Undone);
    assert!(!host.is_marked());
    assert_eq!(host.calls(), ["prepare db", "prepare db", "inject db", "revert db"]);
}

#[tokio::test]
async fn a_revert_fails_as_often_as_it_is_told_and_then_gets_stuck_or_works() {
    let host = FakeHost::new();
    let fault = ScriptedFault::new(&host, "db")
        .first(1, Step::Revert, Act::Fail)
        .first(1, Step::Revert, Act::FailForGood)
        .first(1, Step::Revert, Act::Stuck);
    let (reverter, record) = (ScriptedReverter::new(&host), record(&fault).await);
    assert!(reverter.revert(&gone(), &record).await.unwrap_err().retryable());
    assert!(!reverter.revert(&gone(), &record).await.unwrap_err().retryable());
    assert!(matches!(reverter.revert(&gone(), &record).await.unwrap(), Reverted::Stuck { .. }));
    assert_eq!(reverter.revert(&gone(), &record).await.unwrap(), Reverted::NothingToDo);
}

#[tokio::test]
async fn a_gate_holds_an_injection_until_it_opens() {
    let (host, gate) = (FakeHost::new(), Gate::new());
    let fault = ScriptedFault::new(&host, "db").always(Step::Landed, Act::Wait(gate.clone()));
    let prepared = fault.prepare(&ctx()).await.unwrap();
    let run = tokio::spawn(async move { fault.inject(&ctx(), &prepared).await.map(|live| live.is_none()) });
    while gate.arrived() == 0 {
        tokio::task::yield_now().await;
    }
    assert!(host.is_marked() && !run.is_finished());
    gate.open();
    assert!(run.await.unwrap().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_hang_never_ends_and_a_held_fault_ends_when_its_injection_is_dropped() {
    let (host, ctx) = (FakeHost::new(), ctx());
    let fault = ScriptedFault::new(&host, "db").held().always(Step::Landed, Act::Hang);
    let prepared = fault.prepare(&ctx).await.unwrap();
    let inject = fault.inject(&ctx, &prepared);
    assert!(tokio::time::timeout(Duration::from_secs(3600), inject).await.is_err());
    assert!(!host.is_marked());
}

#[tokio::test]
async fn a_block_holds_its_thread_and_a_panic_unwinds() {
    let host = FakeHost::new();
    let fault = ScriptedFault::new(&host, "db")
        .always(Step::Effect, Act::Block(Duration::from_millis(20)))
        .always(Step::Inject, Act::Panic);
    let prepared = fault.prepare(&ctx()).await.unwrap();
    let begun = Instant::now();
    fault.effect(&ctx()).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(20));
    let inject = AssertUnwindSafe(async move { fault.inject(&ctx(), &prepared).await.map(|_| ()) });
    let panic = tokio::spawn(inject).await.unwrap_err().into_panic();
    assert_eq!(*panic.downcast::<String>().unwrap(), "scripted panic in inject db");
}
