use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{ExperimentFile, FaultEntry, section::Section, yaml};
use crate::{
    criterion::{Criteria, Criterion},
    error::{PlanError, Problem},
    experiment::{Experiment, ExperimentBuilder},
    id::FaultId,
    probe::{Strategy, Tolerances},
    safety::{OperatingWindow, SafetyConstraints},
    scope::BlastRadius,
    spec::{Place, SpecValue, Step},
    text::present,
    units::{HumanDuration, Percent},
};

/// Reads a whole file.
pub(super) fn file(name: &str, bytes: &[u8]) -> Result<ExperimentFile, Vec<Problem>> {
    let (root, place) = yaml::read(bytes)?;
    let mut top = Section::new(name, "", &root, &place);
    version(&mut top)?;
    let experiment = experiment(&mut top);
    let constraints = constraints(&mut top);
    let faults = faults(name, &mut top);
    let interval = top.optional::<HumanDuration>("interval").map(HumanDuration::get);
    if let Some(experiment) = &experiment {
        agree(&mut top, experiment, &constraints, interval);
    }
    let mut problems = top.finish();
    problems.sort_by_key(|problem| problem.at);
    match experiment.filter(|_| problems.is_empty()) {
        Some(experiment) => {
            Ok(ExperimentFile { name: name.to_owned(), experiment, constraints, interval, faults })
        }
        None => Err(problems),
    }
}

/// Of another version nothing else is read: its fields may mean something else.
fn version(top: &mut Section<'_>) -> Result<(), Vec<Problem>> {
    let Some(version) = top.raw("version") else {
        let _ = top.required::<u64>("version");
        return Ok(());
    };
    if version.value().as_u64() == Some(1) {
        return Ok(());
    }
    let problem = Problem::new("", "this version of the experiment file is not supported");
    Err(version.locate(PlanError::new("", vec![problem.hint("write version: 1")])).into_problems())
}

fn experiment(top: &mut Section<'_>) -> Option<Experiment> {
    let title = top.required::<String>("title");
    let mut builder = Experiment::builder(title.as_deref().unwrap_or("untitled"));
    if let Some(text) = top.optional::<String>("hypothesis") {
        builder = builder.hypothesis(text);
    }
    if let Some(radius) = blast_radius(top) {
        builder = builder.blast_radius(radius);
    }
    if let Some(text) = top.optional::<String>("rollback_plan") {
        builder = builder.rollback_plan(text);
    }
    if let Some(steady) = top.optional::<Steady>("steady_state") {
        builder = builder.strategy(steady.strategy).tolerances(Tolerances(steady.tolerances));
    }
    builder = criteria(top, builder);
    if let Some(duration) = top.optional("duration") {
        builder = builder.duration(duration);
    }
    if let Some(seed) = top.optional("seed") {
        builder = builder.seed(seed);
    }
    if top.optional("allow_irreversible") == Some(true) {
        builder = builder.allow_irreversible();
    }
    match builder.build() {
        Ok(experiment) => Some(experiment),
        Err(error) => {
            error.into_problems().into_iter().for_each(|problem| top.push(as_in_file(problem)));
            None
        }
    }
}

