//! Refusals on the wire: what the dialect's own words for an error do not say.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use longshore_core::{Protocol, dialect::DIALECTS};
use longshore_server::ReplyBody;

use super::{
    Effect, RetryAfter, SimBody,
    answer::{code_of_status, refusal, status_of_code},
    apply::{Place, good},
};

/// What the dialect's own refusal does not say.
pub(super) fn refused(effect: &Effect, mut response: Response<ReplyBody>, place: Place) -> Response<SimBody> {
    if place.grpc {
        let code = match effect {
            Effect::Grpc { code, .. } => *code,
            Effect::Status { status, .. } => code_of_status(*status),
            _ => 2,
        };
        // A stream of calls has begun its reply well; here it is refused like a single call.
        let mut response = match response.headers().contains_key("grpc-status") {
            true => good(response, place),
            false => refused_stream(effect, place),
        };
        response.headers_mut().insert("grpc-status", code.into());
        // It would say another kind than the code does.
        response.headers_mut().remove("longshore-error");
        if let Effect::Status { headers, .. } = effect {
            put_headers(headers, response.headers_mut());
        }
        return response;
    }
    if let Effect::Grpc { code, .. } = effect
        && let Ok(status) = StatusCode::from_u16(status_of_code(*code))
    {
        *response.status_mut() = status;
    }
    let Effect::Status { body, headers, retry_after, .. } = effect else { return good(response, place) };
    let wait = match retry_after {
        Some(RetryAfter::Date(seconds)) => {
            Some(httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(*seconds)))
        }
        Some(RetryAfter::Text(text)) => Some(text.clone()),
        Some(RetryAfter::Seconds(_)) | None => None,
    };
    if let Some(wait) = wait {
        put_headers(&[("retry-after".to_owned(), wait)].into(), response.headers_mut());
    }
    put_headers(headers, response.headers_mut());
    match body {
        Some(body) => {
            let body = Bytes::copy_from_slice(body.as_bytes());
            response.map(|_| SimBody::whole(body).noted(place.record))
        }
        None => good(response, place),
    }
}

/// A reply that is a refusal in the words of gRPC and nothing else.
fn refused_stream(effect: &Effect, place: Place) -> Response<SimBody> {
    let mut response = Response::new(SimBody::whole(Bytes::new()).noted(place.record));
    let grpc = DIALECTS.iter().find(|dialect| dialect.protocol() == Protocol::Grpc);
    if let (Some(dialect), Some(error)) = (grpc, refusal(effect)) {
        let (anything, ()) = http::Request::new(()).into_parts();
        *response.headers_mut() = dialect.refuse(&anything, &error).into_parts().0.headers;
    }
    response
}

/// Those that are headers; a rule with others was refused.
fn put_headers(wanted: &BTreeMap<String, String>, headers: &mut HeaderMap) {
    for (name, value) in wanted {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
}
