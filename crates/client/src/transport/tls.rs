//! Whom a server is trusted to be, and who this client says it is.

use std::sync::{Arc, OnceLock};

use longshore_core::Error;
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::config::{Pem, Tls};

/// The system's authorities, read when the first server needs them.
#[derive(Default)]
pub(crate) struct TlsRoots(OnceLock<Arc<RootCertStore>>);

impl TlsRoots {
    /// The TLS settings of one server; `needed`: whether any of its addresses is `https`.
    ///
    /// # Errors
    /// What cannot be read, or does not fit together.
    pub(crate) fn client_config(&self, tls: &Tls, needed: bool) -> Result<ClientConfig, Error> {
        let roots = match &tls.ca {
            Some(ca) => Arc::new(store(certificates("CA", ca)?)?),
            None if needed => self.system()?,
            None => Arc::new(RootCertStore::empty()),
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::invalid("no TLS version is available").caused_by(error))?
            .with_root_certificates(roots);
        match (&tls.client_certificate, &tls.client_key) {
            (None, None) => Ok(builder.with_no_client_auth()),
            (Some(certificate), Some(key)) => builder
                .with_client_auth_cert(certificates("client certificate", certificate)?, private_key(key)?)
                .map_err(|error| Error::invalid(format!("the client certificate and key do not fit: {error}"))),
            _ => Err(Error::invalid("a client certificate needs its key, and a key its certificate")),
        }
    }

    fn system(&self) -> Result<Arc<RootCertStore>, Error> {
        if let Some(roots) = self.0.get() {
            return Ok(Arc::clone(roots));
        }
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        // Systems hold certificates that nobody can parse; the others still do.
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let reason = found.errors.first().map_or_else(String::new, |error| format!(" ({error})"));
            return Err(Error::invalid(format!(
                "the system has no trusted authorities{reason}; name the server's own as its CA"
            )));
        }
        Ok(Arc::clone(self.0.get_or_init(|| Arc::new(roots))))
    }
}

fn store(certificates: Vec<CertificateDer<'static>>) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|error| Error::invalid(format!("the CA cannot be used: {error}")))?;
    }
    Ok(roots)
}

fn certificates(what: &str, pem: &Pem) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(&pem.read(what)?)
        .collect::<Result<_, _>>()
        .map_err(|error| Error::invalid(format!("the {what} {pem} is not sound PEM: {error}")))?;
    if found.is_empty() {
        return Err(Error::invalid(format!("the {what} {pem} holds no certificate")));
    }
    Ok(found)
}

fn private_key(pem: &Pem) -> Result<PrivateKeyDer<'static>, Error> {
    // The error could quote the file, so it is not passed on.
    PrivateKeyDer::from_pem_slice(&pem.read("client key")?)
        .map_err(|_| Error::invalid(format!("the client key {pem} holds no private key in PEM form")))
}
