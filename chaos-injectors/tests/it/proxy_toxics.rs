//! Each toxic on real sockets: that it works, on live connections too, and that it goes at once.

use std::{
    io::ErrorKind,
    time::{Duration, Instant},
};

use chaos_injectors::proxy::{Stream, Toxic, ToxicKind};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::proxy_link::{FOREVER, Site, expect, is_silent, pattern, rest, send, until, within};

const MS: Duration = Duration::from_millis(1);

fn latency(latency: Duration) -> ToxicKind {
    ToxicKind::Latency { latency, jitter: Duration::ZERO }
}

#[tokio::test]
async fn latency_delays_each_direction_it_is_asked_for() {
    let site = Site::start().await;
    let mut link = site.link().await;
    link.ping().await;
    site.proxy.add_toxic(Toxic::new("slow", latency(50 * MS)).stream(Stream::Both)).unwrap();
    site.proxy.settled().await;
    let start = Instant::now();
    link.ping().await;
    assert!(start.elapsed() >= 100 * MS, "{:?}", start.elapsed());
    let delay = site.proxy.report("slow").unwrap().delay.unwrap();
    assert_eq!(delay.count, 2);
    assert!(delay.p50 >= 49 * MS, "{delay:?}");
}

#[tokio::test]
async fn latency_leaves_the_other_direction_alone() {
    let site = Site::start().await;
    let mut link = site.link().await;
    site.add(latency(FOREVER));
    send(&mut link.client, b"up").await;
    expect(&mut link.server, b"up").await;
}

#[tokio::test]
async fn bytes_that_latency_holds_are_released_in_order_when_it_goes() {
    let site = Site::start().await;
    let mut link = site.link().await;
    link.ping().await;
    let name = site.add(latency(FOREVER));
    site.proxy.settled().await;
    let bytes = pattern(300_000, 5);
    for piece in bytes.chunks(1_000) {
        send(&mut link.server, piece).await;
    }
    link.server.shutdown().await.unwrap();
    until("a chunk is held", || site.proxy.report(name).unwrap().chunks > 0).await;
    assert!(is_silent(&link.client));
    site.proxy.remove_toxic(name).unwrap();
    assert!(rest(&mut link.client).await.unwrap() == bytes);
}

