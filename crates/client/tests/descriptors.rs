//! A process that has no descriptors left: what it is told, and that it recovers.
//!
//! The limit is the whole process's, so this is the only test of its program.
#![cfg(unix)]

use std::fs::File;

use longshore_client::{DialectChoice, Fleet, FleetConfig, ServerConfig};
use longshore_core::{
    Answer, Backend, Call, Error, ErrorKind, Op,
    call::{Chat, Message},
    dialect::by_name,
};
use longshore_sim::Simulator;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More than the process has open, and soon filled.
const LIMIT: u64 = 200;

async fn ask(fleet: &Fleet) -> Result<Answer, Error> {
    let chat = Chat { messages: vec![Message::new("user", "hello")], ..Chat::default() };
    fleet.call(Call::new(Op::Chat(chat)).model("sim").server("sim")).await?.collect().await
}

#[tokio::test]
async fn a_process_without_descriptors_says_so_and_recovers() {
    let simulator = Simulator::builder().start().await.unwrap();
    let fleet = |dialect: &str| {
        let named = DialectChoice::Named(vec![by_name(dialect).unwrap()]);
        let (rest, grpc) =
            if dialect == "oip-grpc" { (None, Some(simulator.url())) } else { (Some(simulator.url()), None) };
        let server = ServerConfig { rest, grpc, dialect: named, ..ServerConfig::new("sim") };
        Fleet::builder(FleetConfig { servers: vec![server], ..FleetConfig::default() }).build().unwrap()
    };
    // Both live to the end: what one gives back, the other would find.
    let fleets = [("openai", fleet("openai")), ("oip-grpc", fleet("oip-grpc"))];
    for (dialect, fleet) in &fleets {
        let before = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(LIMIT), maximum: before.maximum }).unwrap();
        let hoard: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        assert!(!hoard.is_empty() && hoard.len() < LIMIT as usize);
        let error = ask(fleet).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect, "{dialect}: {error}");
        assert!(error.message().contains("too many files and connections open"), "{dialect}: {error}");
        drop(hoard);
        assert!(!ask(fleet).await.unwrap().text().is_empty(), "{dialect}");
        setrlimit(Resource::Nofile, before).unwrap();
    }
}
