//! Passing a request on in the dialect it came in: the same bytes, but for the model's name.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Call;

/// The body that `call` came with, if it came in `dialect` to `path`, naming the model that the call names now.
/// `None`: encode it anew.
pub(super) fn forwarded_body(call: &Call, dialect: &str, path: &str) -> Option<Bytes> {
    let origin = call.origin.as_ref().filter(|origin| origin.dialect == dialect && &*origin.path == path)?;
    let Some(model) = &call.model else { return Some(origin.body.clone()) };
    let written = serde_json::to_string(model).ok()?;
    let place = model_place(&origin.body)?;
    if origin.body[place.clone()] == *written.as_bytes() {
        return Some(origin.body.clone());
    }
    let mut body = BytesMut::with_capacity(origin.body.len() + written.len());
    body.extend_from_slice(&origin.body[..place.start]);
    body.extend_from_slice(written.as_bytes());
    body.extend_from_slice(&origin.body[place.end..]);
    Some(body.freeze())
}

/// Where the value of the top-level `model` stands in a JSON object.
fn model_place(body: &[u8]) -> Option<Range<usize>> {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        model: &'a RawValue,
    }
    let named: Named<'_> = serde_json::from_slice(body).ok()?;
    let value = named.model.get();
    let start = value.as_ptr().addr() - body.as_ptr().addr();
    Some(start..start + value.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Op, Origin, call::Chat};

    #[test]
    fn only_the_models_name_changes() {
        let check = |body: &'static str, model: &str, expected: Option<&str>| {
            let mut call = Call::new(Op::Chat(Chat::default())).model(model);
            call.origin = Some(Origin { dialect: "openai", path: "/x".into(), body: body.into() });
            assert_eq!(forwarded_body(&call, "openai", "/x").as_deref(), expected.map(str::as_bytes), "{body}");
            assert_eq!(forwarded_body(&call, "native", "/x"), None);
            assert_eq!(forwarded_body(&call, "openai", "/y"), None);
        };
        check(
            r#"{"a":1e2, "model" : "srv/m","z":[{"model":"n"}]}"#,
            "m",
            Some(r#"{"a":1e2, "model" : "m","z":[{"model":"n"}]}"#),
        );
        check(r#"{"model":"m"}"#, "m", Some(r#"{"model":"m"}"#));
        check(r#"{"model":"m","unknown":1.0}"#, "na\"ïve", Some(r#"{"model":"na\"ïve","unknown":1.0}"#));
        check(r#"{"messages":[]}"#, "m", None);
    }
}
