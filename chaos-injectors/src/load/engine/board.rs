use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Notify, OnceCell};

use super::LoadEnd;
use crate::load::{
    spec::LoadPlan,
    stats::{Event, LoadStats, Outcome, Recorder},
};

/// What the dispatcher, the workers and the readers of one load share.
///
/// All instants are durations since the start of the load.
#[derive(Debug)]
pub(super) struct Board {
    plan: LoadPlan,
    start: Instant,
    state: Mutex<State>,
    work: Notify,
    settled: Notify,
    addresses: OnceCell<Vec<SocketAddr>>,
}

#[derive(Debug)]
struct State {
    /// The intended starts of requests that have no connection yet, oldest first.
    waiting: VecDeque<Duration>,
    /// By worker: the intended start of the request that it carries.
    flying: Vec<Option<Duration>>,
    /// How many workers carry none.
    idle: usize,
    recorder: Recorder,
    end: Option<(LoadEnd, Duration)>,
}

/// What the dispatcher has to do after it put requests up.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The slots of workers that are to be started.
    pub(super) workers: std::ops::Range<usize>,
}

/// A request that a worker took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job {
    pub(super) due: Duration,
    pub(super) taken: Duration,
}

impl Board {
    pub(super) fn new(plan: LoadPlan) -> Self {
        let recorder = Recorder::new(plan.curve, plan.duration, plan.window);
        let state = State { waiting: VecDeque::new(), flying: Vec::new(), idle: 0, recorder, end: None };
        Self {
            plan,
            start: Instant::now(),
            state: Mutex::new(state),
            work: Notify::new(),
            settled: Notify::new(),
            addresses: OnceCell::new(),
        }
    }

    pub(super) const fn plan(&self) -> &LoadPlan {
        &self.plan
    }

    pub(super) const fn start(&self) -> Instant {
        self.start
    }

    pub(super) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// The target's addresses, resolved once.
    pub(super) async fn addresses(&self) -> io::Result<&[SocketAddr]> {
        self.addresses.get_or_try_init(|| self.plan.target.resolve()).await.map(Vec::as_slice)
    }

    /// Puts the requests up that are due, wakes idle workers for them and says which further ones to start.
    pub(super) fn put_up(&self, now: Duration, due: impl Iterator<Item = Duration>) -> Wanted {
        let mut state = self.lock();
        let mut added = 0;
        for due in due {
            state.recorder.record(now, Event::Scheduled { lag: now.saturating_sub(due) });
            if state.waiting.len() < self.plan.max_pending {
                state.waiting.push_back(due);
                added += 1;
            } else {
                state.recorder.record(now, Event::Dropped);
            }
        }
        let wake = added.min(state.idle);
        let workers = state.hire(self.plan.connections);
        drop(state);
        (0..wake).for_each(|_| self.work.notify_last());
        Wanted { workers }
    }

    /// Waits for the next request, which `slot` then carries.
    pub(super) async fn next(&self, slot: usize) -> Job {
        loop {
            if let Some(job) = self.take(slot) {
                return job;
            }
            // The most recently idle worker is woken first: its connection is warm, and surplus ones come to rest.
            self.work.notified().await;
        }
    }

    fn take(&self, slot: usize) -> Option<Job> {
        let mut state = self.lock();
        let due = state.waiting.pop_front()?;
        state.flying[slot] = Some(due);
        state.idle -= 1;
        Some(Job { due, taken: self.now() })
    }

    pub(super) fn sent(&self) {
        let now = self.now();
        self.lock().recorder.record(now, Event::Sent);
    }

    pub(super) fn finish(&self, slot: usize, job: Job, outcome: Outcome) {
        let now = self.now();
        let (latency, service) = (now.saturating_sub(job.due), now.saturating_sub(job.taken));
        let mut state = self.lock();
        state.flying[slot] = None;
        state.idle += 1;
        state.recorder.record(now, Event::Finished { outcome, latency, service });
        if state.is_settled() {
            self.settled.notify_one();
        }
    }

