//! Whom a server is trusted to be, and that nothing goes out where that is in doubt.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use longshore_client::{Fleet, Pem, ServerConfig, Tls};
use longshore_core::{Error, ErrorKind, Sent};
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::{RootCertStore, ServerConfig as TlsServerConfig, crypto::ring, server::WebPkiClientVerifier};
use rustls_pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

use crate::support::{End, HttpServer, Script, Seen, ask, chat, config, fleet, grpc, openai, rest, tiny};

/// Authorities of one name would be taken for each other.
static COUNT: AtomicUsize = AtomicUsize::new(0);

struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        let nth = COUNT.fetch_add(1, Ordering::Relaxed);
        params.distinguished_name.push(DnType::CommonName, format!("authority {nth}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    fn pem(&self) -> Pem {
        Pem::Bytes(self.certificate.pem().into_bytes())
    }

    fn sign(&self, name: &str, edit: impl Fn(&mut CertificateParams)) -> (Certificate, KeyPair) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        edit(&mut params);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// A server with a certificate for `name`; `clients`: who may connect.
    fn acceptor(&self, name: &str, edit: impl Fn(&mut CertificateParams), clients: Option<&Self>) -> TlsAcceptor {
        let (certificate, key) = self.sign(name, edit);
        let provider = Arc::new(ring::default_provider());
        let builder = TlsServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.certificate.der().clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
                builder.with_client_cert_verifier(verifier)
            }
        };
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }
}

fn handler() -> impl Fn(&Seen) -> Script + Send + Sync {
    openai(&["m"], |_| Script::chat(&["sealed"], End::Clean))
}

fn trusting(server: &HttpServer, tls: Tls) -> ServerConfig {
    ServerConfig { tls, ..rest("a", server.url()) }
}

async fn refusal(server: ServerConfig) -> Error {
    let error = ask(&fleet(vec![server]), chat("a/m")).await.unwrap_err();
    assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Connect, Sent::No), "{error}");
    error
}

#[tokio::test]
async fn a_named_authority_is_trusted_over_rest_and_grpc() {
    let authority = Authority::new();
    let tls = Tls { ca: Some(authority.pem()), ..Tls::default() };
    let server = HttpServer::start_tls(authority.acceptor("localhost", |_| {}, None), handler()).await;
    let fleet_ = fleet(vec![trusting(&server, tls.clone())]);
    assert_eq!(ask(&fleet_, chat("m")).await.unwrap().text(), "sealed");
    let server = HttpServer::start_tls(authority.acceptor("localhost", |_| {}, None), tiny(&["m"], "by grpc")).await;
    let over_grpc = ServerConfig { tls, ..grpc("a", server.url()) };
    assert_eq!(ask(&fleet(vec![over_grpc]), chat("m")).await.unwrap().text(), "by grpc");
}

#[tokio::test]
async fn what_is_not_trusted_gets_nothing() {
    let (authority, other) = (Authority::new(), Authority::new());
    let ours = || Tls { ca: Some(authority.pem()), ..Tls::default() };
    let expired = |params: &mut CertificateParams| {
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    };
    for (acceptor, part) in [
        (other.acceptor("localhost", |_| {}, None), "authority that is not trusted"),
        (authority.acceptor("elsewhere.test", |_| {}, None), "elsewhere.test"),
        (authority.acceptor("localhost", expired, None), "has expired"),
    ] {
        let server = HttpServer::start_tls(acceptor, handler()).await;
        let error = refusal(trusting(&server, ours())).await;
        assert!(error.message().contains(part), "{part}: {error}");
        assert!(server.all().is_empty());
    }
}

#[tokio::test]
async fn the_certificates_name_may_differ_from_the_addresss() {
    let authority = Authority::new();
    let server = HttpServer::start_tls(authority.acceptor("gpu.test", |_| {}, None), handler()).await;
    let tls = Tls { ca: Some(authority.pem()), server_name: Some("gpu.test".into()), ..Tls::default() };
    assert_eq!(ask(&fleet(vec![trusting(&server, tls)]), chat("m")).await.unwrap().text(), "sealed");
}

#[tokio::test]
async fn a_client_shows_its_certificate() {
    let authority = Authority::new();
    let server = HttpServer::start_tls(authority.acceptor("localhost", |_| {}, Some(&authority)), handler()).await;
    let (certificate, key) = authority.sign("me", |_| {});
    let bare = Tls { ca: Some(authority.pem()), ..Tls::default() };
    let shown = Tls {
        client_certificate: Some(Pem::Bytes(certificate.pem().into_bytes())),
        client_key: Some(Pem::Bytes(key.serialize_pem().into_bytes())),
        ..bare.clone()
    };
    assert_eq!(ask(&fleet(vec![trusting(&server, shown)]), chat("m")).await.unwrap().text(), "sealed");
    let error = refusal(trusting(&server, bare)).await;
    assert!(error.message().contains("client certificate"), "{error}");
}

#[tokio::test]
async fn tls_and_plain_text_do_not_mix() {
    let plain = HttpServer::start(handler()).await;
    let authority = Authority::new();
    let tls = Tls { ca: Some(authority.pem()), ..Tls::default() };
    let address = plain.url().replace("http:", "https:");
    let error = refusal(ServerConfig { tls, ..rest("a", address) }).await;
    assert!(error.message().contains("TLS"), "{error}");
    assert!(plain.all().is_empty());
}

#[test]
fn what_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (absent, empty) = (folder.path().join("absent.pem"), folder.path().join("empty.pem"));
    std::fs::write(&empty, "nothing").unwrap();
    for (tls, part) in [
        (Tls { ca: Some(Pem::File(absent.clone())), ..Tls::default() }, "absent.pem cannot be read"),
        (Tls { ca: Some(Pem::File(empty.clone())), ..Tls::default() }, "holds no certificate"),
        (Tls { client_key: Some(Pem::File(empty)), ..Tls::default() }, "needs its key"),
        (Tls { server_name: Some("not a name".into()), ..Tls::default() }, "no host name"),
    ] {
        let server = ServerConfig { tls, ..rest("a", "http://localhost:1") };
        let error = Fleet::builder(config(vec![server])).build().err().unwrap();
        assert!(error.message().contains(part), "{part}: {error}");
    }
}
