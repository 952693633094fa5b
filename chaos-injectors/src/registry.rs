//! What is compiled in, by kind: for recovery, and for experiment files.

use chaos_core::{spec::FaultFactory, undo::ReverterRegistry};

/// Adds the reverters of all faults that are compiled in. Arms nothing.
#[cfg_attr(
    not(any(feature = "load", feature = "proxy")),
    expect(unused_variables, reason = "no fault is compiled in")
)]
pub fn register_all(registry: &mut ReverterRegistry) {
    #[cfg(feature = "proxy")]
    crate::proxy::register(registry);
    #[cfg(feature = "load")]
    crate::load::register(registry);
}

/// Adds the builders of all faults that are compiled in, for experiment files. Arms nothing.
///
/// ```
/// use chaos_core::{id::FaultKind, spec::{FaultFactory, SpecValue}};
/// let mut factory = FaultFactory::new();
/// chaos_injectors::register_kinds(&mut factory);
/// # #[cfg(feature = "proxy")] {
/// let spec = SpecValue::from_json(serde_json::json!({ "proxy": "db", "latency": "200ms" }));
/// let fault = factory.build(&FaultKind::from_static("proxy.latency"), &spec)?;
/// assert_eq!(fault.kind().as_str(), "proxy.latency");
/// # }
/// # Ok::<(), chaos_core::error::PlanError>(())
/// ```
#[cfg_attr(
    not(any(feature = "load", feature = "proxy")),
    expect(unused_variables, reason = "no fault is compiled in")
)]
pub fn register_kinds(factory: &mut FaultFactory) {
    #[cfg(feature = "proxy")]
    crate::proxy::register_kinds(factory);
    #[cfg(feature = "load")]
    crate::load::register_kinds(factory);
}
