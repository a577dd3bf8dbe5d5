//! The window: a web view on the daemon's page, which stays there.

use longshore::Exit;
use tauri::{
    AppHandle, CloseRequestApi, Manager, Url, WebviewUrl, WebviewWindowBuilder, WindowEvent, webview::NewWindowResponse,
};

use crate::{
    closing::{Closing, Situation},
    navigation::{Home, Verdict},
    session::Session,
    tray::Tray,
    trouble,
};

const LABEL: &str = "main";

/// Opens it on the session's page.
pub(crate) fn open(app: &AppHandle, session: &Session) -> tauri::Result<()> {
    let address = match &session.home {
        Home::Page(page) => WebviewUrl::External(page.clone()),
        Home::Trouble => WebviewUrl::CustomProtocol(trouble_address()?),
    };
    let home = session.home.clone();
    let window = WebviewWindowBuilder::new(app, LABEL, address)
        .title("Longshore")
        .inner_size(1280.0, 800.0)
        .min_inner_size(400.0, 400.0)
        .center()
        // It is shown once it has the size of last time.
        .visible(false)
        // Files are dropped onto the page, which knows what to do with them.
        .disable_drag_drop_handler()
        .on_document_title_changed(|window, title| {
            // The title is an ornament.
            let _ = window.set_title(&title);
        })
        .on_navigation(move |target| {
            let verdict = home.verdict(target);
            if verdict == Verdict::Browser {
                browse(target);
            }
            verdict == Verdict::Here
        })
        .on_new_window(|target, _| {
            // One window is enough; what would be a second one is for the browser, whoever serves it.
            if matches!(target.scheme(), "http" | "https") {
                browse(&target);
            }
            NewWindowResponse::Deny
        })
        // To the person's folder for downloads.
        .on_download(|_, _| true)
        .build()?;
    let handle = app.clone();
    window.on_window_event(move |event| {
        if let WindowEvent::CloseRequested { api, .. } = event {
            close(&handle, api);
        }
    });
    window.show()?;
    Ok(())
}

/// Brings it to the front, also from the tray.
pub(crate) fn show(app: &AppHandle) {
    if let Some(session) = app.try_state::<Session>() {
        session.leave_when_idle(false);
    }
    let Some(window) = app.get_webview_window(LABEL) else { return };
    // A window manager that refuses one of them may do the others.
    let _ = window.show();
    let _ = window.unminimize();
    let _ = window.set_focus();
}

/// Ends the program: the window at once, the rest when it is done.
pub(crate) fn quit(app: &AppHandle) {
    hide(app);
    match app.try_state::<Session>() {
        Some(session) => session.quit(app),
        // It ends as soon as it has started.
        None => app.exit(Exit::Success as i32),
    }
}

fn close(app: &AppHandle, api: &CloseRequestApi) {
    api.prevent_close();
    let session = app.state::<Session>();
    let situation = Situation { has_work: session.has_work(), has_tray: app.try_state::<Tray>().is_some() };
    match situation.decide() {
        Closing::Quit => quit(app),
        Closing::FinishFirst => {
            hide(app);
            session.leave_when_idle(true);
        }
    }
}

fn hide(app: &AppHandle) {
    if let Some(window) = app.get_webview_window(LABEL) {
        // It will be gone at the end in any case.
        let _ = window.hide();
    }
}

fn browse(target: &Url) {
    if let Err(error) = open::that_detached(target.as_str()) {
        tracing::warn!(target: "longshore", %error, "the browser did not start");
    }
}

fn trouble_address() -> tauri::Result<Url> {
    trouble::ADDRESS.parse().map_err(|_| tauri::Error::InvalidWebviewUrl("the page of troubles has no address"))
}
