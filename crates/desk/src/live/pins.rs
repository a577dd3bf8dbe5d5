//! Models that a person wants to see first: [`Pins`], in a file of the data folder.

use std::{
    collections::BTreeSet,
    fs, io,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};

/// More than a person pins.
const MOST: usize = 1000;

/// A model of a server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Pin {
    server: String,
    model: String,
}

/// See the module.
pub(crate) struct Pins {
    path: PathBuf,
    pins: Mutex<BTreeSet<Pin>>,
}

impl Pins {
    /// Those in this file; none if it cannot be read.
    pub(crate) fn open(path: PathBuf) -> Self {
        let pins = fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Self { path, pins: Mutex::new(pins) }
    }

    pub(crate) fn has(&self, server: &str, model: &str) -> bool {
        self.lock().iter().any(|pin| pin.server == server && pin.model == model)
    }

    /// Pins a model or lets it go.
    ///
    /// # Errors
    /// The file cannot be written, or there are too many; nothing has changed then.
    pub(crate) fn set(&self, server: &str, model: &str, pinned: bool) -> io::Result<()> {
        let mut pins = self.lock();
        let (pin, mut changed) = (Pin { server: server.into(), model: model.into() }, pins.clone());
        if pinned {
            changed.insert(pin)
        } else {
            changed.remove(&pin)
        };
        if changed.len() > MOST {
            return Err(io::Error::other(format!("{MOST} models are pinned, which is the most")));
        }
        crate::files::replace(&self.path, &serde_json::to_vec(&changed)?)?;
        *pins = changed;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<Pin>> {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep").join("pins.json");
        let pins = Pins::open(path.clone());
        pins.set("a", "m", true).unwrap();
        pins.set("b", "m", true).unwrap();
        pins.set("b", "m", false).unwrap();
        let again = Pins::open(path);
        assert!(again.has("a", "m") && !again.has("b", "m"));
    }
}
