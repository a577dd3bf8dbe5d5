//! A desk on a port, and the page's side of it.

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use longshore_client::{Fleet, FleetConfig, ServerConfig};
use longshore_config::{Config, Loaded, Problems, Sources};
use longshore_core::Error;
use longshore_desk::{Desk, DeskOptions, House};
use longshore_server::{Server, ServerOptions};
use longshore_sim::{Latency, Model, Rule, Simulator};
use serde_json::{Value, json};

const TOKEN: &str = "a-token-for-tests-that-is-long-enough";

/// A page at a desk. The desk ends with it.
pub(crate) struct Page {
    pub(crate) desk: Desk,
    address: String,
    serving: tokio::task::JoinHandle<bool>,
}

impl Drop for Page {
    fn drop(&mut self) {
        self.desk.close();
        self.serving.abort();
    }
}

/// The servers that a test has.
struct Servers(Vec<ServerConfig>);

impl House for Servers {
    fn load(&self, text: Option<&str>) -> Result<Loaded, Problems> {
        Config::load(text.into_iter().fold(Sources::new(), |sources, text| sources.file("longshore.yaml", text)))
    }

    fn build(&self, _: &Config) -> Result<Fleet, Error> {
        Fleet::builder(FleetConfig { servers: self.0.clone(), ..FleetConfig::default() }).build()
    }

    fn measured(&self, config: &Config, _: usize) -> Result<Fleet, Error> {
        self.build(config)
    }
}

/// A server with the model `m`, whose tokens come so far apart.
pub(crate) async fn sim(itl: Duration, rules: impl IntoIterator<Item = Rule>) -> Simulator {
    let latency = Latency { itl: itl.into(), ..Latency::default() };
    let builder = Simulator::builder().model(Model { tokens: 200, ..Model::chat("m") }).latency(latency);
    rules.into_iter().fold(builder, |builder, rule| builder.rule(rule)).start().await.unwrap()
}

/// A simulator as a server of this name.
pub(crate) fn server(name: &str, sim: &Simulator) -> ServerConfig {
    ServerConfig { rest: Some(sim.url()), ..ServerConfig::new(name) }
}

impl Page {
    /// A desk over these servers, with its data here and these settings.
    pub(crate) async fn open(folder: &Path, servers: Vec<ServerConfig>, settings: Option<&str>) -> Self {
        let house = Servers(servers);
        let loaded = house.load(settings).map_err(|problems| problems.to_string()).unwrap();
        let options = DeskOptions {
            token: TOKEN.into(),
            hosts: Vec::new(),
            data_folder: folder.to_owned(),
            config_file: None,
            new_config_file: folder.join("longshore.yaml"),
            loaded,
            engine: false,
            version: "0",
            house: Arc::new(house),
        };
        let desk = Desk::open(options).unwrap();
        let server = Server::bind(ServerOptions::new(([127, 0, 0, 1], 0).into())).await.unwrap();
        let server = server.with_site(desk.site(1 << 20));
        let address = server.local_addr().unwrap().to_string();
        desk.listens_on(&server.url());
        let serving = tokio::spawn(server.serve(desk.gateway(), std::future::pending()));
        Self { desk, address, serving }
    }

    /// Asks what stands under this path of the whole server.
    pub(crate) async fn request(&self, method: Method, path: &str, body: Bytes) -> Response<Incoming> {
        let stream = tokio::net::TcpStream::connect(&self.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let media_type = if body.starts_with(b"\x93NUMPY") { "application/octet-stream" } else { "application/json" };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.address)
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("content-type", media_type)
            .body(Full::new(body))
            .unwrap();
        sender.send_request(request).await.unwrap()
    }

    /// Status and body of a route of the API.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let response = self.request(method, &format!("/desk/api/{path}"), body).await;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or_else(|_| String::from_utf8_lossy(&body).into_owned().into()))
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(Method::GET, path, Value::Null).await;
        assert_eq!(status, 200, "GET {path}: {body}");
        body
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(Method::POST, path, body).await;
        assert!((200..300).contains(&status), "POST {path}: {status} {answer}");
        answer
    }

    /// A new conversation's id.
    pub(crate) async fn conversation(&self) -> String {
        text(&self.post("conversations", json!({})).await["id"])
    }

    /// Asks below `parent`; gives the person's message and the answer.
    pub(crate) async fn say(&self, conversation: &str, parent: Value, content: &str, target: Value) -> (Value, Value) {
        let ask = json!({ "parent": parent, "content": content, "targets": [target] });
        let mut begun = self.post(&format!("conversations/{conversation}/ask"), ask).await;
        (begun["message"].take(), begun["answers"][0].take())
    }

    /// The events of an answer as they come.
    pub(crate) async fn follow(&self, answer: &Value) -> Following {
        let path = format!("/desk/api/answers/{}/events", text(&answer["id"]));
        let response = self.request(Method::GET, &path, Bytes::new()).await;
        assert_eq!(response.status(), 200);
        Following { body: response.into_body(), read: String::new() }
    }

    /// All events of an answer, to its end.
    pub(crate) async fn events(&self, answer: &Value) -> Vec<(String, Value)> {
        let mut following = self.follow(answer).await;
        let mut events = Vec::new();
        while let Some(event) = following.next().await {
            events.push(event);
        }
        events
    }

    /// The message that an answer has become.
    pub(crate) async fn done(&self, answer: &Value) -> Value {
        let (name, message) = self.events(answer).await.pop().unwrap();
        assert_eq!(name, "done");
        message
    }
}

/// A stream of events that is being read.
pub(crate) struct Following {
    body: Incoming,
    read: String,
}

impl Following {
    /// The next event; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                let event = field("event:").map(|name| (name.to_owned(), field("data:").unwrap_or("null").to_owned()));
                self.read = rest.to_owned();
                match event {
                    Some((name, data)) => return Some((name, serde_json::from_str(&data).unwrap())),
                    None => continue,
                }
            }
            let frame = tokio::time::timeout(Duration::from_secs(30), self.body.frame()).await.unwrap()?;
            self.read += std::str::from_utf8(&frame.unwrap().into_data().unwrap_or_default()).unwrap();
        }
    }

    /// Reads on until an event of this name.
    pub(crate) async fn until(&mut self, name: &str) -> Value {
        while let Some((event, data)) = self.next().await {
            if event == name {
                return data;
            }
        }
        panic!("the stream ended without `{name}`");
    }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// Waits until `look` gives something; what never comes is a failure, not a hang.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let poll = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), poll).await.unwrap_or_else(|_| panic!("never happened: {what}"))
}
