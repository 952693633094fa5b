//! Bulk and small requests: CPU time first, then wall time.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use chaos_injectors::proxy::{Stream, Toxic, ToxicKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    Effort,
    arms::{Arm, Kind, loopback, runtime},
    report::{Report, digits, median},
};

const GB: f64 = 1e9;
const CONNECTIONS: usize = 50;
const CHUNK: usize = 256 << 10;

/// What a round of bulk cost.
struct Bulk {
    cpu_per_gb: f64,
    gb_per_sec: f64,
}

/// CPU seconds a GB and GB/s of one connection, without toxics.
pub(crate) fn bulk(effort: Effort, report: &mut Report) {
    let (mut ours, mut tokio, mut direct) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        tokio.push(transfer(Kind::Tokio, effort.bulk, None));
        ours.push(transfer(Kind::Ours, effort.bulk, None));
        direct.push(straight(effort.bulk));
    }
    let cpu = |rounds: &[Bulk]| median(&rounds.iter().map(|round| round.cpu_per_gb).collect::<Vec<_>>());
    let speed = |rounds: &[Bulk]| median(&rounds.iter().map(|round| round.gb_per_sec).collect::<Vec<_>>());
    let beside = format!("{} of tokio copy", digits(cpu(&tokio)));
    report.note("bulk: CPU a GB", cpu(&ours), "s", &beside);
    let ratio =
        median(&ours.iter().zip(&tokio).map(|(a, b)| a.cpu_per_gb / b.cpu_per_gb).collect::<Vec<_>>());
    report.at_most("bulk: CPU a GB, ratio to tokio copy_bidirectional", ratio, "", "", 0.5);
    let beside = format!("{} tokio, {} direct", digits(speed(&tokio)), digits(median(&direct)));
    report.note("bulk: throughput", speed(&ours), "GB/s", &beside);
}

/// Throughput under a latency toxic beside the same proxy without.
pub(crate) fn delayed_bulk(effort: Effort, report: &mut Report) {
    let latency = ToxicKind::Latency { latency: Duration::from_millis(50), jitter: Duration::ZERO };
    let (mut plain, mut delayed, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        plain.push(transfer(Kind::Ours, effort.delayed, None).gb_per_sec);
        let round = transfer(Kind::Ours, effort.delayed, Some(latency));
        delayed.push(round.gb_per_sec);
        cpu.push(round.cpu_per_gb);
    }
    let ratio = median(&delayed.iter().zip(&plain).map(|(a, b)| a / b).collect::<Vec<_>>());
    let beside = format!("{} to {} GB/s", digits(median(&plain)), digits(median(&delayed)));
    report.at_least("delayed-bulk: throughput under 50 ms, ratio to none", ratio, "", &beside, 0.8);
    report.note("delayed-bulk: CPU a GB under 50 ms", median(&cpu), "s", "");
}

fn transfer(kind: Kind, bytes: usize, toxic: Option<ToxicKind>) -> Bulk {
    let (server, sink) = sink(bytes);
    let arm = Arm::start(kind, server);
    if let Some(toxic) = toxic {
        arm.toxics().add_toxic(Toxic::new("bulk", toxic).stream(Stream::Upstream)).expect("a valid toxic");
    }
    let mut client = TcpStream::connect(arm.addr).expect("the proxy listens");
    let before = arm.cpu();
    pour(&mut client, bytes);
    let took = sink.join().expect("the sink reads to the end");
    let cpu = arm.cpu() - before;
    let gb = bytes as f64 / GB;
    Bulk { cpu_per_gb: cpu.as_secs_f64() / gb, gb_per_sec: gb / took.as_secs_f64() }
}

fn straight(bytes: usize) -> f64 {
    let (server, sink) = sink(bytes);
    pour(&mut TcpStream::connect(server).expect("the sink listens"), bytes);
    bytes as f64 / GB / sink.join().expect("the sink reads to the end").as_secs_f64()
}

fn pour(to: &mut TcpStream, bytes: usize) {
    let chunk = vec![7; CHUNK];
    for _ in 0..bytes.div_ceil(CHUNK) {
        to.write_all(&chunk).expect("the receiver reads to the end");
    }
}

/// A server that reads `bytes` from one connection; returns the time from the first byte to the last.
fn sink(bytes: usize) -> (SocketAddr, JoinHandle<Duration>) {
    let listener = TcpListener::bind(loopback()).expect("a free port on loopback");
    let addr = listener.local_addr().expect("a bound listener has an address");
    let thread = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the client connects");
        let (mut buffer, mut got, mut start) = (vec![0; CHUNK], 0, None);
        while got < bytes {
            let n = stream.read(&mut buffer).expect("the sender is alive");
            assert!(n > 0, "the stream ended early");
            start.get_or_insert_with(Instant::now);
            got += n;
        }
        start.map_or(Duration::ZERO, |start| start.elapsed())
    });
    (addr, thread)
}

