use std::time::Duration;

use chaos_core::{
    criterion::Outcome,
    error::{PlanError, Problem},
    file::ExperimentFile,
    id::{FaultId, FaultKind},
    metrics::Metrics,
    probe::{Strategy, Tolerances},
    safety::{OperatingWindow, SafetyConstraints},
    spec::FaultFactory,
};
use proptest::prelude::*;

const FULL: &str = r#"
# A comment is allowed.
version: 1
title: Slow database
hypothesis: Orders are still accepted, with <1% error rate
blast_radius:
  text: The connection to one database
  max_targets: 1
  max_share: 50%
  only: [ "tcp-proxy:db" ]
  protected: [ "tcp-proxy:auth" ]
rollback_plan: |
  The proxy passes everything again.
steady_state:
  strategy: continuously
  tolerances:
    - error_rate < 1%
    - latency p99 < 300ms
faults:
  - id: slow-db
    kind: proxy.latency
    spec: { latency: 200ms, jitter: 0.5ms }
  - kind: proxy.down
criteria:
  - error rate < 5%
  - No order is lost
limits: { max_error_rate: 7.5, max_latency_p99: 1.5s, max_duration: 5m }
window:
  only_during: { zone: "+02:00", from: "10:00", to: "16:30", weekdays: [ Mon, Tue ], holidays: [ 2026-12-25 ] }
duration: 30s
interval: 500ms
seed: 7
allow_irreversible: true
"#;

