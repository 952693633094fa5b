use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    explain::{Explained, Fault, describe, explain},
    place::{Place, Step, parse_steps},
};
use crate::error::{PlanError, Problem};

/// At most this many problems of one value are looked for.
const MAX_PROBLEMS: usize = 16;

/// One fault's spec as data, which knows where it stood.
///
/// ```
/// use chaos_core::{spec::SpecValue, units::HumanDuration};
/// #[derive(Debug, serde::Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct Latency { latency: HumanDuration }
///
/// let spec = SpecValue::from_json(serde_json::json!({ "latency": "5" }));
/// let error = spec.deserialize::<Latency>().unwrap_err();
/// assert_eq!(
///     error.problems()[0].to_string(),
///     "latency: duration `5` has no unit: use one of ns, us, ms, s, m, h",
/// );
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SpecValue {
    subject: String,
    prefix: String,
    value: Value,
    place: Option<Arc<Place>>,
}

impl SpecValue {
    /// A spec that a program made.
    #[must_use]
    pub fn from_json(value: Value) -> Self {
        Self { subject: "spec".into(), prefix: String::new(), value, place: None }
    }

    /// A spec at a place of a file.
    #[cfg(any(feature = "yaml", test))]
    pub(crate) fn placed(subject: &str, prefix: &str, value: Value, place: Place) -> Self {
        Self { subject: subject.into(), prefix: prefix.into(), value, place: Some(Arc::new(place)) }
    }

    /// The data.
    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.value
    }

    /// Reads the spec: a map of fields, where nothing at all is an empty map. Give the type `#[serde(deny_unknown_fields)]`, so that a misspelt field is an error with a hint.
    ///
    /// # Errors
    /// [`PlanError`] with every problem that can be told from the others, each with its path, and its line and column if the spec
    /// comes from a file.
    pub fn deserialize<T: DeserializeOwned>(&self) -> Result<T, PlanError> {
        match &self.value {
            Value::Object(_) => self.read(),
            Value::Null => Self { value: Value::Object(serde_json::Map::new()), ..self.clone() }.read(),
            other => {
                let message = format!("expected a map of fields, found {}", describe(other));
                Err(self.locate(PlanError::new("", vec![Problem::new("", message)])))
            }
        }
    }

    /// Reads a value of any type.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, PlanError> {
        deserialize(&self.value).map_err(|problems| self.locate(PlanError::new("", problems)))
    }

    /// Puts problems whose paths begin in this spec (`latency`) at their place in the file (`faults[0].spec.latency`).
    #[must_use]
    pub fn locate(&self, error: PlanError) -> PlanError {
        let problems = error.into_problems().into_iter().map(|problem| self.locate_one(problem)).collect();
        PlanError::new(self.subject.as_str(), problems)
    }

    fn locate_one(&self, problem: Problem) -> Problem {
        let steps = parse_steps(&problem.path);
        let at = self.place.as_deref().map(|place| position(place, &steps, &problem));
        let mut problem = if self.prefix.is_empty() { problem } else { problem.under(&self.prefix) };
        problem.at = problem.at.or(at);
        problem
    }
}

/// An unknown field is shown at its key, everything else at its value.
fn position(place: &Place, steps: &[Step], problem: &Problem) -> (u64, u64) {
    let nearest = place.nearest(steps);
    let key = nearest.key.filter(|_| problem.message.starts_with("unknown field"));
    key.unwrap_or(nearest.at)
}

/// Reads a value; its problems come in the order of their paths.
fn deserialize<T: DeserializeOwned>(root: &Value) -> Result<T, Vec<Problem>> {
    read_all(root).map_err(|mut problems| {
        problems.sort_by(|left, right| left.path.cmp(&right.path));
        problems
    })
}

/// Goes on after a problem by leaving out what is wrong.
fn read_all<T: DeserializeOwned>(root: &Value) -> Result<T, Vec<Problem>> {
    let (mut value, mut problems, mut left_out) = (root.clone(), Vec::new(), Vec::<Vec<Step>>::new());
    loop {
        let error = match serde_path_to_error::deserialize(&value) {
            Ok(read) if problems.is_empty() => return Ok(read),
            Ok(_) => return Err(problems),
            Err(error) => explain(&error, &value),
        };
        let known = problems.len();
        if left_out.iter().all(|steps| !follows(&error, steps)) {
            problems.push(error.problem);
        }
        let stuck = problems.len() == known || problems.len() >= MAX_PROBLEMS;
        let steps = member(error.steps);
        if stuck || error.fault == Fault::MissingField || !leave_out(&mut value, &steps) {
            return Err(problems);
        }
        if error.fault == Fault::Value {
            left_out.push(steps);
        }
    }
}

