//! A simulated server at work: [`Simulator`], and the [`Builder`] that starts one.

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use longshore_core::Backend;
use longshore_server::{Limits, ServerOptions, Service, connection_builder};
use tokio::{
    sync::{broadcast, watch},
    task::JoinHandle,
};

use crate::{
    config::{Latency, Model, SimConfig},
    engine::Engine,
    faults::{Effect, Rule, RuleError, Timeline},
    observe::{LogEntry, Truth, Verdict},
    wire::{Identities, Listening, Shared, Workers, listen},
};

/// A model server that behaves, and misbehaves, on purpose. It serves on threads of its own, one for each core, until it
/// is dropped; several may live in one process.
pub struct Simulator {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: Option<JoinHandle<()>>,
    /// Dropped, they end, and all connections with them.
    _workers: Workers,
}

/// Sets a simulator up.
#[derive(Clone, Debug)]
pub struct Builder {
    config: SimConfig,
    listen: SocketAddr,
    tls: bool,
}

impl Builder {
    /// Everything at once.
    #[must_use]
    pub fn config(mut self, config: SimConfig) -> Self {
        self.config = config;
        self
    }

    /// The address; the default is a free port of 127.0.0.1.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// TLS with a certificate of its own making; see [`Simulator::authority`].
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// All chance comes from this number.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    /// One more model; the first one named takes the place of the default one.
    #[must_use]
    pub fn model(mut self, model: Model) -> Self {
        if self.config.models == SimConfig::default().models {
            self.config.models.clear();
        }
        self.config.models.push(model);
        self
    }

    /// How long things take.
    #[must_use]
    pub fn latency(mut self, latency: Latency) -> Self {
        self.config.latency = latency;
        self
    }

    /// Requests that models answer at a time.
    #[must_use]
    pub fn slots(mut self, slots: usize) -> Self {
        self.config.slots = slots;
        self
    }

    /// One more rule; of several that fit, the first applies.
    #[must_use]
    pub fn rule(mut self, rule: impl Into<Rule>) -> Self {
        self.config.rules.push(rule.into());
        self
    }

    /// Time passes only by [`Simulator::advance`].
    #[must_use]
    pub fn virtual_time(mut self) -> Self {
        self.config.virtual_time = true;
        self
    }

    /// Takes the port and begins to serve. When this returns, the server is ready.
    ///
    /// # Errors
    /// The configuration makes no sense; the address is taken, or can be reached from other machines; the system gives
    /// no threads.
    pub async fn start(self) -> io::Result<Simulator> {
        let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidInput, message);
        self.config.check().map_err(|error| invalid(error.to_string()))?;
        if !self.tls && self.config.rules.iter().any(|rule| rule.what.needs_tls()) {
            return Err(invalid("a rule breaks TLS, and the simulator does not serve it".into()));
        }
        if !self.listen.ip().is_loopback() {
            return Err(invalid(format!("{} can be reached from other machines: listen on 127.0.0.1", self.listen)));
        }
        let tls = if self.tls { Some(Identities::new()?) } else { None };
        let workers = Workers::start()?;
        let accepting = workers.first();
        let listener = accepting.spawn(async move { listen(self.listen) }).await.map_err(io::Error::other)?;
        let listener = listener
            .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {}: {error}", self.listen)))?;
        let address = listener.local_addr()?;
        let options = server_options(address);
        let shared = Arc::new(Shared {
            timeline: Timeline::new(self.config.seed, &self.config.rules),
            engine: Engine::new(self.config)?,
            service: Arc::new(Service::new(&options)),
            builder: connection_builder(&options),
            tls,
            token: longshore_server::fresh_token()?,
        });
        let (stop, stopped) = watch::channel(false);
        let listening = Listening { shared: shared.clone(), listener, workers: workers.all(), stop: stopped };
        let serving = Some(accepting.spawn(listening.run()));
        Ok(Simulator { shared, address, stop, serving, _workers: workers })
    }
}

/// A simulator is asked for more than one machine's models would be.
fn server_options(address: SocketAddr) -> ServerOptions {
    let mut options = ServerOptions::new(address);
    options.name = "longshore-sim".into();
    options.limits = Limits { concurrent_requests: 1 << 16, connections: 1 << 16, ..Limits::default() };
    options
}

