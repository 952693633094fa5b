//! Proxy faults from the `spec` of an experiment file.

use chaos_core::{
    error::{PlanError, Problem},
    id::FaultKind,
    injector::Injector,
    spec::FaultFactory,
    undo::ReverterRegistry,
};
use serde_json::{Map, Value};

use super::{
    Bandwidth, Down, Latency, LimitData, PacketLoss, ResetPeer, Slicer, SlowClose, Timeout, ToxicFault,
    ToxicReverter, ToxicSpec,
};

const PROXY: &str = "proxy";

macro_rules! kinds {
    ($($spec:ident),* $(,)?) => {
        /// The kinds of all proxy faults.
        pub const KINDS: &[&str] = &[$($spec::KIND),*];

        /// Reads the `spec` of a fault of `kind`: the fields of the toxic, and `proxy`, the name of a proxy that lives in
        /// this process when the fault is prepared. `None` if the kind is not one of [`KINDS`].
        ///
        /// ```
        /// let spec = serde_json::json!({ "proxy": "db", "latency": "200ms" });
        /// let fault = chaos_injectors::proxy::fault("proxy.latency", &spec).expect("a kind of this family")?;
        /// assert_eq!(fault.kind().as_str(), "proxy.latency");
        /// # Ok::<(), chaos_core::error::PlanError>(())
        /// ```
        ///
        /// # Errors
        /// [`PlanError`]: unknown, missing or mistyped fields with their paths, or everything that is wrong with the
        /// values.
        pub fn fault(kind: &str, spec: &Value) -> Option<Result<Box<dyn Injector>, PlanError>> {
            match kind {
                $($spec::KIND => Some(read::<$spec>(spec)),)*
                _ => None,
            }
        }

        /// Registers what undoes proxy faults.
        pub fn register(registry: &mut ReverterRegistry) {
            $(registry.register(ToxicReverter::<$spec>::new());)*
        }
    };
}

/// Lets a factory build all proxy faults.
pub fn register_kinds(factory: &mut FaultFactory) {
    for kind in KINDS {
        factory.register(FaultKind::from_static(kind), |spec| match fault(kind, spec.value()) {
            Some(built) => built.map_err(|error| spec.locate(error)),
            None => Err(PlanError::new(*kind, vec![Problem::new("kind", "is not a proxy fault")])),
        });
    }
}

kinds![Latency, Bandwidth, SlowClose, Timeout, ResetPeer, LimitData, Slicer, Down, PacketLoss];

fn read<T: ToxicSpec>(spec: &Value) -> Result<Box<dyn Injector>, PlanError> {
    let wrong = |problems| PlanError::new(T::KIND, problems);
    let Value::Object(fields) = spec else {
        return Err(wrong(vec![
            Problem::new("", "the spec is no mapping").hint("write `proxy: <name>` and its fields"),
        ]));
    };
    let (mut problems, name) = (unknown::<T>(fields), proxy_of(fields));
    if !problems.is_empty() {
        problems.extend(name.err());
        return Err(wrong(problems));
    }
    let own: Map<String, Value> = fields
        .iter()
        .filter(|(field, _)| *field != PROXY)
        .map(|(field, value)| (field.clone(), value.clone()))
        .collect();
    let typed = serde_path_to_error::deserialize::<_, T>(Value::Object(own)).map_err(|error| {
        let path = if error.path().iter().len() == 0 { String::new() } else { error.path().to_string() };
        Problem::new(path, error.into_inner().to_string())
    });
    match (typed, name) {
        (Ok(spec), Ok(name)) => {
            spec.validate()?;
            Ok(Box::new(ToxicFault::on_named(spec, name)))
        }
        (typed, name) => {
            let values = typed.as_ref().map(ToxicSpec::problems).unwrap_or_default();
            Err(wrong(name.err().into_iter().chain(typed.err()).chain(values).collect()))
        }
    }
}

