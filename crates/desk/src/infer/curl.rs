//! A request as a line for a shell: [`line`](fn@line).
//!
//! It is the request that the fleet would send, byte for byte, but for the credential, which stands as a variable. A body
//! that is no text goes in as base64; one for gRPC gets the five bytes before it that gRPC's framing has.

use base64::{Engine, engine::general_purpose::STANDARD};
use longshore_client::Preview;
use longshore_core::Protocol;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A longer body would make a line that shells refuse.
const LONGEST: usize = 64 << 10;

/// A request as a line for a shell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Curl {
    /// The line; `null` where there is none.
    pub curl: Option<String>,
    /// What is to be known about it, or why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The line for this request.
pub fn line(preview: &Preview) -> Curl {
    let request = &preview.request;
    let (body, is_grpc) = (request.body(), preview.route.protocol == Protocol::Grpc);
    let mut words = vec!["curl -sS".to_owned()];
    let mut notes = Vec::new();
    if is_grpc {
        words.push("--http2-prior-knowledge --output -".into());
        notes.push("the answer is a gRPC message: five bytes, and then protobuf");
    }
    words.push(format!("-X {} {}", request.method(), quoted(&request.uri().to_string())));
    // What curl says of itself is its own affair.
    let own = ["user-agent", "accept-encoding", "grpc-timeout", "host", "content-length"];
    for (name, value) in request.headers().iter().filter(|(name, _)| !own.contains(&name.as_str())) {
        words.push(format!("-H {}", quoted(&format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))));
    }
    if preview.authorised {
        words.push("-H \"Authorization: Bearer $TOKEN\"".into());
        notes.push("put the server's token into the variable TOKEN");
    }
    if body.len() > LONGEST {
        let note = format!("the body has {} bytes, which is too much for a line", body.len());
        return Curl { curl: None, note: Some(note) };
    }
    let mut before = String::new();
    match std::str::from_utf8(body) {
        _ if is_grpc => {
            let framed = [&[0][..], &(body.len() as u32).to_be_bytes(), body].concat();
            before = piped(&framed);
            words.push("--data-binary @-".into());
        }
        Ok("") => {}
        Ok(text) if !text.contains('\0') => words.push(format!("--data-raw {}", quoted(text))),
        _ => {
            before = piped(body);
            words.push("--data-binary @-".into());
            notes.push("the body is not all text: it goes in as base64");
        }
    }
    let note = (!notes.is_empty()).then(|| notes.join("; "));
    Curl { curl: Some(before + &words.join(" \\\n  ")), note }
}

fn piped(bytes: &[u8]) -> String {
    format!("printf %s {} | base64 -d | ", quoted(&STANDARD.encode(bytes)))
}

/// A word in which a POSIX shell finds nothing to interpret.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Request;
    use longshore_core::Route;

    use super::*;

    fn preview(protocol: Protocol, body: &'static [u8], authorised: bool) -> Preview {
        let request = Request::post("http://h:1/v2/infer").header("content-type", "application/json");
        let request = request.header("user-agent", "x").body(Bytes::from_static(body)).unwrap();
        let route = Route { server: "s".into(), endpoint: "http://h:1".into(), protocol, dialect: "oip-rest" };
        Preview { route, request, authorised }
    }

    fn words(preview: &Preview) -> String {
        line(preview).curl.unwrap().replace(" \\\n  ", " ")
    }

    #[test]
    fn a_text_is_quoted() {
        assert_eq!(
            words(&preview(Protocol::Rest, b"{\"a\": \"it's $HOME\"}", true)),
            "curl -sS -X POST 'http://h:1/v2/infer' -H 'content-type: application/json' \
             -H \"Authorization: Bearer $TOKEN\" --data-raw '{\"a\": \"it'\\''s $HOME\"}'"
        );
    }

    #[test]
    fn bytes_go_in_as_base64() {
        let rest = words(&preview(Protocol::Rest, b"\xff\x00", false));
        assert!(
            rest.starts_with("printf %s '/wA=' | base64 -d | curl") && rest.ends_with("--data-binary @-"),
            "{rest}"
        );
        let grpc = words(&preview(Protocol::Grpc, b"\x01", false));
        assert!(grpc.starts_with(&format!("printf %s '{}'", STANDARD.encode([0, 0, 0, 0, 1, 1]))), "{grpc}");
        assert!(line(&preview(Protocol::Rest, &[b'x'; LONGEST + 1], false)).curl.is_none());
    }
}
