//! After the rollback: is the steady state back?

use std::time::Duration;

use chaos_core::experiment::Phase;
use tokio::time::{Instant, sleep};

use super::Driver;
use crate::machine::Input;

impl Driver {
    /// Looks until the steady state is back, or for as long as the settings allow. A run that was stopped from outside, and one without
    /// a steady state to look for, looks once.
    pub(super) async fn verify(&mut self) -> Input {
        self.begin(Phase::Verification, "");
        let patient = self.experiment.hypothesis.strategy.after() && self.abort.pulled().is_none();
        let deadline =
            Instant::now() + if patient { self.shared.settings.recovery_timeout } else { Duration::ZERO };
        loop {
            let metrics = self.look(Phase::Verification).await;
            let judgement =
                self.judge_steady(&metrics).filter(|_| self.experiment.hypothesis.strategy.after());
            self.steady_after.clone_from(&judgement);
            let Some(judgement) = judgement else { return Input::Verified };
            if judgement.held() {
                self.recovered_in = self.rolled_back_at.map(|at| at.elapsed());
                return Input::Verified;
            }
            let interval = self.shared.settings.interval;
            if Instant::now() + interval > deadline || self.stopped_within(interval).await {
                return Input::Verified;
            }
        }
    }

    /// Whether somebody asks for a stop within the time.
    async fn stopped_within(&self, time: Duration) -> bool {
        tokio::select! {
            biased;
            _ = self.abort.wait() => true,
            () = sleep(time) => false,
        }
    }
}
