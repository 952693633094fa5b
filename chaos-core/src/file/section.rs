use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{
    error::{PlanError, Problem},
    spec::{Place, SpecValue, Step, did_you_mean},
    text::excerpt,
};

/// One map of the file, read field by field, so that a problem of one field hides no other.
pub(super) struct Section<'a> {
    name: &'a str,
    path: String,
    members: Map<String, Value>,
    place: &'a Place,
    known: Vec<&'static str>,
    problems: Vec<Problem>,
    is_map: bool,
}

impl<'a> Section<'a> {
    /// The map at `path`.
    pub(super) fn new(name: &'a str, path: &str, value: &Value, place: &'a Place) -> Self {
        let mut section = Self {
            name,
            path: path.to_owned(),
            members: Map::new(),
            place,
            known: Vec::new(),
            problems: Vec::new(),
            is_map: value.is_object(),
        };
        match value {
            Value::Object(members) => section.members.clone_from(members),
            _ => section.problem("", "expected a map of fields"),
        }
        section
    }

    /// The raw value of a field, where it is there.
    pub(super) fn raw(&mut self, field: &'static str) -> Option<SpecValue> {
        self.knows(field);
        let value = self.members.get(field)?.clone();
        Some(SpecValue::placed(self.name, &self.join(field), value, self.place_of(field).clone()))
    }

    /// A field that may be left out. A field without a value is a mistake.
    pub(super) fn optional<T: DeserializeOwned>(&mut self, field: &'static str) -> Option<T> {
        let raw = self.raw(field)?;
        match raw.read() {
            Ok(value) => Some(value),
            Err(error) => {
                self.adopt(error);
                None
            }
        }
    }

    /// A field that has to be there.
    pub(super) fn required<T: DeserializeOwned>(&mut self, field: &'static str) -> Option<T> {
        if self.members.get(field).is_none_or(Value::is_null) {
            self.knows(field);
            if self.is_map {
                self.problem("", format!("missing field `{field}`"));
            }
            return None;
        }
        self.optional(field)
    }

    /// Where a field stands, or the map if it is not there.
    pub(super) fn place_of(&self, field: &str) -> &'a Place {
        self.place.nearest(&[Step::Key(field.to_owned())])
    }

    /// Adds a problem of a field, or of the map as a whole.
    pub(super) fn problem(&mut self, field: &str, message: impl Into<String>) {
        self.push(Problem::new(field, message));
    }

    /// Adds a problem whose path begins in this map.
    pub(super) fn push(&mut self, problem: Problem) {
        let whole = SpecValue::placed(self.name, &self.path, Value::Null, self.place.clone());
        self.adopt(whole.locate(PlanError::new(self.name, vec![problem])));
    }

    /// Adds problems that have their place already.
    pub(super) fn adopt(&mut self, error: PlanError) {
        self.problems.extend(error.into_problems());
    }

    /// All problems, with the fields that nobody asked for.
    pub(super) fn finish(mut self) -> Vec<Problem> {
        let unknown: Vec<String> =
            self.members.keys().filter(|key| !self.known.contains(&key.as_str())).cloned().collect();
        for key in unknown {
            let hint = did_you_mean(&key, self.known.iter().copied());
            let (line, column) = self.place_of(&key).key.unwrap_or(self.place.at);
            let problem =
                Problem::new(self.join(&excerpt(&key)), format!("unknown field `{}`", excerpt(&key)));
            self.problems.push(problem.hint(hint).at(line, column));
        }
        self.problems
    }

    fn knows(&mut self, field: &'static str) {
        if !self.known.contains(&field) {
            self.known.push(field);
        }
    }

    fn join(&self, field: &str) -> String {
        if self.path.is_empty() { field.to_owned() } else { format!("{}.{field}", self.path) }
    }
}
