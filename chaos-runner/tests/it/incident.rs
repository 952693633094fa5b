//! The incident of a run, from its journal and from its report.

use std::{sync::Arc, time::Duration};

use chaos_core::{
    clock::{Clock, ManualClock},
    experiment::Experiment,
    id::RunId,
    journal::{Durability, Event, EventBody, Journal},
    metrics::Metrics,
    testkit::{Act, FakeHost, MemoryJournal, Step},
    units::HumanDuration,
};
use chaos_runner::{Run, RunReport, incident::from_journal, source::function};
use incident_model::{Incident, Milestone, Origin, Severity};

use crate::support::{Bench, builder, endless, experiment, figures, good, until, within};

/// A runner whose clock moves by a second with each look at the metrics.
struct Timed {
    bench: Bench,
    clock: Arc<ManualClock>,
}

impl Timed {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new("2026-01-15T14:30:00Z".parse().expect("an instant")));
        let bench = Bench::with(|builder| builder.clock(Arc::clone(&clock)));
        Self { bench, clock }
    }

    /// These error rates, one a look; the last one for ever.
    fn metrics(&self, error_rates: &'static [f64]) -> function::Function {
        let (clock, looks) = (Arc::clone(&self.clock), std::sync::atomic::AtomicUsize::new(0));
        function::from_fn(move || -> Metrics {
            clock.advance(Duration::from_secs(1));
            let look = looks.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            figures(error_rates[look.min(error_rates.len() - 1)])
        })
    }

    async fn breach(&self) -> (RunReport, Vec<Event>) {
        let experiment = steady().duration(HumanDuration::from_secs(600)).build().expect("an experiment");
        self.run(experiment, &[0.01, 0.02, 0.5, 0.01]).await
    }

    async fn run(&self, experiment: Experiment, error_rates: &'static [f64]) -> (RunReport, Vec<Event>) {
        let run = Run::new(experiment).fault(self.bench.fault("db")).metrics(self.metrics(error_rates));
        let report = within(self.bench.runner.run_all(run)).await.expect("a report");
        let events = self.bench.journal.events(&report.run);
        (report, events)
    }
}

fn steady() -> chaos_core::experiment::ExperimentBuilder {
    experiment().steady_state("error_rate < 5%")
}

/// The headline and the timeline, without what differs from run to run.
fn printed(incident: &Incident, run: &RunId) -> String {
    let text = format!("{incident}\n{}", incident.timeline());
    text.replace(run.as_str(), "RUN").replace(&format!("pid {}", std::process::id()), "pid PID")
}

fn at(incident: &Incident, milestone: &Milestone) -> Option<String> {
    incident.reached_at(milestone).map(|at| at.format("%H:%M:%S").to_string())
}

