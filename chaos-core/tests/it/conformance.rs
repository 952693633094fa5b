use chaos_core::testkit::{
    FakeFault, FakeHost, FakeReverter, ScriptedFault, ScriptedReverter,
    conformance::{self, Report, World},
};

use crate::broken::{Defect, world};

async fn of(defect: Defect) -> Report {
    conformance::run(&async || world(defect)).await
}

fn scripted(make: impl Fn(ScriptedFault) -> ScriptedFault) -> World {
    let host = FakeHost::new();
    host.set("db", "fine");
    host.set("web", "fine");
    World::new(make(ScriptedFault::new(&host, "db"))).reverter(ScriptedReverter::new(&host)).oracle(host)
}

#[tokio::test]
async fn the_fake_passes_with_and_without_a_previous_value() {
    for previous in [None, Some("1s")] {
        let case = async || {
            let host = FakeHost::new();
            if let Some(value) = previous {
                host.set("timeout", value);
            }
            let fault = FakeFault::new(&host, "timeout", "never");
            World::new(fault).reverter(FakeReverter::new(&host)).oracle(host)
        };
        let report = conformance::run(&case).await;
        report.assert_passed();
        assert_eq!(report.skipped_names(), ["foreign_change_is_kept"]);
    }
}

#[tokio::test]
async fn scripted_faults_without_a_script_pass() {
    let report = conformance::run(&async || scripted(|fault| fault)).await;
    report.assert_passed();
    assert_eq!(report.skipped_names(), ["foreign_change_is_kept"]);

    let report = conformance::run(&async || scripted(ScriptedFault::held)).await;
    report.assert_passed();
    assert_eq!(report.skipped_names(), ["foreign_change_is_kept"]);
}

#[tokio::test]
async fn an_irreversible_fault_is_not_asked_to_restore() {
    let report = conformance::run(&async || scripted(ScriptedFault::irreversible)).await;
    report.assert_passed();
    assert!(report.ran.contains(&"prepare_changes_nothing"), "{report}");
    assert!(report.skipped_names().contains(&"revert_restores"), "{report}");
}

#[tokio::test]
async fn a_held_fault_needs_no_reverter_and_no_oracle() {
    let case = async || {
        let host = FakeHost::new();
        World::new(ScriptedFault::new(&host, "db").held())
    };
    let report = conformance::run(&case).await;
    report.assert_passed();
    assert!(report.skipped_names().contains(&"revert_restores"), "{report}");
}

#[tokio::test]
async fn the_controls_pass_without_a_defect() {
    let report = of(Defect::None).await;
    report.assert_passed();
    assert!(report.skipped.is_empty(), "{report}");
}

#[tokio::test]
async fn every_defect_is_caught_by_its_test() {
    let caught = [
        (Defect::PrepareChanges, "prepare_changes_nothing"),
        (Defect::NamesNoTarget, "prepare_names_targets"),
        (Defect::ChoosesAnew, "prepare_is_repeatable"),
        (Defect::NoEffect, "effect_is_seen"),
        (Defect::NotFinite, "effect_is_seen"),
        (Defect::RestoresADefault, "revert_restores"),
        (Defect::FailsTheSecondTime, "revert_is_idempotent"),
        (Defect::UndoesWhatNeverWas, "revert_without_inject"),
        (Defect::LandsBeforeItsMark, "revert_after_dropped_inject"),
        (Defect::KeepsItsLock, "fault_can_return"),
        (Defect::Stacks, "second_injection_conflicts"),
        (Defect::AlwaysAbsent, "presence_follows_the_fault"),
        (Defect::AlwaysPresent, "presence_follows_the_fault"),
        (Defect::ReadsAnyVersion, "unknown_version_is_refused"),
        (Defect::IgnoresTheRun, "another_run_is_left_alone"),
        (Defect::Clobbers, "foreign_change_is_kept"),
        (Defect::DiscoversWrong, "discover_finds_ours"),
        (Defect::OtherKind, "kinds_agree"),
        (Defect::EndsNothing, "revert_restores"),
        (Defect::LeavesItWhenDropped, "revert_after_dropped_inject"),
        (Defect::Invisible, "revert_restores"),
    ];
    for (defect, test) in caught {
        let report = of(defect).await;
        assert!(report.failed_names().contains(&test), "{defect:?} slipped through {test}\n{report}");
    }
    let tests: std::collections::BTreeSet<_> = caught.iter().map(|(_, test)| *test).collect();
    let unproven: Vec<_> = conformance::names().filter(|name| !tests.contains(name)).collect();
    assert_eq!(unproven, ["record_round_trips"]);
}

#[tokio::test]
async fn a_held_fault_without_a_drop_guard_fails_nothing_but_the_drop() {
    let report = of(Defect::LeavesItWhenDropped).await;
    assert_eq!(report.failed_names(), ["revert_after_dropped_inject"], "{report}");
}

#[tokio::test]
async fn one_test_runs_alone_and_a_failure_reads_well() {
    let report = conformance::run_one(&async || world(Defect::RestoresADefault), "revert_restores").await;
    insta::assert_snapshot!(report, @r"
    conformance: 0 passed, 0 skipped, 1 failed
      FAILED revert_restores: after the revert the state differs:
        - oracle/db: fine
        + oracle/db: default
    ");
}

#[tokio::test]
#[should_panic(expected = "0 passed")]
async fn a_report_of_nothing_is_no_pass() {
    conformance::run_one(&async || world(Defect::None), "no_such_test").await.assert_passed();
}
