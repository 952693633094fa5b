//! The run as a pure machine: what happened goes in, what is to be done next comes out.
//!
//! No I/O, no clock. Its law: once an injection was ordered, a rollback is ordered exactly once, whatever comes in.

use chaos_core::{
    probe::Judgement,
    safety::{Reason, Verdict},
};
use serde::Serialize;

/// Why a run is stopped before its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AbortReason {
    /// A safety policy said stop.
    Breach(Vec<Reason>),
    /// The metrics were unknown for longer than the grace.
    Unknown(Vec<Reason>),
    /// The caller asked for it.
    Requested,
    /// A signal came in: its name.
    Signal(&'static str),
    /// The run's handle was dropped, or the future that waited for it.
    HandleDropped,
    /// The runner is shutting down.
    ShutDown,
}

impl std::fmt::Display for AbortReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Breach(reasons) => write!(f, "limit breached: {}", join(reasons)),
            Self::Unknown(reasons) => write!(f, "metrics unknown: {}", join(reasons)),
            Self::Requested => f.write_str("asked for by the caller"),
            Self::Signal(name) => write!(f, "signal {name}"),
            Self::HandleDropped => f.write_str("nobody waits for the run any more"),
            Self::ShutDown => f.write_str("the runner is shutting down"),
        }
    }
}

pub(crate) fn join(reasons: &[Reason]) -> String {
    reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// How a run came to its rollback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ending {
    /// The faults were on for as long as planned.
    Completed,
    /// Nothing was injected, and why.
    Refused(Vec<Reason>),
    /// Stopped before its end.
    Aborted(AbortReason),
    /// Something broke: an inject, a panic.
    Failed(String),
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Input {
    /// The policies judged the plan.
    Admitted(Verdict),
    /// The baseline was judged.
    Baseline { verdict: Verdict, steady: Option<Judgement> },
    /// All faults are on.
    Injected,
    /// An inject failed or panicked, or the journal did.
    Broke(String),
    /// The figures under the fault were judged.
    Observed(Verdict),
    /// The faults were on for as long as planned.
    TimeUp,
    /// Somebody wants the run to stop.
    Abort(AbortReason),
    /// The rollback is over, whatever came of it.
    RolledBack,
    /// The verification is over, whatever came of it.
    Verified,
}

/// What is to be done next. The driver does it and reports what happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Admit,
    Baseline,
    Inject,
    Observe,
    RollBack(Ending),
    Verify,
    Close(Ending),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Admitting,
    Baseline,
    Injecting,
    Observing { unknown: u32 },
    RollingBack(Ending),
    Verifying(Ending),
    Closed(Ending),
}

/// One run.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    state: State,
    /// How many intervals of unknown metrics are borne.
    grace: u32,
}

impl Machine {
    /// A run that is about to ask its policies.
    pub(crate) const fn new(grace: u32) -> Self {
        Self { state: State::Admitting, grace }
    }

    /// Takes what happened and says what is next. An input that does not belong to the state repeats the present command, but
    /// for an abort, which counts in every state before the rollback.
    pub(crate) fn step(&mut self, input: Input) -> Command {
        self.state = next(self.state.clone(), input, self.grace);
        self.command()
    }

    /// What is to be done in the present state.
    pub(crate) fn command(&self) -> Command {
        match &self.state {
            State::Admitting => Command::Admit,
            State::Baseline => Command::Baseline,
            State::Injecting => Command::Inject,
            State::Observing { .. } => Command::Observe,
            State::RollingBack(ending) => Command::RollBack(ending.clone()),
            State::Verifying(_) => Command::Verify,
            State::Closed(ending) => Command::Close(ending.clone()),
        }
    }
}

fn next(state: State, input: Input, grace: u32) -> State {
    match (state, input) {
        (State::Admitting, Input::Admitted(verdict)) => after_refusal(verdict, State::Baseline),
        (State::Baseline, Input::Baseline { verdict, steady }) => {
            after_refusal(verdict.and(steady.map_or(Verdict::Allow, steady_verdict)), State::Injecting)
        }
        (State::Admitting | State::Baseline, Input::Abort(reason)) => State::Closed(Ending::Aborted(reason)),
        (State::Admitting | State::Baseline, Input::Broke(what)) => State::Closed(Ending::Failed(what)),
        (State::Injecting, Input::Injected) => State::Observing { unknown: 0 },
        (State::Observing { unknown }, Input::Observed(verdict)) => observed(unknown, verdict, grace),
        (State::Observing { .. }, Input::TimeUp) => State::RollingBack(Ending::Completed),
        (State::Injecting | State::Observing { .. }, Input::Abort(reason)) => {
            State::RollingBack(Ending::Aborted(reason))
        }
        (State::Injecting | State::Observing { .. }, Input::Broke(what)) => {
            State::RollingBack(Ending::Failed(what))
        }
        (State::RollingBack(ending), Input::RolledBack) => State::Verifying(ending),
        (State::Verifying(ending), Input::Verified) => State::Closed(ending),
        (state, _) => state,
    }
}

