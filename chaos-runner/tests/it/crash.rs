//! What is left when the process is killed, and what signals do.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use chaos_core::{
    journal::{Journal, fold},
    testkit::{Act, FakeHost, Gate, MemoryJournal, ScriptedFault, Step},
};
use chaos_runner::{
    Run, Runner,
    journal::FileJournal,
    report::{AbortReason, Ending},
};
use rustix::process::{Signal, getpid, kill_process};

use crate::support::{Bench, builder, endless, good, name, until, within};

const CHILD: &str = "CHAOS_TEST_CHILD_JOURNAL";

/// Not a test by itself: the process that the next test kills.
#[tokio::test]
async fn child_that_is_killed() {
    let Ok(root) = std::env::var(CHILD) else { return };
    let host = FakeHost::new();
    let journal = FileJournal::open(root).expect("a journal");
    let runner = builder(&host).file_journal(journal).build().expect("a runner");
    let handle = runner.start(Run::new(endless()).fault(ScriptedFault::new(&host, "db")).metrics(good()));
    until("the fault is on", || host.is_marked()).await;
    println!("INJECTED {}", handle.id());
    std::future::pending::<()>().await;
}

#[expect(clippy::disallowed_methods, reason = "the test kills a process of its own")]
fn spawn_child(root: &Path) -> Child {
    Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "crash::child_that_is_killed", "--nocapture", "--test-threads=1"])
        .env(CHILD, root)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a child")
}

/// Waits for the child's word, then kills it with SIGKILL.
fn kill_after_injection(root: &Path) -> String {
    let mut child = spawn_child(root);
    let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let injected = lines
        .map_while(Result::ok)
        .find_map(|line| line.split_once("INJECTED ").map(|(_, run)| run.to_owned()));
    child.kill().expect("killed");
    child.wait().expect("gone");
    injected.expect("the child injects")
}

#[tokio::test]
async fn the_next_start_after_sigkill_recovers_and_says_what_it_did() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("runs");
    let run = kill_after_injection(&root);
    let host = FakeHost::new();
    let journal = FileJournal::open(&root).expect("a journal");
    let runner = builder(&host).file_journal(journal).build().expect("a runner");
    let report = within(runner.recover()).await.expect("a report");
    let text = report.to_string().replace(&run, "RUN");
    insta::assert_snapshot!(text, @r"
    recovery: 1 open
      run RUN (A setting is lost): closed
        fault-1 fake.scripted: nothing to do
    ");
    let again = within(runner.recover()).await.expect("a report");
    assert!(again.runs.is_empty(), "{again}");
    drop(runner);
    let journal = FileJournal::open(&root).expect("a journal");
    let state = fold(&journal.read(&run.parse().expect("an id")).expect("readable").events);
    assert!(state.is_clear() && state.closed.is_some());
}

#[tokio::test]
async fn the_first_run_after_a_crash_recovers_by_itself() {
    let bench = Bench::new();
    let gate = Gate::new();
    let stuck = bench.fault("db").first(1, Step::Revert, Act::Stuck);
    let handle = bench.runner.start(Run::new(endless()).fault(stuck).metrics(good()));
    until("the fault is on", || bench.host.is_marked()).await;
    handle.abort();
    let report = within(handle.wait()).await.expect("a report");
    assert_eq!(report.left_behind().count(), 1);
    assert!(bench.host.is_marked());
    gate.open();
    let second = builder(&bench.host).journal(Arc::clone(&bench.journal)).build().expect("a runner");
    let other = bench.fault("cache");
    let experiment = crate::support::experiment().build().expect("an experiment");
    let report = within(second.run(experiment, other, good())).await.expect("a report");
    assert_eq!(report.exit_code(), 0, "{report}");
    bench.assert_clean();
}

#[tokio::test]
async fn one_run_that_cannot_be_recovered_hides_no_other() {
    let (host, journal) = (FakeHost::new(), Arc::new(MemoryJournal::new()));
    for setting in ["good", "bad"] {
        let runner = builder(&host)
            .journal(Arc::clone(&journal))
            .danger_allow_unrecovered()
            .build()
            .expect("a runner");
        let fault = ScriptedFault::new(&host, setting).first(1, Step::Revert, Act::Stuck);
        let handle = runner.start(Run::new(endless()).fault(fault).metrics(good()));
        until("the fault is on", || host.get(setting).is_some()).await;
        handle.abort();
        within(handle.wait()).await.expect("a report");
    }
    let _ = ScriptedFault::new(&host, "bad").always(Step::Revert, Act::FailForGood);
    let runner = Runner::builder(crate::support::safety())
        .reverter(chaos_core::testkit::ScriptedReverter::new(&host))
        .journal(Arc::clone(&journal))
        .build()
        .expect("a runner");
    let report = within(runner.recover()).await.expect("a report");
    assert_eq!(report.runs.len(), 2);
    assert_eq!(report.unrecovered().len(), 1, "{report}");
    assert!(host.get("good").is_none() && host.get("bad").is_some());
    assert_eq!(journal.outstanding().expect("readable").len(), 1, "what is not recovered stays open");
}

/// One test for all signals: they reach every runner of the process that opted in.
#[tokio::test]
async fn a_signal_aborts_in_every_phase_and_the_process_lives() {
    for (signal, named, code) in [(Signal::INT, "SIGINT", 130), (Signal::TERM, "SIGTERM", 143)] {
        for step in [Step::Prepare, Step::Inject, Step::Landed, Step::Effect, Step::Revert] {
            let bench = Bench::with(chaos_runner::RunnerBuilder::handle_signals);
            let gate = Gate::new();
            // The first prepare is for the plan, the second under the lock; both pass the gate.
            let fault = bench.fault("db").always(step, Act::Wait(gate.clone()));
            let experiment = if step == Step::Revert {
                crate::support::experiment().build().expect("one")
            } else {
                endless()
            };
            let handle = bench.runner.start(Run::new(experiment).fault(fault).metrics(good()));
            until("the run is at the step", || gate.arrived() > 0).await;
            for _ in 0..20 {
                kill_process(getpid(), signal).expect("sent");
            }
            gate.open();
            let report = within(handle.wait()).await.expect("a report");
            bench.assert_clean();
            if step == Step::Revert {
                assert_eq!(report.ending, Ending::Completed, "the rollback goes on");
                continue;
            }
            assert_eq!(report.ending, Ending::Aborted(AbortReason::Signal(named)), "{step:?}: {report}");
            assert_eq!(report.exit_code(), code);
            let run = &bench.journal.runs()[0];
            let events = bench.journal.events(run);
            assert_eq!(events.last().map(|event| name(&event.body)).as_deref(), Some("closed aborted"));
            let noted = events.iter().any(|event| format!("{:?}", event.body).contains(named));
            assert!(noted || step == Step::Prepare, "the journal says so");
        }
    }
}
