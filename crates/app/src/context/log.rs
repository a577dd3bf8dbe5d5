//! Where log lines go: standard error, as the configuration says.

use longshore_config::{Loaded, LogFormat, LogLevel, Origin};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    fmt,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::terminal::Manner;

/// Begins to log. A command tells a person itself what matters: it logs warnings alone, unless a level is set or
/// `--verbose` given. A server logs as configured.
pub(crate) fn begin(loaded: &Loaded, verbose: u8, is_server: bool, manner: Manner) {
    let logging = &loaded.config.logging;
    let is_set = *loaded.origins.of("logging.level") != Origin::Default;
    let configured = match logging.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let base = if is_server || is_set { configured } else { LevelFilter::WARN };
    let level = match verbose {
        0 => base,
        1 => base.max(LevelFilter::INFO),
        2 => base.max(LevelFilter::DEBUG),
        _ => LevelFilter::TRACE,
    };
    // Libraries below ours tell at `debug` what we tell at `info`.
    let libraries = if level == LevelFilter::TRACE { LevelFilter::DEBUG } else { level.min(LevelFilter::WARN) };
    let filter = Targets::new().with_default(libraries).with_target("longshore", level);
    let lines = fmt::layer().with_writer(std::io::stderr);
    let layer = match logging.format {
        LogFormat::Text => lines.with_ansi(manner.error_color).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(layer.with_filter(filter)).init();
}
