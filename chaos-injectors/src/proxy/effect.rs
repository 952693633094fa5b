//! What a toxic was asked to do beside what was seen of it.

use std::{io::ErrorKind, time::Duration};

use chaos_core::injector::Effect;
use tokio::net::TcpStream;

use super::engine::{ProxyHandle, ToxicKind, ToxicReport};

/// Data has to be paced for so long before a rate can be told.
const PACED: Duration = Duration::from_millis(20);

/// The effect of `toxic`, which is on the proxy and has done what `report` says.
pub(super) async fn measure(
    proxy: &ProxyHandle,
    toxic: &ToxicKind,
    share: f64,
    report: &ToxicReport,
) -> Effect {
    match *toxic {
        ToxicKind::Latency { latency, .. } => delays(report, "latency", Some(millis(latency))),
        ToxicKind::PacketLoss { probability, .. } => losses(report, probability),
        ToxicKind::Bandwidth { rate } => paced(report, rate),
        ToxicKind::SlowClose { delay } => delays(report, "delay of the end", Some(millis(delay))),
        ToxicKind::Timeout { .. } => {
            let stopped = report.chunks + report.closed;
            seen_if(stopped > 0, "no data came in")
                .figure("chunks stopped", None, count(report.chunks), "")
                .figure("connections closed", None, count(report.closed), "")
        }
        ToxicKind::ResetPeer { .. } => seen_if(report.reset > 0, "no connection was reset").figure(
            "connections reset",
            None,
            count(report.reset),
            "",
        ),
        ToxicKind::LimitData { bytes } => seen_if(report.closed > 0, "no connection reached the limit")
            .figure("connections closed", None, count(report.closed), "")
            .figure("bytes of a closed connection", count(bytes), each(report.bytes, report.closed), "B"),
        ToxicKind::Slicer { average_size, .. } => seen_if(report.pieces > 0, "no data passed").figure(
            "mean piece",
            count(average_size as u64),
            each(report.bytes, report.pieces),
            "B",
        ),
        ToxicKind::Down => down(proxy, share, report).await,
    }
}

fn delays(report: &ToxicReport, name: &str, asked: Option<f64>) -> Effect {
    seen_if(report.delay.is_some(), "nothing passed")
        .figure(format!("{name} p50"), asked, report.delay.map(|delay| millis(delay.p50)), "ms")
        .figure(format!("{name} p99"), None, report.delay.map(|delay| millis(delay.p99)), "ms")
}

fn losses(report: &ToxicReport, probability: f64) -> Effect {
    let observed = each(report.held, report.chunks).map(|share| share * 100.0);
    seen_if(report.held > 0, "no chunk was held")
        .figure("chunks held", probability * 100.0, observed, "%")
        .figure("delay p99", None, report.delay.map(|delay| millis(delay.p99)), "ms")
}

fn paced(report: &ToxicReport, rate: u64) -> Effect {
    let seconds = report.busy.as_secs_f64();
    let observed = (report.busy >= PACED).then(|| report.bytes as f64 / seconds);
    seen_if(observed.is_some(), "too little data passed to be paced").figure(
        "rate",
        count(rate),
        observed,
        "B/s",
    )
}

/// Whoever is down refuses: a connection of our own tells, where all are refused.
async fn down(proxy: &ProxyHandle, share: f64, report: &ToxicReport) -> Effect {
    let refused = share >= 1.0
        && matches!(TcpStream::connect(proxy.local_addr()).await, Err(error) if error.kind() == ErrorKind::ConnectionRefused);
    seen_if(refused || report.closed > 0, "no connection was refused or closed").figure(
        "connections closed",
        None,
        count(report.closed),
        "",
    )
}

fn seen_if(seen: bool, why: &str) -> Effect {
    if seen { Effect::seen() } else { Effect::absent(why) }
}

fn count(n: u64) -> Option<f64> {
    Some(n as f64)
}

fn each(all: u64, parts: u64) -> Option<f64> {
    (parts > 0).then(|| all as f64 / parts as f64)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
