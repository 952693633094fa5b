use std::{future::Future, pin::Pin};

use super::stage::{Bench, Outcome, context, ensure, fail, refused, reread, skip};
use crate::{
    error::{InjectError, RevertError},
    injector::{Effect, Guarantee, Injected, Reversal},
    undo::{Presence, Reverted, Snapshot},
};

pub(super) type Test = for<'a> fn(&'a Bench<'a>) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        /// All tests by name.
        pub(super) const CASES: &[(&str, Test)] = &[$((stringify!($name), |bench| Box::pin($name(bench)))),*];
    };
}

cases![
    kinds_agree,
    prepare_changes_nothing,
    prepare_names_targets,
    prepare_is_repeatable,
    record_round_trips,
    effect_is_seen,
    revert_restores,
    revert_is_idempotent,
    revert_without_inject,
    revert_after_dropped_inject,
    fault_can_return,
    second_injection_conflicts,
    presence_follows_the_fault,
    unknown_version_is_refused,
    another_run_is_left_alone,
    foreign_change_is_kept,
    discover_finds_ours,
];

/// Up to here every number of polls is tried; beyond it each one is twice the one before.
const EVERY_POLL: usize = 64;

async fn kinds_agree(bench: &Bench<'_>) -> Outcome {
    let stage = bench.stage().await?;
    let (ours, theirs) = (stage.world.injector.kind(), stage.reverter()?.kind());
    ensure(ours == theirs, || format!("the injector is {ours}, its reverter {theirs}"))?;
    let capabilities = stage.world.injector.capabilities();
    let irreversible = capabilities.guarantee == Guarantee::Irreversible;
    ensure(irreversible == (capabilities.reversal == Reversal::Irreversible), || {
        format!("the guarantee \"{}\" contradicts the reversal", capabilities.guarantee)
    })
}

async fn prepare_changes_nothing(bench: &Bench<'_>) -> Outcome {
    let stage = bench.stage().await?;
    let before = stage.dump();
    stage.prepare().await?;
    match (before, stage.dump()) {
        (Some(before), Some(after)) => {
            ensure(before == after, || format!("prepare changed {before:?} to {after:?}"))
        }
        _ if stage.class() == Guarantee::Process => skip("no oracle sees this fault"),
        _ => fail("a fault that outlives its process needs an oracle"),
    }
}

async fn prepare_names_targets(bench: &Bench<'_>) -> Outcome {
    let stage = bench.stage().await?;
    let prepared = stage.prepare_as(&stage.ctx).await.or_else(|error| refused("prepare", &error))?;
    let (targets, population) = (&prepared.scope().targets, prepared.scope().population);
    ensure(!targets.is_empty(), || "prepare names no target".into())?;
    ensure(population.is_none_or(|all| all >= targets.len()), || {
        format!("{} targets out of a population of {population:?}", targets.len())
    })
}

async fn prepare_is_repeatable(bench: &Bench<'_>) -> Outcome {
    let stage = bench.stage().await?;
    let first = stage.prepare_as(&stage.ctx).await.or_else(|error| refused("prepare", &error))?;
    let second = stage.prepare_as(&stage.ctx).await.or_else(|error| refused("second prepare", &error))?;
    ensure(first.scope() == second.scope(), || {
        format!("the same seed chose {:?}, then {:?}", first.scope().targets, second.scope().targets)
    })
}

async fn record_round_trips(bench: &Bench<'_>) -> Outcome {
    let stage = bench.stage().await?;
    let record = stage.prepare().await?;
    reread(record)?;
    let named = record.kind == stage.world.injector.kind() && !record.targets.is_empty();
    ensure(named, || format!("the record does not name its kind and targets: {record:?}"))
}

