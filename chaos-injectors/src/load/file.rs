//! Load from the `spec` of an experiment file, and what undoes it.

use std::sync::Arc;

use chaos_core::{id::FaultKind, metrics::MetricsSource, spec::FaultFactory, undo::ReverterRegistry};

use super::{KIND, LoadInjector, LoadReverter};

/// Lets a factory build `load.http`; the spec is a [`LoadSpec`](super::LoadSpec). A multiple of normal has to name
/// its baseline: see [`register_kinds_measuring`] for one that is measured.
pub fn register_kinds(factory: &mut FaultFactory) {
    factory.register_spec(FaultKind::from_static(KIND), LoadInjector::new);
}

/// As [`register_kinds`], and a baseline that the spec does not name is the `request_rate` of `source`.
pub fn register_kinds_measuring(factory: &mut FaultFactory, source: Arc<dyn MetricsSource>) {
    factory.register_spec(FaultKind::from_static(KIND), move |spec| {
        LoadInjector::new(spec).map(|injector| injector.measure_baseline(Arc::clone(&source)))
    });
}

/// Registers what undoes loads.
pub fn register(registry: &mut ReverterRegistry) {
    registry.register(LoadReverter);
}

#[cfg(test)]
mod tests {
    use chaos_core::{
        error::MetricsError,
        injector::{FaultCtx, Guarantee},
        metrics::{Metrics, REQUEST_RATE},
        spec::SpecValue,
    };
    use chrono::DateTime;
    use serde_json::{Value, json};

    use super::*;

    const HTTP: FaultKind = FaultKind::from_static(KIND);

    fn multiple() -> Value {
        json!({"url": "http://127.0.0.1:9/", "duration": "1s", "profile": {"multiple": {"times": 10}}})
    }

    #[derive(Debug)]
    struct Normal;

    #[chaos_core::async_trait]
    impl MetricsSource for Normal {
        async fn sample(&self) -> Result<Metrics, MetricsError> {
            Ok(Metrics::from([(REQUEST_RATE, 3.0)]))
        }
    }

    #[test]
    fn bad_specs_say_where_and_what() {
        let mut factory = FaultFactory::new();
        register_kinds(&mut factory);
        let error = |spec| factory.build(&HTTP, &SpecValue::from_json(spec)).unwrap_err().to_string();
        let errors = [
            json!({"url": "http://h/", "profile": {"constant": {"rat": 5}}, "duration": "10s"}),
            json!({"url": "http://h/", "profile": {"constant": {"rate": "fast"}}, "duration": "10s"}),
            json!({"url": "http://h/", "profile": {"constnt": {"rate": 5}}, "duration": 10}),
            json!({"url": "http://h/", "profile": {"constant": {"rate": 5}}, "duration": "10s", "conections": 5}),
            json!({"url": "http://u:secret@h/", "profile": {"ramp": {"from": 0, "to": 5, "over": "20s"}}, "duration": "10s"}),
            json!({"url": "https://h/", "profile": {"constant": {"rate": 0}}}),
            json!([1]),
            json!(null),
        ]
        .map(error);
        insta::assert_snapshot!(errors.join("\n"), @r#"
        spec: 2 problems
          profile.constant: missing field `rate`
          profile.constant.rat: unknown field `rat` (did you mean `rate`?)
        spec: 1 problem
          profile.constant.rate: expected a number, found the text `fast`
        spec: 2 problems
          duration: expected a duration with its unit, such as "200ms" or "1m30s", found 10
          profile: unknown value `constnt` (did you mean `constant`?)
        spec: 1 problem
          conections: unknown field `conections` (did you mean `connections`?)
        spec: 2 problems
          profile.ramp.over: the ramp of 20s is longer than the load of 10s (shorten the ramp, or lengthen `duration`)
          url: the URL holds credentials: use a header instead
        spec: 3 problems
          profile.constant.rate: `0` is out of range: 0.001 to 1000000
          url: scheme `https` is not supported: write http://host:port/path
          duration: a load needs a duration (write for example `duration: 30s`)
        spec: 1 problem
          expected a map of fields, found a list of 1
        spec: 1 problem
          missing field `url`
        "#);
    }

    #[tokio::test]
    async fn a_file_can_ask_for_a_multiple_of_what_is_measured() {
        let mut factory = FaultFactory::new();
        register_kinds_measuring(&mut factory, Arc::new(Normal));
        let injector = factory.build(&HTTP, &SpecValue::from_json(multiple())).unwrap();
        let now = DateTime::UNIX_EPOCH;
        let ctx = FaultCtx::new("run".parse().unwrap(), "fault".parse().unwrap(), now);
        let prepared = injector.prepare(&ctx).await.unwrap();
        assert_eq!(prepared.undo().0["mean_rate"], 30.0);
    }

    #[test]
    fn the_kind_has_its_reverter() {
        let mut registry = ReverterRegistry::new();
        register(&mut registry);
        assert!(registry.kinds().eq([&HTTP]));
        assert!(registry.find(&HTTP, Guarantee::Process).is_some());
    }
}
