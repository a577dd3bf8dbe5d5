//! `events`: everything that changes by itself, as one stream.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use futures_core::Stream;
use futures_util::stream;
use http::StatusCode;
use longshore_core::ErrorKind;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::sse;
use crate::{Desk, Refusal, live::News};

/// Pages that may look on at a time.
const MOST: usize = 64;

pub(super) fn routes() -> OpenApiRouter<Desk> {
    OpenApiRouter::new().routes(routes!(events))
}

/// How everything is, and from then on what changes: `servers`, `models`, `running`, `sample` and `call`.
#[utoipa::path(get, path = "/events", tag = "desk",
    responses((status = 200, content_type = "text/event-stream", body = String)))]
async fn events(State(desk): State<Desk>) -> Result<Response, Refusal> {
    if desk.hub.listeners() >= MOST {
        let message = format!("{MOST} pages look on already, which is the most");
        let status = StatusCode::SERVICE_UNAVAILABLE;
        return Err(Refusal::with_status("look on", status, ErrorKind::Overloaded, message)
            .next("close some windows of the desk"));
    }
    desk.tell();
    let (now, receiver) = desk.hub.listen();
    let stream = news(desk.clone(), now, receiver);
    Ok(sse::stream(&desk, stream).into_response())
}

/// What is told now, and what comes; who is too far behind is told all anew.
fn news(desk: Desk, now: Vec<News>, receiver: Receiver<News>) -> impl Stream<Item = News> + Send {
    stream::unfold((desk, now.into_iter(), receiver), |(desk, mut now, mut receiver)| async move {
        loop {
            if let Some(news) = now.next() {
                return Some((news, (desk, now, receiver)));
            }
            match receiver.recv().await {
                Ok(news) => return Some((news, (desk, now, receiver))),
                Err(RecvError::Lagged(_)) => now = desk.hub.all().into_iter(),
                Err(RecvError::Closed) => return None,
            }
        }
    })
}
