//! Bytes that mean harm: neither half panics, whatever comes.

use http::{Method, Request, header::CONTENT_TYPE};
use longshore_core::dialect::DIALECTS;
use proptest::{prelude::*, sample::Index};

use super::{Exchange, exchanges, support::decode_pieces};

const TYPES: [&str; 6] = [
    "application/json",
    "text/event-stream",
    "application/grpc",
    "application/problem+json",
    "text/html",
    "application/x-ndjson",
];

/// Changes of a good body: a place, and what stands there then.
type Changes = Vec<(Index, Vec<u8>)>;

fn changed(good: &[u8], changes: &Changes) -> Vec<u8> {
    let mut body = good.to_vec();
    for (place, bytes) in changes {
        let place = place.index(body.len() + 1);
        let end = (place + bytes.len() / 2).min(body.len());
        body.splice(place..end, bytes.iter().copied());
    }
    body
}

/// Mostly what JSON is made of, which leads further in than noise.
fn changes() -> impl Strategy<Value = Changes> {
    let word = prop_oneof![
        "[\\[\\]{}\",:0-9e.-]{0,4}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..6),
        prop::sample::select(vec!["null", "-1", "1e999", "\"\"", "[]", "{}", "99999999999999999999", "\\ud800"])
            .prop_map(|word| word.as_bytes().to_vec()),
    ];
    prop::collection::vec((any::<Index>(), word), 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn replies_of_noise_are_survived(
        which: Index, body: Vec<u8>, status in prop::sample::select(vec![200_u16, 204, 400, 404, 429, 500, 503]),
        media_type in prop::sample::select(&TYPES[..]), piece in 1..32_usize,
    ) {
        let exchanges = all();
        let Exchange { dialect, call, peer, .. } = which.get(exchanges);
        let head = super::support::head(status, &[("content-type", media_type)]);
        let _ = decode_pieces(*dialect, call, peer, &head, body.chunks(piece), None);
    }

    #[test]
    fn replies_with_changes_are_survived(which: Index, changes in changes(), with_trailers: bool, piece in 1..64_usize) {
        let exchanges = all();
        let Exchange { dialect, call, peer, written, .. } = which.get(exchanges);
        let body = changed(&written.body, &changes);
        let trailers = written.trailers.as_ref().filter(|_| with_trailers);
        let _ = decode_pieces(*dialect, call, peer, &written.head, body.chunks(piece), trailers);
    }

    #[test]
    fn requests_with_changes_are_survived(
        which: Index, path_changes in changes(), body_changes in changes(), method_changes: bool,
    ) {
        let exchanges = all();
        let Exchange { dialect, call, peer, .. } = which.get(exchanges);
        let (mut head, body) = dialect.encode_call(call, peer).unwrap().into_parts();
        let path = changed(head.uri.to_string().as_bytes(), &path_changes);
        if let Ok(uri) = http::Uri::try_from(path) {
            head.uri = uri;
        }
        if method_changes {
            head.method = if head.method == Method::GET { Method::POST } else { Method::GET };
        }
        let body = changed(&body, &body_changes);
        for &dialect in DIALECTS.iter().filter(|dialect| dialect.route(&head).is_some()) {
            let _ = super::receive(dialect, Request::from_parts(head.clone(), body.clone().into()));
        }
    }

    #[test]
    fn requests_of_noise_are_survived(path in "/[ -~]{0,40}", body: Vec<u8>, post: bool) {
        let method = if post { Method::POST } else { Method::GET };
        let request = Request::builder().method(method).uri(path).header(CONTENT_TYPE, TYPES[0]).body(());
        let Ok(request) = request else { return Ok(()) };
        let head = request.into_parts().0;
        for &dialect in DIALECTS.iter().filter(|dialect| dialect.route(&head).is_some()) {
            let _ = super::receive(dialect, Request::from_parts(head.clone(), body.clone().into()));
        }
    }
}

thread_local! {
    static ALL: &'static [Exchange] = Vec::leak(exchanges().collect());
}

/// Made once: the properties only look at them.
fn all() -> &'static [Exchange] {
    ALL.with(|all| *all)
}