/// The member of a map in which the steps end; an item of a list cannot be left out without moving the others.
fn member(mut steps: Vec<Step>) -> Vec<Step> {
    while matches!(steps.last(), Some(Step::Index(_))) {
        steps.pop();
    }
    steps
}

/// Whether an error may only be there because what stood at `left_out` is missing now.
fn follows(error: &Explained, left_out: &[Step]) -> bool {
    let last = left_out.last().map(|step| format!("missing field `{step}`"));
    match error.fault {
        Fault::UnknownField => false,
        Fault::MissingField => last.is_some_and(|missing| error.problem.message.starts_with(&missing)),
        Fault::Value => left_out.starts_with(&error.steps),
    }
}

/// Removes the member at `steps`.
fn leave_out(root: &mut Value, steps: &[Step]) -> bool {
    let Some((Step::Key(key), parents)) = steps.split_last() else {
        return false;
    };
    let parent = parents.iter().try_fold(root, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Index(index) => value.get_mut(index),
    });
    parent.and_then(Value::as_object_mut).is_some_and(|members| members.remove(key).is_some())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::units::{HumanDuration, Percent};

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Spec {
        latency: HumanDuration,
        #[serde(default)]
        toxicity: Option<Percent>,
        #[serde(default)]
        ports: Vec<u16>,
        #[serde(default)]
        direction: Option<Direction>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Direction {
        Upstream,
        Downstream,
    }

    fn problems(value: Value) -> String {
        SpecValue::from_json(value).deserialize::<Spec>().unwrap_err().to_string()
    }

    #[test]
    fn all_problems_of_a_spec_are_told_at_once() {
        let text = problems(json!({
            "latnecy": "1s", "latency": 5, "toxicity": "50", "ports": [80, 70_000], "direction": "upsteam",
        }));
        insta::assert_snapshot!(text, @r#"
        spec: 5 problems
          direction: unknown value `upsteam` (did you mean `upstream`?)
          latency: expected a duration with its unit, such as "200ms" or "1m30s", found 5
          latnecy: unknown field `latnecy` (did you mean `latency`?)
          ports[1]: expected a whole number of 0 to 65535, found 70000
          toxicity: percentage `50` has no unit: use one of %
        "#);
    }

    #[test]
    fn a_missing_field_is_told_once_and_never_as_the_echo_of_another_problem() {
        insta::assert_snapshot!(problems(json!({ "toxicity": 0 })), @r"
        spec: 2 problems
          missing field `latency`
          toxicity: percentage `0` is out of range: a percentage is more than 0 and at most 100
        ");
        insta::assert_snapshot!(problems(json!({ "latency": "5 parsecs" })), @r"
        spec: 1 problem
          latency: duration `5 parsecs` has an unknown unit `parsecs`: use one of ns, us, ms, s, m, h
        ");
        insta::assert_snapshot!(problems(json!(["200ms"])), @r"
        spec: 1 problem
          expected a map of fields, found a list of 1
        ");
        insta::assert_snapshot!(problems(Value::Null), @r"
        spec: 1 problem
          missing field `latency`
        ");
    }

    #[test]
    fn a_long_or_hostile_value_is_cut_and_escaped() {
        let text =
            problems(json!({ "latency": "1s", "toxicity": ["\u{1b}[31m"], "ports": "x".repeat(10_000) }));
        assert!(text.len() < 600, "{text}");
        let text = problems(json!({ "latency": "1s", "a`b\n\u{1b}[31m": 1 }));
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn a_problem_is_moved_to_its_place_in_the_file() {
        let leaf = Place { at: (7, 14), key: Some((7, 5)), ..Place::default() };
        let place = Place {
            at: (7, 5),
            key: None,
            within: [(Step::Key("latency".into()), leaf)].into_iter().collect(),
        };
        let spec = SpecValue::placed("game.yaml", "faults[0].spec", json!({ "latency": "5" }), place);
        insta::assert_snapshot!(spec.deserialize::<Spec>().unwrap_err(), @r"
        game.yaml: 1 problem
          game.yaml:7:14: faults[0].spec.latency: duration `5` has no unit: use one of ns, us, ms, s, m, h
        ");
        let own = PlanError::new("latency", vec![Problem::new("latency", "longer than the experiment")]);
        insta::assert_snapshot!(spec.locate(own), @r"
        game.yaml: 1 problem
          game.yaml:7:14: faults[0].spec.latency: longer than the experiment
        ");
    }
}
