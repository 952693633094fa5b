use std::{
    collections::BTreeMap,
    future::pending,
    time::{Duration, Instant},
};

use super::{FakeHost, Gate};

/// A point in the life of a [`ScriptedFault`](super::ScriptedFault) at which its script can act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// In `prepare`.
    Prepare,
    /// In `inject`, before the change is made.
    Inject,
    /// In `inject`, after the change was made.
    Landed,
    /// In `effect`.
    Effect,
    /// In `Live::end`, before the fault ends.
    End,
    /// In `revert`, before the change is taken back.
    Revert,
    /// In `revert`, after the change was taken back.
    Reverted,
    /// In `presence`.
    Presence,
}

impl Step {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Inject => "inject",
            Self::Landed => "landed",
            Self::Effect => "effect",
            Self::End => "end",
            Self::Revert => "revert",
            Self::Reverted => "reverted",
            Self::Presence => "presence",
        }
    }
}

/// What happens at a [`Step`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Act {
    /// The step fails; a revert that fails so may be tried again. At `Presence` the answer is unknown.
    Fail,
    /// The step fails; a revert that fails so is not to be tried again.
    FailForGood,
    /// A revert says that it is stuck. Elsewhere the same as [`Act::FailForGood`].
    Stuck,
    /// The step panics with `scripted panic`.
    Panic,
    /// The step never ends.
    Hang,
    /// The step blocks its thread for this long, as bad code does.
    Block(Duration),
    /// The step waits until the gate is open.
    Wait(Gate),
}

/// What the scripted faults of one host do, and what they did.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) calls: Vec<String>,
    lines: BTreeMap<String, Vec<Line>>,
}

#[derive(Debug)]
struct Line {
    step: Step,
    act: Act,
    times: usize,
}

/// How a scripted step failed.
#[derive(Debug, thiserror::Error)]
#[error("scripted failure of {step}")]
pub(super) struct Scripted {
    step: &'static str,
    pub(super) ending: Ending,
}

/// What a caller makes of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Retry,
    Final,
    Stuck,
}

impl Script {
    pub(super) fn write(&mut self, setting: &str, step: Step, act: Act, times: usize) {
        self.lines.entry(setting.into()).or_default().push(Line { step, act, times });
    }

    /// Notes the call and takes the first act that is left for it.
    fn take(&mut self, setting: &str, step: Step) -> Option<Act> {
        if !matches!(step, Step::Landed | Step::Reverted) {
            self.calls.push(format!("{} {setting}", step.as_str()));
        }
        let lines = self.lines.get_mut(setting)?;
        let line = lines.iter_mut().find(|line| line.step == step && line.times > 0)?;
        line.times = line.times.saturating_sub(usize::from(line.times != usize::MAX));
        Some(line.act.clone())
    }
}

/// Plays what the script has for this step.
pub(super) async fn play(host: &FakeHost, setting: &str, step: Step) -> Result<(), Scripted> {
    let act = host.script().take(setting, step);
    let ending = match act {
        None => return Ok(()),
        Some(Act::Wait(gate)) => return pass(&gate).await,
        Some(Act::Hang) => pending().await,
        Some(Act::Block(time)) => return block(time),
        Some(Act::Panic) => panic!("scripted panic in {} {setting}", step.as_str()),
        Some(Act::Fail) => Ending::Retry,
        Some(Act::FailForGood) => Ending::Final,
        Some(Act::Stuck) => Ending::Stuck,
    };
    Err(Scripted { step: step.as_str(), ending })
}

async fn pass(gate: &Gate) -> Result<(), Scripted> {
    gate.pass().await;
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "an arm of `play`")]
fn block(time: Duration) -> Result<(), Scripted> {
    let end = Instant::now() + time;
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        std::thread::park_timeout(left);
    }
    Ok(())
}