fn proxy_of(fields: &Map<String, Value>) -> Result<String, Problem> {
    match fields.get(PROXY) {
        Some(Value::String(name)) if !name.is_empty() => Ok(name.clone()),
        Some(_) => Err(Problem::new(PROXY, "not the name of a proxy").hint("write for example `proxy: db`")),
        None => Err(Problem::new(PROXY, "is missing").hint("write for example `proxy: db`")),
    }
}

fn unknown<T: ToxicSpec>(fields: &Map<String, Value>) -> Vec<Problem> {
    let known = || std::iter::once(PROXY).chain(T::FIELDS.iter().copied());
    let stranger = |field: &&String| !known().any(|known| known == **field);
    fields.keys().filter(stranger).map(|field| stray(field, known())).collect()
}

fn stray<'a>(field: &str, known: impl Iterator<Item = &'a str> + Clone) -> Problem {
    let shown: String = field.escape_debug().take(64).collect();
    let near = known
        .clone()
        .map(|known| (strsim::damerau_levenshtein(field, known), known))
        .min()
        .filter(|(distance, known)| *distance <= 1 + known.len() / 4);
    let hint = match near {
        Some((_, known)) => format!("did you mean `{known}`?"),
        None => format!("its fields are {}", known.collect::<Vec<_>>().join(", ")),
    };
    Problem::new(shown.clone(), format!("unknown field `{shown}`")).hint(hint)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_is_read() {
        let specs = [
            (
                "proxy.latency",
                json!({ "proxy": "db", "latency": "200ms", "jitter": "20ms", "stream": "both" }),
            ),
            ("proxy.bandwidth", json!({ "proxy": "db", "rate": "10mbit", "toxicity": "50%" })),
            ("proxy.slow_close", json!({ "proxy": "db", "delay": "1s" })),
            ("proxy.timeout", json!({ "proxy": "db" })),
            ("proxy.reset_peer", json!({ "proxy": "db", "timeout": "1s", "stream": "upstream" })),
            ("proxy.limit_data", json!({ "proxy": "db", "bytes": "64KiB" })),
            ("proxy.slicer", json!({ "proxy": "db", "average_size": "100B", "delay": "50us" })),
            ("proxy.down", json!({ "proxy": "db" })),
            ("proxy.packet_loss", json!({ "proxy": "db", "percent": 5 })),
        ];
        assert_eq!(specs.each_ref().map(|(kind, _)| *kind), *KINDS);
        for (kind, spec) in specs {
            assert_eq!(fault(kind, &spec).unwrap().unwrap().kind().as_str(), kind);
        }
        assert!(fault("proxy.nonsense", &json!({})).is_none());
    }

    #[test]
    fn bad_specs_say_where_and_what() {
        let bad = [
            json!("200ms"),
            json!({ "latency": "200ms" }),
            json!({ "proxy": "db" }),
            json!({ "proxy": 7, "latency": "5" }),
            json!({ "proxy": "", "latency": "200ms", "jitter": "300ms" }),
            json!({ "proxy": "db", "latncy": "200ms", "shape\u{1b}": 1 }),
            json!({ "latencies": "200ms", "percnt": 1 }),
            json!({ "proxy": "db", "latency": "200ms", "stream": "sideways" }),
            json!({ "proxy": "db", "latency": "200ms", "toxicity": 0 }),
            json!({ "proxy": "db", "latency": "0ms" }),
        ];
        let errors = bad.map(|spec| fault("proxy.latency", &spec).unwrap().unwrap_err().to_string());
        insta::assert_snapshot!(errors.join("\n"));
    }

    #[test]
    fn every_kind_has_its_reverter() {
        let mut registry = ReverterRegistry::new();
        register(&mut registry);
        let mut kinds: Vec<_> = registry.kinds().map(|kind| kind.as_str().to_owned()).collect();
        kinds.sort();
        let mut all = KINDS.to_vec();
        all.sort_unstable();
        assert_eq!(kinds, all);
    }
}
