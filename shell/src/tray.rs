//! The icon in the tray: what it says of running requests, and the way back to the window. A desktop without a tray, or
//! without its library, goes without.

use std::{
    panic::{self, AssertUnwindSafe},
    time::Duration,
};

use tauri::{
    AppHandle, Manager,
    menu::{Menu, MenuItem, PredefinedMenuItem},
    tray::{MouseButton, MouseButtonState, TrayIconBuilder, TrayIconEvent},
};
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    session::{Server, Session, Stage},
    window,
};

/// How often it is looked whether the line has changed.
const BEAT: Duration = Duration::from_millis(500);
const SHOW: &str = "show";
const QUIT: &str = "quit";

/// The icon, as long as the program runs.
pub(crate) struct Tray {
    requests: MenuItem<tauri::Wry>,
}

/// Puts the icon into the tray, if there is one.
pub(crate) fn open(app: &AppHandle, session: &Session) -> Option<Tray> {
    // On Linux the tray's library is looked for when it is first used, and its binding panics where it is missing. The
    // hook is away for that moment, since it would tell of a crash that is none.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let built = panic::catch_unwind(AssertUnwindSafe(|| build(app, session)));
    panic::set_hook(hook);
    match built {
        Ok(Ok(tray)) => Some(tray),
        Ok(Err(error)) => {
            tracing::warn!(target: "longshore", %error, "there is no icon in the tray");
            None
        }
        Err(_) => {
            tracing::warn!(
                target: "longshore",
                "there is no icon in the tray: libayatana-appindicator3.so.1 is missing; its package is named in the README"
            );
            None
        }
    }
}

fn build(app: &AppHandle, session: &Session) -> tauri::Result<Tray> {
    let show = MenuItem::with_id(app, SHOW, "Show Longshore", true, None::<&str>)?;
    let requests = MenuItem::with_id(app, "requests", line(session), false, None::<&str>)?;
    let quit = MenuItem::with_id(app, QUIT, "Quit", true, None::<&str>)?;
    let menu = Menu::with_items(app, &[&show, &requests, &PredefinedMenuItem::separator(app)?, &quit])?;
    let mut icon = TrayIconBuilder::with_id("tray")
        .menu(&menu)
        .tooltip("Longshore")
        // Where people expect a click to bring the window back.
        .show_menu_on_left_click(!cfg!(windows))
        .on_menu_event(|app, event| match event.id().as_ref() {
            SHOW => window::show(app),
            QUIT => window::quit(app),
            _ => {}
        })
        .on_tray_icon_event(|icon, event| {
            let is_click = matches!(
                event,
                TrayIconEvent::Click { button: MouseButton::Left, button_state: MouseButtonState::Up, .. }
            );
            if is_click && cfg!(windows) {
                window::show(icon.app_handle());
            }
        });
    if let Some(image) = app.default_window_icon() {
        icon = icon.icon(image.clone());
    }
    icon.build(app)?;
    Ok(Tray { requests })
}

/// Keeps the line true, and ends the program that was only waiting for its work.
pub(crate) async fn follow(app: AppHandle) {
    let mut beats = interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut said = String::new();
    loop {
        beats.tick().await;
        let session = app.state::<Session>();
        if session.is_left() {
            window::quit(&app);
        }
        let line = line(&session);
        if line == said {
            continue;
        }
        said.clone_from(&line);
        let shown = app.clone();
        // Not waited for: the main thread may be waiting for the runtime, at the end.
        let _ = app.run_on_main_thread(move || {
            if let Some(tray) = shown.try_state::<Tray>() {
                let _ = tray.requests.set_text(&line);
            }
        });
    }
}

fn line(session: &Session) -> String {
    match &session.server {
        Server::Here(work) => running(work.requests(), session.stage()),
        Server::Elsewhere(process) => format!("Runs in process {process}"),
        Server::Nobody(_) => "Not started".into(),
    }
}

fn running(requests: usize, stage: Stage) -> String {
    let finishing = if stage == Stage::Open { "" } else { "Finishing: " };
    match requests {
        0 => format!("{finishing}no running requests"),
        1 => format!("{finishing}1 running request"),
        more => format!("{finishing}{more} running requests"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_counts_requests() {
        for (requests, stage, expected) in [
            (0, Stage::Open, "no running requests"),
            (1, Stage::Open, "1 running request"),
            (12, Stage::Open, "12 running requests"),
            (2, Stage::Finishing, "Finishing: 2 running requests"),
            (0, Stage::BreakingOff, "Finishing: no running requests"),
        ] {
            assert_eq!(running(requests, stage), expected);
        }
    }
}
