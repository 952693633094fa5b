//! Whatever the sequence of changes: without a destructive toxic no byte is lost, doubled or moved.

use std::time::Duration;

use chaos_injectors::proxy::{ProxyHandle, Stream, Toxic, ToxicKind};
use proptest::prelude::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Builder,
};

use crate::proxy_link::{Link, Site, pattern, within};

#[derive(Debug, Clone)]
enum Change {
    Set(ToxicKind, Stream, u8),
    Remove(u8),
    /// Lets the connections run for so many turns of the scheduler.
    Run(u8),
    Pause(u8),
}

fn kind() -> impl Strategy<Value = ToxicKind> {
    let ms = |range: std::ops::Range<u64>| range.prop_map(Duration::from_millis);
    prop_oneof![
        (ms(0..20), 0.0..1.0)
            .prop_map(|(latency, share)| { ToxicKind::Latency { latency, jitter: latency.mul_f64(share) } }),
        (10_000u64..50_000_000).prop_map(|rate| ToxicKind::Bandwidth { rate }),
        ms(0..20).prop_map(|delay| ToxicKind::SlowClose { delay }),
        Just(ToxicKind::Timeout { timeout: None }),
        (2usize..5_000, ms(0..2)).prop_map(|(average_size, delay)| {
            ToxicKind::Slicer { average_size, size_variation: average_size / 2, delay }
        }),
        (0.0..1.0, ms(0..20)).prop_map(|(probability, rto)| ToxicKind::PacketLoss { probability, rto }),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let stream = prop_oneof![Just(Stream::Upstream), Just(Stream::Downstream), Just(Stream::Both)];
    prop_oneof![
        3 => (kind(), stream, 0u8..3).prop_map(|(kind, stream, slot)| Change::Set(kind, stream, slot)),
        2 => (0u8..3).prop_map(Change::Remove),
        2 => any::<u8>().prop_map(Change::Run),
        1 => (1u8..10).prop_map(Change::Pause),
    ]
}

async fn apply(proxy: &ProxyHandle, change: &Change) {
    match change {
        Change::Set(kind, stream, slot) => {
            let toxic = Toxic::new(slot.to_string(), *kind).stream(*stream);
            if proxy.update_toxic(toxic.clone()).is_err() {
                proxy.add_toxic(toxic).unwrap();
            }
        }
        Change::Remove(slot) => drop(proxy.remove_toxic(&slot.to_string())),
        Change::Run(turns) => {
            for _ in 0..*turns {
                tokio::task::yield_now().await;
            }
        }
        Change::Pause(ms) => tokio::time::sleep(Duration::from_millis(u64::from(*ms))).await,
    }
}

/// Sends in pieces of `piece` bytes and ends the stream; receives until the other's end.
async fn talk(stream: TcpStream, sent: Vec<u8>, piece: usize) -> Vec<u8> {
    let (mut read, mut write) = stream.into_split();
    let sender = tokio::spawn(async move {
        for bytes in sent.chunks(piece) {
            write.write_all(bytes).await.unwrap();
        }
        write.shutdown().await.unwrap();
        write
    });
    let mut got = Vec::new();
    read.read_to_end(&mut got).await.unwrap();
    sender.await.unwrap();
    got
}

async fn run(changes: Vec<Change>, up: usize, down: usize, piece: usize) {
    let site = Site::start().await;
    let Link { client, server } = site.link().await;
    let (up, down) = (pattern(up, 1), pattern(down, 2));
    let client = tokio::spawn(talk(client, up.clone(), piece));
    let server = tokio::spawn(talk(server, down.clone(), piece));
    for change in &changes {
        apply(&site.proxy, change).await;
    }
    site.proxy.remove_all_toxics();
    assert!(within("down", client).await.unwrap() == down, "downstream differs");
    assert!(within("up", server).await.unwrap() == up, "upstream differs");
    site.until_empty().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 16, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_toxics_changes_the_bytes(
        changes in prop::collection::vec(change(), 1..24),
        up in 0usize..3_000_000,
        down in 0usize..3_000_000,
        piece in prop_oneof![1_000usize..3_000, 100_000usize..1_000_000],
    ) {
        Builder::new_current_thread().enable_all().build().unwrap().block_on(run(changes, up, down, piece));
    }
}
