//! The journal on disk beside a bare file: appends that survive the process, appends that survive the machine, reading.
//!
//! `cargo bench -p chaos-benches --bench journal [-- --quick]`. The ratios at the top are medians of interleaved calls on the same
//! file system; criterion's figures follow. The files lie in `CARGO_TARGET_DIR`, not in a file system in memory.

use std::{
    fs::{self, File},
    hint::black_box,
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use chaos_core::{
    experiment::ExperimentStatus,
    id::{FaultId, FaultKind, RunId},
    injector::{FaultCtx, Guarantee, Prepared},
    journal::{Durability, Event, EventBody, Journal as _, RunInfo},
    scope::Target,
    undo::{ProcessId, UndoRecord},
};
use chaos_runner::journal::{FileJournal, TargetLocks};
use chrono::DateTime;
use criterion::{BenchmarkId, Criterion, Throughput};
use tempfile::TempDir;

/// After so many appends a new run is begun, so that no file grows without bound.
const CHUNK: u64 = 1_000;

fn main() {
    if std::env::args().any(|argument| argument == "--bench") {
        ratios();
    }
    let mut criterion = Criterion::default().configure_from_args();
    appends(&mut criterion);
    runs(&mut criterion);
    reads(&mut criterion);
    locks(&mut criterion);
    criterion.final_summary();
}

fn ratios() {
    let place = place();
    let journal = FileJournal::open(place.path().join("runs")).unwrap();
    begin(&journal, &run(0));
    let mut bare = bare_file(place.path());
    let line = line_of(&journal, &intent(0));
    let durable = |index| journal.append(&run(0), &[intent(index)], Durability::Durable).unwrap();
    compare("durable append of an intent", 300, durable, || {
        bare.write_all(&line).unwrap();
        bare.sync_data().unwrap();
    });
    let line = line_of(&journal, &applied());
    let event = applied();
    let written = |_| journal.append(&run(0), std::slice::from_ref(&event), Durability::Written).unwrap();
    compare("written append", 20_000, written, || bare.write_all(&line).unwrap());
}

/// Medians of calls in turn, ours and the bare one.
fn compare(what: &str, rounds: usize, mut ours: impl FnMut(usize), mut bare: impl FnMut()) {
    let mut times: [Vec<Duration>; 2] = Default::default();
    for index in 0..rounds {
        times[0].push(timed(|| ours(index)));
        times[1].push(timed(&mut bare));
    }
    let [ours, bare] = times.map(|mut times| {
        times.sort_unstable();
        times[rounds / 2].as_secs_f64() * 1e6
    });
    let ratio = ours / bare;
    println!("{what}: {ours:.1} us, bare file {bare:.1} us, ratio {ratio:.2}, {:.1} us more", ours - bare);
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn appends(criterion: &mut Criterion) {
    let place = place();
    let journal = FileJournal::open(place.path().join("runs")).unwrap();
    let mut group = criterion.benchmark_group("append");
    let mut next = 0;
    let event = applied();
    group.bench_function("written", |bencher| {
        bencher.iter_custom(|count| {
            let append = |run: &RunId| {
                journal.append(run, std::slice::from_ref(&event), Durability::Written).unwrap();
            };
            in_chunks(count, &journal, &mut next, append)
        });
    });
    let phase: Vec<Event> = (0..100).map(intent).collect();
    group.bench_function("written, 100 intents at once", |bencher| {
        let append = |run: &RunId| journal.append(run, &phase, Durability::Written).unwrap();
        bencher.iter_custom(|count| in_chunks(count, &journal, &mut next, append));
    });
    let mut bare = bare_file(place.path());
    let line = line_of(&journal, &event);
    group.bench_function("bare write", |bencher| bencher.iter(|| bare.write_all(&line).unwrap()));
    group.finish();

    let mut group = criterion.benchmark_group("append and sync");
    group.sample_size(10);
    begin(&journal, &run(0));
    let mut index = 0;
    group.bench_function("durable", |bencher| {
        bencher.iter(|| {
            index += 1;
            journal.append(&run(0), &[intent(index)], Durability::Durable).unwrap();
        });
    });
    let line = line_of(&journal, &intent(0));
    group.bench_function("bare write and fdatasync", |bencher| {
        bencher.iter(|| {
            bare.write_all(&line).unwrap();
            bare.sync_data().unwrap();
        });
    });
    group.finish();
}

/// Times `append` in runs of their own; beginning and removing them is not timed.
fn in_chunks(count: u64, journal: &FileJournal, next: &mut u32, append: impl Fn(&RunId)) -> Duration {
    let mut spent = Duration::ZERO;
    let mut left = count;
    while left > 0 {
        let chunk = left.min(CHUNK);
        *next += 1;
        let run = run(*next);
        begin(journal, &run);
        spent += timed(|| (0..chunk).for_each(|_| append(&run)));
        close(journal, &run);
        journal.prune(0).unwrap();
        left -= chunk;
    }
    spent
}

/// A whole run, and what a start costs beside so many closed ones.
fn runs(criterion: &mut Criterion) {
    let place = place();
    let journal = FileJournal::open(place.path().join("runs")).unwrap();
    let mut group = criterion.benchmark_group("run");
    let mut number = 0;
    group.bench_function("begin and close, written", |bencher| {
        bencher.iter(|| {
            number += 1;
            begin(&journal, &run(number));
            close(&journal, &run(number));
        });
    });
    journal.prune(0).unwrap();
    for count in [1, 10, 100, 1_000] {
        let closed = journal.runs().unwrap().len() as u32;
        for number in closed..count {
            begin(&journal, &run(number));
            close(&journal, &run(number));
        }
        group.throughput(Throughput::Elements(u64::from(count)));
        group.bench_function(BenchmarkId::new("recovery beside closed runs", count), |bencher| {
            bencher.iter(|| black_box(journal.outstanding().unwrap()));
        });
    }
    group.finish();
}

fn reads(criterion: &mut Criterion) {
    let place = place();
    let journal = FileJournal::open(place.path().join("runs")).unwrap();
    let mut group = criterion.benchmark_group("read");
    group.sample_size(10);
    for (number, count) in [(1, 10), (2, 1_000), (3, 100_000)] {
        begin(&journal, &run(number));
        let events: Vec<Event> = (1..count).map(|_| applied()).collect();
        journal.append(&run(number), &events, Durability::Written).unwrap();
        group.throughput(Throughput::Elements(count));
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter(|| black_box(journal.read(&run(number)).unwrap()));
        });
    }
    group.finish();
}

