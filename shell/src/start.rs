//! The order of the start: configuration, single instance, daemon, tray, window; and the end, in reverse.

use std::process::ExitCode;

use clap::Parser;
use longshore::{
    Exit, Failure, Global,
    daemon::{self, Plan},
    stop_signal, tell_failure,
};
use tauri::{
    AppHandle, Manager, RunEvent,
    http::{Response, header},
};
use tauri_plugin_window_state::StateFlags;

use crate::{session::Session, tray, trouble, window};

/// Longshore in a window of its own.
///
/// The same daemon and the same page as `longshore`, without a browser. If Longshore runs already, its page is shown; a
/// second start shows the first window.
#[derive(Debug, Parser)]
#[command(name = "longshore-window", version, max_term_width = 110)]
struct Arguments {
    /// What `longshore` understands too.
    #[command(flatten)]
    global: Global,
}

/// Runs until the person quits.
pub(crate) fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nowhere to complain if even this cannot be printed.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Success }.into();
        }
    };
    // Before there are threads.
    let plan = Plan::read(&arguments.global);
    match in_window(arguments.global.clone(), plan) {
        Ok(code) => u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from),
        Err(failure) => {
            tell_failure(&failure, &arguments.global);
            failure.exit().into()
        }
    }
}

/// The code to end with. A second instance ends in here, after it has called the first.
fn in_window(global: Global, plan: Result<Plan, Failure>) -> Result<i32, Failure> {
    check_screen()?;
    let runtime = daemon::runtime()?;
    tauri::async_runtime::set(runtime.handle().clone());
    let app = tauri::Builder::default()
        // The first of all, so that a second instance does nothing else.
        .plugin(tauri_plugin_single_instance::init(|app, _, _| window::show(app)))
        .plugin(
            tauri_plugin_window_state::Builder::new()
                .with_state_flags(StateFlags::SIZE | StateFlags::POSITION | StateFlags::MAXIMIZED)
                .build(),
        )
        .register_uri_scheme_protocol(trouble::SCHEME, |context, _| {
            let text = context.app_handle().try_state::<Session>().map(|session| session.trouble.clone());
            let mut response = Response::new(trouble::page(&text.unwrap_or_default()).into_bytes());
            let html = header::HeaderValue::from_static("text/html; charset=utf-8");
            response.headers_mut().insert(header::CONTENT_TYPE, html);
            response
        })
        // Tauri panics when this fails; it does not.
        .setup(move |app| {
            if let Err(error) = open(app.handle(), &global, plan) {
                let failure = Failure::Other(format!("open a window: {error}"));
                tell_failure(&failure, &global);
                app.handle().exit(failure.exit() as i32);
            }
            Ok(())
        })
        .build(context())
        .map_err(|error| Failure::Other(format!("open a window: {error}")))?;
    let code = app.run_return(|app, event| match event {
        // The last window was destroyed, or the system's own Quit was chosen.
        RunEvent::ExitRequested { code: None, api, .. } => {
            api.prevent_exit();
            window::quit(app);
        }
        // A click on its icon in the dock.
        #[cfg(target_os = "macos")]
        RunEvent::Reopen { .. } => window::show(app),
        RunEvent::Exit => app.state::<Session>().finish(),
        _ => {}
    });
    runtime.shutdown_background();
    Ok(code)
}

fn open(app: &AppHandle, global: &Global, plan: Result<Plan, Failure>) -> tauri::Result<()> {
    // Before there is anything to be ended.
    tauri::async_runtime::spawn(follow_signals(app.clone()));
    let told = |failure: &Failure| tell_failure(failure, global);
    app.manage(tauri::async_runtime::block_on(Session::open(plan, app, told)));
    let session = app.state::<Session>();
    if let Some(tray) = tray::open(app, &session) {
        app.manage(tray);
    }
    window::open(app, &session)?;
    tauri::async_runtime::spawn(tray::follow(app.clone()));
    Ok(())
}

/// Ends the program when it is told to from outside.
async fn follow_signals(app: AppHandle) {
    loop {
        stop_signal().await;
        window::quit(&app);
    }
}

/// What `build.rs` has compiled.
#[expect(clippy::disallowed_macros, clippy::disallowed_methods, reason = "Tauri's macro has them, for where it panics")]
fn context() -> tauri::Context {
    tauri::generate_context!()
}

/// Whether there is a screen to open a window on; Tauri would not ask before it fails.
#[cfg(target_os = "linux")]
fn check_screen() -> Result<(), Failure> {
    gtk::init().map_err(|_| {
        Failure::Other("open a window: there is no screen (DISPLAY, WAYLAND_DISPLAY); `longshore` needs none".into())
    })
}

/// There always is one.
#[cfg(not(target_os = "linux"))]
fn check_screen() -> Result<(), Failure> {
    Ok(())
}
