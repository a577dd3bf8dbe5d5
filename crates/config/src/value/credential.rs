//! Secrets: [`Secret`], which never prints, and [`Credential`], which says where one is kept.
//!
//! The configuration holds credentials, never secrets. A credential is resolved when it is needed.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use serde::{Serialize, Serializer};

use super::basic::VariableName;
use crate::section::section;

/// The largest file that [`Credential::resolve`] reads. Bearer tokens are a few KiB at most.
pub const MAX_SECRET_BYTES: usize = 64 * 1024;

/// Text that must not be seen. It prints and serialises as `[redacted]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

const REDACTED: &str = "[redacted]";

impl Secret {
    /// Hides the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, to be sent or compared; never to be logged.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

section! {
    secret
    /// Where a secret is kept: exactly one of `env` and `file`. The secret itself is never written in the configuration.
    pub struct Credential {
        /// The environment variable that holds it.
        env: Option<VariableName> = None, example "GPU_TOKEN";
        /// The file that holds it: at most 64 KiB of text, a line break at its end is ignored. Best readable by its owner only.
        file: Option<PathBuf> = None, example "/run/secrets/gpu-token";
    }
}

impl Credential {
    /// The secret in an environment variable; `None` if the text cannot be a variable's name.
    pub fn from_env(variable: &str) -> Option<Self> {
        Some(Self { env: Some(VariableName::new(variable)?), file: None })
    }

    /// The secret in a file.
    pub fn from_file(path: impl Into<PathBuf>) -> Self {
        Self { env: None, file: Some(path.into()) }
    }

    /// Fetches the secret: from a variable by `lookup`, from a file by reading it (which blocks).
    ///
    /// # Errors
    /// The secret is not there, is empty, is too large or is not text.
    pub fn resolve(&self, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Secret, CredentialError> {
        match (&self.env, &self.file) {
            (Some(variable), _) => from_variable(variable.as_str(), lookup),
            (None, Some(path)) => from_file(path),
            (None, None) => Err(CredentialError::Nowhere),
        }
    }
}

/// Why a secret could not be fetched. No variant holds any part of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// The variable does not exist.
    #[error("the environment variable {variable} is not set")]
    Unset {
        /// Its name.
        variable: String,
    },
    /// There is nothing in it.
    #[error("{place} is empty")]
    Empty {
        /// The variable or the file.
        place: String,
    },
    /// The file could not be read.
    #[error("the file {} could not be read", path.display())]
    Unreadable {
        /// Its path.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file is larger than [`MAX_SECRET_BYTES`].
    #[error("the file {} is larger than {} KiB, which no secret is", path.display(), MAX_SECRET_BYTES / 1024)]
    TooLarge {
        /// Its path.
        path: PathBuf,
    },
    /// It is not UTF-8, or holds control characters, which no header can carry.
    #[error("{place} is not a single line of text")]
    NotText {
        /// The variable or the file.
        place: String,
    },
    /// The credential names neither a variable nor a file.
    #[error("the credential names no variable and no file")]
    Nowhere,
}

fn from_variable(variable: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Secret, CredentialError> {
    let text = lookup(variable).ok_or_else(|| CredentialError::Unset { variable: variable.to_owned() })?;
    checked(&text, format!("the environment variable {variable}"))
}

fn from_file(path: &PathBuf) -> Result<Secret, CredentialError> {
    let unreadable = |source| CredentialError::Unreadable { path: path.clone(), source };
    let place = format!("the file {}", path.display());
    let mut bytes = Vec::new();
    let limit = MAX_SECRET_BYTES as u64 + 1;
    File::open(path).map_err(unreadable)?.take(limit).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > MAX_SECRET_BYTES {
        return Err(CredentialError::TooLarge { path: path.clone() });
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => checked(text, place),
        Err(_) => Err(CredentialError::NotText { place }),
    }
}

fn checked(text: &str, place: String) -> Result<Secret, CredentialError> {
    let text = text.trim_end_matches(['\n', '\r']);
    if text.trim().is_empty() {
        return Err(CredentialError::Empty { place });
    }
    if text.chars().any(char::is_control) {
        return Err(CredentialError::NotText { place });
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints() {
        let secret = Secret::new("hunter2");
        let seen = format!("{secret} {secret:?} {} {:?}", serde_json::to_string(&secret).unwrap(), [&secret]);
        assert!(!seen.contains("hunter2"), "{seen}");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn variables_resolve_through_the_lookup() {
        let lookup = |name: &str| match name {
            "GOOD" => Some("abc".to_owned()),
            "EMPTY" => Some(String::new()),
            "LINES" => Some("a\nb".to_owned()),
            _ => None,
        };
        let check = |variable: &str, expected: Result<&str, &str>| {
            let result = Credential::from_env(variable).unwrap().resolve(&lookup);
            let result = result.map(|secret| secret.expose().to_owned()).map_err(|error| error.to_string());
            assert_eq!(result, expected.map(ToOwned::to_owned).map_err(ToOwned::to_owned));
        };
        check("GOOD", Ok("abc"));
        check("EMPTY", Err("the environment variable EMPTY is empty"));
        check("LINES", Err("the environment variable LINES is not a single line of text"));
        check("MISSING", Err("the environment variable MISSING is not set"));
    }

    #[test]
    fn files_resolve_without_their_line_break() {
        let folder = tempfile::tempdir().unwrap();
        let check = |name: &str, bytes: &[u8], expected: Result<&str, &str>| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            match (Credential::from_file(&path).resolve(&|_| None), expected) {
                (Ok(secret), Ok(text)) => assert_eq!(secret.expose(), text),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (result, _) => panic!("{name}: {result:?}"),
            }
        };
        check("unix", b"abc\n", Ok("abc"));
        check("windows", b"abc\r\n", Ok("abc"));
        check("empty", b"\n", Err("is empty"));
        check("binary", &[0xff, 0xfe], Err("not a single line"));
        check("large", &vec![b'a'; MAX_SECRET_BYTES + 1], Err("larger than 64 KiB"));
        check("largest", &vec![b'a'; MAX_SECRET_BYTES], Ok(&"a".repeat(MAX_SECRET_BYTES)));
        let missing = Credential::from_file(folder.path().join("missing")).resolve(&|_| None);
        assert!(matches!(missing, Err(CredentialError::Unreadable { .. })));
    }
}
