//! Whether what was asked for is what happens: delays and rates.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use chaos_injectors::proxy::{Toxic, ToxicKind};
use nix::sys::{
    time::TimeSpec,
    timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
};

use crate::{
    Effort,
    arms::{Arm, Kind, loopback},
    report::{Report, digits, median, quantile},
    traffic::echo_server,
};

/// How late a byte is under a latency toxic, beside a bare timerfd loop.
pub(crate) fn latency(effort: Effort, report: &mut Report) {
    let arm = Arm::start(Kind::Ours, echo_server());
    let mut client = TcpStream::connect(arm.addr).expect("the proxy listens");
    client.set_nodelay(true).expect("an open socket takes options");
    let samples = |asked: Duration| {
        let cap = if effort.rounds < 5 { 800 } else { 6_000 };
        effort.samples.min(cap / asked.as_millis().max(1) as usize).max(5)
    };
    let plain: Vec<f64> = (0..effort.samples).map(|_| round_trip(&mut client)).collect();
    report.note("latency: round trip without toxic, p50", median(&plain), "ms", "");
    for ms in [1, 5, 50, 200] {
        let asked = Duration::from_millis(ms);
        let toxic = ToxicKind::Latency { latency: asked, jitter: Duration::ZERO };
        arm.toxics().add_toxic(Toxic::new("late", toxic)).expect("a valid toxic");
        let (mut late, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..samples(asked) {
            late.push(round_trip(&mut client) - ms as f64);
            bare.push(timerfd(asked) - ms as f64);
        }
        arm.toxics().remove_toxic("late").expect("it is there");
        let beside = |q| format!("{} ms bare timerfd", digits(quantile(&bare, q)));
        report.at_most(&format!("latency: {ms} ms, late by, p50"), median(&late), "ms", &beside(0.5), 0.4);
        let floor = (quantile(&bare, 0.99) + 0.3).max(ms as f64 / 100.0);
        let floor = (floor * 100.0).ceil() / 100.0;
        report.at_most(
            &format!("latency: {ms} ms, late by, p99"),
            quantile(&late, 0.99),
            "ms",
            &beside(0.99),
            floor,
        );
    }
}

fn round_trip(client: &mut TcpStream) -> f64 {
    let start = Instant::now();
    client.write_all(&[1; 64]).expect("the proxy is alive");
    client.read_exact(&mut [0; 64]).expect("the server answers");
    start.elapsed().as_secs_f64() * 1e3
}

/// Waits for `asked` on a timerfd; how long it took, in ms.
pub(crate) fn timerfd(asked: Duration) -> f64 {
    let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC).expect("a descriptor");
    let start = Instant::now();
    let when = Expiration::OneShot(TimeSpec::from_duration(asked));
    timer.set(when, TimerSetTimeFlags::empty()).expect("a valid time");
    timer.wait().expect("the timer fires");
    start.elapsed().as_secs_f64() * 1e3
}

/// How far the rate is from what was asked, and how even it is over buckets of 100 ms.
pub(crate) fn bandwidth(effort: Effort, report: &mut Report) {
    for rate in [10_000u64, 100_000, 1_000_000, 10_000_000, 100_000_000] {
        let bytes = (rate as f64 * effort.pace_secs) as usize;
        let rounds: Vec<_> = (0..effort.rounds / 2).map(|_| paced(rate, bytes)).collect();
        let error = median(&rounds.iter().map(|round| round.0).collect::<Vec<_>>());
        let spread = median(&rounds.iter().map(|round| round.1).collect::<Vec<_>>());
        let name = format!("{} KB/s", rate / 1_000);
        report.at_most(&format!("bandwidth: {name}, off by"), error, "%", "", 1.0);
        report.at_most(&format!("bandwidth: {name}, spread of 100 ms"), spread, "%", "", 2.0);
    }
}

/// Percent off over the whole, and the standard deviation of 100 ms buckets in percent.
fn paced(rate: u64, bytes: usize) -> (f64, f64) {
    let listener = TcpListener::bind(loopback()).expect("a free port on loopback");
    let arm = Arm::start(Kind::Ours, listener.local_addr().expect("a bound listener has an address"));
    arm.toxics().add_toxic(Toxic::new("slow", ToxicKind::Bandwidth { rate })).expect("a valid toxic");
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the client connects");
        let chunk = vec![5; bytes.min(1 << 20)];
        let mut left = bytes;
        while left > 0 {
            let n = left.min(chunk.len());
            stream.write_all(&chunk[..n]).expect("the client reads to the end");
            left -= n;
        }
    });
    let mut client = TcpStream::connect(arm.addr).expect("the proxy listens");
    let (mut buffer, mut got, mut first) = (vec![0; 1 << 20], 0, None);
    let mut buckets: Vec<f64> = Vec::new();
    let mut last = 0.0;
    let mut begun = 0;
    while got < bytes {
        let n = client.read(&mut buffer).expect("the server sends all");
        assert!(n > 0, "the stream ended early");
        let start = *first.get_or_insert_with(|| {
            begun = n;
            Instant::now()
        });
        got += n;
        last = start.elapsed().as_secs_f64();
        let bucket = (last * 10.0) as usize;
        buckets.resize(buckets.len().max(bucket + 1), 0.0);
        buckets[bucket] += n as f64;
    }
    server.join().expect("the server sends all");
    let error = ((got - begun) as f64 / last / rate as f64 - 1.0).abs() * 100.0;
    buckets.pop();
    let mean = buckets.iter().sum::<f64>() / buckets.len() as f64;
    let variance = buckets.iter().map(|bucket| (bucket - mean).powi(2)).sum::<f64>() / buckets.len() as f64;
    (error, variance.sqrt() / mean * 100.0)
}
