//! TLS: what is not trusted is an error, and there is no way around by plain HTTP. Certificates: `source_tls/README.md`.

use std::{path::PathBuf, sync::Arc};

use chaos_core::{error::MetricsError, metrics::MetricsSource};
use chaos_runner::source::{endpoint::Endpoint, prometheus::Prometheus, transport::RequestError};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig, crypto,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

use crate::source_server::{Server, reply};

const ANSWER: &str = r#"{"status":"success","data":{"resultType":"scalar","result":[4000000000,"1"]}}"#;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/source_tls").join(name)
}

async fn tls_server(certificate: &str) -> Server {
    let chain = vec![CertificateDer::from_pem_file(file(certificate)).unwrap()];
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Server::raw(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = service_fn(async |_| Ok::<_, std::convert::Infallible>(reply(200, ANSWER)));
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        }
    })
    .await
}

/// The value, or how TLS failed.
async fn ask(endpoint: Endpoint) -> Result<f64, String> {
    let builder = Prometheus::builder(endpoint).query("m", "up").timeout(std::time::Duration::from_secs(20));
    let source = builder.clock_skew(std::time::Duration::MAX).build().unwrap();
    match source.sample().await {
        Ok(metrics) => Ok(metrics.value("m").unwrap()),
        Err(MetricsError::Failed { source, .. }) => match *source.downcast().unwrap() {
            RequestError::Tls(why) => Err(why.to_string()),
            other => panic!("{other:?}"),
        },
        Err(other) => panic!("{other:?}"),
    }
}

fn trusting(url: String) -> Endpoint {
    Endpoint::new(url).root_certificate_file(file("ca.pem"))
}

#[tokio::test]
async fn a_trusted_server_is_read() {
    let server = tls_server("server.pem").await;
    assert_eq!(ask(trusting(format!("https://localhost:{}", server.address.port()))).await, Ok(1.0));
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let server = tls_server("expired.pem").await;
    let why = ask(trusting(format!("https://localhost:{}", server.address.port()))).await.unwrap_err();
    assert!(why.contains("expired"), "{why}");
}

#[tokio::test]
async fn a_certificate_of_another_host_is_refused() {
    let server = tls_server("server.pem").await;
    let why = ask(trusting(format!("https://127.0.0.1:{}", server.address.port()))).await.unwrap_err();
    assert!(why.contains("not valid for name"), "{why}");
}

#[tokio::test]
async fn a_server_that_speaks_plain_http_is_refused() {
    let server = Server::fixed(200, ANSWER).await;
    let why = ask(trusting(format!("https://localhost:{}", server.address.port()))).await.unwrap_err();
    assert!(why.contains("corrupt message"), "{why}");
}

#[tokio::test]
async fn an_unknown_authority_is_refused() {
    let server = tls_server("server.pem").await;
    let endpoint = Endpoint::new(format!("https://localhost:{}", server.address.port()));
    let trusts_another = endpoint.root_certificate_file(file("server.pem"));
    let why = ask(trusts_another).await.unwrap_err();
    assert!(why.contains("invalid peer certificate"), "{why}");
}

#[test]
fn a_file_without_certificates_is_told() {
    for (name, what) in
        [("server.key", "there is none"), ("missing.pem", "No such file"), ("README.md", "there is none")]
    {
        let endpoint = Endpoint::new("https://localhost").root_certificate_file(file(name));
        let error = Prometheus::builder(endpoint).query("m", "up").build().unwrap_err().to_string();
        assert!(error.contains(what) && error.contains(name), "{error}");
    }
}
