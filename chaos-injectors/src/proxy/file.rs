//! Proxy faults from the `spec` of an experiment file, and what undoes them.

use chaos_core::{error::PlanError, id::FaultKind, spec::FaultFactory, undo::ReverterRegistry};

use super::{
    Bandwidth, Down, Latency, LimitData, PacketLoss, ResetPeer, Slicer, SlowClose, Timeout, ToxicFault,
    ToxicReverter, ToxicSpec,
};

macro_rules! kinds {
    ($($spec:ident),* $(,)?) => {
        /// The kinds of all proxy faults.
        pub const KINDS: &[&str] = &[$($spec::KIND),*];

        /// Lets a factory build all proxy faults; the spec is the fields of the toxic, and `proxy`, the name of a proxy
        /// that lives in this process when the fault is prepared.
        ///
        /// ```
        /// use chaos_core::{id::FaultKind, spec::{FaultFactory, SpecValue}};
        /// let mut factory = FaultFactory::new();
        /// chaos_injectors::proxy::register_kinds(&mut factory);
        /// let spec = SpecValue::from_json(serde_json::json!({ "proxy": "db", "delay": "200ms" }));
        /// let fault = factory.build(&FaultKind::from_static("proxy.slow_close"), &spec)?;
        /// # Ok::<(), chaos_core::error::PlanError>(())
        /// ```
        pub fn register_kinds(factory: &mut FaultFactory) {
            $(factory.register_spec(FaultKind::from_static($spec::KIND), checked::<$spec>);)*
        }

        /// Registers what undoes proxy faults.
        pub fn register(registry: &mut ReverterRegistry) {
            $(registry.register(ToxicReverter::<$spec>::new());)*
        }
    };
}

kinds![Latency, Bandwidth, SlowClose, Timeout, ResetPeer, LimitData, Slicer, Down, PacketLoss];

fn checked<T: ToxicSpec>(fault: ToxicFault<T>) -> Result<ToxicFault<T>, PlanError> {
    fault.validate().map(|()| fault)
}

#[cfg(test)]
mod tests {
    use chaos_core::{file::ExperimentFile, spec::SpecValue};
    use serde_json::{Value, json};

    use super::*;

    fn factory() -> FaultFactory {
        let mut factory = FaultFactory::new();
        register_kinds(&mut factory);
        factory
    }

    fn wrong(kind: &'static str, spec: Value) -> String {
        factory().build(&FaultKind::from_static(kind), &SpecValue::from_json(spec)).unwrap_err().to_string()
    }

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
            let fault = factory().build(&FaultKind::from_static(kind), &SpecValue::from_json(spec)).unwrap();
            assert_eq!(fault.kind().as_str(), kind);
        }
    }

    #[test]
    fn a_fault_is_its_spec_on_the_named_proxy() {
        let written = json!({
            "proxy": "db", "latency": "200ms", "jitter": "20ms", "stream": "both", "toxicity": "50%",
        });
        let read: ToxicFault<Latency> = SpecValue::from_json(written.clone()).deserialize().unwrap();
        let mut own = written;
        own.as_object_mut().unwrap().remove("proxy");
        let spec: Latency = serde_json::from_value(own).unwrap();
        assert_eq!(format!("{read:?}"), format!("{:?}", spec.on_named("db")));
    }

    #[test]
    fn bad_specs_say_where_and_what() {
        let bad = [
            json!("200ms"),
            json!(null),
            json!({ "latency": "200ms" }),
            json!({ "latency": "5" }),
            json!({ "proxy": "db" }),
            json!({ "proxy": 7, "latency": "5" }),
            json!({ "proxy": "", "latency": "200ms" }),
            json!({ "proxy": null, "latency": "200ms" }),
            json!({ "proxy": "db", "latency": "200ms", "jitter": "300ms" }),
            json!({ "proxy": "db", "latncy": "200ms", "shape\u{1b}": 1 }),
            json!({ "proxi": "db", "latency": "200ms" }),
            json!({ "latencies": "200ms", "percnt": 1 }),
            json!({ "proxy": "db", "latency": "200ms", "stream": "sideways" }),
            json!({ "proxy": "db", "latency": "200ms", "toxicity": 0 }),
            json!({ "proxy": "db", "latency": "0ms" }),
        ];
        insta::assert_snapshot!(bad.map(|spec| wrong("proxy.latency", spec)).join("\n"));
    }

    #[test]
    fn a_file_shows_line_and_column_of_what_is_wrong() {
        let text = "
version: 1
title: Slow database
limits: { max_duration: 5m }
faults:
  - kind: proxy.latency
    spec:
      proxy: db
      latency: 200ms
      jiter: 20ms
  - kind: proxy.bandwidth
    spec: { proxy: db, rate: fast }
  - kind: proxy.slicer
    spec: { proxy: db, average_size: 10B, size_variation: 10B }
  - kind: proxy.down
    spec: {}
";
        let file = ExperimentFile::parse("slow.yaml", text).unwrap();
        insta::assert_snapshot!(file.build_faults(&factory()).unwrap_err());
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