/// The builder names its own parts; the file calls some of them otherwise.
fn as_in_file(mut problem: Problem) -> Problem {
    if problem.path == "name" {
        problem.path = "title".into();
    }
    if let Some(index) = problem.path.strip_prefix("steady_state[") {
        problem.path = format!("steady_state.tolerances[{index}");
    }
    problem
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Steady {
    #[serde(default)]
    strategy: Strategy,
    #[serde(default)]
    tolerances: Vec<Criterion>,
}

fn blast_radius(top: &mut Section<'_>) -> Option<BlastRadius> {
    let raw = top.raw("blast_radius")?;
    match raw.value() {
        Value::String(text) => Some(BlastRadius::described(text)),
        _ => top.optional("blast_radius"),
    }
}

fn criteria(top: &mut Section<'_>, builder: ExperimentBuilder) -> ExperimentBuilder {
    match top.raw("criteria").as_ref().map(SpecValue::value) {
        Some(Value::Array(_)) => top
            .optional::<Vec<Criterion>>("criteria")
            .into_iter()
            .flatten()
            .fold(builder, ExperimentBuilder::criterion),
        _ => match top.optional::<Criteria>("criteria") {
            Some(criteria) => builder.success_criteria(criteria.text()),
            None => builder,
        },
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    #[serde(default, deserialize_with = "present")]
    max_error_rate: Option<Percent>,
    #[serde(default, deserialize_with = "present")]
    max_latency_p99: Option<HumanDuration>,
    #[serde(default, deserialize_with = "present")]
    max_duration: Option<HumanDuration>,
}

fn constraints(top: &mut Section<'_>) -> SafetyConstraints {
    let mut constraints = SafetyConstraints::default();
    if let Some(limits) = top.required::<Limits>("limits") {
        constraints.max_error_rate = limits.max_error_rate.unwrap_or(constraints.max_error_rate);
        constraints.max_latency_p99 = limits.max_latency_p99.unwrap_or(constraints.max_latency_p99);
        constraints.max_duration = limits.max_duration.unwrap_or(constraints.max_duration);
    }
    if let Some(window) = top.optional::<OperatingWindow>("window") {
        constraints.window = window;
    }
    constraints
}

/// What is right by itself and wrong together.
fn agree(
    top: &mut Section<'_>,
    experiment: &Experiment,
    constraints: &SafetyConstraints,
    interval: Option<std::time::Duration>,
) {
    let limit = constraints.max_duration.get();
    if let Some(duration) = experiment.duration.filter(|duration| *duration > limit) {
        let problem = Problem::new("duration", format!("{duration:?} is longer than limits.max_duration"));
        top.push(problem.hint(format!("at most {limit:?}")));
    }
    let held = experiment.duration.unwrap_or(limit);
    if let Some(interval) = interval.filter(|interval| *interval > held) {
        let problem = Problem::new("interval", format!("{interval:?} is longer than the experiment"));
        top.push(problem.hint(format!("at most {held:?}")));
    }
}

fn faults(name: &str, top: &mut Section<'_>) -> Vec<FaultEntry> {
    let Some(items) = top.required::<Vec<Value>>("faults") else {
        return Vec::new();
    };
    if !(1..=ExperimentFile::MAX_FAULTS).contains(&items.len()) {
        let problem = Problem::new("faults", format!("{} faults are listed", items.len()));
        top.push(problem.hint(format!("write 1 to {}", ExperimentFile::MAX_FAULTS)));
        return Vec::new();
    }
    let place = top.place_of("faults");
    let read = |(index, item): (usize, &Value)| {
        let place = place.nearest(&[Step::Index(index)]);
        fault(name, &format!("faults[{index}]"), item, place)
    };
    let mut faults = Vec::new();
    for result in items.iter().enumerate().map(read) {
        match result {
            Ok(fault) => faults.push(fault),
            Err(problems) => top.adopt(PlanError::new(name, problems)),
        }
    }
    if faults.len() == items.len() {
        unique(top, &faults);
    }
    faults
}

fn fault(name: &str, path: &str, item: &Value, place: &Place) -> Result<FaultEntry, Vec<Problem>> {
    let mut section = Section::new(name, path, item, place);
    let id = section.optional("id");
    let kind = section.required("kind");
    let spec = section
        .raw("spec")
        .unwrap_or_else(|| SpecValue::placed(name, &format!("{path}.spec"), Value::Null, place.clone()));
    let whole = SpecValue::placed(name, path, Value::Null, place.clone());
    if !spec.value().is_null() && !spec.value().is_object() {
        section.problem("spec", "expected a map of fields");
    }
    let problems = section.finish();
    match kind.filter(|_| problems.is_empty()) {
        Some(kind) => Ok(FaultEntry { id, kind, spec, whole }),
        None => Err(problems),
    }
}

fn unique(top: &mut Section<'_>, faults: &[FaultEntry]) {
    let mut seen = BTreeMap::<FaultId, usize>::new();
    for (index, fault) in faults.iter().enumerate() {
        let id = fault.id_at(index);
        if let Some(first) = seen.get(&id) {
            let problem = Problem::new(format!("faults[{index}].id"), format!("the id `{id}` is taken"));
            top.push(problem.hint(format!("by faults[{first}]")));
        } else {
            seen.insert(id, index);
        }
    }
}
