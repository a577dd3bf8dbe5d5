//! Changing the configuration file while everything runs: [`Desk::change`].
//!
//! The file is edited where a setting stands and nowhere else, so comments and layout stay. Before anything is written the
//! whole is read as at the start, compared with what was asked, and a fleet is built of it; only then is the file put in
//! its place and the fleet swapped. Calls under way end where they began.

mod apply;
mod edit;

pub(crate) use edit::Edit;

/// Settings that only a new start puts into effect.
pub(crate) fn needs_restart(path: &str) -> bool {
    const SECTIONS: [&str; 3] = ["gateway", "logging", "metrics"];
    let section = path.split(['.', '[']).next().unwrap_or_default();
    SECTIONS.contains(&section) || path == "engine.threads"
}