/// Before the injection, what cannot be told refuses as much as what is wrong.
fn after_refusal(verdict: Verdict, allowed: State) -> State {
    if verdict.allows() { allowed } else { State::Closed(Ending::Refused(verdict.reasons().to_vec())) }
}

fn steady_verdict(judgement: Judgement) -> Verdict {
    let reasons =
        |texts: Vec<String>| texts.into_iter().map(|text| Reason::new("steady_state", text)).collect();
    match judgement {
        Judgement::Held => Verdict::Allow,
        Judgement::Deviated { reasons: texts } => Verdict::Stop(reasons(texts)),
        Judgement::Unknown { reasons: texts } => Verdict::Unknown(reasons(texts)),
        _ => Verdict::unknown("steady_state", "this judgement is of a newer version"),
    }
}

fn observed(unknown: u32, verdict: Verdict, grace: u32) -> State {
    match verdict {
        Verdict::Allow => State::Observing { unknown: 0 },
        Verdict::Stop(reasons) => State::RollingBack(Ending::Aborted(AbortReason::Breach(reasons))),
        Verdict::Unknown(reasons) if unknown + 1 > grace => {
            State::RollingBack(Ending::Aborted(AbortReason::Unknown(reasons)))
        }
        _ => State::Observing { unknown: unknown + 1 },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_verdict() -> impl Strategy<Value = Verdict> {
        prop_oneof![
            Just(Verdict::Allow),
            Just(Verdict::stop("rule", "over")),
            Just(Verdict::unknown("rule", "no data")),
        ]
    }

    fn any_input() -> impl Strategy<Value = Input> {
        prop_oneof![
            any_verdict().prop_map(Input::Admitted),
            any_verdict().prop_map(|verdict| Input::Baseline { verdict, steady: None }),
            Just(Input::Injected),
            Just(Input::Broke("broken".into())),
            any_verdict().prop_map(Input::Observed),
            Just(Input::TimeUp),
            Just(Input::Abort(AbortReason::Requested)),
            Just(Input::RolledBack),
            Just(Input::Verified),
        ]
    }

    /// Every command in order of its first appearance, without repeats.
    fn commands(inputs: Vec<Input>) -> Vec<Command> {
        let mut machine = Machine::new(2);
        let mut seen = vec![machine.command()];
        for input in inputs {
            let command = machine.step(input);
            if seen.last() != Some(&command) {
                seen.push(command);
            }
        }
        seen
    }

    proptest! {
        #[test]
        fn an_injection_is_followed_by_one_rollback_and_never_by_another(inputs in prop::collection::vec(any_input(), 0..60)) {
            let seen = commands(inputs);
            let injected = seen.iter().position(|command| *command == Command::Inject);
            let rolled_back = seen.iter().filter(|command| matches!(command, Command::RollBack(_))).count();
            let closed = seen.iter().any(|command| matches!(command, Command::Close(_)));
            prop_assert!(rolled_back <= 1);
            prop_assert!(rolled_back == 0 || injected.is_some());
            prop_assert!(injected.is_none() || !closed || rolled_back == 1);
            prop_assert!(seen.iter().filter(|command| **command == Command::Inject).count() <= 1);
        }

        #[test]
        fn an_abort_never_leads_back_to_a_fault(inputs in prop::collection::vec(any_input(), 0..60)) {
            let mut machine = Machine::new(2);
            for input in inputs {
                let abort = matches!(input, Input::Abort(_));
                let command = machine.step(input);
                let on = matches!(command, Command::Inject | Command::Observe);
                prop_assert!(!abort || !on, "{command:?} after an abort");
            }
        }
    }

    #[test]
    fn a_breach_in_flight_aborts_at_once_and_an_unknown_after_two_intervals() {
        let mut machine = Machine::new(2);
        machine.step(Input::Admitted(Verdict::Allow));
        machine.step(Input::Baseline { verdict: Verdict::Allow, steady: Some(Judgement::Held) });
        assert_eq!(machine.step(Input::Injected), Command::Observe);
        let unknown = || Input::Observed(Verdict::unknown("r", "t"));
        assert_eq!(machine.step(unknown()), Command::Observe);
        assert_eq!(machine.step(unknown()), Command::Observe);
        assert_eq!(
            machine.step(Input::Observed(Verdict::Allow)),
            Command::Observe,
            "a good value resets the grace"
        );
        machine.step(unknown());
        machine.step(unknown());
        assert!(matches!(
            machine.step(unknown()),
            Command::RollBack(Ending::Aborted(AbortReason::Unknown(_)))
        ));
        let mut other = Machine { state: State::Observing { unknown: 0 }, grace: 2 };
        let command = other.step(Input::Observed(Verdict::stop("r", "t")));
        assert!(matches!(command, Command::RollBack(Ending::Aborted(AbortReason::Breach(_)))));
    }

    #[test]
    fn before_the_injection_unknown_refuses() {
        let mut machine = Machine::new(2);
        machine.step(Input::Admitted(Verdict::Allow));
        let command = machine.step(Input::Baseline { verdict: Verdict::unknown("r", "t"), steady: None });
        assert!(matches!(command, Command::Close(Ending::Refused(_))));
    }
}
