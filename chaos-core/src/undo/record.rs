use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    error::RevertError,
    id::{FaultId, FaultKind, RunId},
    injector::{Guarantee, Prepared},
    scope::Target,
};

/// A payload of undo records, in plain types that read back what they write: no `flatten`, no `untagged`, no internal tags.
pub trait UndoPayload: Serialize + DeserializeOwned {
    /// The fault's kind.
    const KIND: &'static str;
    /// The payload's version; an older program keeps and reports what it cannot read.
    const VERSION: u32;
}

/// A process, so that a reused pid is not mistaken for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProcessId {
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// The process id.
    pub pid: u32,
    /// Clock ticks from boot to the start of the process, field 22 of `/proc/<pid>/stat`.
    pub start_time: u64,
}

/// All that is needed to undo one fault, without the program that injected it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UndoRecord {
    /// The version of this envelope.
    pub schema: u32,
    /// The run whose mark the fault carries.
    pub run: RunId,
    /// The fault within the run.
    pub fault: FaultId,
    /// The kind, by which the reverter is found.
    pub kind: FaultKind,
    /// The version of the payload.
    pub payload_version: u32,
    /// When the record was made.
    pub created_at: DateTime<Utc>,
    /// The planned end, counted from `created_at`. The injection begins later, and so may the fault end.
    pub expires_at: DateTime<Utc>,
    /// The process that injects.
    pub holder: ProcessId,
    /// What ends the fault when its runner is killed.
    pub guarantee: Guarantee,
    /// What is touched.
    pub targets: Vec<Target>,
    /// What a person can do by hand.
    pub manual: String,
    /// What the reverter of this kind needs.
    pub payload: Value,
}

impl UndoRecord {
    /// The version of the envelope that this crate writes.
    pub const SCHEMA: u32 = 1;

    /// Puts what `prepare` found into an envelope.
    #[must_use]
    pub fn new(
        ctx: &crate::injector::FaultCtx,
        kind: FaultKind,
        guarantee: Guarantee,
        prepared: &Prepared,
        holder: ProcessId,
    ) -> Self {
        let (payload, payload_version, manual) = prepared.undo();
        Self {
            schema: Self::SCHEMA,
            run: ctx.run.clone(),
            fault: ctx.fault.clone(),
            kind,
            payload_version,
            created_at: ctx.now,
            expires_at: after(ctx.now, ctx.max_duration),
            holder,
            guarantee,
            targets: prepared.scope().targets.clone(),
            manual: manual.to_owned(),
            payload: payload.clone(),
        }
    }

    /// Reads the payload.
    ///
    /// # Errors
    /// [`RevertError::Record`] for another kind, an unknown version, or a damaged payload.
    pub fn decode<P: UndoPayload>(&self) -> Result<P, RevertError> {
        let refused = |why: String| RevertError::Record { kind: self.kind.clone(), why };
        if self.schema != Self::SCHEMA {
            return Err(refused(format!("envelope version {} is not {}", self.schema, Self::SCHEMA)));
        }
        if self.kind.as_str() != P::KIND || self.payload_version != P::VERSION {
            let found = format!("{} version {}", self.kind, self.payload_version);
            return Err(refused(format!("{found} is not {} version {}", P::KIND, P::VERSION)));
        }
        P::deserialize(&self.payload).map_err(|error| refused(error.to_string()))
    }
}

/// An instant later, or the last one that there is.
fn after(now: DateTime<Utc>, duration: Duration) -> DateTime<Utc> {
    let later = TimeDelta::from_std(duration).ok().and_then(|delta| now.checked_add_signed(delta));
    later.unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::injector::FaultCtx;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Undo {
        previous: f64,
    }

    impl UndoPayload for Undo {
        const KIND: &'static str = "test.kind";
        const VERSION: u32 = 2;
    }

    fn of(previous: f64, guarantee: Guarantee) -> UndoRecord {
        let now = DateTime::<Utc>::UNIX_EPOCH;
        let ctx = FaultCtx::new(RunId::from_parts(now, 1), FaultId::numbered(0), now);
        let prepared = Prepared::new(&Undo { previous }).unwrap().target(Target::new("host", "a"));
        let holder = ProcessId { boot_id: "b".into(), pid: 1, start_time: 1 };
        UndoRecord::new(&ctx, FaultKind::from_static(Undo::KIND), guarantee, &prepared, holder)
    }

    pub(in crate::undo) fn record(guarantee: Guarantee) -> UndoRecord {
        of(1.5, guarantee)
    }

    #[test]
    fn only_a_record_of_this_kind_and_version_is_read() {
        let good = record(Guarantee::Recover);
        assert_eq!(good.decode::<Undo>().unwrap(), Undo { previous: 1.5 });
        let told = |change: fn(&mut UndoRecord)| {
            let mut record = good.clone();
            change(&mut record);
            record.decode::<Undo>().unwrap_err().to_string()
        };
        insta::assert_snapshot!(told(|record| record.schema = 2), @"cannot read the undo record of test.kind: envelope version 2 is not 1");
        insta::assert_snapshot!(told(|record| record.payload_version = 3), @"cannot read the undo record of test.kind: test.kind version 3 is not test.kind version 2");
        insta::assert_snapshot!(told(|record| record.kind = FaultKind::from_static("test.other")), @"cannot read the undo record of test.other: test.other version 2 is not test.kind version 2");
        insta::assert_snapshot!(told(|record| record.payload = Value::Null), @"cannot read the undo record of test.kind: invalid type: null, expected struct Undo");
    }

    #[test]
    fn a_record_ends_at_the_end_of_time_at_the_latest() {
        let now = DateTime::<Utc>::UNIX_EPOCH;
        assert_eq!(after(now, Duration::from_secs(1)).timestamp(), 1);
        assert_eq!(after(now, Duration::MAX), DateTime::<Utc>::MAX_UTC);
    }

    proptest! {
        #[test]
        fn the_previous_state_reads_back_to_the_last_bit(previous in any::<f64>()) {
            prop_assume!(previous.is_finite());
            let record = of(previous, Guarantee::Recover);
            let again: UndoRecord = serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap();
            prop_assert_eq!(again.decode::<Undo>().unwrap().previous.to_bits(), previous.to_bits());
        }
    }
}
