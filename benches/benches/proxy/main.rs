//! The fault proxy beside tokio's `copy_bidirectional`: CPU time, memory, exactness, and how fast a toxic goes.
//!
//! `cargo bench -p chaos-benches --bench proxy -- [--quick] [filter]` prints one line a figure with its goal. Arms are
//! interleaved, figures are medians over the rounds, CPU time is that of the proxy's own thread.

mod arms;
mod exactness;
mod memory;
mod removal;
mod report;
mod traffic;

use std::env;

use report::Report;

/// How long to measure.
#[derive(Debug, Clone, Copy)]
struct Effort {
    rounds: usize,
    /// Bytes of a transfer.
    bulk: usize,
    /// Bytes of a transfer under a delay, many times what is under way at once.
    delayed: usize,
    /// Requests of an echo round, over all connections.
    requests: usize,
    /// Idle connections.
    idle: usize,
    /// Samples of a latency or a removal.
    samples: usize,
    /// Seconds of a bandwidth measurement.
    pace_secs: f64,
}

/// Measures something and reports it.
type Figure = fn(Effort, &mut Report);

const FULL: Effort = Effort {
    rounds: 7,
    bulk: 2 << 30,
    delayed: 2 << 30,
    requests: 100_000,
    idle: 9_000,
    samples: 200,
    pace_secs: 3.0,
};
const QUICK: Effort = Effort {
    rounds: 3,
    bulk: 128 << 20,
    delayed: 512 << 20,
    requests: 10_000,
    idle: 1_000,
    samples: 12,
    pace_secs: 0.4,
};

fn main() {
    let args: Vec<String> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if let [flag, arm] = args.as_slice()
        && flag == memory::CHILD
    {
        return memory::child(arm);
    }
    let quick = args.iter().any(|arg| arg == "--quick");
    let filter = args.iter().find(|arg| !arg.starts_with("--")).cloned().unwrap_or_default();
    let effort = if quick { QUICK } else { FULL };
    let mut report = Report::new();
    let figures: [(&str, Figure); 8] = [
        ("bulk", traffic::bulk),
        ("echo", traffic::echo),
        ("memory", memory::idle),
        ("latency", exactness::latency),
        ("delayed-bulk", traffic::delayed_bulk),
        ("bandwidth", exactness::bandwidth),
        ("removal", removal::removal),
        ("disabled", traffic::disabled),
    ];
    for (name, figure) in figures {
        if name.contains(&filter) {
            figure(effort, &mut report);
        }
    }
    report.finish();
}