async fn effect_is_seen(bench: &Bench<'_>) -> Outcome {
    let stage = bench.stage().await?;
    stage.prepare().await?;
    stage.inject().await?;
    stage.drive().await;
    let effect = stage.world.injector.effect(&stage.ctx).await.or_else(|error| refused("effect", &error))?;
    let finite = |effect: &Effect| {
        effect
            .figures
            .iter()
            .flat_map(|figure| figure.asked.into_iter().chain(figure.observed))
            .all(f64::is_finite)
    };
    ensure(finite(&effect), || format!("a figure is not finite: {:?}", effect.figures))?;
    match effect.injected {
        Injected::Yes => Ok(()),
        Injected::No { why } if stage.world.drive.is_none() => skip(format!("nothing drives it: {why}")),
        Injected::No { why } => fail(format!("the fault was on and had no effect: {why}")),
        Injected::NotMeasured { why } => skip(format!("not measured: {why}")),
    }
}

async fn revert_restores(bench: &Bench<'_>) -> Outcome {
    let stage = bench.stage().await?;
    stage.reversible()?;
    stage.prepare().await?;
    let before = stage.state().await?;
    stage.inject().await?;
    let shown = stage.shows(&before).await;
    stage.drive().await;
    stage.end().await?;
    stage.revert().await?;
    stage.equals(&before, "after the revert").await?;
    shown
}

async fn revert_is_idempotent(bench: &Bench<'_>) -> Outcome {
    let stage = bench.stage().await?;
    stage.reversible()?;
    stage.prepare().await?;
    let before = stage.state().await?;
    stage.inject().await?;
    stage.end().await?;
    stage.revert().await?;
    for round in ["second", "third"] {
        stage.revert().await?;
        stage.equals(&before, &format!("after the {round} revert")).await?;
    }
    Ok(())
}

async fn revert_without_inject(bench: &Bench<'_>) -> Outcome {
    let stage = bench.stage().await?;
    stage.prepare().await?;
    let before = stage.state().await?;
    stage.revert().await?;
    stage.equals(&before, "after the revert of what never was").await
}

async fn revert_after_dropped_inject(bench: &Bench<'_>) -> Outcome {
    let mut polls = 0;
    loop {
        let stage = bench.stage().await?;
        stage.reversible()?;
        stage.prepare().await?;
        let before = stage.state().await?;
        let done = stage.inject_for(polls).await?;
        if done {
            stage.end().await?;
        } else {
            stage.dropped();
        }
        stage.revert().await?;
        stage.equals(&before, &format!("after an inject dropped at its poll {polls}")).await?;
        if done {
            return Ok(());
        }
        polls = if polls < EVERY_POLL { polls + 1 } else { polls * 2 };
    }
}

async fn fault_can_return(bench: &Bench<'_>) -> Outcome {
    let stage = bench.stage().await?;
    stage.reversible()?;
    stage.prepare().await?;
    let before = stage.state().await?;
    stage.inject().await?;
    stage.end().await?;
    stage.revert().await?;
    let again = bench.again(&stage);
    again.prepare().await?;
    again.inject().await?;
    again.end().await?;
    again.revert().await?;
    stage.equals(&before, "after the second run").await
}

async fn second_injection_conflicts(bench: &Bench<'_>) -> Outcome {
    let stage = bench.stage().await?;
    stage.reversible()?;
    stage.prepare().await?;
    stage.inject().await?;
    let during = stage.state().await?;
    let other = context();
    let prepared = match stage.prepare_as(&other).await {
        Err(InjectError::Conflict { .. }) => return stage.equals(&during, "after the refused prepare").await,
        Err(error) => return refused("the second prepare is no conflict and", &error),
        Ok(prepared) => prepared,
    };
    match stage.world.injector.inject(&other, &prepared).await {
        Err(InjectError::Conflict { .. }) => {}
        Err(error) => return refused("the second inject is no conflict and", &error),
        Ok(live) => {
            if let Some(live) = live {
                let _ = live.end().await;
            }
            let _ = stage.revert_record(&stage.envelope(&other, &prepared)).await?;
            return fail("a second injection was stacked on the first");
        }
    }
    stage.equals(&during, "after the refused inject").await?;
    let _ = stage.revert_record(&stage.envelope(&other, &prepared)).await?;
    stage.equals(&during, "after the undo of the refused inject").await
}

