//! The figures before the injection: without a good baseline there is no fault.

use chaos_core::{experiment::Phase, metrics::Metrics, probe::Judgement, safety::Verdict};
use tokio::time::{Instant, sleep};

use super::Driver;
use crate::machine::Input;

impl Driver {
    /// Reads the baseline until it is good, or for as long as the settings allow.
    pub(super) async fn take_baseline(&mut self) -> Input {
        self.begin(Phase::Baseline, "");
        let deadline = Instant::now() + self.shared.settings.baseline_wait;
        loop {
            let abort = self.abort.clone();
            let metrics = tokio::select! {
                biased;
                reason = abort.wait() => return Input::Abort(reason),
                metrics = self.look(Phase::Baseline) => metrics,
            };
            let (verdict, steady) = match self.judge_baseline(&metrics) {
                Ok(judged) => judged,
                Err(broke) => return Input::Broke(broke),
            };
            let good = verdict.allows() && steady.as_ref().is_none_or(Judgement::held);
            let interval = self.shared.settings.interval;
            if good || Instant::now() + interval > deadline {
                self.baseline = metrics;
                self.steady_before.clone_from(&steady);
                return Input::Baseline { verdict, steady };
            }
            tokio::select! {
                biased;
                reason = abort.wait() => return Input::Abort(reason),
                () = sleep(interval) => {}
            }
        }
    }

    fn judge_baseline(&self, metrics: &Metrics) -> Result<(Verdict, Option<Judgement>), String> {
        let verdict = self.judge_safety(metrics, &[])?;
        let before = self.experiment.hypothesis.strategy.before();
        Ok((verdict, before.then(|| self.judge_steady(metrics)).flatten()))
    }
}
