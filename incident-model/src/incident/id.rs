//! Names of incidents and experiments.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;
use crate::text::{self, serde_as_text};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $field:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(given: &str) -> Result<Self, Error> {
                text::id($field, given).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        serde_as_text!($name);
    };
}

id!(
    /// Names an incident: 1 to 128 characters without white space or control characters, such as `INC-2024-001`.
    IncidentId,
    "incident id"
);

id!(
    /// Names the experiment, or the run of it, that caused an incident; the same rule as for [`IncidentId`].
    ExperimentId,
    "experiment id"
);
