//! The daemon: gateway and desk on one port. `longshore`, `longshore serve` and the window start it alike.
//!
//! [`Plan::read`] before there are threads, then [`Plan::start`] on a [`runtime`], then [`Daemon::serve`] until it is
//! told to stop. It opens no page and listens to no signal: who starts it knows when it is enough.

mod listen;

use std::num::NonZero;

use longshore_desk::Desk;
use longshore_server::Server;
use tokio::runtime::{Builder, Runtime};

use crate::{
    cli::Global,
    commands::metrics::{self, Counting},
    context::{self, Found},
    desk::{
        self,
        instance::{self, Known},
    },
    exit::Failure,
};

pub use crate::desk::instance::Instance;

/// For whom it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Programs: the port that was said or none, however many run.
    Programs,
    /// A person: the next free port will do, and one desk is enough.
    Person,
}

/// Settings of a command's own flags: setting, value, flag.
pub(crate) type Flags = Vec<(&'static str, String, &'static str)>;

/// What will be served, read and checked.
pub struct Plan {
    global: Global,
    flags: Flags,
    found: Found,
}

impl Plan {
    /// Reads the configuration, prepares the engine's arithmetic, begins to log. Must run before any other thread has
    /// started.
    ///
    /// # Errors
    /// The configuration is wrong, or not there.
    pub fn read(global: &Global) -> Result<Self, Failure> {
        Self::with_flags(global, Flags::new())
    }

    /// As [`Plan::read`], with flags that are settings.
    pub(crate) fn with_flags(global: &Global, flags: Flags) -> Result<Self, Failure> {
        let found = context::load(global, &flags)?;
        context::prepare_compute(&found.loaded.config);
        context::begin_log(&found.loaded, global.verbose, true, context::manner(global));
        Ok(Self { global: global.clone(), flags, found })
    }

    /// Whether the settings let a browser be started.
    pub(crate) fn opens_browser(&self) -> bool {
        self.found.loaded.config.desk.open
    }

    /// Takes a port and opens the desk; for a person, only if none is open yet. Nothing is served before
    /// [`Daemon::serve`].
    ///
    /// # Errors
    /// There is no port, a file cannot be read, the fleet cannot be built, or what was kept cannot be opened.
    pub async fn start(self, audience: Audience) -> Result<Started, Failure> {
        let Self { global, flags, found } = self;
        let folder = desk::data_folder();
        let running = instance::running(&folder).await;
        let is_first = running.is_none();
        if let (Some(running), Audience::Person) = (running, audience) {
            return Ok(Started::Elsewhere(running));
        }
        let mut options = listen::options(&found.loaded.config.gateway)?;
        let request_bytes = options.limits.request_bytes;
        let counting = if found.loaded.config.metrics.enabled { Some(metrics::install()?) } else { None };
        options.metrics = counting.as_ref().map(Counting::page);
        // The port comes first: who waits for it need not wait for models.
        let wanted = options.listen.port();
        let server = listen::bind(options, audience).await?;
        let desk = desk::open(&global, flags, found, &folder)?;
        let server = server.with_site(desk.site(request_bytes));
        let url = server.url();
        desk.listens_on(&url);
        // One that runs already stays the one that is found.
        let known = if is_first { desk::announce_instance(&desk, &url, &folder) } else { None };
        Ok(Started::Here(Box::new(Daemon { server, desk, url, wanted, known, counting })))
    }
}

/// Who serves, after a start.
pub enum Started {
    /// Another process did already.
    Elsewhere(Instance),
    /// This one will.
    Here(Box<Daemon>),
}

/// A daemon that has its port.
pub struct Daemon {
    server: Server,
    desk: Desk,
    url: String,
    wanted: u16,
    /// Lets the next start find this one.
    known: Option<Known>,
    /// Keeps the numbers from growing while nobody asks for them.
    counting: Option<Counting>,
}

impl Daemon {
    /// Where it listens, such as `http://127.0.0.1:8400`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The desk's page, with the token in the fragment.
    pub fn page(&self) -> String {
        self.desk.page_url().unwrap_or_default()
    }

    /// What is under way in it, for as long as one looks.
    pub fn work(&self) -> Work {
        Work(self.desk.clone())
    }

    /// The configured port, if another one had to be taken.
    pub(crate) fn port_missed(&self) -> Option<u16> {
        (self.wanted != 0 && !self.url.ends_with(&format!(":{}", self.wanted))).then_some(self.wanted)
    }

    /// Serves until `stop` resolves; then lets running requests finish, for as long as the configuration says or until
    /// `enough` resolves. Whether all of them did.
    pub async fn serve(self, stop: impl Future<Output = ()>, enough: impl Future<Output = ()>) -> bool {
        let Self { server, desk, known: _known, counting: _counting, .. } = self;
        let shutdown = async {
            stop.await;
            desk.close();
        };
        tokio::select! {
            finished = server.serve(desk.gateway(), shutdown) => finished,
            () = enough => false,
        }
    }
}

/// What is under way in a daemon.
#[derive(Clone)]
pub struct Work(Desk);

impl Work {
    /// Requests that have not ended, the gateway's and the desk's.
    pub fn requests(&self) -> usize {
        self.0.running_calls()
    }

    /// Whether a benchmark is running.
    pub fn is_measuring(&self) -> bool {
        self.0.is_measuring()
    }
}

/// Threads for a daemon.
///
/// # Errors
/// The system gives none.
pub fn runtime() -> Result<Runtime, Failure> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    // Each worker has its own heap arena, and moving bytes needs few of them.
    runtime_of(cores.min(8))
}

/// So many threads.
pub(crate) fn runtime_of(workers: usize) -> Result<Runtime, Failure> {
    let built = Builder::new_multi_thread().worker_threads(workers).enable_all().build();
    built.map_err(|error| Failure::Other(format!("start threads: {error}")))
}
