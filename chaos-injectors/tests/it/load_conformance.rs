//! Load passes the suite of every injector, judged by the kernel's own list of connections.

use std::{fs, time::Duration};

use chaos_core::{
    error::InjectError,
    id::FaultKind,
    injector::{Capabilities, Effect, FaultCtx, Injector, Live, Prepared},
    testkit::{
        StateOracle,
        conformance::{self, World},
    },
    undo::Snapshot,
    units::HumanDuration,
};
use chaos_injectors::load::{LoadInjector, LoadReverter, LoadSpec, Profile};

use crate::{load::until, load_server::TestServer};

/// Whether this host has open connections to a port, from `/proc/self/net/tcp`.
#[derive(Debug)]
struct Connections {
    port: u16,
}

const ESTABLISHED: &str = "01";

impl StateOracle for Connections {
    fn dump(&self) -> Snapshot {
        let remote = format!(":{:04X}", self.port);
        let table = fs::read_to_string("/proc/self/net/tcp").unwrap();
        let open = table.lines().any(|line| {
            let mut fields = line.split_whitespace().skip(2);
            fields.next().is_some_and(|address| address.ends_with(&remote))
                && fields.next() == Some(ESTABLISHED)
        });
        Snapshot([("connected".to_owned(), open.to_string())].into())
    }
}

/// A load whose injection is over only when the oracle can see it, and that can be dropped on the way there.
#[derive(Debug)]
struct Visible(LoadInjector);

#[chaos_core::async_trait]
impl Injector for Visible {
    fn kind(&self) -> FaultKind {
        self.0.kind()
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    async fn prepare(&self, ctx: &FaultCtx) -> Result<Prepared, InjectError> {
        self.0.prepare(ctx).await
    }

    async fn inject(
        &self,
        ctx: &FaultCtx,
        prepared: &Prepared,
    ) -> Result<Option<Box<dyn Live>>, InjectError> {
        let live = self.0.inject(ctx, prepared).await?;
        assert!(self.0.meter().unwrap().answered(1).await);
        Ok(live)
    }

    async fn effect(&self, ctx: &FaultCtx) -> Result<Effect, InjectError> {
        self.0.effect(ctx).await
    }
}

async fn world() -> World {
    let server = TestServer::start().await;
    let spec = LoadSpec::new(server.url(), Profile::Constant { rate: 200.0 });
    let injector = LoadInjector::new(spec.duration(HumanDuration::from_secs(60))).unwrap();
    let driven = injector.clone();
    World::new(Visible(injector))
        .reverter(LoadReverter)
        .oracle(Connections { port: server.addr().port() })
        .drive(move || {
            let meter = driven.meter().unwrap();
            async move {
                assert!(meter.answered(20).await);
                until("a busy target has caught up", || meter.stats().sent == meter.stats().scheduled).await;
            }
        })
        .keep(server)
}

#[tokio::test]
async fn load_conforms() {
    let case = async || world().await;
    let bound = Duration::from_secs(120);
    let report = tokio::time::timeout(bound, conformance::run(&case)).await.expect("the suite ends");
    report.assert_passed();
    assert_eq!(report.skipped_names(), ["foreign_change_is_kept", "discover_finds_ours"], "{report:?}");
}