    /// Waits until nothing is waiting or in flight.
    pub(super) async fn settled(&self) {
        while !self.lock().is_settled() {
            self.settled.notified().await;
        }
    }

    /// Freezes the figures.
    pub(super) fn close(&self, end: LoadEnd) {
        let now = self.now();
        self.lock().end = Some((end, now));
    }

    pub(super) fn end(&self) -> Option<LoadEnd> {
        self.lock().end.map(|(end, _)| end)
    }

    pub(super) fn total(&self) -> LoadStats {
        let state = self.lock();
        let now = self.reading(&state);
        state.recorder.total(now, state.ages(now).into_iter())
    }

    pub(super) fn window(&self) -> LoadStats {
        let state = self.lock();
        let now = self.reading(&state);
        state.recorder.window(now, state.ages(now).into_iter())
    }

    /// The instant of a reading: the present, or the end of a load that has ended.
    fn reading(&self, state: &State) -> Duration {
        state.end.map_or_else(|| self.now(), |(_, at)| at)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes on as many workers as there are requests that no idle one will take, within `most`.
    fn hire(&mut self, most: usize) -> std::ops::Range<usize> {
        let known = self.flying.len();
        let lacking = self.waiting.len().saturating_sub(self.idle);
        let hired = lacking.min(most.saturating_sub(known));
        self.flying.resize(known + hired, None);
        self.idle += hired;
        known..known + hired
    }

    fn is_settled(&self) -> bool {
        self.waiting.is_empty() && self.idle == self.flying.len()
    }

    /// How old every waiting and flying request is, counted from its intended start.
    fn ages(&self, now: Duration) -> Vec<Duration> {
        let flying = self.flying.iter().flatten();
        flying.chain(&self.waiting).map(|due| now.saturating_sub(*due)).collect()
    }
}

#[cfg(test)]
mod tests {
    use chaos_core::units::HumanDuration;

    use super::*;
    use crate::load::{LoadSpec, Profile};

    fn board(connections: u32, max_pending: u32) -> Board {
        let spec = LoadSpec::new("http://127.0.0.1:1/", Profile::Constant { rate: 10.0 })
            .duration(HumanDuration::from_secs(1))
            .connections(connections)
            .max_pending(max_pending);
        Board::new(spec.plan().unwrap())
    }

    fn put_up(board: &Board, count: u64) -> usize {
        board.put_up(Duration::ZERO, (0..count).map(Duration::from_millis)).workers.len()
    }

    #[test]
    fn workers_are_hired_when_none_is_idle_and_never_beyond_the_limit() {
        let board = board(3, 100);
        assert_eq!(put_up(&board, 1), 1);
        assert_eq!(put_up(&board, 1), 1);
        assert_eq!(put_up(&board, 5), 1);
        assert_eq!(put_up(&board, 5), 0);
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let board = board(1, 4);
        put_up(&board, 10);
        let stats = board.total();
        assert_eq!((stats.scheduled, stats.errors.dropped, stats.outstanding), (10, 6, 4));
    }

    #[tokio::test]
    async fn requests_are_taken_in_the_order_of_their_schedule() {
        let board = board(1, 100);
        put_up(&board, 3);
        for expected in 0..3 {
            let job = board.next(0).await;
            assert_eq!(job.due, Duration::from_millis(expected));
            board.finish(0, job, Outcome::Answered { failed: false });
        }
        board.settled().await;
        assert_eq!(board.total().outstanding, 0);
    }

    #[tokio::test]
    async fn figures_freeze_at_the_end() {
        let board = board(1, 100);
        put_up(&board, 1);
        board.close(LoadEnd::Stopped);
        let first = board.total();
        assert_eq!(board.total(), first);
        assert_eq!((first.outstanding, board.end()), (1, Some(LoadEnd::Stopped)));
    }
}
