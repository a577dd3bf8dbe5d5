//! Certificates for a simulated server: a good one, one that has expired, and one for another name.

use std::io;

use longshore_server::{TlsIdentity, tls_acceptor};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio_rustls::TlsAcceptor;

use crate::faults::Effect;

/// The identities that a server can show.
pub(crate) struct Identities {
    good: TlsAcceptor,
    expired: TlsAcceptor,
    wrong_name: TlsAcceptor,
    authority: String,
}

impl Identities {
    /// Fresh certificates for `localhost` and the loopback addresses, signed by a fresh authority.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub(crate) fn new() -> io::Result<Self> {
        Self::make().map_err(|error| io::Error::other(format!("the TLS certificates cannot be made: {error}")))
    }

    fn make() -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, "longshore simulator");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let authority = params.self_signed(&key)?.pem();
        let issuer = Issuer::new(params, key);
        let sign = |names: &[&str], expired: bool| -> Result<TlsAcceptor, Box<dyn std::error::Error + Send + Sync>> {
            let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
            if expired {
                params.not_before = date_time_ymd(2020, 1, 1);
                params.not_after = date_time_ymd(2021, 1, 1);
            }
            let key = KeyPair::generate()?;
            let certificates = params.signed_by(&key, &issuer)?.pem().into_bytes();
            Ok(tls_acceptor(&TlsIdentity { certificates, key: key.serialize_pem().into_bytes() })?)
        };
        let here = ["localhost", "127.0.0.1", "::1"];
        Ok(Self {
            good: sign(&here, false)?,
            expired: sign(&here, true)?,
            wrong_name: sign(&["another-name.example"], false)?,
            authority,
        })
    }

    /// The certificate of the authority, PEM.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// The handshake for a connection with this fault.
    pub(crate) fn acceptor(&self, fault: Option<&Effect>) -> TlsAcceptor {
        match fault {
            Some(Effect::TlsExpired) => self.expired.clone(),
            Some(Effect::TlsWrongName) => self.wrong_name.clone(),
            _ => self.good.clone(),
        }
    }
}
