//! How a person gets to the page: [`Opening`]. An application window of a browser where there is one, else the default
//! browser; on a machine without a screen, words.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::context;

/// Browsers that can show a page as a window of its own (`--app=URL`), by their names in `PATH`.
const ON_PATH: [&str; 8] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "microsoft-edge",
    "microsoft-edge-stable",
    "brave-browser",
    "vivaldi",
];
/// The same, where they are installed on macOS and Windows.
const IN_FOLDERS: [&str; 6] = [
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
    r"C:\Program Files\Microsoft\Edge\Application\msedge.exe",
];

/// What is done about the page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// This program is started, with these arguments.
    Browser {
        /// The program.
        program: PathBuf,
        /// What it is told.
        arguments: Vec<String>,
    },
    /// The person is on another machine, and reaches this one by a tunnel.
    Tunnel(String),
    /// The person knows how, or there is nothing to open it with.
    Told,
}

/// What the decision depends on.
#[derive(Default)]
struct Surroundings {
    /// `SSH_CONNECTION`: the client's address and port, the server's address and port.
    ssh: Option<String>,
    user: Option<String>,
    /// A screen, as far as can be told.
    screen: bool,
    /// `BROWSER`, by which a person names one.
    browser: Option<String>,
    path: Option<String>,
}

impl Opening {
    /// What to do with this page, here; `opens`: a browser may be started.
    pub(crate) fn plan(page: &str, opens: bool) -> Self {
        let variable = |name| context::variable(name).filter(|value| !value.is_empty());
        let here = Surroundings {
            ssh: variable("SSH_CONNECTION"),
            user: variable("USER"),
            screen: cfg!(any(target_os = "macos", windows))
                || variable("DISPLAY").is_some()
                || variable("WAYLAND_DISPLAY").is_some(),
            browser: variable("BROWSER"),
            path: variable("PATH"),
        };
        here.plan(page, opens, &Path::is_file)
    }

    /// Starts the browser; its name. `None` if there is none to start, or it did not.
    pub(crate) fn begin(&self) -> Option<String> {
        let Self::Browser { program, arguments } = self else { return None };
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // Ctrl-C is for us, and does not close the person's browser.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command
            .spawn()
            .inspect_err(|error| tracing::warn!(%error, program = %program.display(), "the browser did not start"))
            .ok()?;
        // Somebody has to wait for it, or it stays in the table of processes.
        std::thread::spawn(move || child.wait());
        program.file_stem().map(|name| name.to_string_lossy().into_owned())
    }

    /// What a person does to get to the page.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::Tunnel(command) => format!(
                "You are connected over SSH. On the machine that you sit at, run\n  {command}\nand open the desk's address there. Ctrl-C ends it here."
            ),
            _ => "Open it in a browser. Ctrl-C ends it.".into(),
        }
    }
}

impl Surroundings {
    fn plan(&self, page: &str, opens: bool, is_file: &dyn Fn(&Path) -> bool) -> Opening {
        if let Some(ssh) = &self.ssh {
            return self.tunnel(ssh, page).map_or(Opening::Told, Opening::Tunnel);
        }
        if !opens {
            return Opening::Told;
        }
        if let Some(browser) = &self.browser {
            return Opening::Browser { program: browser.into(), arguments: vec![page.to_owned()] };
        }
        if !self.screen {
            return Opening::Told;
        }
        let on_path = ON_PATH.iter().filter_map(|name| self.find(name, is_file));
        let mut windows = on_path.chain(IN_FOLDERS.iter().map(PathBuf::from).filter(|path| is_file(path)));
        if let Some(program) = windows.next() {
            return Opening::Browser { program, arguments: vec![format!("--app={page}")] };
        }
        let (program, first): (&str, &[&str]) = match () {
            () if cfg!(target_os = "macos") => ("open", &[]),
            () if cfg!(windows) => ("rundll32", &["url.dll,FileProtocolHandler"]),
            () => ("xdg-open", &[]),
        };
        match self.find(program, is_file) {
            None if !cfg!(windows) => Opening::Told,
            found => Opening::Browser {
                program: found.unwrap_or_else(|| program.into()),
                arguments: first.iter().map(|word| (*word).to_owned()).chain([page.to_owned()]).collect(),
            },
        }
    }

    fn find(&self, name: &str, is_file: &dyn Fn(&Path) -> bool) -> Option<PathBuf> {
        std::env::split_paths(self.path.as_deref()?).map(|folder| folder.join(name)).find(|path| is_file(path))
    }

    /// What brings the page's port to the machine on the other end.
    fn tunnel(&self, ssh: &str, page: &str) -> Option<String> {
        let mut words = ssh.split_whitespace().skip(2);
        let (host, port) = (words.next()?, words.next()?);
        let own = page.strip_prefix("http://")?.split_once("/desk")?.0.rsplit_once(':')?.1;
        let user = self.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        let port = if port == "22" { String::new() } else { format!(" -p {port}") };
        Some(format!("ssh -N -L {own}:127.0.0.1:{own}{port} {user}{host}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "http://127.0.0.1:8400/desk/#token=t";

    fn check(here: Surroundings, opens: bool, files: &[&str], expected: Opening) {
        let is_file = |path: &Path| files.iter().any(|file| path == Path::new(file));
        assert_eq!(here.plan(PAGE, opens, &is_file), expected);
    }

    fn here() -> Surroundings {
        Surroundings { screen: true, path: Some("/bin".into()), ..Surroundings::default() }
    }

    fn browser(program: &str, argument: &str) -> Opening {
        Opening::Browser { program: program.into(), arguments: vec![argument.to_owned()] }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_window_comes_before_a_browser() {
        let window = format!("--app={PAGE}");
        check(here(), true, &["/bin/xdg-open", "/bin/chromium"], browser("/bin/chromium", &window));
        check(here(), true, &["/bin/xdg-open"], browser("/bin/xdg-open", PAGE));
        check(here(), true, &[], Opening::Told);
        check(Surroundings { screen: false, ..here() }, true, &["/bin/chromium"], Opening::Told);
    }

    #[test]
    fn nothing_is_opened_that_nobody_sees_or_wants() {
        let named = || Surroundings { browser: Some("my-browser".into()), ..here() };
        check(named(), false, &[], Opening::Told);
        check(named(), true, &[], browser("my-browser", PAGE));
        let ssh = |text: &str| Surroundings { ssh: Some(text.into()), user: Some("ann".into()), ..named() };
        let tunnel = |text: &str| Opening::Tunnel(format!("ssh -N -L 8400:127.0.0.1:8400 {text}"));
        check(ssh("10.0.0.1 5 10.0.0.2 22"), true, &[], tunnel("ann@10.0.0.2"));
        check(ssh("10.0.0.1 5 10.0.0.2 2222"), true, &[], tunnel("-p 2222 ann@10.0.0.2"));
        check(ssh("nonsense"), true, &[], Opening::Told);
    }
}
