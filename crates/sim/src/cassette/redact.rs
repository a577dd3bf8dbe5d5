//! Keeping secrets off a cassette: [`Secrets`] learns them where they are known to stand, and takes them out wherever
//! they are.
//!
//! A header or query parameter of a name in the tables below loses its value. The value is a secret from then on, as are
//! the words in it (the token after `Bearer`, the password in `Basic`, the value of a cookie) and JSON fields of such
//! names; it is taken out of all other headers, the target and bodies. In bodies each of its bytes becomes `*`, so that
//! no length in them (and in gRPC and Protobuf there are many) comes to be wrong. A secret of less than eight bytes would
//! be found in innocent words: it is taken out only where it is the whole of a header or of a JSON string.
//!
//! Compressed bodies are not unpacked, so not searched either.

use std::{collections::VecDeque, ops::Range};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::format::Headers;

/// Headers whose value is a secret.
const HEADERS: &[&str] = &[
    "api-key",
    "authorization",
    "cookie",
    "ocp-apim-subscription-key",
    "proxy-authorization",
    "set-cookie",
    "x-amz-security-token",
    "x-api-key",
    "x-auth-token",
    "x-goog-api-key",
];

/// JSON fields whose value is a secret, in lower case, without `-` and `_`.
const FIELDS: &[&str] = &[
    "accesstoken",
    "apikey",
    "authorization",
    "clientsecret",
    "idtoken",
    "password",
    "refreshtoken",
    "secret",
    "xapikey",
];

/// Query parameters beyond those of [`FIELDS`]; in JSON these words mean other things.
const PARAMETERS: &[&str] = &["key", "sig", "signature", "token"];

/// What stands for a secret outside bodies.
const REDACTED: &str = "[redacted]";
/// The same in a target, where brackets may not stand.
const REDACTED_IN_TARGET: &str = "redacted";

/// From this length on, bytes, a secret is searched for everywhere.
const LONG: usize = 8;

/// The number of secrets that are remembered; then the oldest make room.
const REMEMBERED: usize = 256;

/// The secrets that are known.
#[derive(Clone, Default)]
pub(super) struct Secrets(VecDeque<Vec<u8>>);

impl Secrets {
    /// What the headers give away.
    pub(super) fn learn_headers(&mut self, headers: &HeaderMap) {
        for (name, value) in headers.iter().filter(|(name, _)| secret_header(name)) {
            let value = value.as_bytes().trim_ascii();
            match name.as_str() {
                "cookie" => value.split(|byte| *byte == b';').for_each(|cookie| self.learn_cookie(cookie)),
                "set-cookie" => value.split(|byte| *byte == b';').take(1).for_each(|cookie| self.learn_cookie(cookie)),
                _ => {}
            }
            if let Some(space) = value.iter().position(|byte| *byte == b' ') {
                let (scheme, token) = (&value[..space], value[space..].trim_ascii());
                self.learn(token);
                if scheme.eq_ignore_ascii_case(b"basic")
                    && let Ok(pair) = STANDARD.decode(token)
                    && let Some(colon) = pair.iter().position(|byte| *byte == b':')
                {
                    self.learn(&pair[colon + 1..]);
                }
            }
            self.learn(value);
        }
    }

    fn learn_cookie(&mut self, cookie: &[u8]) {
        if let Some(equals) = cookie.iter().position(|byte| *byte == b'=') {
            self.learn(cookie[equals + 1..].trim_ascii().trim_ascii_start());
        }
    }

    /// What the query gives away.
    pub(super) fn learn_target(&mut self, target: &str) {
        for (_, value) in parameters(target).filter(|(name, _)| secret_parameter(name)) {
            let value = &target[value];
            self.learn(value.as_bytes());
            self.learn(&percent_decode_str(value).collect::<Vec<_>>());
        }
    }

    /// What a JSON body gives away; others give nothing.
    pub(super) fn learn_body(&mut self, body: &[u8]) {
        if body.first().is_some_and(|byte| matches!(byte, b'{' | b'[' | b' ' | b'\n'))
            && let Ok(value) = serde_json::from_slice(body)
        {
            self.learn_fields(&value);
        }
    }

