//! Numbers, switches, text, names, paths and socket addresses.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::{Value as Json, json};

use crate::origin::Origin;
use crate::setting::{Refusal, Scalar, ScalarKind, Written, scalar_settings};

scalar_settings!(bool, u32, f64, String, ServerName, VariableName, PathBuf, SocketAddr);

impl Scalar for bool {
    fn describe() -> ScalarKind {
        ScalarKind::new("switch", "true or false", json!({ "type": "boolean" }))
    }

    fn parse(written: &Written<'_>) -> Result<Self, Refusal> {
        let word = written.text.to_ascii_lowercase();
        match word.as_str() {
            _ if written.quoted => Err(unquote(&word)),
            "true" => Ok(true),
            "false" => Ok(false),
            "yes" | "on" | "y" | "1" => Err(Refusal::hint("write true")),
            "no" | "off" | "n" | "0" => Err(Refusal::hint("write false")),
            _ => Err(Refusal::PLAIN),
        }
    }

    fn to_json(&self) -> Json {
        (*self).into()
    }
}

impl Scalar for u32 {
    fn describe() -> ScalarKind {
        ScalarKind::new("whole number", "a whole number", json!({ "type": "integer" }))
    }

    fn parse(written: &Written<'_>) -> Result<Self, Refusal> {
        match written.text.parse() {
            Ok(number) if !written.quoted => Ok(number),
            Ok(_) => Err(unquote(written.text)),
            Err(_) => Err(Refusal::PLAIN),
        }
    }

    fn to_json(&self) -> Json {
        (*self).into()
    }
}

impl Scalar for f64 {
    fn describe() -> ScalarKind {
        ScalarKind::new("number", "a number", json!({ "type": "number" }))
    }

    fn parse(written: &Written<'_>) -> Result<Self, Refusal> {
        match written.text.parse::<f64>() {
            Ok(number) if !number.is_finite() => Err(Refusal::PLAIN),
            Ok(number) if !written.quoted => Ok(number),
            Ok(_) => Err(unquote(written.text)),
            Err(_) => Err(Refusal::PLAIN),
        }
    }

    fn to_json(&self) -> Json {
        (*self).into()
    }
}

fn unquote(text: &str) -> Refusal {
    Refusal::hint(format!("write {} without quotes", crate::problem::harmless(text)))
}

impl Scalar for String {
    fn describe() -> ScalarKind {
        ScalarKind::new("text", "text", json!({ "type": "string", "minLength": 1 }))
    }

    fn parse(written: &Written<'_>) -> Result<Self, Refusal> {
        if written.text.trim().is_empty() {
            return Err(Refusal::hint("leave the line out if there is none"));
        }
        Ok(written.text.to_owned())
    }

    fn to_json(&self) -> Json {
        self.as_str().into()
    }
}

/// The name of a server: 1 to 64 letters, digits, `-` and `_`, a letter first and no `__`, so that it can stand in a
/// variable's name and on a command line.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerName(String);

/// The name of an environment variable: letters, digits and `_`, no digit first.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VariableName(String);

macro_rules! name {
    ($ty:ident, $kind:literal, $expected:literal, $pattern:literal) => {
        impl $ty {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $ty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl Scalar for $ty {
            fn describe() -> ScalarKind {
                ScalarKind::pattern($kind, $expected, $pattern)
            }

            fn parse(written: &Written<'_>) -> Result<Self, Refusal> {
                Self::new(written.text).ok_or(Refusal::PLAIN)
            }

            fn to_json(&self) -> Json {
                self.0.as_str().into()
            }
        }
    };
}

name!(
    ServerName,
    "name",
    "a name of 1 to 64 letters, digits, \"-\" and \"_\" that begins with a letter and has no \"__\"",
    "^[A-Za-z](_?[A-Za-z0-9-])*_?$"
);
name!(
    VariableName,
    "variable name",
    "the name of an environment variable, such as GPU_TOKEN",
    "^[A-Za-z_][A-Za-z0-9_]*$"
);

impl ServerName {
    /// A name, if the text can be one.
    pub fn new(text: &str) -> Option<Self> {
        let is_tail = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let fits = text.len() <= 64 && text.starts_with(|c: char| c.is_ascii_alphabetic());
        (fits && text.chars().all(is_tail) && !text.contains("__")).then(|| Self(text.to_owned()))
    }
}

impl VariableName {
    /// A name, if the text can be one.
    pub fn new(text: &str) -> Option<Self> {
        let fits = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        (fits && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')).then(|| Self(text.to_owned()))
    }
}

impl Scalar for PathBuf {
    fn describe() -> ScalarKind {
        ScalarKind::new("path", "a path", json!({ "type": "string", "minLength": 1 }))
    }

    /// `~/` is the home directory. A relative path in the file is relative to the file's folder, so that it means the
    /// same wherever Longshore is started; from a variable or a flag it is relative to the working directory.
    fn parse(written: &Written<'_>) -> Result<Self, Refusal> {
        if written.text.trim().is_empty() || written.text.contains('\0') {
            return Err(Refusal::PLAIN);
        }
        let path = PathBuf::from(written.text);
        if let Ok(below) = path.strip_prefix("~") {
            let unknown = || Refusal::reason("the home directory is not known", "write the whole path");
            return Ok(written.home.ok_or_else(unknown)?.join(below));
        }
        Ok(match written.origin {
            Origin::File { path: file, .. } => file.parent().map_or(path.clone(), |folder| folder.join(&path)),
            _ => path,
        })
    }

    fn to_json(&self) -> Json {
        self.display().to_string().into()
    }
}

impl Scalar for SocketAddr {
    fn describe() -> ScalarKind {
        let schema = json!({ "type": "string", "pattern": "^.+:[0-9]{1,5}$" });
        ScalarKind::new("socket address", "an IP address and a port, such as 127.0.0.1:8400", schema)
    }

    fn parse(written: &Written<'_>) -> Result<Self, Refusal> {
        let text = written.text.trim();
        let numeric = text.strip_prefix("localhost:").map_or(text.to_owned(), |port| format!("127.0.0.1:{port}"));
        numeric.parse().map_err(|_| match text.strip_prefix(':').unwrap_or(text).parse::<u16>() {
            Ok(port) => Refusal::hint(format!("127.0.0.1:{port} answers this machine only, 0.0.0.0:{port} every one")),
            Err(_) => Refusal::PLAIN,
        })
    }

    fn to_json(&self) -> Json {
        self.to_string().into()
    }
}
