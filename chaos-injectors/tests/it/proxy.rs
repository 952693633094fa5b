//! The proxy without toxics, and what holds for all toxics.

use std::{io::ErrorKind, net::TcpListener as StdListener, thread, time::Duration};

use chaos_injectors::proxy::{Proxy, ProxyError, ProxyHandle, Stream, Toxic, ToxicError, ToxicKind};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Builder,
};

use crate::proxy_link::{
    FOREVER, Link, Site, expect, is_silent, loopback, pattern, rest, send, until, within,
};

fn latency(latency: Duration) -> ToxicKind {
    ToxicKind::Latency { latency, jitter: Duration::ZERO }
}

#[tokio::test]
async fn bytes_pass_both_ways() {
    let site = Site::start().await;
    let mut link = site.link().await;
    link.ping().await;
    let counters = site.proxy.counters();
    assert_eq!((counters.bytes_upstream, counters.bytes_downstream), (1, 1));
    assert_eq!((counters.connections_total, counters.connections_open), (1, 1));
}

#[tokio::test]
async fn bulk_arrives_unchanged_both_ways_at_once() {
    let site = Site::start().await;
    let Link { client, server } = site.link().await;
    let (up, down) = (pattern(12 << 20, 1), pattern(12 << 20, 2));
    let ((mut client_in, mut client_out), (mut server_in, mut server_out)) =
        (client.into_split(), server.into_split());
    let (sent_up, sent_down) = (up.clone(), down.clone());
    let writes = tokio::spawn(async move {
        tokio::join!(client_out.write_all(&sent_up), server_out.write_all(&sent_down))
    });
    let (mut got_up, mut got_down) = (vec![0; up.len()], vec![0; down.len()]);
    let reads =
        async { tokio::join!(server_in.read_exact(&mut got_up), client_in.read_exact(&mut got_down)) };
    let (a, b) = within("bulk", reads).await;
    a.unwrap();
    b.unwrap();
    within("writes", writes).await.unwrap().0.unwrap();
    assert!(got_up == up && got_down == down);
    assert_eq!(site.proxy.counters().bytes_upstream, 12 << 20);
}

#[tokio::test]
async fn an_end_of_stream_is_passed_on_and_the_other_way_stays_open() {
    let site = Site::start().await;
    let mut link = site.link().await;
    send(&mut link.client, b"request").await;
    link.client.shutdown().await.unwrap();
    assert_eq!(rest(&mut link.server).await.unwrap(), b"request");
    send(&mut link.server, b"answer").await;
    expect(&mut link.client, b"answer").await;
    drop(link.server);
    assert_eq!(rest(&mut link.client).await.unwrap(), b"");
    site.until_empty().await;
}

