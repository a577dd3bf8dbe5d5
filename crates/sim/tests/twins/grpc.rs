//! A gRPC client made of the `h2` crate and protobuf by hand (KServe's `grpc_predict_v2.proto`).

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request};
use tokio::net::TcpStream;

use crate::raw::patiently;

pub(crate) const INFER: &str = "/inference.GRPCInferenceService/ModelInfer";
pub(crate) const STREAM: &str = "/inference.GRPCInferenceService/ModelStreamInfer";
pub(crate) const LOAD: &str = "/inference.GRPCInferenceService/RepositoryModelLoad";

/// What came back.
#[derive(Debug, Default)]
pub(crate) struct Got {
    pub(crate) head: HeaderMap,
    /// The body, unparsed.
    pub(crate) bytes: Bytes,
    /// The frames it came in.
    pub(crate) frames: Vec<usize>,
    /// `None`: the stream ended without trailers.
    pub(crate) trailers: Option<HeaderMap>,
    /// The stream was reset with this code.
    pub(crate) reset: Option<h2::Reason>,
}

impl Got {
    /// From the trailers, or from a head that is the whole answer.
    pub(crate) fn status(&self) -> Option<u32> {
        self.metadata("grpc-status")?.parse().ok()
    }

    pub(crate) fn metadata(&self, name: &str) -> Option<&str> {
        self.trailers.as_ref().and_then(|trailers| trailers.get(name)).or_else(|| self.head.get(name))?.to_str().ok()
    }

    /// The messages that are complete.
    pub(crate) fn messages(&self) -> Vec<Bytes> {
        let (mut messages, mut rest) = (Vec::new(), self.bytes.clone());
        while rest.len() >= 5 {
            let length = u32::from_be_bytes([rest[1], rest[2], rest[3], rest[4]]) as usize;
            if rest.len() < 5 + length {
                break;
            }
            messages.push(rest.slice(5..5 + length));
            rest = rest.slice(5 + length..);
        }
        messages
    }
}

/// Calls `path` with one message. Ends when the server has ended the stream.
pub(crate) async fn call(address: SocketAddr, path: &str, message: &[u8]) -> Got {
    patiently(try_call(address, path, message)).await
}

async fn try_call(address: SocketAddr, path: &str, message: &[u8]) -> Got {
    let socket = TcpStream::connect(address).await.unwrap();
    let (client, connection) = h2::client::handshake(socket).await.unwrap();
    tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let request = Request::post(format!("http://localhost{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap();
    let (response, mut sending) = client.send_request(request, false).unwrap();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    sending.send_data([&[0], &length[..], message].concat().into(), true).unwrap();
    let mut got = Got::default();
    let (head, mut body) = match response.await {
        Ok(response) => response.into_parts(),
        Err(error) => return Got { reset: error.reason(), ..got },
    };
    got.head = head.headers;
    let mut bytes = BytesMut::new();
    while let Some(data) = body.data().await {
        match data {
            Ok(data) => {
                let _ = body.flow_control().release_capacity(data.len());
                got.frames.push(data.len());
                bytes.extend_from_slice(&data);
            }
            Err(error) => {
                got.reset = error.reason();
                break;
            }
        }
    }
    got.bytes = bytes.freeze();
    match body.trailers().await {
        Ok(trailers) => got.trailers = trailers,
        Err(error) => got.reset = got.reset.or(error.reason()),
    }
    got
}

/// A `ModelInferRequest` for a text model.
pub(crate) fn infer_request(model: &str, text: &str) -> Vec<u8> {
    let contents = field(8, text.as_bytes());
    let input = [field(1, b"text_input"), field(2, b"BYTES"), vec![0x1A, 1, 1], field(5, &contents)].concat();
    [field(1, model.as_bytes()), field(5, &input)].concat()
}

/// A `RepositoryModelLoadRequest`.
pub(crate) fn load_request(model: &str) -> Vec<u8> {
    field(2, model.as_bytes())
}

/// A length-delimited field whose number is below 16 and whose length is below 128.
fn field(number: u8, value: &[u8]) -> Vec<u8> {
    assert!(value.len() < 128);
    [&[number << 3 | 2, u8::try_from(value.len()).unwrap()], value].concat()
}