    fn learn_fields(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, value)| match value {
                Value::String(text) if secret_field(name) => self.learn(text.as_bytes()),
                _ => self.learn_fields(value),
            }),
            Value::Array(values) => values.iter().for_each(|value| self.learn_fields(value)),
            _ => {}
        }
    }

    fn learn(&mut self, secret: &[u8]) {
        if secret.is_empty() || secret.iter().all(|byte| *byte == b'*') || secret == REDACTED.as_bytes() {
            return;
        }
        let mut forms = vec![secret.to_vec()];
        // As it is written in a JSON string, with the slash escaped or not.
        if let Some(text) = std::str::from_utf8(secret).ok().and_then(|text| serde_json::to_string(text).ok()) {
            let text = text[1..text.len() - 1].to_owned();
            forms.extend([text.replace('/', "\\/").into_bytes(), text.into_bytes()]);
        }
        for form in forms {
            if !self.0.contains(&form) {
                self.0.push_back(form);
            }
        }
        while self.0.len() > REMEMBERED {
            self.0.pop_front();
        }
    }

    /// The headers without secrets.
    pub(super) fn headers(&self, headers: &HeaderMap) -> Headers {
        let mut kept = Headers::default();
        for (name, value) in headers {
            let value = match secret_header(name) {
                true => REDACTED.as_bytes().to_vec(),
                false => self.replaced(value.as_bytes(), REDACTED),
            };
            kept.push(name, &value);
        }
        kept
    }

    /// Path and query without secrets.
    pub(super) fn target(&self, target: &str) -> String {
        let mut kept = target.to_owned();
        let found: Vec<_> = segments(target).chain(parameters(target)).collect();
        for (name, range) in found.into_iter().rev() {
            let decoded: Vec<_> = percent_decode_str(&target[range.clone()]).collect();
            if secret_parameter(name) || self.replaced(&decoded, "") != decoded {
                kept.replace_range(range, REDACTED_IN_TARGET);
            }
        }
        // Its bytes were text, and so are those that remain.
        String::from_utf8_lossy(&self.replaced(kept.as_bytes(), REDACTED_IN_TARGET)).into_owned()
    }

    fn replaced(&self, value: &[u8], by: &str) -> Vec<u8> {
        if self.0.iter().any(|secret| secret == value) {
            return by.as_bytes().to_vec();
        }
        let found = merged(self.found(value, |secret| secret.len() >= LONG));
        let (mut kept, mut at) = (Vec::new(), 0);
        for range in found {
            kept.extend_from_slice(&value[at..range.start]);
            kept.extend_from_slice(by.as_bytes());
            at = range.end;
        }
        kept.extend_from_slice(&value[at..]);
        kept
    }

    /// Puts a `*` in place of each byte of a secret.
    pub(super) fn blot(&self, body: &mut [u8]) {
        let mut found = self.found(body, |secret| secret.len() >= LONG);
        for secret in self.0.iter().filter(|secret| secret.len() < LONG) {
            let quoted = [b"\"", secret.as_slice(), b"\""].concat();
            found.extend(occurrences(body, &quoted).map(|at| at + 1..at + 1 + secret.len()));
        }
        for range in found {
            body[range].fill(b'*');
        }
    }

    fn found(&self, bytes: &[u8], which: impl Fn(&[u8]) -> bool) -> Vec<Range<usize>> {
        let secrets = self.0.iter().filter(|secret| which(secret));
        secrets.flat_map(|secret| occurrences(bytes, secret).map(|at| at..at + secret.len())).collect()
    }
}

fn secret_header(name: &HeaderName) -> bool {
    HEADERS.contains(&name.as_str())
}

fn secret_field(name: &str) -> bool {
    FIELDS.contains(&plain(name).as_str())
}

fn secret_parameter(name: &str) -> bool {
    let name = plain(name);
    FIELDS.contains(&name.as_str()) || PARAMETERS.contains(&name.as_str())
}

fn plain(name: &str) -> String {
    name.chars().filter(|char| !matches!(char, '-' | '_')).collect::<String>().to_ascii_lowercase()
}

/// Where the segments of the path stand in the target; they have no names.
fn segments(target: &str) -> impl Iterator<Item = (&str, Range<usize>)> {
    let mut at = 0;
    target.split('?').take(1).flat_map(|path| path.split('/')).map(move |segment| {
        let here = at;
        at += segment.len() + 1;
        ("", here..here + segment.len())
    })
}