#[tokio::test]
async fn a_reset_is_passed_on() {
    let site = Site::start().await;
    let mut link = site.link().await;
    link.ping().await;
    link.client.set_zero_linger().unwrap();
    drop(link.client);
    assert_eq!(rest(&mut link.server).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_client_is_reset_if_the_upstream_cannot_be_reached() {
    let unused = StdListener::bind(loopback()).unwrap().local_addr().unwrap();
    let proxy = Proxy::builder(loopback(), unused).start().await.unwrap();
    let mut client = TcpStream::connect(proxy.local_addr()).await.unwrap();
    assert_eq!(rest(&mut client).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(proxy.counters().upstream_failures, 1);
}

#[tokio::test]
async fn shutdown_closes_everything_and_returns_when_it_is_done() {
    let site = Site::start().await;
    let mut link = site.link().await;
    link.ping().await;
    let (addr, handle) = (site.proxy.local_addr(), site.proxy.handle());
    within("shutdown", site.proxy.shutdown()).await;
    assert_eq!(rest(&mut link.client).await.unwrap(), b"");
    assert_eq!(TcpStream::connect(addr).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    let refused = handle.add_toxic(Toxic::new("late", ToxicKind::Down)).unwrap_err();
    assert!(matches!(refused, ToxicError::Closed { .. }), "{refused}");
}

#[tokio::test]
async fn a_dropped_proxy_closes() {
    let site = Site::start().await;
    let mut link = site.link().await;
    link.ping().await;
    let handle = site.proxy.handle();
    drop(site.proxy);
    assert_eq!(rest(&mut link.client).await.unwrap(), b"");
    assert!(handle.is_closed());
    assert!(ProxyHandle::find(handle.name()).is_none());
}

#[tokio::test]
async fn a_name_belongs_to_one_live_proxy() {
    let upstream = loopback();
    let start = || Proxy::builder(loopback(), upstream).name("the-only-one").start();
    let first = start().await.unwrap();
    assert_eq!(ProxyHandle::find("the-only-one").unwrap().id(), first.id());
    assert!(ProxyHandle::names().contains(&"the-only-one".to_owned()));
    assert!(matches!(start().await.unwrap_err(), ProxyError::NameTaken { .. }));
    first.shutdown().await;
    start().await.unwrap().shutdown().await;
}

#[tokio::test]
async fn an_address_in_use_is_an_error_that_names_it() {
    let taken = TcpListener::bind(loopback()).await.unwrap();
    let addr = taken.local_addr().unwrap();
    let error = Proxy::builder(addr, addr).start().await.unwrap_err();
    assert_eq!(error.to_string(), format!("proxy cannot listen on {addr}"));
}

#[tokio::test]
async fn toxics_are_found_by_name() {
    let site = Site::start().await;
    let name = site.add(latency(FOREVER));
    let twice = site.proxy.add_toxic(Toxic::new(name, ToxicKind::Down)).unwrap_err();
    assert!(matches!(twice, ToxicError::NameTaken { .. }), "{twice}");
    assert_eq!(site.proxy.toxics().len(), 1);
    site.proxy.remove_toxic(name).unwrap();
    let gone = site.proxy.remove_toxic(name).unwrap_err();
    assert!(matches!(gone, ToxicError::NotFound { .. }), "{gone}");
    assert!(site.proxy.report(name).is_none());
}

#[tokio::test]
async fn an_update_takes_the_place_of_a_toxic_at_once() {
    let site = Site::start().await;
    let mut link = site.link().await;
    link.ping().await;
    let name = site.add(latency(FOREVER));
    site.proxy.settled().await;
    send(&mut link.server, b"late").await;
    until("the chunk is held", || site.proxy.report(name).unwrap().held == 1).await;
    site.proxy.update_toxic(Toxic::new(name, latency(Duration::from_millis(1)))).unwrap();
    expect(&mut link.client, b"late").await;
}

/// The handle works from a thread with a runtime of its own, while the proxy's runtime runs elsewhere.
#[test]
fn toxics_are_changed_from_another_runtime() {
    let (give, take) = std::sync::mpsc::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let home = thread::spawn(move || {
        Builder::new_current_thread().enable_io().build().unwrap().block_on(async {
            let site = Site::start().await;
            give.send((site.proxy.handle(), site.server.into_std().unwrap())).unwrap();
            let _ = stopped.await;
        });
    });
    let (proxy, server) = take.recv().unwrap();
    Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let server = TcpListener::from_std(server).unwrap();
        let mut client = TcpStream::connect(proxy.local_addr()).await.unwrap();
        let (mut server, _) = server.accept().await.unwrap();
        proxy.add_toxic(Toxic::new("slow", latency(FOREVER))).unwrap();
        within("settled", proxy.settled()).await;
        send(&mut server, b"x").await;
        until("the chunk is held", || proxy.report("slow").unwrap().held == 1).await;
        assert!(is_silent(&client));
        proxy.remove_toxic("slow").unwrap();
        expect(&mut client, b"x").await;
    });
    stop.send(()).unwrap();
    home.join().unwrap();
}

/// Which of 64 connections a toxic of half of them takes.
async fn drawn(seed: u64) -> Vec<bool> {
    let site = Site::seeded(seed).await;
    let toxic = Toxic::new("half", ToxicKind::LimitData { bytes: 0 }).stream(Stream::Both).toxicity(0.5);
    site.proxy.add_toxic(toxic).unwrap();
    let mut taken = Vec::new();
    for _ in 0..64 {
        let mut link = site.link().await;
        // A server that hears from its client only if the connection was not cut.
        let asked = link.client.write_all(b"?").await.is_ok();
        let mut byte = [0];
        let heard = asked && matches!(within("hear", link.server.read(&mut byte)).await, Ok(1));
        taken.push(!heard);
    }
    taken
}

#[tokio::test]
async fn toxicity_takes_the_same_connections_for_the_same_seed() {
    let first = drawn(11).await;
    let taken = first.iter().filter(|taken| **taken).count();
    assert!((16..=48).contains(&taken), "{taken} of 64");
    assert_eq!(first, drawn(11).await);
    assert_ne!(first, drawn(12).await);
}

#[tokio::test]
async fn a_toxic_goes_though_the_client_vanished_in_mid_transfer() {
    for kind in [latency(FOREVER), ToxicKind::Bandwidth { rate: 1 }, ToxicKind::Timeout { timeout: None }] {
        let site = Site::start().await;
        let mut link = site.link().await;
        link.ping().await;
        let name = site.add(kind);
        site.proxy.settled().await;
        let bulk = pattern(1 << 20, 3);
        send(&mut link.server, &bulk[..64 << 10]).await;
        until("something came in", || site.proxy.report(name).unwrap().chunks > 0).await;
        link.client.set_zero_linger().unwrap();
        drop(link.client);
        site.proxy.remove_toxic(name).unwrap();
        within("settled", site.proxy.settled()).await;
        site.until_empty().await;
        site.link().await.ping().await;
    }
}
