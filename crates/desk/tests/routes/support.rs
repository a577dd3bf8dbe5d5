//! A desk on a port of its own, over servers that a configuration names, and a client that says exactly what it is told.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use longshore_client::{Fleet, FleetConfig, ServerConfig};
use longshore_config::{Config, Loaded, Problems, Sources};
use longshore_core::Error;
use longshore_desk::{Desk, DeskOptions, House};
use longshore_server::{Server, ServerOptions};
use longshore_sim::{Model, SimConfig, Simulator};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{net::TcpStream, sync::oneshot, time::timeout};

pub(crate) const TOKEN: &str = "0123456789abcdef";
/// More than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Reads one file, and builds fleets without an engine.
struct House1(PathBuf);

impl House for House1 {
    fn load(&self, text: Option<&str>) -> Result<Loaded, Problems> {
        let sources = text.map_or_else(Sources::new, |text| Sources::new().file(&self.0, text));
        Config::load(sources)
    }

    fn build(&self, config: &Config) -> Result<Fleet, Error> {
        self.measured(config, 10)
    }

    fn measured(&self, config: &Config, at_once: usize) -> Result<Fleet, Error> {
        let servers = config.servers.iter().map(|server| ServerConfig {
            rest: server.rest.as_ref().map(ToString::to_string),
            grpc: server.grpc.as_ref().map(ToString::to_string),
            ..ServerConfig::new(server.name.as_str())
        });
        let mut fleet = FleetConfig { servers: servers.collect(), ..FleetConfig::default() };
        fleet.timeouts.probe = Duration::from_millis(500);
        fleet.lifecycle.poll = Duration::from_millis(10);
        fleet.limits.in_flight = at_once.max(1);
        Fleet::builder(fleet).build()
    }

    /// One that does not start: the browser's tests have the real one.
    fn simulator(&self) -> Option<PathBuf> {
        Some("there/is/no/such/program".into())
    }
}

/// A desk that is served until this is dropped.
pub(crate) struct Rig {
    pub(crate) desk: Desk,
    pub(crate) authority: String,
    pub(crate) folder: TempDir,
    _stop: oneshot::Sender<()>,
}

/// What came back.
pub(crate) struct Said {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Said {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// The document, after a check of the status.
    #[track_caller]
    pub(crate) fn with(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Rig {
    /// With this configuration file; none, if it is empty.
    pub(crate) async fn new(yaml: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("longshore.yaml");
        if !yaml.is_empty() {
            fs::write(&file, yaml).unwrap();
        }
        let house = House1(file.clone());
        let desk = Desk::open(DeskOptions {
            token: TOKEN.into(),
            hosts: Vec::new(),
            data_folder: folder.path().join("data"),
            config_file: (!yaml.is_empty()).then(|| file.clone()),
            new_config_file: file,
            loaded: house.load((!yaml.is_empty()).then_some(yaml)).unwrap(),
            engine: false,
            version: "0.0.0",
            house: Arc::new(house),
        })
        .unwrap();
        let mut options = ServerOptions::new("127.0.0.1:0".parse().unwrap());
        // The gateway's token is another door.
        options.token = Some(longshore_server::AccessToken::new("gateway"));
        let server = Server::bind(options).await.unwrap().with_site(desk.site(1 << 20));
        desk.listens_on(&server.url());
        let authority = server.local_addr().unwrap().to_string();
        let (stop, stopped) = oneshot::channel::<()>();
        let closed = desk.clone();
        let shutdown = async move {
            let _ = stopped.await;
            closed.close();
        };
        tokio::spawn(server.serve(desk.gateway(), shutdown));
        Self { desk, authority, folder, _stop: stop }
    }

    pub(crate) fn config(&self) -> String {
        fs::read_to_string(self.folder.path().join("longshore.yaml")).unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Said {
        self.ask(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Said {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// Asks the API, with the token.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Said {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/desk/api/{path}"))
            .header("host", &self.authority)
            .header("authorization", format!("Bearer {TOKEN}"));
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        self.send(request.body(body.map(|body| body.to_string()).unwrap_or_default()).unwrap()).await
    }

    /// Sends exactly this.
    pub(crate) async fn send(&self, request: Request<String>) -> Said {
        let (head, body) = self.begin(request).await.into_parts();
        let body = timeout(PATIENCE, body.collect()).await.unwrap().unwrap().to_bytes();
        Said { status: head.status, headers: head.headers, body }
    }

    async fn begin(&self, request: Request<String>) -> http::Response<Incoming> {
        let stream = TcpStream::connect(&self.authority).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = request.map(|body| Full::new(Bytes::from(body)));
        timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap()
    }

    /// Reads a stream of events.
    pub(crate) async fn stream(&self, path: &str) -> Events {
        let request = Request::get(format!("/desk/api/{path}"))
            .header("host", &self.authority)
            .header("authorization", format!("Bearer {TOKEN}"));
        let response = self.begin(request.body(String::new()).unwrap()).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Events { body: response.into_body(), text: String::new() }
    }
}

/// A stream of events that is read.
pub(crate) struct Events {
    body: Incoming,
    text: String,
}

impl Events {
    /// The next event; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                let found = field("event:").zip(field("data:"));
                let found = found.map(|(name, data)| (name.to_owned(), serde_json::from_str(data).unwrap()));
                self.text = rest.to_owned();
                if found.is_some() {
                    return found;
                }
                continue;
            }
            let frame = timeout(PATIENCE, self.body.frame()).await.expect("an event in time")?.unwrap();
            self.text.push_str(std::str::from_utf8(&frame.into_data().unwrap_or_default()).unwrap());
        }
    }

    /// The first event of this name for which it holds.
    pub(crate) async fn until(&mut self, name: &str, holds: impl Fn(&Value) -> bool) -> Value {
        while let Some((found, data)) = self.next().await {
            if found == name && holds(&data) {
                return data;
            }
        }
        panic!("the stream ended without such a `{name}`");
    }
}

/// A simulated server with these models.
pub(crate) async fn sim(models: Vec<Model>) -> Simulator {
    let config = SimConfig { models, autoload: false, ..SimConfig::default() };
    Simulator::builder().config(config).start().await.unwrap()
}

/// A configuration with these servers.
pub(crate) fn servers(servers: &[(&str, &str)]) -> String {
    let lines = servers.iter().map(|(name, url)| format!("  - name: {name} # {name}'s own\n    rest: \"{url}\"\n"));
    format!("# what there is\nservers:\n{}", lines.collect::<String>())
}

/// An address where nobody listens.
pub(crate) fn nowhere() -> String {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", taken.local_addr().unwrap())
}