#[tokio::test]
async fn bulk_that_latency_holds_in_pipes_is_released_in_order_too() {
    let site = Site::start().await;
    let mut link = site.link().await;
    let name = site.add(latency(FOREVER));
    let bytes = pattern(24 << 20, 6);
    let sender = tokio::spawn({
        let bytes = bytes.clone();
        async move { link.server.write_all(&bytes).await.map(|()| link.server) }
    });
    until("bulk is held", || site.proxy.report(name).unwrap().chunks > 20).await;
    assert!(is_silent(&link.client));
    site.proxy.remove_toxic(name).unwrap();
    expect(&mut link.client, &bytes).await;
    within("send", sender).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_end_of_stream_is_late_as_well() {
    let site = Site::start().await;
    let mut link = site.link().await;
    link.ping().await;
    site.add(latency(60 * MS));
    site.proxy.settled().await;
    let start = Instant::now();
    link.server.shutdown().await.unwrap();
    assert_eq!(rest(&mut link.client).await.unwrap(), b"");
    assert!(start.elapsed() >= 60 * MS);
}

#[tokio::test]
async fn jitter_spreads_the_delays_within_its_range() {
    let site = Site::start().await;
    let mut link = site.link().await;
    link.ping().await;
    let name = site.add(ToxicKind::Latency { latency: 5 * MS, jitter: 5 * MS });
    site.proxy.settled().await;
    for _ in 0..40 {
        send(&mut link.server, b"x").await;
        expect(&mut link.client, b"x").await;
    }
    let delay = site.proxy.report(name).unwrap().delay.unwrap();
    assert!(delay.count == 40 && delay.max > 6 * MS && delay.p50 > MS, "{delay:?}");
}

#[tokio::test]
async fn bandwidth_paces_and_lets_go() {
    let site = Site::start().await;
    let mut link = site.link().await;
    let name = site.add(ToxicKind::Bandwidth { rate: 1_000_000 });
    let bytes = pattern(100_000, 8);
    let start = Instant::now();
    send(&mut link.server, &bytes).await;
    expect(&mut link.client, &bytes).await;
    assert!(start.elapsed() >= 99 * MS, "{:?}", start.elapsed());
    let report = site.proxy.report(name).unwrap();
    assert_eq!(report.bytes, 100_000);
    assert!(report.busy >= 99 * MS, "{report:?}");

    site.proxy.update_toxic(Toxic::new(name, ToxicKind::Bandwidth { rate: 1 })).unwrap();
    send(&mut link.server, &bytes).await;
    site.proxy.remove_toxic(name).unwrap();
    expect(&mut link.client, &bytes).await;
}

#[tokio::test]
async fn slow_close_holds_the_end_of_the_stream_back() {
    let site = Site::start().await;
    let mut link = site.link().await;
    link.ping().await;
    let name = site.add(ToxicKind::SlowClose { delay: 60 * MS });
    site.proxy.settled().await;
    let start = Instant::now();
    send(&mut link.server, b"last").await;
    link.server.shutdown().await.unwrap();
    expect(&mut link.client, b"last").await;
    assert_eq!(rest(&mut link.client).await.unwrap(), b"");
    assert!(start.elapsed() >= 60 * MS);
    let delay = site.proxy.report(name).unwrap().delay.unwrap();
    assert!(delay.count == 1 && delay.max >= 60 * MS, "{delay:?}");
}

#[tokio::test]
async fn a_slow_close_that_goes_closes_at_once() {
    let site = Site::start().await;
    let mut link = site.link().await;
    link.ping().await;
    let name = site.add(ToxicKind::SlowClose { delay: FOREVER });
    link.server.shutdown().await.unwrap();
    site.proxy.settled().await;
    site.proxy.remove_toxic(name).unwrap();
    assert_eq!(rest(&mut link.client).await.unwrap(), b"");
}

#[tokio::test]
async fn timeout_without_a_time_holds_data_until_it_goes() {
    let site = Site::start().await;
    let mut link = site.link().await;
    link.ping().await;
    let name = site.add(ToxicKind::Timeout { timeout: None });
    site.proxy.settled().await;
    send(&mut link.server, b"held").await;
    link.server.shutdown().await.unwrap();
    until("it came in", || site.proxy.report(name).unwrap().chunks == 1).await;
    assert!(is_silent(&link.client));
    site.proxy.remove_toxic(name).unwrap();
    assert_eq!(rest(&mut link.client).await.unwrap(), b"held");
}

#[tokio::test]
async fn timeout_stops_data_and_closes_after_its_time() {
    let site = Site::start().await;
    let mut link = site.link().await;
    link.ping().await;
    let start = Instant::now();
    let name = site.add(ToxicKind::Timeout { timeout: Some(50 * MS) });
    site.proxy.settled().await;
    send(&mut link.server, b"lost").await;
    assert_eq!(rest(&mut link.client).await.unwrap(), b"");
    assert!(start.elapsed() >= 50 * MS);
    assert_eq!(site.proxy.report(name).unwrap().closed, 1);
    assert_eq!(site.proxy.counters().closed_by_toxic, 1);
}

#[tokio::test]
async fn reset_peer_resets_both_sides_after_its_time() {
    let site = Site::start().await;
    let mut link = site.link().await;
    link.ping().await;
    let start = Instant::now();
    let name = site.add(ToxicKind::ResetPeer { timeout: 40 * MS });
    let client = rest(&mut link.client).await.unwrap_err();
    assert!(start.elapsed() >= 40 * MS);
    let server = rest(&mut link.server).await.unwrap_err();
    assert_eq!((client.kind(), server.kind()), (ErrorKind::ConnectionReset, ErrorKind::ConnectionReset));
    assert_eq!(site.proxy.report(name).unwrap().reset, 1);
    assert_eq!(site.proxy.counters().reset_by_toxic, 1);
}

#[tokio::test]
async fn limit_data_lets_exactly_so_many_bytes_pass() {
    let site = Site::start().await;
    let mut link = site.link().await;
    link.ping().await;
    let name = site.add(ToxicKind::LimitData { bytes: 100_000 });
    site.proxy.settled().await;
    let bytes = pattern(150_000, 9);
    // The proxy closes in mid-send, which may or may not fail the send.
    let _ = within("send", link.server.write_all(&bytes)).await;
    assert!(rest(&mut link.client).await.unwrap() == bytes[..100_000]);
    let report = site.proxy.report(name).unwrap();
    assert_eq!((report.bytes, report.closed), (100_000, 1));
}

#[tokio::test]
async fn slicer_cuts_into_pieces_with_pauses() {
    let site = Site::start().await;
    let mut link = site.link().await;
    let name = site.add(ToxicKind::Slicer { average_size: 100, size_variation: 20, delay: MS });
    let bytes = pattern(2_000, 10);
    let start = Instant::now();
    send(&mut link.server, &bytes).await;
    expect(&mut link.client, &bytes).await;
    let pieces = site.proxy.report(name).unwrap().pieces;
    assert!((16..=25).contains(&pieces), "{pieces}");
    assert!(start.elapsed() >= 15 * MS);
}

#[tokio::test]
async fn down_refuses_and_closes_until_it_goes() {
    let site = Site::start().await;
    let mut link = site.link().await;
    link.ping().await;
    let name = site.add(ToxicKind::Down);
    assert_eq!(rest(&mut link.client).await.unwrap(), b"");
    let addr = site.proxy.local_addr();
    let refused = async {
        loop {
            if let Err(error) = TcpStream::connect(addr).await {
                break error;
            }
        }
    };
    assert_eq!(within("refused", refused).await.kind(), ErrorKind::ConnectionRefused);
    assert!(site.proxy.report(name).unwrap().closed >= 1);
    site.proxy.remove_toxic(name).unwrap();
    let back = async {
        while TcpStream::connect(addr).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    within("back up", back).await;
}

#[tokio::test]
async fn packet_loss_holds_chunks_and_loses_nothing() {
    let site = Site::start().await;
    let mut link = site.link().await;
    let name = site.add(ToxicKind::PacketLoss { probability: 1.0, rto: 30 * MS });
    let bytes = pattern(200_000, 11);
    let start = Instant::now();
    send(&mut link.server, &bytes).await;
    expect(&mut link.client, &bytes).await;
    assert!(start.elapsed() >= 30 * MS);
    let report = site.proxy.report(name).unwrap();
    assert!(report.held == report.chunks && report.chunks >= 12, "{report:?}");
}

#[tokio::test]
async fn packet_loss_draws_the_same_chunks_for_the_same_seed() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let site = Site::seeded(5).await;
        let mut link = site.link().await;
        let name = site.add(ToxicKind::PacketLoss { probability: 0.5, rto: MS });
        let mut held = Vec::new();
        for _ in 0..64 {
            send(&mut link.server, b"x").await;
            expect(&mut link.client, b"x").await;
            held.push(site.proxy.report(name).unwrap().held);
        }
        runs.push(held);
    }
    assert_eq!(runs[0], runs[1]);
    assert!((10..=54).contains(&runs[0][63]), "{runs:?}");
}
