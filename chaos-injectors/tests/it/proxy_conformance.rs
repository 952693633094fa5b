//! Every toxic passes the suite of every injector, under real traffic.

use std::time::Duration;

use chaos_core::{
    testkit::{
        StateOracle,
        conformance::{self, World},
    },
    undo::{ReverterRegistry, Snapshot},
    units::{ByteSize, HumanDuration, Percent, Rate},
};
use chaos_injectors::proxy::{
    self, Bandwidth, Down, Latency, LimitData, PacketLoss, Proxy, ProxyHandle, ResetPeer, Slicer, SlowClose,
    Stream, Timeout, Toxic, ToxicKind, ToxicSpec,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
};

use crate::proxy_link::{loopback, within};

const FEW_MS: HumanDuration = HumanDuration::from_millis(5);

/// All toxics of a proxy, whoever put them there.
#[derive(Debug)]
struct Toxics(ProxyHandle);

impl StateOracle for Toxics {
    fn dump(&self) -> Snapshot {
        let line = |toxic: Toxic| (toxic.name.clone(), format!("{:?} {:?}", toxic.kind, toxic.stream));
        Snapshot(self.0.toxics().into_iter().map(line).collect())
    }
}

async fn echo(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let (mut read, mut write) = stream.split();
            let _ = copy(&mut read, &mut write).await;
        });
    }
}

/// A client that sends, ends its stream and reads what comes; a toxic may break it off anywhere.
async fn visit(proxy: ProxyHandle) {
    let visit = async {
        let Ok(mut client) = TcpStream::connect(proxy.local_addr()).await else { return };
        let _ = client.write_all(&[7; 60_000]).await;
        let _ = client.shutdown().await;
        let _ = client.read_to_end(&mut Vec::new()).await;
    };
    within("a visit", visit).await;
}

async fn world<T: ToxicSpec>(spec: T) -> World {
    let server = TcpListener::bind(loopback()).await.unwrap();
    let proxy = Proxy::builder(loopback(), server.local_addr().unwrap()).start().await.unwrap();
    tokio::spawn(echo(server));
    let (visited, somebody) = (proxy.handle(), proxy.handle());
    let mut reverters = ReverterRegistry::new();
    proxy::register(&mut reverters);
    World::new(spec.on(&proxy))
        .reverters(reverters)
        .oracle(Toxics(proxy.handle()))
        .drive(move || visit(visited.clone()))
        .foreign(move || {
            let proxy = somebody.clone();
            async move {
                let slow = ToxicKind::SlowClose { delay: Duration::from_millis(1) };
                proxy.add_toxic(Toxic::new("theirs", slow).stream(Stream::Both)).unwrap();
                let mut dump = Toxics(proxy).dump();
                dump.0.retain(|name, _| name == "theirs");
                dump
            }
        })
        .keep(proxy)
}

async fn conforms<T: ToxicSpec>(spec: T) {
    let case = async || world(spec.clone()).await;
    let report = within(T::KIND, conformance::run(&case)).await;
    report.assert_passed();
    assert_eq!(report.skipped_names(), ["discover_finds_ours"], "{report:?}");
}

#[tokio::test]
async fn latency_conforms() {
    conforms(Latency::new(FEW_MS).jitter(FEW_MS)).await;
}

#[tokio::test]
async fn bandwidth_conforms() {
    conforms(Bandwidth::new(Rate::from_bytes_per_sec(1_000_000).unwrap())).await;
}

#[tokio::test]
async fn slow_close_conforms() {
    conforms(SlowClose::new(FEW_MS)).await;
}

#[tokio::test]
async fn timeout_conforms() {
    conforms(Timeout::after(FEW_MS)).await;
}

#[tokio::test]
async fn reset_peer_conforms() {
    conforms(ResetPeer::now()).await;
}

#[tokio::test]
async fn limit_data_conforms() {
    conforms(LimitData::new(ByteSize::from_bytes(1_000).unwrap())).await;
}

#[tokio::test]
async fn slicer_conforms() {
    conforms(Slicer::new(ByteSize::from_bytes(10_000).unwrap())).await;
}

#[tokio::test]
async fn down_conforms() {
    conforms(Down::new()).await;
}

#[tokio::test]
async fn packet_loss_conforms() {
    conforms(PacketLoss::new(Percent::HUNDRED).rto(FEW_MS)).await;
}