async fn presence_follows_the_fault(bench: &Bench<'_>) -> Outcome {
    let stage = bench.stage().await?;
    stage.prepare().await?;
    let before = stage.presence().await?;
    ensure(before == Presence::Absent, || format!("before the injection the fault is {before:?}"))?;
    stage.inject().await?;
    let during = stage.presence().await?;
    let told = match stage.class() {
        Guarantee::Process => during != Presence::Absent,
        Guarantee::Irreversible => true,
        _ => during == Presence::Present,
    };
    ensure(told, || format!("while it is on the fault is {during:?}"))?;
    stage.end().await?;
    stage.reversible()?;
    stage.revert().await?;
    let after = stage.presence().await?;
    ensure(after == Presence::Absent, || format!("after the revert the fault is {after:?}"))
}

async fn unknown_version_is_refused(bench: &Bench<'_>) -> Outcome {
    let stage = bench.stage().await?;
    let mut record = stage.prepare().await?.clone();
    stage.inject().await?;
    let during = stage.state().await?;
    record.payload_version = u32::MAX;
    match stage.revert_record(&record).await? {
        Err(RevertError::Record { .. }) => {}
        // Nothing of such a record is read: the fault ends with its process, whatever stands in it.
        Ok(Reverted::Stuck { .. } | Reverted::HeldBy(_)) if stage.class() == Guarantee::Process => {}
        other => {
            return fail(format!("a record of an unknown version gives {other:?}, not RevertError::Record"));
        }
    }
    stage.equals(&during, "after the refused record").await
}

async fn another_run_is_left_alone(bench: &Bench<'_>) -> Outcome {
    let stage = bench.stage().await?;
    stage.reversible()?;
    let mut record = stage.prepare().await?.clone();
    stage.inject().await?;
    let during = stage.state().await?;
    record.run = context().run;
    let _ = stage.revert_record(&record).await?;
    stage.equals(&during, "after the undo of another run's record").await?;
    let presence = stage.presence().await?;
    ensure(presence != Presence::Absent, || "another run's record removed our fault".into())
}

async fn foreign_change_is_kept(bench: &Bench<'_>) -> Outcome {
    let stage = bench.stage().await?;
    let Some(change) = &stage.world.foreign else {
        return skip("no foreign change was given");
    };
    stage.prepare().await?;
    stage.inject().await?;
    let theirs: Snapshot = change().await;
    stage.end().await?;
    stage.revert().await?;
    let after = stage.dump().unwrap_or_default();
    let lost = theirs.0.iter().find(|(name, line)| after.0.get(*name) != Some(line));
    lost.map_or(Ok(()), |(name, line)| {
        fail(format!("{name} was set to `{line}` by somebody else and is now {:?}", after.0.get(name)))
    })
}

async fn discover_finds_ours(bench: &Bench<'_>) -> Outcome {
    let stage = bench.stage().await?;
    stage.reversible()?;
    stage.prepare().await?;
    let before = stage.state().await?;
    let reverter = stage.reverter()?;
    let ours = async || {
        let found =
            reverter.discover(&stage.revert_ctx()).await.or_else(|error| refused("discover", &error))?;
        Outcome::Ok(found.into_iter().filter(|found| found.run == stage.ctx.run).collect::<Vec<_>>())
    };
    ensure(ours().await?.is_empty(), || "discover finds what is not injected yet".into())?;
    stage.inject().await?;
    let found = ours().await?;
    if found.is_empty() {
        return skip("faults of this kind are not found by their mark");
    }
    stage.end().await?;
    for found in &found {
        let reverted = stage.revert_record(&reread(&found.record)?).await?;
        reverted.or_else(|error| refused("revert of what was discovered", &error))?;
    }
    stage.equals(&before, "after the revert of what was discovered").await?;
    ensure(ours().await?.is_empty(), || "discover still finds what was undone".into())
}
