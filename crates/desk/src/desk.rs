//! The desk itself: [`Desk`], what all its routes share.

use std::{
    ops::Deref,
    path::PathBuf,
    sync::{Arc, Weak},
    time::{Instant, SystemTime},
};

use arc_swap::ArcSwap;
use longshore_client::Fleet;
use longshore_config::Loaded;
use longshore_core::{Backend, Error};
use tokio_util::sync::CancellationToken;

use crate::{
    LiveFleet,
    bench::Benches,
    calls::{self, Recorder, Source},
    chat::{self, Answers},
    house::House,
    live::{self, Hub, Loads, Observer, Pins, Samples, Watched},
    store::Store,
};

/// What a desk is told when it is opened.
pub struct DeskOptions {
    /// What a page must show with every request. See [`longshore_server::fresh_token`].
    pub token: String,
    /// Names by which this machine may be called, as the gateway has them.
    pub hosts: Vec<String>,
    /// Where conversations and the like are kept. Made when something is put there.
    pub data_folder: PathBuf,
    /// The configuration file that was read; `None` where there is none.
    pub config_file: Option<PathBuf>,
    /// Where one is written that a person's settings make necessary.
    pub new_config_file: PathBuf,
    /// The settings in effect.
    pub loaded: Loaded,
    /// Whether there is an engine in this process.
    pub engine: bool,
    /// The program's version.
    pub version: &'static str,
    /// Reads configurations, builds fleets.
    pub house: Arc<dyn House>,
}

/// The page's other half. Clones are the same desk.
#[derive(Clone)]
pub struct Desk(Arc<Parts>);

/// What a desk is made of.
pub struct Parts {
    pub(crate) options: DeskOptions,
    /// Who answers calls just now.
    pub(crate) live: LiveFleet,
    /// The settings in effect.
    settings: ArcSwap<Loaded>,
    /// Held while the configuration file is changed.
    pub(crate) changing: tokio::sync::Mutex<()>,
    /// What the page is told as it happens.
    pub(crate) hub: Hub,
    pub(crate) samples: Arc<Samples>,
    pub(crate) watched: Arc<Watched>,
    pub(crate) loads: Arc<Loads>,
    pub(crate) pins: Pins,
    pub(crate) benches: Benches,
    pub(crate) started: (Instant, SystemTime),
    /// Where the page is found, once that is known.
    pub(crate) url: std::sync::OnceLock<String>,
    /// What was asked lately.
    pub(crate) calls: Recorder,
    /// Conversations on disk.
    pub(crate) store: Store,
    /// Answers that are coming.
    pub(crate) answers: Answers,
    /// The end of all streams and tasks.
    pub(crate) closing: CancellationToken,
}

impl Deref for Desk {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Desk {
    /// Builds the fleet of these settings and opens what is kept. Nothing is connected to yet. Needs a runtime, on which
    /// it begins to look on.
    ///
    /// # Errors
    /// The fleet cannot be built, or what was kept cannot be opened.
    pub fn open(options: DeskOptions) -> Result<Self, Error> {
        let fleet = options.house.build(&options.loaded.config)?;
        let closing = CancellationToken::new();
        let store = Store::new(&options.data_folder);
        let settings = &options.loaded.config.desk;
        let samples = Arc::new(Samples::new(settings.samples_minutes));
        let watched: Arc<Watched> = Arc::default();
        let observers: Vec<Arc<dyn Observer>> = vec![samples.clone(), watched.clone()];
        let desk = Self(Arc::new(Parts {
            calls: Recorder::new(of_calls(settings), observers),
            answers: Answers::new(store.clone(), of_answers(settings), closing.clone()),
            store,
            live: LiveFleet::new(fleet),
            settings: ArcSwap::from_pointee(options.loaded.clone()),
            changing: tokio::sync::Mutex::default(),
            hub: Hub::default(),
            samples,
            watched,
            loads: Arc::default(),
            benches: Benches::new(&options.data_folder.join("bench")),
            pins: Pins::open(options.data_folder.join("pins.json")),
            options,
            started: (Instant::now(), SystemTime::now()),
            url: std::sync::OnceLock::new(),
            closing,
        }));
        live::begin(&desk);
        Ok(desk)
    }

    /// Who answers calls: what a gateway is put in front of.
    pub fn live(&self) -> &LiveFleet {
        &self.live
    }

    /// What a gateway answers from.
    pub fn gateway(&self) -> Arc<dyn Backend> {
        self.calls.wrap(Arc::new(self.live.clone()), Source::Gateway)
    }

    /// What the desk's own calls go to.
    pub(crate) fn backend(&self) -> Arc<dyn Backend> {
        self.calls.wrap(Arc::new(self.live.clone()), Source::Desk)
    }

    /// The settings in effect.
    pub(crate) fn settings(&self) -> Arc<Loaded> {
        self.settings.load_full()
    }

    /// These settings hold from now on; with a fleet, where they make another one.
    pub(crate) fn put_in_effect(&self, loaded: Loaded, fleet: Option<Fleet>) {
        let settings = &loaded.config.desk;
        self.calls.limit(of_calls(settings));
        self.answers.limit(of_answers(settings));
        self.samples.keep(settings.samples_minutes);
        self.settings.store(Arc::new(loaded));
        if let Some(fleet) = fleet {
            for drained in self.live.now().drained() {
                // One that is gone need not be drained.
                let _ = fleet.drain(&drained, true);
            }
            self.watched.renew(&fleet);
            self.live.swap(fleet);
        }
        self.tell();
    }

    /// The file that changes are written to.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.options.config_file.clone().unwrap_or_else(|| self.options.new_config_file.clone())
    }

    pub(crate) fn downgrade(&self) -> Weak<Parts> {
        Arc::downgrade(&self.0)
    }

    pub(crate) fn upgrade(parts: &Weak<Parts>) -> Option<Self> {
        parts.upgrade().map(Self)
    }

    /// Tells where the server listens, such as `http://127.0.0.1:8400`. The first word holds.
    pub fn listens_on(&self, url: &str) {
        let _ = self.url.set(url.to_owned());
    }

    /// Where the page is, with the token in the fragment; `None` before [`Desk::listens_on`].
    pub fn page_url(&self) -> Option<String> {
        Some(format!("{}/desk/#token={}", self.url.get()?, self.options.token))
    }

    /// How many calls have not ended, the gateway's and the desk's own.
    pub fn running_calls(&self) -> usize {
        self.calls.running_count()
    }

    /// Whether a benchmark is running.
    pub fn is_measuring(&self) -> bool {
        self.benches.is_running()
    }

    /// Ends the streams and the tasks of the desk, so that the server can come to its end.
    pub fn close(&self) {
        self.closing.cancel();
    }
}

fn of_calls(settings: &longshore_config::Desk) -> calls::Limits {
    let bytes = settings.calls_bytes.as_usize();
    calls::Limits { calls: settings.calls_kept as usize, bytes, call_bytes: bytes / 64, ..calls::Limits::default() }
}

fn of_answers(settings: &longshore_config::Desk) -> chat::Limits {
    chat::Limits {
        continue_elsewhere: settings.continue_elsewhere,
        answer_bytes: settings.answer_bytes.as_usize(),
        attachment_bytes: settings.attachment_bytes.as_usize(),
        ..chat::Limits::default()
    }
}
