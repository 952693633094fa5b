use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::de::DeserializeOwned;

use super::{SpecValue, did_you_mean};
use crate::{
    error::{PlanError, Problem},
    id::FaultKind,
    injector::Injector,
};

type Build = Arc<dyn Fn(&SpecValue) -> Result<Box<dyn Injector>, PlanError> + Send + Sync>;

/// Builds injectors from specs, by kind. Registering a kind arms nothing.
///
/// ```
/// # #[cfg(feature = "testkit")] {
/// use chaos_core::{
///     error::PlanError,
///     id::FaultKind,
///     spec::{FaultFactory, SpecValue},
///     testkit::{FakeFault, FakeHost},
/// };
/// #[derive(serde::Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct Setting { name: String, value: String }
///
/// let host = FakeHost::new();
/// let mut factory = FaultFactory::new();
/// factory.register_spec(FaultKind::from_static(FakeFault::KIND), move |spec: Setting| {
///     Ok(FakeFault::new(&host, &spec.name, &spec.value))
/// });
/// let spec = SpecValue::from_json(serde_json::json!({ "name": "timeout", "value": "never" }));
/// let fault = factory.build(&FaultKind::from_static("fake.setting"), &spec)?;
/// # }
/// # Ok::<(), chaos_core::error::PlanError>(())
/// ```
#[derive(Clone, Default)]
pub struct FaultFactory(BTreeMap<FaultKind, Build>);

impl FaultFactory {
    /// A factory that knows no kind.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Adds a kind, built from the raw spec; the newer one wins.
    pub fn register(
        &mut self,
        kind: FaultKind,
        build: impl Fn(&SpecValue) -> Result<Box<dyn Injector>, PlanError> + Send + Sync + 'static,
    ) {
        self.0.insert(kind, Arc::new(build));
    }

    /// Adds a kind, built from its typed spec. Problems that `build` finds are named by paths within the spec, such as `jitter`, and
    /// are shown at their place in the file.
    pub fn register_spec<T, I>(
        &mut self,
        kind: FaultKind,
        build: impl Fn(T) -> Result<I, PlanError> + Send + Sync + 'static,
    ) where
        T: DeserializeOwned,
        I: Injector,
    {
        self.register(kind, move |spec| {
            let injector = build(spec.deserialize()?).map_err(|error| spec.locate(error))?;
            Ok(Box::new(injector))
        });
    }

    /// The kinds that can be built.
    pub fn kinds(&self) -> impl Iterator<Item = &FaultKind> {
        self.0.keys()
    }

    /// Builds a fault; nothing is injected.
    ///
    /// # Errors
    /// [`PlanError`], if the kind is not known or the spec is wrong.
    pub fn build(&self, kind: &FaultKind, spec: &SpecValue) -> Result<Box<dyn Injector>, PlanError> {
        let Some(build) = self.0.get(kind) else {
            return Err(PlanError::new(kind.as_str(), vec![self.unknown(kind)]));
        };
        build(spec)
    }

    /// That a kind is not known, and which are.
    pub(crate) fn unknown(&self, kind: &FaultKind) -> Problem {
        let known = self.kinds().map(FaultKind::as_str);
        Problem::new("kind", format!("no fault of kind `{kind}` in this program"))
            .hint(did_you_mean(kind.as_str(), known))
    }
}

impl fmt::Debug for FaultFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FaultFactory").field(&self.0.keys()).finish()
    }
}
