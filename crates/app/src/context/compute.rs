//! The engine's arithmetic, before any thread has started.
//!
//! candle asks the environment how many threads to use before every matrix product; without an answer there it counts
//! the machine's cores again each time, which makes small models ten times slower. So the answer is put there.

use longshore_config::Config;

/// Sets the variables that the engine's libraries read, where the person has not. Must run before any other thread has
/// started.
#[cfg(feature = "engine")]
pub(crate) fn prepare(config: &Config) {
    for (name, value) in longshore_engine::environment(config.engine.threads as usize) {
        if std::env::var_os(name).is_none() {
            set(name, &value);
        }
    }
}

/// There is no engine to prepare for.
#[cfg(not(feature = "engine"))]
pub(crate) fn prepare(_: &Config) {}

#[cfg(feature = "engine")]
#[expect(unsafe_code, reason = "see SAFETY: it is sound while the process has one thread, and there is no other way")]
fn set(name: &str, value: &str) {
    // SAFETY: changing the environment is unsound only while another thread reads it. `commands` calls this after the
    // configuration is read and before it builds the runtime, so `main`'s thread is the only one.
    unsafe { std::env::set_var(name, value) }
}
