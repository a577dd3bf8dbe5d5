//! The desk itself: [`Desk`], what all its routes share.

use std::{
    ops::Deref,
    path::PathBuf,
    sync::Arc,
    time::{Instant, SystemTime},
};

use longshore_config::Loaded;
use longshore_core::{Backend, Error};
use tokio_util::sync::CancellationToken;

use crate::{
    LiveFleet,
    calls::{self, Recorder, Source},
    chat::{self, Answers},
    house::House,
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
    /// Builds the fleet of these settings and opens what is kept. Nothing is connected to yet.
    ///
    /// # Errors
    /// The fleet cannot be built, or what was kept cannot be opened.
    pub fn open(options: DeskOptions) -> Result<Self, Error> {
        let fleet = options.house.build(&options.loaded.config)?;
        let closing = CancellationToken::new();
        let store = Store::new(&options.data_folder);
        let settings = &options.loaded.config.desk;
        let bytes = settings.calls_bytes.as_usize();
        let kept = calls::Limits {
            calls: settings.calls_kept as usize,
            bytes,
            call_bytes: bytes / 64,
            ..calls::Limits::default()
        };
        let limits = chat::Limits {
            continue_elsewhere: settings.continue_elsewhere,
            answer_bytes: settings.answer_bytes.as_usize(),
            attachment_bytes: settings.attachment_bytes.as_usize(),
            ..chat::Limits::default()
        };
        Ok(Self(Arc::new(Parts {
            calls: Recorder::new(kept, Vec::new()),
            answers: Answers::new(store.clone(), limits, closing.clone()),
            store,
            live: LiveFleet::new(fleet),
            options,
            started: (Instant::now(), SystemTime::now()),
            url: std::sync::OnceLock::new(),
            closing,
        })))
    }

    /// Who answers calls: what a gateway is put in front of.
    pub fn live(&self) -> &LiveFleet {
        &self.live
    }

    /// What a gateway answers from.
    pub fn gateway(&self) -> Arc<dyn Backend> {
        self.calls.wrap(Arc::new(self.live.clone()), Source::Gateway)
    }

    /// Tells where the server listens, such as `http://127.0.0.1:8400`. The first word holds.
    pub fn listens_on(&self, url: &str) {
        let _ = self.url.set(url.to_owned());
    }

    /// Where the page is, with the token in the fragment; `None` before [`Desk::listens_on`].
    pub fn page_url(&self) -> Option<String> {
        Some(format!("{}/desk/#token={}", self.url.get()?, self.options.token))
    }

    /// Ends the streams and the tasks of the desk, so that the server can come to its end.
    pub fn close(&self) {
        self.closing.cancel();
    }
}