fn locks(criterion: &mut Criterion) {
    let place = place();
    let mut group = criterion.benchmark_group("target lock and release");
    let target = [Target::new("tcp-proxy", "db")];
    let here = TargetLocks::in_process();
    let on_disk = TargetLocks::open(place.path().join("locks")).unwrap();
    for (name, locks) in [("in process", here), ("file", on_disk)] {
        group.bench_function(name, |bencher| bencher.iter(|| locks.try_lock(&target, &run(1)).unwrap()));
    }
    group.finish();
}

fn place() -> TempDir {
    let target = option_env!("CARGO_TARGET_TMPDIR").map_or_else(std::env::temp_dir, PathBuf::from);
    fs::create_dir_all(&target).unwrap();
    tempfile::tempdir_in(target).unwrap()
}

fn bare_file(place: &Path) -> File {
    File::options().create(true).append(true).open(place.join("bare")).unwrap()
}

/// What the journal writes for an event.
fn line_of(journal: &FileJournal, event: &Event) -> Vec<u8> {
    let run = run(u32::MAX);
    begin(journal, &run);
    let before = fs::read(journal.path_of(&run)).unwrap().len();
    journal.append(&run, std::slice::from_ref(event), Durability::Written).unwrap();
    let line = fs::read(journal.path_of(&run)).unwrap().split_off(before);
    close(journal, &run);
    journal.prune(0).unwrap();
    line
}

fn begin(journal: &FileJournal, run: &RunId) {
    let opening = event(EventBody::Run(RunInfo::new("bench".into(), 7, process())));
    journal.append(run, &[opening], Durability::Written).unwrap();
}

fn close(journal: &FileJournal, run: &RunId) {
    let closed = event(EventBody::Closed { status: ExperimentStatus::Success });
    journal.append(run, &[closed], Durability::Written).unwrap();
}

fn run(number: u32) -> RunId {
    RunId::from_parts(DateTime::UNIX_EPOCH, number)
}

fn process() -> ProcessId {
    ProcessId { boot_id: "f3a1".into(), pid: 7, start_time: 11 }
}

const fn event(body: EventBody) -> Event {
    Event::new(DateTime::UNIX_EPOCH, body)
}

fn applied() -> Event {
    event(EventBody::Applied { fault: FaultId::numbered(0) })
}

fn intent(index: usize) -> Event {
    let kind = FaultKind::from_static("proxy.latency");
    let ctx = FaultCtx::new(run(0), FaultId::numbered(index), DateTime::UNIX_EPOCH);
    let state = serde_json::json!({ "proxy": "db", "toxic": index, "latency_ms": 50.5 });
    let prepared =
        Prepared::held_by_process(kind.clone(), &state).unwrap().target(Target::new("tcp-proxy", "db"));
    event(EventBody::Intent {
        undo: UndoRecord::new(&ctx, kind, Guarantee::Process, &prepared, process()).into(),
    })
}
