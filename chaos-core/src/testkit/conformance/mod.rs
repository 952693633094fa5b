//! The suite that every injector passes, on the fake and on the real arm.
//!
//! A [`Case`] builds a fresh [`World`] for each test: an injector, its reverter, and something that sees the state. The suite
//! needs no runtime: the caller drives the future, and bounds it by a timeout of its own.
//!
//! ```
//! use chaos_core::testkit::{FakeFault, FakeHost, FakeReverter, conformance::{self, World}};
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let case = async || {
//!     let host = FakeHost::new();
//!     host.set("timeout", "1s");
//!     World::new(FakeFault::new(&host, "timeout", "never"))
//!         .reverter(FakeReverter::new(&host))
//!         .oracle(host.clone())
//! };
//! let report = conformance::run(&case).await;
//! report.assert_passed();
//! assert_eq!(report.skipped_names(), ["foreign_change_is_kept"]);
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```

mod cases;
mod report;
mod stage;
mod world;

use self::{
    cases::{CASES, Test},
    stage::Bench,
};
pub use self::{
    report::{Failure, Report, Skip},
    world::{Case, World},
};

/// Runs every test of the suite, each in a fresh world, and tidies up after each.
pub async fn run(case: &dyn Case) -> Report {
    run_all(case, CASES).await
}

/// Runs one test of the suite; its name is one of [`names`].
pub async fn run_one(case: &dyn Case, name: &str) -> Report {
    let wanted: Vec<_> = CASES.iter().copied().filter(|(known, _)| *known == name).collect();
    run_all(case, &wanted).await
}

/// The names of all tests.
pub fn names() -> impl Iterator<Item = &'static str> {
    CASES.iter().map(|(name, _)| *name)
}

async fn run_all(case: &dyn Case, tests: &[(&'static str, Test)]) -> Report {
    let mut report = Report::default();
    for (name, test) in tests {
        let bench = Bench::new(case);
        let outcome = test(&bench).await;
        report.note(name, outcome);
        if let Err(why) = bench.tidy().await {
            report.failed.push(Failure { case: name, why: format!("left a fault behind: {why}") });
        }
    }
    report
}
