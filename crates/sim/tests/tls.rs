//! Faults of TLS, seen by rustls with the simulator's authority trusted and nothing else.

#![expect(clippy::unwrap_used, reason = "a helper fails the test it serves")]

#[expect(dead_code, reason = "this file needs a part of it")]
mod support;

use std::sync::Arc;

use longshore_sim::{Effect, Simulator};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use support::builder;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

async fn connect(simulator: &Simulator) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    let authority = simulator.authority().unwrap().as_bytes();
    roots.add(CertificateDer::from_pem_slice(authority).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(simulator.address()).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

#[tokio::test]
async fn good_tls_serves() {
    let simulator = builder().tls().start().await.unwrap();
    assert!(simulator.url().starts_with("https://localhost:"));
    let mut stream = connect(&simulator).await.unwrap();
    stream.write_all(support::chat(true).as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    assert!(reply.contains("data: [DONE]"));
}

#[tokio::test]
async fn bad_tls_does_not() {
    for (effect, word) in [
        (Effect::TlsExpired, "expired"),
        (Effect::TlsWrongName, "not valid for name"),
        (Effect::TlsClosedInHandshake, "eof"),
    ] {
        let name = effect.name();
        let simulator = builder().tls().rule(effect).start().await.unwrap();
        let error = connect(&simulator).await.unwrap_err().to_string();
        assert!(error.to_lowercase().contains(word), "{name}: {error}");
        simulator.logged(1).await;
        assert_eq!(simulator.log()[0].fault, Some(name));
    }
}

#[tokio::test]
async fn a_mid_stream_reset_reaches_through_tls() {
    let simulator = builder().tls().rule(Effect::ResetMidStream { after_tokens: 2 }).start().await.unwrap();
    let mut stream = connect(&simulator).await.unwrap();
    stream.write_all(support::chat(true).as_bytes()).await.unwrap();
    let mut reply = Vec::new();
    let error = stream.read_to_end(&mut reply).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    let text = String::from_utf8(reply).unwrap();
    assert_eq!(
        text.lines().filter(|line| line.contains(r#""content":""#) && !line.contains(r#""content":"""#)).count(),
        2
    );
}

#[tokio::test]
async fn faults_of_tls_need_tls() {
    let error = builder().rule(Effect::TlsExpired).start().await.unwrap_err();
    assert!(error.to_string().contains("does not serve it"), "{error}");
}
