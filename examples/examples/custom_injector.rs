//! The seed's experiment, "Kill 50% of API pods", with an injector of one's own.
//!
//! `cargo run --release -p chaos-examples --example custom_injector`

use std::{error::Error, process::ExitCode, sync::Arc};

use async_trait::async_trait;
use chaos_core::{
    error::InjectError,
    experiment::Experiment,
    id::FaultKind,
    injector::{Capabilities, Effect, FaultCtx, Injector, Live, Prepared},
    safety::{OperatingWindow, SafetyConstraints},
    scope::Target,
    select::{Mode, choose},
    units::{HumanDuration, Percent},
};
use chaos_examples::{KILL, Replicas, Traffic};
use chaos_runner::{Runner, source::function::from_fn};

#[derive(Debug)]
struct PodKiller {
    pods: Replicas,
    kill_percentage: Percent,
}

#[async_trait]
impl Injector for PodKiller {
    fn kind(&self) -> FaultKind {
        KILL
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::process()
    }

    async fn prepare(&self, ctx: &FaultCtx) -> Result<Prepared, InjectError> {
        let pods = self.pods.names();
        let chosen = choose(Mode::FixedPercent(self.kill_percentage), &pods, ctx.seed)
            .map_err(|error| InjectError::NoTargets { kind: self.kind(), why: error.to_string() })?;
        let targets = chosen.iter().map(|pod| Target::new("pod", pod));
        Ok(Prepared::held_by_process(self.kind(), &chosen)?.targets(targets).population(pods.len()))
    }

    async fn inject(&self, _: &FaultCtx, prepared: &Prepared) -> Result<Option<Box<dyn Live>>, InjectError> {
        let chosen: Vec<String> = prepared.state(self.kind())?;
        self.pods.kill(&chosen);
        Ok(Some(self.pods.restart_on_end(chosen)))
    }

    async fn effect(&self, _: &FaultCtx) -> Result<Effect, InjectError> {
        let (asked, all) = (self.kill_percentage.get(), self.pods.names().len());
        let killed = 100.0 - self.pods.running() as f64 / all as f64 * 100.0;
        let effect = if killed > 0.0 { Effect::seen() } else { Effect::absent("no pod is down") };
        Ok(effect.figure("killed", asked, killed, "%"))
    }
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let pods = Replicas::start(6).await?;
    let traffic = Arc::new(Traffic::start(&pods));

    let get_current_metrics =
        from_fn(move || [("error_rate", traffic.error_rate()), ("latency_p99", traffic.latency_p99())]);
    let safety = SafetyConstraints::default().window(OperatingWindow::always());
    let mut settings = chaos_runner::Settings::default();
    settings.baseline_wait = std::time::Duration::from_secs(5);
    let runner = Runner::builder(safety).settings(settings).build()?;

    let experiment = Experiment::builder("Kill 50% of API pods")
        .hypothesis("API remains available with 50% pod loss")
        .steady_state("error_rate < 5%")
        .blast_radius("50% of API pods")
        .rollback_plan("Pods auto-restart via deployment")
        .success_criteria("Error rate <5%, latency p99 <1s")
        .duration(HumanDuration::from_secs(3))
        .build()?;
    let injector = PodKiller { pods: pods.clone(), kill_percentage: Percent::whole(50) };

    let result = runner.run(experiment, injector, get_current_metrics).await?;
    println!("{result}");
    println!("Experiment status: {}", result.status());
    Ok(ExitCode::from(result.exit_code()))
}