impl Simulator {
    /// One chat model `sim` on a free port, as fast as the machine can; change what should be otherwise.
    pub fn builder() -> Builder {
        Builder { config: SimConfig::default(), listen: SocketAddr::from(([127, 0, 0, 1], 0)), tls: false }
    }

    /// `http://127.0.0.1:PORT`, or `https://localhost:PORT`.
    pub fn url(&self) -> String {
        match self.shared.tls {
            Some(_) => format!("https://localhost:{}", self.address.port()),
            None => format!("http://{}", self.address),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate to trust, PEM, where the simulator serves TLS.
    pub fn authority(&self) -> Option<&str> {
        self.shared.tls.as_ref().map(Identities::authority)
    }

    /// The engine without wire and faults, as a backend; what it is asked is in the same log.
    pub fn backend(&self) -> Arc<dyn Backend> {
        Arc::new(self.shared.engine.clone())
    }

    /// The requests that are over, in an order that does not depend on when they came: by operation, model and index.
    pub fn log(&self) -> Vec<LogEntry> {
        self.shared.engine.observer().log.entries()
    }

    /// Resolves when the log has that many entries.
    pub async fn logged(&self, count: usize) {
        self.shared.engine.observer().log.reach(count).await;
    }

    /// Requests that end from now on. A reader that is more than a thousand behind loses some, and is told.
    pub fn follow(&self) -> broadcast::Receiver<LogEntry> {
        self.shared.engine.observer().log.follow()
    }

    /// When the parts of each generation were planned to happen.
    pub fn truth(&self) -> Vec<Truth> {
        self.shared.engine.observer().truths.all()
    }

    /// Requests that are being answered.
    pub fn in_flight(&self) -> u64 {
        self.shared.engine.observer().metrics.in_flight()
    }

    /// Connections that were ever opened.
    pub fn connections(&self) -> u64 {
        self.shared.engine.observer().metrics.connections()
    }

    /// The counters, in Prometheus' text format.
    pub fn metrics(&self) -> String {
        self.shared.engine.metrics()
    }

    /// The rules in force, and how often each was applied.
    pub fn rules(&self) -> Vec<(Rule, u64)> {
        self.shared.timeline.rules()
    }

    /// From now on these rules hold, in place of those before.
    ///
    /// # Errors
    /// A rule makes no sense, and nothing was changed.
    pub fn set_rules(&self, rules: &[Rule]) -> Result<(), RuleError> {
        self.shared.set_rules(rules)
    }

    /// Forgets what was asked so far: log, truth, counts of requests and rules; models are as they were declared. The
    /// same requests then get the same faults and answers again.
    pub fn reset(&self) {
        self.shared.reset();
    }

    /// What the clients did wrong so far, as far as a server can tell.
    pub fn verdict(&self) -> Verdict {
        self.shared.verdict()
    }

    /// Says that whoever asked for what runs now has called it off: what still runs a second later is a finding of the
    /// verdict.
    pub fn called_off(&self) {
        self.shared.engine.observer().verdict.called_off(self.shared.engine.clock().now());
    }

    /// What the control API under `/sim/` wants to be shown, as `Authorization: Bearer TOKEN`.
    pub fn token(&self) -> &str {
        &self.shared.token
    }

    /// Moves virtual time on. False when time is real and moves by itself.
    pub fn advance(&self, by: Duration) -> bool {
        self.shared.engine.clock().advance(by)
    }

    /// Takes no more requests, lets the running ones finish for ten seconds, and stops.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if let Some(serving) = self.serving.take() {
            // Only a panic of its own could make this fail, and that was told already.
            let _ = serving.await;
        }
    }
}

impl Drop for Simulator {
    /// Checks what rules expect. What is running is broken off.
    ///
    /// # Panics
    /// A rule's [`Rule::expect`] was not met; not while the thread is panicking already.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for (position, (rule, applied)) in self.rules().into_iter().enumerate() {
            if let Some(expected) = rule.expect {
                assert!(
                    applied == expected,
                    "rule {position} ({}) was to be applied {expected} times, and was {applied} times",
                    rule.what.name()
                );
            }
        }
    }
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator").field("url", &self.url()).finish_non_exhaustive()
    }
}

impl From<Effect> for Rule {
    fn from(effect: Effect) -> Self {
        Self::new(effect)
    }
}