/// Names of the query's parameters, and where their values stand in the target.
fn parameters(target: &str) -> impl Iterator<Item = (&str, Range<usize>)> {
    let begin = target.find('?').map_or(target.len(), |at| at + 1);
    let mut at = begin;
    target[begin..].split('&').filter_map(move |pair| {
        let here = at;
        at += pair.len() + 1;
        let (name, value) = pair.split_once('=')?;
        let start = here + name.len() + 1;
        Some((name, start..start + value.len()))
    })
}

/// Where the part begins, also where it overlaps with itself.
fn occurrences<'a>(bytes: &'a [u8], part: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let last = (bytes.len() + 1).saturating_sub(part.len());
    let begins = part.first().map_or(&[][..], |_| &bytes[..last]);
    begins
        .iter()
        .enumerate()
        .filter(|(_, byte)| part.first() == Some(byte))
        .map(|(at, _)| at)
        .filter(move |&at| bytes[at..].starts_with(part))
}

/// The same places, in order, without overlaps.
fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(before) if range.start <= before.end => before.end = before.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(name: &'static str, value: &'static str) -> Secrets {
        let mut secrets = Secrets::default();
        let headers = [(HeaderName::from_static(name), HeaderValue::from_static(value))];
        secrets.learn_headers(&headers.into_iter().collect());
        secrets
    }

    #[test]
    fn headers_are_tables_of_secrets() {
        let check = |name, value, body: &str, expected: &str| {
            let mut bytes = body.as_bytes().to_vec();
            of(name, value).blot(&mut bytes);
            assert_eq!(String::from_utf8(bytes).unwrap(), expected, "{name}: {value}");
        };
        check("authorization", "Bearer abcdefgh", "xabcdefghy", "x********y");
        check("authorization", "Bearer abc", r#"abc "abc" "abcd""#, r#"abc "***" "abcd""#);
        check("authorization", "Basic bWU6c2VjcmV0LXdvcmQ=", "secret-word", "***********");
        check("x-api-key", "a/b/c/d/e/f", r#""a\/b\/c\/d\/e\/f""#, r#""****************""#);
        check("cookie", "a=12345678; b=abcdefgh", "12345678 abcdefgh", "******** ********");
        check("set-cookie", "a=12345678; Path=/somewhere", "12345678 /somewhere", "******** /somewhere");
        check("accept", "abcdefghi", "abcdefghi", "abcdefghi");
        check("x-api-key", "aaaaaaaa", "aaaaaaaaaa", "**********");
        check("x-api-key", "longer than the body", "x", "x");
    }

    #[test]
    fn targets_and_headers_lose_theirs() {
        let mut secrets = of("x-api-key", "canary/42");
        let check = |secrets: &Secrets, target: &str, expected: &str| assert_eq!(secrets.target(target), expected);
        check(&secrets, "/v1?a=b", "/v1?a=b");
        check(&secrets, "/v1?Api-Key=1&a=b&token=&key=3", "/v1?Api-Key=redacted&a=b&token=redacted&key=redacted");
        check(&secrets, "/v1?other=canary%2F42&x", "/v1?other=redacted&x");
        check(&secrets, "/canary/42/x", "/redacted/x");
        check(&secrets, "/a/canary%2F42?x=1", "/a/redacted?x=1");
        secrets.learn_target("/?key=of-the%20query");
        let headers = [("x-api-key", "y"), ("referer", "at canary/42canary/42 of-the query"), ("accept", "*/*")];
        let headers = headers.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let kept = secrets.headers(&headers.into_iter().collect());
        let values: Vec<_> = kept.0.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, ["[redacted]", "at [redacted] [redacted]", "*/*"]);
    }

    #[test]
    fn json_fields_lose_theirs() {
        let mut secrets = Secrets::default();
        let body = br#"{"a":[{"api_key":"one"}],"Password":"a\"b","token":"word"}"#;
        secrets.learn_body(body);
        let mut blotted = body.to_vec();
        secrets.blot(&mut blotted);
        let expected = r#"{"a":[{"api_key":"***"}],"Password":"****","token":"word"}"#;
        assert_eq!(String::from_utf8(blotted).unwrap(), expected);
    }
}
