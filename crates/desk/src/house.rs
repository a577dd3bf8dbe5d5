//! What the desk is told by the program that it lives in: [`House`].

use std::path::PathBuf;

use longshore_client::Fleet;
use longshore_config::{Config, Loaded, Problems};
use longshore_core::Error;

/// Reads configurations and builds what they describe. Everything that needs the environment, the command line or the
/// engine is behind this.
pub trait House: Send + Sync {
    /// The settings if the configuration file had this text: with the environment and the command line over it, as at
    /// the start. `None`: if there were no file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    fn load(&self, text: Option<&str>) -> Result<Loaded, Problems>;

    /// The servers and backends that this configuration describes. Connects to nothing, and takes over what it can from
    /// the fleet before: an engine whose settings are the same keeps its models.
    ///
    /// # Errors
    /// What does not fit; certificates or models that cannot be read.
    fn build(&self, config: &Config) -> Result<Fleet, Error>;

    /// The same, to be measured: each call is sent once, and so many of them at a time
    /// ([`longshore_bench::load::plain`]).
    ///
    /// # Errors
    /// As [`House::build`].
    fn measured(&self, config: &Config, at_once: usize) -> Result<Fleet, Error>;

    /// A program that is a simulated server when its first argument is `sim`: what a benchmark proves the client's
    /// accuracy with. `None` where there is none.
    fn simulator(&self) -> Option<PathBuf> {
        None
    }
}
