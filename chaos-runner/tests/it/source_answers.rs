//! Every way in which a metrics server can answer badly, over real connections: none of them is a number.

use std::{
    error::Error as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use chaos_core::{
    clock::ManualClock,
    error::MetricsError,
    metrics::{MetricsSource, Sample, UnknownReason},
};
use chaos_runner::source::{
    endpoint::Endpoint,
    prometheus::{Prometheus, PrometheusBuilder},
    transport::RequestError,
};
use chrono::DateTime;
use tokio::{io::AsyncWriteExt, sync::Barrier};

use crate::source_server::{BOUND, ClosedPort, Reply, Server, redirect, reply, trickle};

const NOW: i64 = 1_700_000_000;

/// Long enough for a loaded machine, and used up only by the tests of time-outs.
const PATIENT: Duration = Duration::from_secs(20);
const IMPATIENT: Duration = Duration::from_millis(300);

fn source(url: impl Into<Endpoint>) -> PrometheusBuilder {
    let clock = ManualClock::new(DateTime::from_timestamp(NOW, 0).unwrap());
    Prometheus::builder(url).timeout(PATIENT).clock(Arc::new(clock))
}

/// The sample of the one metric `m`.
async fn ask(url: &str, timeout: Duration) -> Result<Sample, MetricsError> {
    let source = source(url).query("m", "up").timeout(timeout).build().unwrap();
    let metrics = tokio::time::timeout(BOUND, source.sample()).await.expect("a sample is bounded");
    metrics.map(|metrics| metrics.sample("m"))
}

async fn unknown(body: &str) -> UnknownReason {
    with_status(200, body).await
}

async fn with_status(status: u16, body: &str) -> UnknownReason {
    let server = Server::fixed(status, body).await;
    match ask(&server.url(), PATIENT).await.unwrap() {
        Sample::Unknown(why) => why,
        value => panic!("{value:?} for {body}"),
    }
}

/// The typed cause of a sample that yields nothing at all.
fn cause(error: MetricsError) -> RequestError {
    match error {
        MetricsError::Failed { source, .. } => *source.downcast().expect("a RequestError"),
        other => panic!("{other:?}"),
    }
}

fn failed(text: &str) -> UnknownReason {
    UnknownReason::Failed(text.to_owned())
}

fn success(data: &str) -> String {
    format!(r#"{{"status":"success","data":{data}}}"#)
}

fn vector(series: &str) -> String {
    success(&format!(r#"{{"resultType":"vector","result":[{series}]}}"#))
}

fn value(at: i64, text: &str) -> String {
    vector(&format!(r#"{{"metric":{{}},"value":[{at},"{text}"]}}"#))
}

fn good() -> Reply {
    reply(200, value(NOW, "0.25"))
}

#[tokio::test]
async fn one_number_is_a_value() {
    let server = Server::start(|_| std::future::ready(good())).await;
    assert_eq!(ask(&server.url(), PATIENT).await.unwrap(), Sample::Value(0.25));
}

#[tokio::test]
async fn a_name_of_this_host_is_resolved() {
    let server = Server::start(|_| std::future::ready(good())).await;
    let url = format!("http://localhost:{}/", server.address.port());
    assert_eq!(ask(&url, PATIENT).await.unwrap(), Sample::Value(0.25));
}

#[tokio::test]
async fn a_scalar_is_a_value() {
    let body = success(&format!(r#"{{"resultType":"scalar","result":[{NOW},"3"]}}"#));
    let server = Server::fixed(200, body).await;
    assert_eq!(ask(&server.url(), PATIENT).await.unwrap(), Sample::Value(3.0));
}

#[tokio::test]
async fn nan_is_unknown() {
    assert_eq!(unknown(&value(NOW, "NaN")).await, UnknownReason::NotFinite);
}

#[tokio::test]
async fn infinity_is_unknown() {
    assert_eq!(unknown(&value(NOW, "+Inf")).await, UnknownReason::NotFinite);
    assert_eq!(unknown(&value(NOW, "-Inf")).await, UnknownReason::NotFinite);
}

#[tokio::test]
async fn an_empty_vector_is_unknown() {
    assert_eq!(unknown(&vector("")).await, UnknownReason::Empty);
}

#[tokio::test]
async fn two_series_are_ambiguous() {
    let two = r#"{"metric":{"a":"1"},"value":[1,"1"]},{"metric":{"a":"2"},"value":[1,"1"]}"#;
    assert_eq!(unknown(&vector(two)).await, UnknownReason::Ambiguous(2));
}

#[tokio::test]
async fn a_string_is_unknown() {
    let body = success(&format!(r#"{{"resultType":"string","result":[{NOW},"1"]}}"#));
    assert_eq!(unknown(&body).await, failed("the query yields a string, not one number"));
}

#[tokio::test]
async fn a_matrix_is_unknown() {
    let body = success(r#"{"resultType":"matrix","result":[{"metric":{},"values":[[1,"1"]]}]}"#);
    assert_eq!(unknown(&body).await, failed("the query yields a matrix, not one number"));
}

#[tokio::test]
async fn a_stale_value_is_unknown() {
    assert_eq!(unknown(&value(NOW - 40, "1")).await, UnknownReason::Stale(10_000));
}

#[tokio::test]
async fn a_value_of_the_future_is_unknown() {
    assert_eq!(unknown(&value(NOW + 40, "1")).await, UnknownReason::Future(40_000));
}

#[tokio::test]
async fn a_partial_answer_is_unknown() {
    let body = value(NOW, "1").replacen('{', r#"{"warnings":["store-3 is down"],"#, 1);
    assert_eq!(unknown(&body).await, failed("the server warns: store-3 is down"));
}

#[tokio::test]
async fn an_error_of_the_server_is_told_in_its_words() {
    let body = r#"{"status":"error","errorType":"execution","error":"many-to-many matching"}"#;
    assert_eq!(with_status(422, body).await, failed("HTTP 422, execution: many-to-many matching"));
    let body = r#"{"status":"error","errorType":"bad_data","error":"1:5: parse error"}"#;
    assert_eq!(with_status(400, body).await, failed("HTTP 400, bad_data: 1:5: parse error"));
}

#[tokio::test]
async fn a_status_without_a_body_of_the_api_is_told() {
    for status in [401, 404, 500, 502, 503] {
        assert_eq!(with_status(status, "<html>oops</html>").await, failed(&format!("HTTP {status}")));
    }
    assert_eq!(with_status(500, &value(NOW, "1")).await, failed("HTTP 500"));
}

#[tokio::test]
async fn what_is_no_json_is_told() {
    for body in ["", "<html>", "{", "null", r#"{"status":"success"}"#, "NaN"] {
        let UnknownReason::Failed(text) = unknown(body).await else { panic!("{body}") };
        assert!(text.starts_with("the answer is not one of the Prometheus API"), "{text}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_cut_off() {
    let padding = " ".repeat(1024 * 1024);
    let server = Server::fixed(200, format!("{}{padding}", value(NOW, "1"))).await;
    let error = cause(ask(&server.url(), PATIENT).await.unwrap_err());
    assert!(matches!(error, RequestError::TooLarge { limit: 1_048_576 }), "{error:?}");
}

#[tokio::test]
async fn a_body_without_an_end_is_cut_off() {
    let server = Server::answering(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(&[b' '; 64 * 1024]).await.is_ok() {}
    })
    .await;
    let error = cause(ask(&server.url(), PATIENT).await.unwrap_err());
    assert!(matches!(error, RequestError::TooLarge { .. }), "{error:?}");
}

#[tokio::test]
async fn nothing_is_decompressed() {
    let asked = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&asked);
    let server = Server::start(move |request| {
        *seen.lock().unwrap() = request.headers.get("accept-encoding").cloned();
        let mut reply = reply(200, &b"\x1f\x8b\x08\x00bomb"[..]);
        reply.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
        std::future::ready(reply)
    })
    .await;
    let error = cause(ask(&server.url(), PATIENT).await.unwrap_err());
    assert!(matches!(&error, RequestError::Encoded(encoding) if encoding == "gzip"), "{error:?}");
    assert_eq!(*asked.lock().unwrap(), None);
}

#[tokio::test]
async fn a_redirect_loop_ends() {
    let server = Server::start(|asked| std::future::ready(redirect(307, &asked.path))).await;
    let error = cause(ask(&server.url(), PATIENT).await.unwrap_err());
    assert!(matches!(error, RequestError::Redirect { .. }), "{error:?}");
}

#[tokio::test]
async fn a_redirect_to_another_host_is_refused_and_gets_no_token() {
    let reached = Arc::new(Mutex::new(0));
    let counter = Arc::clone(&reached);
    let other = Server::start(move |_| {
        *counter.lock().unwrap() += 1;
        std::future::ready(good())
    })
    .await;
    let to = format!("{}/api/v1/query", other.url());
    let server = Server::start(move |_| std::future::ready(redirect(307, &to))).await;
    let endpoint = Endpoint::new(server.url()).bearer_token_env("PATH");
    let source = source(endpoint).query("m", "up").build().unwrap();
    let error = cause(source.sample().await.unwrap_err());
    assert!(matches!(&error, RequestError::Redirect { to } if to.starts_with(&other.url())), "{error:?}");
    assert_eq!(*reached.lock().unwrap(), 0);
}

#[tokio::test]
async fn a_redirect_to_a_metadata_address_is_refused() {
    let server = Server::start(|_| std::future::ready(redirect(307, "http://169.254.169.254/latest"))).await;
    let error = cause(ask(&server.url(), PATIENT).await.unwrap_err());
    assert!(matches!(error, RequestError::Redirect { .. }), "{error:?}");
}

#[tokio::test]
async fn a_redirect_on_the_same_host_keeps_the_query() {
    let server = Server::start(|asked| {
        std::future::ready(match asked.path.as_str() {
            "/api/v1/query" => redirect(308, "/prometheus/api/v1/query"),
            _ if asked.body == "query=up" => good(),
            _ => reply(400, asked.body),
        })
    })
    .await;
    assert_eq!(ask(&server.url(), PATIENT).await.unwrap(), Sample::Value(0.25));
}

#[tokio::test]
async fn a_server_that_never_answers_times_out() {
    let server = Server::start(|_| std::future::pending()).await;
    let error = ask(&server.url(), IMPATIENT).await.unwrap_err();
    assert!(matches!(error, MetricsError::TimedOut { limit: IMPATIENT, .. }), "{error:?}");
}

#[tokio::test]
async fn slow_headers_time_out() {
    let gap = Duration::from_millis(20);
    let server = Server::answering(move |stream| trickle(stream, b"HTTP/1.1 200 OK\r\nx: ", b'a', gap)).await;
    let error = ask(&server.url(), IMPATIENT).await.unwrap_err();
    assert!(matches!(error, MetricsError::TimedOut { .. }), "{error:?}");
}

#[tokio::test]
async fn a_slow_body_times_out() {
    let gap = Duration::from_millis(20);
    let server =
        Server::answering(move |stream| trickle(stream, b"HTTP/1.1 200 OK\r\n\r\n", b' ', gap)).await;
    let error = ask(&server.url(), IMPATIENT).await.unwrap_err();
    assert!(matches!(error, MetricsError::TimedOut { .. }), "{error:?}");
}

#[tokio::test]
async fn a_closed_port_is_told() {
    let port = ClosedPort::new();
    let error = ask(&port.url(), PATIENT).await.unwrap_err();
    let expected = format!("cannot read the metrics of prometheus at {}/api/v1/query", port.url());
    assert_eq!(error.to_string(), expected);
    assert!(error.source().is_some());
    assert!(matches!(cause(error), RequestError::Connect(_)));
}

#[tokio::test]
async fn a_connection_that_breaks_is_told() {
    let server = Server::answering(|stream| async move { drop(stream) }).await;
    let error = cause(ask(&server.url(), PATIENT).await.unwrap_err());
    assert!(matches!(error, RequestError::Broken(_)), "{error:?}");
}

#[tokio::test]
async fn a_body_that_is_cut_is_told() {
    let server = Server::answering(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"status\"").await;
    })
    .await;
    let error = cause(ask(&server.url(), PATIENT).await.unwrap_err());
    assert!(matches!(error, RequestError::Broken(_)), "{error:?}");
}

#[tokio::test]
async fn what_is_not_http_is_told() {
    let server = Server::answering(|mut stream| async move {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n\r\n").await;
    })
    .await;
    let error = cause(ask(&server.url(), PATIENT).await.unwrap_err());
    assert!(matches!(error, RequestError::Broken(_)), "{error:?}");
}

#[tokio::test]
async fn a_query_arrives_as_it_stands() {
    let promql = "sum by (le) (\n  a{b=\"c&query=d\",e=~'%2B+=#é'}\n) # \"; $(id)";
    let asked = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&asked);
    let server = Server::start(move |request| {
        *seen.lock().unwrap() = Some(request);
        std::future::ready(good())
    })
    .await;
    let source = source(server.url()).query("m", promql).build().unwrap();
    source.sample().await.unwrap();
    let asked = asked.lock().unwrap().take().unwrap();
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/api/v1/query"));
    assert_eq!(asked.headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(asked.headers.get("authorization"), None);
    let form = reqwest::Url::parse(&format!("http://form.invalid/?{}", asked.body)).unwrap();
    let fields: Vec<_> = form.query_pairs().into_owned().collect();
    assert_eq!(fields, [("query".to_owned(), promql.to_owned())]);
}

#[tokio::test]
async fn a_token_is_sent_and_read_anew_each_time() {
    let tokens = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&tokens);
    let server = Server::start(move |request| {
        seen.lock().unwrap().push(request.headers["authorization"].to_str().unwrap().to_owned());
        std::future::ready(good())
    })
    .await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "first\n").unwrap();
    let endpoint = Endpoint::new(server.url()).bearer_token_file(file.path());
    let source = source(endpoint).query("m", "up").build().unwrap();
    source.sample().await.unwrap();
    std::fs::write(file.path(), "second\n").unwrap();
    source.sample().await.unwrap();
    assert_eq!(*tokens.lock().unwrap(), ["Bearer first", "Bearer second"]);
    assert!(!format!("{source:?}").contains("second"));
    file.close().unwrap();
    assert!(matches!(cause(source.sample().await.unwrap_err()), RequestError::Token(_)));
}

#[tokio::test]
async fn the_queries_of_a_sample_run_at_the_same_time() {
    let all_here = Arc::new(Barrier::new(3));
    let server = Server::start(move |_| {
        let all_here = Arc::clone(&all_here);
        async move {
            all_here.wait().await;
            good()
        }
    })
    .await;
    let source = source(server.url()).query("a", "1").query("b", "2").query("c", "3").build().unwrap();
    let metrics = source.sample().await.unwrap();
    assert_eq!(metrics.iter().filter(|(_, sample)| matches!(sample, Sample::Value(_))).count(), 3);
}

#[tokio::test]
async fn a_bad_query_leaves_the_others_alone() {
    let server = Server::start(|asked| async move {
        match asked.body.as_str() {
            "query=hang" => std::future::pending().await,
            "query=large" => reply(200, vec![b' '; 2 * 1024 * 1024]),
            "query=bad" => reply(500, ""),
            _ => good(),
        }
    })
    .await;
    let source = source(server.url())
        .timeout(Duration::from_secs(5))
        .query("good", "good")
        .query("hang", "hang")
        .query("large", "large")
        .query("bad", "bad")
        .build()
        .unwrap();
    let metrics = source.sample().await.unwrap();
    assert_eq!(metrics.value("good"), Some(0.25));
    assert_eq!(metrics.sample("hang"), Sample::Unknown(UnknownReason::TimedOut));
    assert_eq!(metrics.sample("large"), Sample::Unknown(failed("answer of more than 1048576 bytes")));
    assert_eq!(metrics.sample("bad"), Sample::Unknown(failed("HTTP 500")));
}

#[tokio::test]
async fn a_server_that_went_away_is_told() {
    let server = Server::start(|_| std::future::ready(good())).await;
    let source = source(server.url()).query("m", "up").build().unwrap();
    assert!(source.sample().await.is_ok());
    server.stop().await;
    assert!(matches!(cause(source.sample().await.unwrap_err()), RequestError::Connect(_)));
}
