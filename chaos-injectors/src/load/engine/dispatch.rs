use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{LoadEnd, board::Board, worker};
use crate::{load::profile::Curve, sys::timer::PreciseTimer};

/// The longest that outstanding requests may take after the duration has passed.
const GRACE: Duration = Duration::from_secs(2);

/// Puts every request up at its time, then lets the last ones finish.
pub(super) async fn run(board: &Arc<Board>, timer: PreciseTimer) -> LoadEnd {
    match keep_schedule(board, &timer).await {
        Ok(()) => LoadEnd::Finished,
        Err(error) => {
            tracing::error!(%error, "the timer of a load failed");
            LoadEnd::Died
        }
    }
}

async fn keep_schedule(board: &Arc<Board>, timer: &PreciseTimer) -> io::Result<()> {
    let plan = board.plan();
    let mut schedule = Schedule { curve: plan.curve, end: plan.duration, next: 0 };
    while let Some(due) = schedule.peek() {
        until(timer, board.start() + due).await?;
        let now = board.now();
        let wanted = board.put_up(now, schedule.due_at(now));
        for slot in wanted.workers {
            tokio::spawn(worker::run(Arc::clone(board), slot));
        }
    }
    until(timer, board.start() + plan.duration).await?;
    // Whatever is left after the grace stays in the figures as outstanding.
    tokio::time::timeout(plan.timeout.min(GRACE), board.settled()).await.ok();
    Ok(())
}

/// Waits until `instant` with the precision of the kernel's timers; returns at once if it has passed.
async fn until(timer: &PreciseTimer, instant: Instant) -> io::Result<()> {
    loop {
        let left = instant.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        timer.set(left)?;
        timer.fired().await?;
    }
}

/// The intended starts in order. They are fixed beforehand: nothing that the target does shifts them.
struct Schedule {
    curve: Curve,
    end: Duration,
    next: u64,
}

impl Schedule {
    fn peek(&self) -> Option<Duration> {
        let due = self.curve.due(self.next);
        (due < self.end).then_some(due)
    }

    /// Takes everything that is due at `now`, also what a late wake-up missed.
    fn due_at(&mut self, now: Duration) -> impl Iterator<Item = Duration> {
        std::iter::from_fn(move || {
            let due = self.peek().filter(|due| *due <= now)?;
            self.next += 1;
            Some(due)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_wake_up_catches_up() {
        let second = Duration::from_secs(1);
        let mut schedule = Schedule { curve: Curve::constant(1_000.0), end: second, next: 0 };
        assert_eq!(schedule.due_at(Duration::from_millis(2)).count(), 3);
        assert_eq!(schedule.due_at(Duration::from_millis(2)).count(), 0);
        assert_eq!(schedule.due_at(second * 5).count(), 997);
        assert_eq!(schedule.peek(), None);
    }
}
