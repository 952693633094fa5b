//! TLS by rustls with ring, given explicitly: a library installs no default for the whole process.

use std::{path::Path, sync::Arc};

use chaos_core::error::Problem;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use rustls_platform_verifier::Verifier;

use crate::source::explain;

/// Trusts the system's certificates and those in `extra`.
pub(super) fn config(extra: Option<&Path>) -> Result<ClientConfig, Problem> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = extra.map_or_else(|| Ok(Vec::new()), certificates)?;
    let verifier = Verifier::new_with_extra_roots(roots, Arc::clone(&provider)).map_err(|error| {
        let hint = "install ca-certificates, or name a file by root_certificate_file";
        Problem::new("root_certificate_file", format!("no certificate to trust: {}", explain(&error)))
            .hint(hint)
    })?;
    Ok(versions(provider)
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

/// For a URL without TLS: trusts nobody, and so needs no certificate on the machine.
pub(super) fn none() -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    versions(provider).with_root_certificates(RootCertStore::empty()).with_no_client_auth()
}

fn versions(
    provider: Arc<rustls::crypto::CryptoProvider>,
) -> rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier> {
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring speaks the default versions of TLS")
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let problem = |what: String| {
        let message = format!("cannot read the certificates in {}: {what}", path.display());
        Problem::new("root_certificate_file", message)
    };
    let found = CertificateDer::pem_file_iter(path).map_err(|error| problem(explain(&error)))?;
    let found: Result<Vec<_>, _> = found.collect();
    match found {
        Ok(certificates) if certificates.is_empty() => Err(problem("there is none, as PEM".to_owned())),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(problem(explain(&error))),
    }
}
