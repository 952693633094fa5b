use super::{RunReport, testing};

fn json(report: &RunReport) -> String {
    let generator = concat!("chaos-runner ", env!("CARGO_PKG_VERSION"));
    report.to_json().unwrap().replace(generator, "chaos-runner [version]")
}

#[test]
fn a_success_in_text() {
    insta::assert_snapshot!(testing::success(), @r"
    experiment    The API bears a slow database
    run           20260910t002640-9f86d081, seed 42
    status        success
    conclusion    success
    hypothesis    Checkout stays available with a database that answers 100 ms later
    blast radius  One replica of the API
    rollback      The proxy forgets its toxic

    metrics        before  fault: worst  fault: last  after
      error_rate   0.1%    1.2%          0.4%         0%
      latency_p99  45 ms   312.4 ms      248.7 ms     50 ms

    steady state
      before  held
      during  not looked for
      after   held, 230 ms after the rollback

    criteria
      met  Error rate <5%   worst 1.2%
      met  latency p99 <1s  worst 312.4 ms

    faults
      fault-1  proxy.latency
        touches    tcp-proxy:db
        if killed  ends with the process
        injected   yes, its effect was seen
        effect         asked   observed
          latency p50  100 ms  101.3 ms
          throughput   –       842 requests/s
        undo       undone (1.25 ms, 1 try)

    phases
      00:26:40.000Z  +0 s      preflight
      00:26:40.005Z  +5 ms     baseline
      00:26:41.010Z  +1.01 s   injection
      00:26:41.030Z  +1.03 s   observation
      00:26:43.060Z  +3.06 s   rollback
      00:26:43.075Z  +3.075 s  verification
      00:26:44.300Z  +4.3 s    closed        success
    ");
}

#[test]
fn an_aborted_run_in_text() {
    insta::assert_snapshot!(testing::aborted(), @r"
    experiment    The API bears a slow database
    run           20260910t002640-9f86d081, seed 42
    status        aborted
    conclusion    aborted: limit breached: max_error_rate: error_rate is 12%, the limit is 10%
    hypothesis    Checkout stays available with a database that answers 100 ms later
    blast radius  One replica of the API
    rollback      The proxy forgets its toxic

    metrics        before  fault: worst  fault: last  after
      error_rate   0.1%    12%           12%          0%
      latency_p99  45 ms   312.4 ms      295.5 ms     50 ms

    steady state
      before  held
      during  deviated: error_rate < 1%: observed 12%
      after   held, 230 ms after the rollback

    criteria
      NOT met        Error rate <5%   worst 12%
      met            latency p99 <1s  worst 312.4 ms
      not evaluated  No data loss     manual criterion

    faults
      fault-1  proxy.latency
        touches    tcp-proxy:db
        if killed  ends with the process
        injected   not measured: the measurement did not end in time
        undo       undone (1.25 ms, 1 try)

    phases
      00:26:40.000Z  +0 s      preflight
      00:26:40.005Z  +5 ms     baseline
      00:26:41.010Z  +1.01 s   injection
      00:26:41.030Z  +1.03 s   observation
      00:26:43.060Z  +3.06 s   rollback      limit breached: max_error_rate: error_rate is 12%, the limit is 10%
      00:26:43.075Z  +3.075 s  verification
      00:26:44.300Z  +4.3 s    closed        aborted: limit breached: max_error_rate: error_rate is 12%, the limit is 10%
    ");
}

#[test]
fn a_refused_run_in_text() {
    insta::assert_snapshot!(testing::refused(), @r"
    experiment    The API bears a slow database
    run           20260910t002640-9f86d081, seed 42
    status        aborted
    conclusion    refused: window: 10:30 lies within 09:00 to 18:00 UTC
    hypothesis    Checkout stays available with a database that answers 100 ms later
    blast radius  One replica of the API
    rollback      The proxy forgets its toxic

    faults
      fault-1  proxy.latency
        touches    tcp-proxy:db
        if killed  ends with the process
        undo       not needed: it was never on

    phases
      00:26:40.000Z  +0 s   preflight
      00:26:40.002Z  +2 ms  closed     refused: window: 10:30 lies within 09:00 to 18:00 UTC
    ");
}

#[test]
fn a_run_that_was_not_evaluated_in_text() {
    insta::assert_snapshot!(testing::not_evaluated(), @r"
    experiment    The API bears a slow database
    run           20260910t002640-9f86d081, seed 42
    status        failed
    conclusion    not evaluated: 1 of 3 criteria
    hypothesis    Checkout stays available with a database that answers 100 ms later
    blast radius  One replica of the API
    rollback      The proxy forgets its toxic

    metrics        before  fault: worst  fault: last  after
      error_rate   0.1%    1.2%          0.4%         0%
      latency_p99  45 ms   312.4 ms      248.7 ms     50 ms

    steady state
      before  held
      during  not looked for
      after   held, 230 ms after the rollback

    criteria
      met            Error rate <5%   worst 1.2%
      met            latency p99 <1s  worst 312.4 ms
      not evaluated  No data loss     manual criterion

    faults
      fault-1  proxy.latency
        touches    tcp-proxy:db
        if killed  ends with the process
        injected   yes, its effect was seen
        effect         asked   observed
          latency p50  100 ms  101.3 ms
          throughput   –       842 requests/s
        undo       undone (1.25 ms, 1 try)

    phases
      00:26:40.000Z  +0 s      preflight
      00:26:40.005Z  +5 ms     baseline
      00:26:41.010Z  +1.01 s   injection
      00:26:41.030Z  +1.03 s   observation
      00:26:43.060Z  +3.06 s   rollback
      00:26:43.075Z  +3.075 s  verification
      00:26:44.300Z  +4.3 s    closed        not evaluated: 1 of 3 criteria
    ");
}

#[test]
fn a_run_that_was_not_injected_in_text() {
    insta::assert_snapshot!(testing::not_injected(), @r"
    experiment    The API bears a slow database
    run           20260910t002640-9f86d081, seed 42
    status        failed
    conclusion    not injected: fault-1: no connection passed the proxy
    hypothesis    Checkout stays available with a database that answers 100 ms later
    blast radius  One replica of the API
    rollback      The proxy forgets its toxic

    metrics        before  fault: worst  fault: last  after
      error_rate   0.1%    1.2%          0.4%         0%
      latency_p99  45 ms   312.4 ms      248.7 ms     50 ms

    steady state
      before  held
      during  not looked for
      after   held, 230 ms after the rollback

    criteria
      met  Error rate <5%   worst 1.2%
      met  latency p99 <1s  worst 312.4 ms

    faults
      fault-1  proxy.latency
        touches    tcp-proxy:db
        if killed  ends with the process
        injected   NO: no connection passed the proxy
        effect         asked   observed
          latency p50  100 ms  –
          connections  –       0
        undo       undone (1.25 ms, 1 try)

    phases
      00:26:40.000Z  +0 s      preflight
      00:26:40.005Z  +5 ms     baseline
      00:26:41.010Z  +1.01 s   injection
      00:26:41.030Z  +1.03 s   observation
      00:26:43.060Z  +3.06 s   rollback
      00:26:43.075Z  +3.075 s  verification
      00:26:44.300Z  +4.3 s    closed        not injected: fault-1: no connection passed the proxy
    ");
}

#[test]
fn a_fault_left_behind_in_text() {
    insta::assert_snapshot!(testing::left_behind(), @r"
    experiment    The API bears a slow database
    run           20260910t002640-9f86d081, seed 42
    status        failed
    conclusion    a fault is left behind
    hypothesis    Checkout stays available with a database that answers 100 ms later
    blast radius  One replica of the API
    rollback      The proxy forgets its toxic

    LEFT BEHIND  fault-1 (proxy.latency): stuck: it is still there after the undo
      by hand     restart the process that holds the proxy

    metrics        before  fault: worst  fault: last  after
      error_rate   0.1%    12%           12%          0%
      latency_p99  45 ms   312.4 ms      295.5 ms     50 ms

    steady state
      before  held
      during  deviated: error_rate < 1%: observed 12%
      after   deviated: error_rate < 1%: observed 12%

    criteria
      NOT met        Error rate <5%   worst 12%
      met            latency p99 <1s  worst 312.4 ms
      not evaluated  No data loss     manual criterion

    faults
      fault-1  proxy.latency
        touches    tcp-proxy:db
        if killed  ends with the process
        injected   yes, its effect was seen
        effect         asked   observed
          latency p50  100 ms  101.3 ms
          throughput   –       842 requests/s
        undo       stuck: it is still there after the undo (1.25 ms, 1 try)

    phases
      00:26:40.000Z  +0 s      preflight
      00:26:40.005Z  +5 ms     baseline
      00:26:41.010Z  +1.01 s   injection
      00:26:41.030Z  +1.03 s   observation
      00:26:43.060Z  +3.06 s   rollback      limit breached: max_error_rate: error_rate is 12%, the limit is 10%
      00:26:43.075Z  +3.075 s  verification
      00:26:44.300Z  +4.3 s    closed        a fault is left behind
    ");
}

#[test]
fn text_from_outside_neither_steers_the_terminal_nor_forges_a_line() {
    let mut report = testing::success();
    report.experiment.name = "\u{1b}[2Jname\nstatus        success".into();
    report.phases[1].note = "note\nstatus  success".into();
    let text = report.to_string();
    assert!(!text.contains('\u{1b}'), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("status")).count(), 1, "{text}");
}

#[test]
fn json_has_its_version_and_what_tools_need() {
    insta::assert_snapshot!("aborted_json", json(&testing::aborted()));
}

#[test]
fn json_names_what_is_left_behind() {
    let value: serde_json::Value = serde_json::from_str(&json(&testing::left_behind())).unwrap();
    assert_eq!(value["schema"], 1);
    assert_eq!(value["left_behind"], serde_json::json!(["fault-1"]));
    assert_eq!(value["exit_code"], 4);
    assert_eq!(value["status"], "failed");
    assert_eq!(value["faults"][0]["undo"]["manual"], "restart the process that holds the proxy");
}

#[test]
fn a_run_of_nothing_has_a_text() {
    insta::assert_snapshot!(testing::empty(), @r"
    experiment    The API bears a slow database
    run           20260910t002640-9f86d081, seed 42
    status        failed
    conclusion    failed: a safety policy panicked
    hypothesis    Checkout stays available with a database that answers 100 ms later
    blast radius  One replica of the API
    rollback      The proxy forgets its toxic
    ");
}
