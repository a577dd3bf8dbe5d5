//! The attempts behind a reply, and other words of ours, as headers.

use std::borrow::Cow;

use http::{HeaderValue, header::CACHE_CONTROL, request::Parts};
use longshore_core::{Attempt, CacheStatus, call::CacheUse};

/// A ledger longer than this would be refused by some clients as a header.
const LEDGER_BYTES: usize = 4 << 10;

/// The attempts that were made, as JSON in one header; the latest ones if not all fit.
pub(crate) fn put_ledger(ledger: &[Attempt], headers: &mut http::HeaderMap) {
    for first in 0..ledger.len() {
        let Ok(text) = serde_json::to_string(&ledger[first..]) else { return };
        let text = header_text(&text);
        if text.len() <= LEDGER_BYTES {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert("longshore-ledger", value);
            }
            return;
        }
    }
}

/// What a response cache did, as the header `longshore-cache`.
pub(crate) fn put_cache(cache: Option<CacheStatus>, headers: &mut http::HeaderMap) {
    if let Some(value) = cache.and_then(|cache| HeaderValue::from_str(&cache.to_string()).ok()) {
        headers.insert("longshore-cache", value);
    }
}

/// What a request allows a response cache to do. Source: RFC 9111, section 5.2.1; the other directives speak of ages,
/// which the configuration decides.
pub(crate) fn cache_use(head: &Parts) -> CacheUse {
    let values = head.headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let directives: Vec<_> = values.flat_map(|value| value.split(',')).map(|word| word.trim().to_lowercase()).collect();
    match directives {
        words if words.iter().any(|word| word == "no-store") => CacheUse::Never,
        words if words.iter().any(|word| word == "no-cache") => CacheUse::Refresh,
        _ => CacheUse::Allowed,
    }
}

/// Text as a header may carry it: what is not printable ASCII is written as JSON would escape it.
pub(crate) fn header_text(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut units = [0; 2];
    for char in text.chars() {
        if matches!(char, ' '..='~') {
            out.push(char);
        } else {
            for unit in char.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use longshore_core::{Error, ErrorKind, Route, capability::OpKind};
    use serde_json::json;

    use super::*;

    #[test]
    fn header_text_is_ascii_and_still_json() {
        let json = json!({"a": "naïve 🦀\u{7}"}).to_string();
        let text = header_text(&json);
        assert!(HeaderValue::from_str(&text).is_ok());
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["a"], "naïve 🦀\u{7}");
    }

    #[test]
    fn requests_say_what_a_cache_may_do() {
        for (values, expected) in [
            (&[][..], CacheUse::Allowed),
            (&["max-age=0"], CacheUse::Allowed),
            (&["No-Cache"], CacheUse::Refresh),
            (&["no-cache", "max-age=0, NO-STORE"], CacheUse::Never),
        ] {
            let request =
                values.iter().fold(http::Request::builder(), |request, value| request.header(CACHE_CONTROL, *value));
            assert_eq!(cache_use(&request.body(()).unwrap().into_parts().0), expected, "{values:?}");
        }
        let mut headers = http::HeaderMap::new();
        put_cache(Some(CacheStatus::Bypassed("why")), &mut headers);
        assert_eq!(headers["longshore-cache"], "bypassed(why)");
    }

    #[test]
    fn a_long_ledger_keeps_its_latest_attempts() {
        let attempt = |n: usize| Attempt {
            error: Some(Error::new(ErrorKind::Server, "x".repeat(1000))),
            ..Attempt::new(Route::in_process(format!("server-{n}")), OpKind::Chat)
        };
        let mut headers = http::HeaderMap::new();
        put_ledger(&(0..9).map(attempt).collect::<Vec<_>>(), &mut headers);
        let text = headers["longshore-ledger"].to_str().unwrap();
        assert!(text.len() <= LEDGER_BYTES && text.contains("server-8") && !text.contains("server-1"), "{text}");
    }
}
