//! From serde's messages to problems that name the value and what would be right.

use serde_json::Value;

use super::place::{Step, steps, write_steps};
use crate::{error::Problem, text::excerpt};

/// What went wrong at one place of a value.
pub(super) struct Explained {
    pub(super) problem: Problem,
    pub(super) steps: Vec<Step>,
    pub(super) fault: Fault,
}

/// What can be left out to look for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The key is not known: the steps name it.
    UnknownField,
    /// A field is missing: the steps name what it is missing in.
    MissingField,
    /// The value is wrong.
    Value,
}

/// Explains an error of serde at its place in `root`.
pub(super) fn explain(error: &serde_path_to_error::Error<serde_json::Error>, root: &Value) -> Explained {
    let (text, mut steps) = (error.inner().to_string(), steps(error.path()));
    let (fault, message, hint) = if let Some(rest) = text.strip_prefix("unknown field ") {
        let name = quoted(rest).next().unwrap_or_default();
        if steps.last() != Some(&Step::Key(name.to_owned())) {
            steps.push(Step::Key(name.to_owned()));
        }
        let message = format!("unknown field `{}`", excerpt(name));
        (Fault::UnknownField, message, Some(one_of(name, rest, "there are no fields")))
    } else if let Some(rest) = text.strip_prefix("unknown variant ") {
        let name = quoted(rest).next().unwrap_or_default();
        let message = format!("unknown value `{}`", excerpt(name));
        (Fault::Value, message, Some(one_of(name, rest, "nothing is allowed here")))
    } else if text.starts_with("missing field ") {
        (Fault::MissingField, text, None)
    } else if let Some(expected) = expectation(&text) {
        let found = value_at(root, &steps).map_or_else(|| "something else".into(), describe);
        (Fault::Value, format!("expected {}, found {found}", plain(expected)), None)
    } else if text.contains('`') {
        (Fault::Value, text, None)
    } else {
        let found = value_at(root, &steps).map_or_else(|| "something else".into(), describe);
        (Fault::Value, format!("{text}, found {found}"), None)
    };
    let mut problem = Problem::new(write_steps(&steps), message);
    problem.hint = hint;
    Explained { problem, steps, fault }
}

/// The nearest of `known` to a misspelt word, or all of them.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let near = known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(word, name), *name))
        .min()
        .filter(|(distance, name)| *distance <= name.chars().count().div_ceil(3));
    match near {
        Some((_, name)) => format!("did you mean `{name}`?"),
        None if known.is_empty() => "none is known".into(),
        None => format!("known are {}", known.join(", ")),
    }
}

fn one_of(word: &str, rest: &str, none: &str) -> String {
    let known: Vec<&str> = quoted(rest.get(word.len() + 2..).unwrap_or_default()).collect();
    if known.is_empty() { none.into() } else { did_you_mean(word, known) }
}

/// The words between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// What serde expected, of `invalid type: string "x", expected a duration`.
fn expectation(text: &str) -> Option<&str> {
    let invalid = ["invalid type: ", "invalid value: ", "invalid length "];
    invalid.iter().any(|start| text.starts_with(start)).then_some(())?;
    text.rsplit_once(", expected ").map(|(_, expected)| expected)
}

/// What serde calls `u16` is a whole number to the one who writes the file.
fn plain(expected: &str) -> &str {
    match expected {
        "u8" => "a whole number of 0 to 255",
        "u16" => "a whole number of 0 to 65535",
        "u32" => "a whole number of 0 to 4294967295",
        "u64" | "usize" => "a whole number of 0 or more",
        "f32" | "f64" => "a number",
        "a string" | "string" => "a text",
        "a sequence" => "a list",
        "a boolean" => "true or false",
        _ if expected.starts_with("struct ") => "a map of fields",
        _ if expected.starts_with("enum ") => "the name of a choice",
        _ => expected,
    }
}

/// The value as an error shows it: escaped and cut.
pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "nothing".into(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::String(text) => format!("the text `{}`", excerpt(text)),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "a map".into(),
    }
}

fn value_at<'a>(root: &'a Value, steps: &[Step]) -> Option<&'a Value> {
    steps.iter().try_fold(root, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Index(index) => value.get(index),
    })
}