#[tokio::test]
async fn an_aborted_run_opens_an_incident_with_its_timeline() {
    let timed = Timed::new();
    let (report, events) = timed.breach().await;
    let incident = report.incident(&events).expect("well-formed").expect("an incident");
    insta::assert_snapshot!(printed(&incident, &report.run), @r"
    chaos-RUN  SEV3  Chaos experiment aborted: A setting is lost
    2026-01-15 UTC
    14:30:00Z  note            the run begins: A setting is lost (seed 7, pid PID)
    14:30:00Z  note            preflight begins
    14:30:00Z  note            baseline begins
    14:30:01Z  note            injection begins
    14:30:01Z  note            about to inject fault-1 (fake.scripted) on fake:db
    14:30:01Z  impact_started  fault-1 is on
    14:30:01Z  note            observation begins
    14:30:03Z  detected        limit breached: max_error_rate: error_rate is 50%, the limit is 10%
    14:30:03Z  mitigated       fault-1: undone
    14:30:03Z  note            verification begins
    14:30:04Z  recovered       the steady state is back
    14:30:04Z  note            the run ends: aborted: limit breached: max_error_rate: error_rate is 50%, the limit is 10%
    14:30:04Z  resolved        the run is closed as aborted
    ");
    assert_eq!(
        incident.impact(),
        Some(
            "error_rate: 1% before, 50% under the fault\nlatency_p99: 200 ms before, 200 ms under the fault"
        )
    );
    assert!(matches!(incident.origin(), Origin::Experiment(id) if id.as_str() == report.run.as_str()));
    assert!(incident.timeline().diagnostics().is_empty(), "{:?}", incident.timeline().diagnostics());
    let mttr = incident.mttr().expect("in order").expect("resolved");
    assert_eq!(mttr.minutes(), 1.0 / 60.0);
}

#[tokio::test]
async fn the_journal_alone_gives_all_but_the_recovery() {
    let timed = Timed::new();
    let (report, events) = timed.breach().await;
    let incident = from_journal(&report.run, &events).expect("well-formed").expect("an incident");
    let milestones = [
        Milestone::ImpactStarted,
        Milestone::Detected,
        Milestone::Mitigated,
        Milestone::Recovered,
        Milestone::Resolved,
    ];
    let reached = milestones.map(|milestone| at(&incident, &milestone));
    let reached = reached.each_ref().map(Option::as_deref);
    assert_eq!(reached, [Some("14:30:01"), Some("14:30:03"), Some("14:30:03"), None, Some("14:30:04")]);
    assert_eq!(incident.severity(), Severity::Sev3);
}

#[tokio::test]
async fn a_success_opens_no_incident() {
    let timed = Timed::new();
    let (report, events) = timed.run(steady().build().expect("an experiment"), &[0.01]).await;
    assert_eq!(report.exit_code(), 0, "{report}");
    assert_eq!(report.incident(&events), Ok(None));
    assert_eq!(from_journal(&report.run, &events), Ok(None));
}

#[tokio::test]
async fn a_refused_run_opens_no_incident() {
    let timed = Timed::new();
    let (report, events) = timed.run(steady().build().expect("an experiment"), &[0.5]).await;
    assert_eq!(report.exit_code(), 3, "{report}");
    assert_eq!(report.incident(&events), Ok(None));
}

#[tokio::test]
async fn a_criterion_that_did_not_hold_is_an_incident() {
    let timed = Timed::new();
    let experiment = experiment().build().expect("an experiment");
    let (report, events) = timed.run(experiment, &[0.01, 0.08, 0.01]).await;
    assert_eq!(report.exit_code(), 1, "{report}");
    let incident = report.incident(&events).expect("well-formed").expect("an incident");
    assert_eq!(incident.severity(), Severity::Sev3);
    let detected = incident.timeline().first(&Milestone::Detected).expect("detected").text().to_owned();
    assert_eq!(detected, "not held: error rate <5%: NOT met (worst 8%)");
    assert_eq!(at(&incident, &Milestone::Recovered), None, "nobody looked for a steady state");
}

#[tokio::test]
async fn a_steady_state_that_is_not_back_is_not_resolved() {
    let timed = Timed::new();
    let (report, events) = timed.run(steady().build().expect("an experiment"), &[0.01, 0.09]).await;
    assert!(report.steady_after.as_ref().is_some_and(|after| !after.held()), "{report}");
    let incident = report.incident(&events).expect("well-formed").expect("an incident");
    assert!(at(&incident, &Milestone::Mitigated).is_some());
    assert_eq!(at(&incident, &Milestone::Recovered), None);
    assert_eq!(at(&incident, &Milestone::Resolved), None);
}

#[tokio::test]
async fn what_shows_nothing_or_was_stopped_by_somebody_is_of_low_severity() {
    let timed = Timed::new();
    let manual = Experiment::builder("A setting is lost")
        .success_criteria("no data loss")
        .duration(HumanDuration::from_millis(20))
        .build()
        .expect("an experiment");
    let (report, events) = timed.run(manual, &[0.01]).await;
    assert_eq!(report.exit_code(), 5, "{report}");
    let incident = report.incident(&events).expect("well-formed").expect("an incident");
    assert_eq!(incident.severity(), Severity::Sev4);

    let bench = Bench::new();
    let handle = bench.runner.start(Run::new(endless()).fault(bench.fault("db")).metrics(good()));
    until("the fault is on", || bench.host.is_marked()).await;
    handle.abort();
    let report = within(handle.wait()).await.expect("a report");
    let events = bench.journal.events(&report.run);
    let incident = report.incident(&events).expect("well-formed").expect("an incident");
    assert_eq!(incident.severity(), Severity::Sev4);
}

#[tokio::test]
async fn a_fault_left_behind_raises_the_severity_and_is_not_mitigated() {
    let timed = Timed::new();
    let stuck = timed.bench.fault("db").always(Step::Revert, Act::Stuck);
    let run = Run::new(experiment().build().expect("one")).fault(stuck).metrics(timed.metrics(&[0.01]));
    let report = within(timed.bench.runner.run_all(run)).await.expect("a report");
    let events = timed.bench.journal.events(&report.run);
    let incident = report.incident(&events).expect("well-formed").expect("an incident");
    assert_eq!(incident.severity(), Severity::Sev2);
    assert_eq!(at(&incident, &Milestone::Mitigated), None);
    assert_eq!(at(&incident, &Milestone::Resolved), None);
    let text = incident.timeline().to_string();
    assert!(text.contains("severity SEV2") && text.contains("by hand: set db back"), "{text}");
}

/// What the journal of a run holds when its process dies behind the first event that `last` accepts.
fn cut(events: &[Event], last: impl Fn(&EventBody) -> bool) -> Vec<Event> {
    let end = events.iter().position(|event| last(&event.body)).expect("there is such an event");
    events[..=end].to_vec()
}

/// Recovers a journal at a later hour, and gives back what it says then.
async fn recovered(events: &[Event], run: &RunId) -> Vec<Event> {
    let journal = Arc::new(MemoryJournal::new());
    journal.append(run, events, Durability::Durable).expect("appended");
    journal.crash();
    let later = ManualClock::new("2026-01-15T15:00:00Z".parse().expect("an instant"));
    assert!(later.now() > events[0].at);
    let runner =
        builder(&FakeHost::new()).journal(Arc::clone(&journal)).clock(later).build().expect("a runner");
    let report = within(runner.recover()).await.expect("a report");
    assert!(report.unrecovered().is_empty(), "{report}");
    journal.events(run)
}

#[tokio::test]
async fn a_crashed_run_opens_an_incident_and_its_recovery_resolves_it() {
    let timed = Timed::new();
    let (report, events) = timed.breach().await;
    let crashed = cut(&events, |body| matches!(body, EventBody::Applied { .. }));
    let open = from_journal(&report.run, &crashed).expect("well-formed").expect("an incident");
    assert_eq!(open.severity(), Severity::Sev2);
    assert_eq!(at(&open, &Milestone::ImpactStarted).as_deref(), Some("14:30:01"));
    assert_eq!(at(&open, &Milestone::Detected), None);

    let events = recovered(&crashed, &report.run).await;
    let incident = from_journal(&report.run, &events).expect("well-formed").expect("an incident");
    insta::assert_snapshot!(printed(&incident, &report.run), @r"
    chaos-RUN  SEV2  Chaos experiment lost its runner: A setting is lost
    2026-01-15 UTC
    14:30:00Z  note            the run begins: A setting is lost (seed 7, pid PID)
    14:30:00Z  note            preflight begins
    14:30:00Z  note            baseline begins
    14:30:01Z  note            injection begins
    14:30:01Z  note            about to inject fault-1 (fake.scripted) on fake:db
    14:30:01Z  impact_started  fault-1 is on
    15:00:00Z  detected        a recovery finds the run, whose runner did not roll back
    15:00:00Z  mitigated       fault-1: nothing to do
    15:00:00Z  resolved        the run is closed as aborted
    ");
}

#[tokio::test]
async fn a_crash_between_intent_and_applied_is_an_impact_since_the_intent() {
    let timed = Timed::new();
    let (report, events) = timed.breach().await;
    let crashed = cut(&events, |body| matches!(body, EventBody::Intent { .. }));
    let incident = from_journal(&report.run, &crashed).expect("well-formed").expect("an incident");
    let impact = incident.timeline().first(&Milestone::ImpactStarted).expect("an impact").text().to_owned();
    assert_eq!(impact, "fault-1 (fake.scripted) may have landed from here on");
}

#[tokio::test]
async fn a_journal_cut_anywhere_opens_an_incident_as_soon_as_something_may_have_landed() {
    let timed = Timed::new();
    let (report, events) = timed.breach().await;
    let intent = events.iter().position(|event| matches!(event.body, EventBody::Intent { .. })).expect("one");
    for end in 0..=events.len() {
        let incident = from_journal(&report.run, &events[..end]).expect("well-formed");
        assert_eq!(incident.is_some(), end > intent, "cut at {end}");
        if end > 0 && end < events.len() {
            let after = recovered(&events[..end], &report.run).await;
            let incident = from_journal(&report.run, &after).expect("well-formed");
            assert_eq!(incident.is_some(), end > intent, "cut at {end} and recovered");
            let resolved = incident.and_then(|incident| at(&incident, &Milestone::Resolved));
            assert_eq!(resolved.as_deref(), (end > intent).then_some("15:00:00"), "cut at {end}");
        }
    }
}