/// CPU us a request of 64 bytes over 50 connections.
pub(crate) fn echo(effort: Effort, report: &mut Report) {
    let (mut ours, mut tokio) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        tokio.push(ask(&Arm::start(Kind::Tokio, echo_server()), effort.requests));
        ours.push(ask(&Arm::start(Kind::Ours, echo_server()), effort.requests));
    }
    let ratio = median(&ours.iter().zip(&tokio).map(|(a, b)| a / b).collect::<Vec<_>>());
    let beside = format!("{} of tokio copy", digits(median(&tokio)));
    report.note("echo: CPU a 64-byte request, 50 connections", median(&ours), "us", &beside);
    report.at_most("echo: CPU a request, ratio to tokio copy", ratio, "", "", 1.1);
}

/// What a toxic costs that does not touch the bytes: one of no connection, and one that was removed.
pub(crate) fn disabled(effort: Effort, report: &mut Report) {
    let latency = ToxicKind::Latency { latency: Duration::from_secs(1), jitter: Duration::ZERO };
    let slow_close = ToxicKind::SlowClose { delay: Duration::from_secs(1) };
    let (mut none, mut off, mut gone, mut idle) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        let arm = Arm::start(Kind::Ours, echo_server());
        none.push(ask(&arm, effort.requests));
        let toxics = arm.toxics();
        toxics.add_toxic(Toxic::new("t", latency).stream(Stream::Both).toxicity(0.0)).expect("a valid toxic");
        off.push(ask(&arm, effort.requests));
        toxics.remove_toxic("t").expect("it is there");
        gone.push(ask(&arm, effort.requests));
        toxics.add_toxic(Toxic::new("t", slow_close).stream(Stream::Both)).expect("a valid toxic");
        idle.push(ask(&arm, effort.requests));
    }
    let ratio = |rounds: &[f64]| median(&rounds.iter().zip(&none).map(|(a, b)| a / b).collect::<Vec<_>>());
    let beside = format!("{} us without", digits(median(&none)));
    report.at_most("disabled: toxicity 0, ratio to no toxic", ratio(&off), "", &beside, 1.1);
    report.at_most("disabled: removed, ratio to no toxic", ratio(&gone), "", &beside, 1.1);
    report.note("disabled: slow_close on every echo, ratio", ratio(&idle), "", &beside);
}

/// CPU us of the proxy for each of `requests`.
fn ask(arm: &Arm, requests: usize) -> f64 {
    let each = requests / CONNECTIONS;
    let addr = arm.addr;
    let run = async move {
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut client = tokio::net::TcpStream::connect(addr).await.expect("the proxy listens");
            client.set_nodelay(true).expect("an open socket takes options");
            exchange(&mut client, 1).await;
            clients.push(client);
        }
        let before = arm.cpu();
        let tasks: Vec<_> = clients
            .into_iter()
            .map(|mut client| tokio::spawn(async move { exchange(&mut client, each).await }))
            .collect();
        for task in tasks {
            task.await.expect("every request is answered");
        }
        arm.cpu() - before
    };
    let used = runtime().block_on(run);
    used.as_secs_f64() * 1e6 / (each * CONNECTIONS) as f64
}

async fn exchange(client: &mut tokio::net::TcpStream, times: usize) {
    let mut answer = [0; 64];
    for _ in 0..times {
        client.write_all(&[9; 64]).await.expect("the proxy is alive");
        client.read_exact(&mut answer).await.expect("the server answers");
    }
}

/// A server on a thread of its own that sends back what it gets, until the bench ends.
pub(crate) fn echo_server() -> SocketAddr {
    let listener = TcpListener::bind(loopback()).expect("a free port on loopback");
    let addr = listener.local_addr().expect("a bound listener has an address");
    thread::spawn(move || runtime().block_on(echo_forever(listener)));
    addr
}

async fn echo_forever(listener: TcpListener) {
    listener.set_nonblocking(true).expect("a listener can be switched");
    let listener = tokio::net::TcpListener::from_std(listener).expect("a runtime is there");
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let mut buffer = [0; 256];
            while let Ok(n @ 1..) = stream.read(&mut buffer).await {
                if stream.write_all(&buffer[..n]).await.is_err() {
                    break;
                }
            }
        });
    }
}