#[test]
fn a_full_file_is_read_in_full() {
    let file = ExperimentFile::parse("game.yaml", FULL).unwrap();
    let (experiment, constraints) = (file.experiment(), file.constraints());
    assert_eq!(experiment.name, "Slow database");
    assert_eq!(experiment.hypothesis.text, "Orders are still accepted, with <1% error rate");
    assert_eq!(experiment.hypothesis.lifted.len(), 1);
    assert_eq!(experiment.hypothesis.strategy, Strategy::Continuously);
    assert_eq!(experiment.hypothesis.steady_state.0.len(), 2);
    assert_eq!(experiment.blast_radius.max_targets, Some(1));
    assert_eq!(experiment.blast_radius.only, ["tcp-proxy:db".parse().unwrap()]);
    assert_eq!(experiment.rollback_plan, "The proxy passes everything again.\n");
    assert_eq!(experiment.success_criteria.items().len(), 2);
    assert_eq!(experiment.duration, Some(Duration::from_secs(30)));
    assert_eq!((experiment.seed, experiment.allow_irreversible), (Some(7), true));
    assert_eq!(file.interval(), Some(Duration::from_millis(500)));
    assert_eq!(constraints.max_error_rate.to_string(), "7.5%");
    assert_eq!(constraints.max_latency_p99.to_string(), "1500ms");
    let window = serde_json::to_string(&constraints.window).unwrap();
    insta::assert_snapshot!(window, @r#"{"only_during":{"zone":"+02:00","from":"10:00","to":"16:30","weekdays":["Mon","Tue"],"holidays":["2026-12-25"]}}"#);
    let ids: Vec<_> = file.faults().iter().map(|fault| fault.id.as_ref().map(FaultId::as_str)).collect();
    assert_eq!(ids, [Some("slow-db"), None]);
    assert_eq!(file.faults()[0].kind.as_str(), "proxy.latency");
}

#[test]
fn what_is_left_out_has_the_defaults_of_the_seed() {
    let text = "version: 1\ntitle: t\nfaults: [{ kind: a.b }]\nlimits: {}\nblast_radius: One host\n";
    let file = ExperimentFile::parse("game.yaml", text).unwrap();
    assert_eq!(file.constraints(), SafetyConstraints::default());
    let experiment = file.experiment();
    assert_eq!(experiment.blast_radius.text, "One host");
    assert_eq!(experiment.hypothesis.steady_state, Tolerances::default());
    assert_eq!((experiment.duration, experiment.seed, experiment.allow_irreversible), (None, None, false));
    assert_eq!(file.interval(), None);
    assert!(experiment.success_criteria.is_empty());
}

#[test]
fn criteria_are_a_text_or_a_list() {
    let read = |criteria: &str| {
        let text =
            format!("version: 1\ntitle: t\nfaults: [{{ kind: a.b }}]\nlimits: {{}}\ncriteria: {criteria}\n");
        ExperimentFile::parse("game.yaml", &text).unwrap().experiment().success_criteria
    };
    let (text, list) =
        (read("error rate < 5%, latency p99 < 1s"), read("[ error rate < 5%, latency p99 < 1s ]"));
    assert_eq!(text.items(), list.items());
    assert_eq!(text.text(), "error rate < 5%, latency p99 < 1s");
    let outcome = list.items()[0].judge(&Metrics::from([("error_rate", 0.06)]));
    assert_eq!(outcome, Outcome::NotMet { observed: 0.06 });
}

#[test]
fn a_window_can_be_always_or_around_a_span() {
    let read = |window: &str| {
        let text =
            format!("version: 1\ntitle: t\nfaults: [{{ kind: a.b }}]\nlimits: {{}}\nwindow: {window}\n");
        ExperimentFile::parse("game.yaml", &text).unwrap().constraints().window
    };
    assert_eq!(read("always"), OperatingWindow::Always);
    let night = r#"{ never_during: { zone: UTC, from: "22:00", to: "06:00:30" } }"#;
    assert!(matches!(read(night), OperatingWindow::NeverDuring(_)));
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Latency {
    latency: chaos_core::units::HumanDuration,
    #[serde(default)]
    jitter: Option<chaos_core::units::HumanDuration>,
}

#[derive(Debug)]
struct Nothing(FaultKind);

#[chaos_core::async_trait]
impl chaos_core::injector::Injector for Nothing {
    fn kind(&self) -> FaultKind {
        self.0.clone()
    }

    fn capabilities(&self) -> chaos_core::injector::Capabilities {
        chaos_core::injector::Capabilities::process()
    }

    async fn prepare(
        &self,
        _: &chaos_core::injector::FaultCtx,
    ) -> Result<chaos_core::injector::Prepared, chaos_core::error::InjectError> {
        chaos_core::injector::Prepared::held_by_process(self.kind(), &())
    }

    async fn inject(
        &self,
        _: &chaos_core::injector::FaultCtx,
        _: &chaos_core::injector::Prepared,
    ) -> Result<Option<Box<dyn chaos_core::injector::Live>>, chaos_core::error::InjectError> {
        Ok(None)
    }
}

fn factory() -> FaultFactory {
    let (latency, down) = (FaultKind::from_static("proxy.latency"), FaultKind::from_static("proxy.down"));
    let mut factory = FaultFactory::new();
    factory.register_spec(latency.clone(), move |spec: Latency| {
        if spec.jitter.is_some_and(|jitter| jitter > spec.latency) {
            return Err(PlanError::new("latency", vec![Problem::new("jitter", "longer than the latency")]));
        }
        Ok(Nothing(latency.clone()))
    });
    factory.register(down.clone(), move |_| Ok(Box::new(Nothing(down.clone()))));
    factory
}

#[test]
fn faults_are_built_by_kind_and_named_by_their_place() {
    let file = ExperimentFile::parse("game.yaml", FULL).unwrap();
    let built = file.build_faults(&factory()).unwrap();
    let names: Vec<_> =
        built.iter().map(|fault| (fault.id.as_str(), fault.injector.kind().to_string())).collect();
    assert_eq!(names, [("slow-db", "proxy.latency".to_owned()), ("fault-2", "proxy.down".to_owned())]);
}

#[test]
fn the_problems_of_all_specs_are_told_at_their_places() {
    let text = "\
version: 1
title: t
limits: {}
faults:
  - kind: proxy.latency
    spec: { latency: 5, jiter: 1ms }
  - kind: proxy.latency
    spec:
      latency: 10ms
      jitter: 20ms
  - kind: proxy.latencey
  - kind: dns.error
";
    let file = ExperimentFile::parse("game.yaml", text).unwrap();
    insta::assert_snapshot!(file.build_faults(&factory()).unwrap_err(), @r#"
    game.yaml: 5 problems
      game.yaml:6:22: faults[0].spec.latency: expected a duration with its unit, such as "200ms" or "1m30s", found 5
      game.yaml:6:25: faults[0].spec.jiter: unknown field `jiter` (did you mean `jitter`?)
      game.yaml:10:15: faults[1].spec.jitter: longer than the latency
      game.yaml:11:11: faults[2].kind: no fault of kind `proxy.latencey` in this program (did you mean `proxy.latency`?)
      game.yaml:12:11: faults[3].kind: no fault of kind `dns.error` in this program (known are proxy.down, proxy.latency)
    "#);
}

proptest! {
    #[test]
    fn any_bytes_give_a_file_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = ExperimentFile::parse_bytes("f", &bytes);
    }

    #[test]
    fn a_file_with_a_hole_or_a_stain_gives_a_file_or_an_error(
        at in 0..FULL.len(), length in 0..40_usize, stain in "[ -~\n]{0,6}",
    ) {
        let end = (at + length).min(FULL.len());
        let text = format!("{}{stain}{}", &FULL[..at], &FULL[end..]);
        if let Err(error) = ExperimentFile::parse("f", &text) {
            prop_assert!(!error.problems().is_empty());
        }
    }
}
