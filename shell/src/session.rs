//! What the window stands for: [`Session`], a daemon in this process, one in another, or none. Knows how it ends.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use longshore::{
    Exit, Failure,
    daemon::{Audience, Daemon, Plan, Started, Work},
    failure_text,
};
use tauri::{AppHandle, Url, async_runtime::JoinHandle};
use tokio::sync::watch;

use crate::navigation::Home;

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Not begun.
    Open,
    /// Requests that run are finished, for as long as the settings let them.
    Finishing,
    /// They are not waited for.
    BreakingOff,
}

/// Who answers the page.
pub(crate) enum Server {
    /// This process.
    Here(Work),
    /// That one, started before.
    Elsewhere(u32),
    /// Nobody; that is what the program ends with.
    Nobody(Exit),
}

/// See the module.
pub(crate) struct Session {
    /// Who answers the page.
    pub(crate) server: Server,
    /// What the window shows.
    pub(crate) home: Home,
    /// Why there is nothing to show, if so.
    pub(crate) trouble: String,
    stage: watch::Sender<Stage>,
    serving: Mutex<Option<JoinHandle<()>>>,
    /// The window was closed while work was under way.
    leaves_when_idle: AtomicBool,
}

impl Session {
    /// Starts a daemon, or finds the one that runs. What goes wrong becomes a session too. Needs a runtime.
    pub(crate) async fn open(plan: Result<Plan, Failure>, app: &AppHandle, told: impl FnOnce(&Failure)) -> Self {
        let started = match plan {
            Ok(plan) => plan.start(Audience::Person).await,
            Err(failure) => Err(failure),
        };
        let started = started.and_then(|started| Ok((address(&started)?, started)));
        match started {
            Ok((page, Started::Here(daemon))) => {
                let session = Self::new(Server::Here(daemon.work()), Home::Page(page));
                session.serve(*daemon, app.clone());
                session
            }
            Ok((page, Started::Elsewhere(instance))) => Self::new(Server::Elsewhere(instance.pid), Home::Page(page)),
            Err(failure) => {
                told(&failure);
                let session = Self::new(Server::Nobody(failure.exit()), Home::Trouble);
                Self { trouble: failure_text(&failure), ..session }
            }
        }
    }

    fn new(server: Server, home: Home) -> Self {
        Self {
            server,
            home,
            trouble: String::new(),
            stage: watch::Sender::new(Stage::Open),
            serving: Mutex::default(),
            leaves_when_idle: AtomicBool::new(false),
        }
    }

    /// Serves in the background; the program ends when that does.
    fn serve(&self, daemon: Daemon, app: AppHandle) {
        let serving = daemon.serve(self.reaches(Stage::Finishing), self.reaches(Stage::BreakingOff));
        let task = tauri::async_runtime::spawn(async move {
            let exit = if serving.await { Exit::Success } else { Exit::Interrupted };
            app.exit(exit as i32);
        });
        *self.serving.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }

    /// Begins the end; called again, it does not wait any longer.
    pub(crate) fn quit(&self, app: &AppHandle) {
        match self.server {
            Server::Here(_) => self.stage.send_modify(|stage| *stage = stage.next()),
            Server::Elsewhere(_) => app.exit(Exit::Success as i32),
            Server::Nobody(exit) => app.exit(exit as i32),
        }
    }

    /// Waits for the end, which begins now at the latest. Not on the runtime.
    pub(crate) fn finish(&self) {
        self.stage.send_if_modified(|stage| {
            let is_open = *stage == Stage::Open;
            *stage = (*stage).max(Stage::Finishing);
            is_open
        });
        let serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(serving) = serving {
            // A task that panicked has ended too.
            let _ = tauri::async_runtime::block_on(serving);
        }
    }

    /// How far the end has come.
    pub(crate) fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    /// Whether this process does something that closing the window must not end.
    pub(crate) fn has_work(&self) -> bool {
        matches!(&self.server, Server::Here(work) if work.requests() > 0 || work.is_measuring())
    }

    /// The window is gone, or back: whether the program ends as soon as there is nothing to do.
    pub(crate) fn leave_when_idle(&self, leaves: bool) {
        self.leaves_when_idle.store(leaves, Ordering::Relaxed);
    }

    /// Whether that is now.
    pub(crate) fn is_left(&self) -> bool {
        self.leaves_when_idle.load(Ordering::Relaxed) && self.stage() == Stage::Open && !self.has_work()
    }

    fn reaches(&self, wanted: Stage) -> impl Future<Output = ()> + Send + 'static {
        let mut stage = self.stage.subscribe();
        async move {
            // Without a session there is nothing to wait for.
            let _ = stage.wait_for(|stage| *stage >= wanted).await;
        }
    }
}

impl Stage {
    fn next(self) -> Self {
        if self == Self::Open { Self::Finishing } else { Self::BreakingOff }
    }
}

/// Where its page is.
fn address(started: &Started) -> Result<Url, Failure> {
    let page = match started {
        Started::Here(daemon) => daemon.page(),
        Started::Elsewhere(instance) => instance.page(),
    };
    page.parse().map_err(|error| Failure::Other(format!("show the desk: its address is no URL: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_only_comes_nearer() {
        assert_eq!(Stage::Open.next(), Stage::Finishing);
        assert_eq!(Stage::Finishing.next(), Stage::BreakingOff);
        assert_eq!(Stage::BreakingOff.next(), Stage::BreakingOff);
    }

    #[test]
    fn who_does_nothing_leaves_once_the_window_is_gone() {
        let session = Session::new(Server::Elsewhere(1), Home::Trouble);
        assert!(!session.is_left());
        session.leave_when_idle(true);
        assert!(session.is_left());
        session.leave_when_idle(false);
        assert!(!session.is_left(), "the window came back");
    }
}
