//! `ask` and `answers`: questions to models, and their answers while they come.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use http::StatusCode;
use longshore_core::{Error, ErrorKind, Sent};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    conversations::{find, missing, refuse},
    sse,
};
use crate::{
    Desk, Problem, Refusal,
    calls::Source,
    chat::{self, AnswerEvent, Asked, Stopped, Target, Upstream, check_attachments, title_of},
    store::{Answer, AnswerState, Attachment, Change, Conversation, Message, Role, fresh_id, now},
};

/// Targets of one question.
const MOST_TARGETS: usize = 4;

pub(super) fn routes() -> OpenApiRouter<Desk> {
    OpenApiRouter::new().routes(routes!(ask)).routes(routes!(answer_events)).routes(routes!(stop_answer))
}

/// A question.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Ask {
    /// The message that this follows; `null` begins a branch of its own.
    pub parent: Option<String>,
    /// The person's words; `null` asks for another answer below `parent`, which is a person's message then.
    pub content: Option<String>,
    /// What goes with the words.
    pub attachments: Vec<Attachment>,
    /// Whom to ask, one to four; the conversation's own if there are none.
    pub targets: Vec<Target>,
}

/// What was begun.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Answering {
    /// The person's message, if there is a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
    /// The answers, one for each target; running.
    pub answers: Vec<Message>,
}

/// Asks one model, or several to compare them. The answers are tasks of the program: they go on when the page is closed.
#[utoipa::path(post, path = "/conversations/{id}/ask", tag = "conversations", params(("id" = String, Path)),
    request_body = Ask, responses((status = 202, body = Answering), (status = 400, body = Problem), (status = 404, body = Problem)))]
async fn ask(
    State(desk): State<Desk>,
    Path(id): Path<String>,
    Json(ask): Json<Ask>,
) -> Result<(StatusCode, Json<Answering>), Refusal> {
    const WHAT: &str = "ask the model";
    let failed = |error: Error| Refusal::new(WHAT, &error);
    let mut conversation = find(&desk, &id, WHAT).await?;
    let targets = targets(&ask, &conversation).map_err(failed)?;
    desk.answers.check_room(targets.len()).map_err(failed)?;
    let message = question(&ask, &conversation, desk.answers.limits().attachment_bytes).map_err(failed)?;
    let below = message.as_ref().map(|message| message.id.clone()).or(ask.parent).unwrap_or_default();
    conversation.messages.extend(message.clone());
    let chat = chat::turn(&conversation, &below).map_err(failed)?;

    // One instant for all of them: the page knows by it which answers are to be compared.
    let asked_at = now();
    let answers: Vec<Message> = targets.iter().map(|target| answer(&below, target, asked_at)).collect();
    let added = message.iter().chain(&answers).cloned().collect();
    let title = message.as_ref().map(title).unwrap_or_default();
    let known = desk.store.append(&id, added, &title).await.map_err(|error| refuse(WHAT, &error))?;
    if !known {
        return Err(missing(WHAT, &id));
    }
    if let (None, [Target { model: Some(model), server }]) = (&conversation.model, &targets[..]) {
        let change = Change { model: Some(Some(model.clone())), server: Some(server.clone()), ..Change::default() };
        desk.store.change(&id, change).await.map_err(|error| refuse(WHAT, &error))?;
    }

    let backend = desk.calls.wrap(Arc::new(desk.live.clone()), Source::Desk);
    let may_move = targets.len() == 1;
    for (message, target) in answers.iter().cloned().zip(targets) {
        desk.answers.begin(Arc::clone(&backend), Asked { message, chat: chat.clone(), target, may_move });
    }
    Ok((StatusCode::ACCEPTED, Json(Answering { message, answers })))
}

/// Whom to ask.
fn targets(ask: &Ask, conversation: &Conversation) -> Result<Vec<Target>, Error> {
    if ask.targets.len() > MOST_TARGETS {
        return Err(Error::invalid(format!("at most {MOST_TARGETS} are asked at once")));
    }
    if ask.targets.is_empty() {
        let Conversation { model, server, .. } = conversation;
        return Ok(vec![Target { model: model.clone(), server: server.clone() }]);
    }
    Ok(ask.targets.clone())
}

/// The person's message; `None` where an answer is asked for again.
fn question(ask: &Ask, conversation: &Conversation, attachment_bytes: usize) -> Result<Option<Message>, Error> {
    let find = |id: &String| conversation.messages.iter().find(|message| message.id == *id);
    let parent = match &ask.parent {
        None => None,
        Some(id) => Some(find(id).ok_or_else(|| Error::invalid(format!("the conversation has no message {id}")))?),
    };
    let state = parent.and_then(|parent| parent.answer.as_ref()).map(|answer| answer.state);
    if state == Some(AnswerState::Running) {
        let error = Error::invalid("the answer that this follows is still coming: wait for it, or stop it");
        return Err(error.status(StatusCode::CONFLICT.as_u16()).sent(Sent::No));
    }
    let Some(content) = &ask.content else {
        let again = parent.is_some_and(|parent| parent.role == Role::User);
        let message = "another answer is asked for below a person's message: `parent` is none";
        return if again { Ok(None) } else { Err(Error::invalid(message)) };
    };
    let attachments = check_attachments(ask.attachments.clone(), attachment_bytes)?;
    if content.trim().is_empty() && attachments.is_empty() {
        return Err(Error::invalid("there is nothing to ask: the message is empty"));
    }
    Ok(Some(Message {
        id: fresh_id(),
        parent: ask.parent.clone(),
        role: Role::User,
        content: content.clone(),
        attachments,
        created_at: now(),
        answer: None,
    }))
}

fn answer(parent: &str, target: &Target, asked_at: u64) -> Message {
    let Target { model, server } = target.clone();
    let answer = Answer { state: AnswerState::Running, model, server, ..Answer::default() };
    Message {
        id: fresh_id(),
        parent: Some(parent.to_owned()),
        role: Role::Assistant,
        created_at: asked_at,
        answer: Some(answer),
        ..Message::default()
    }
}

fn title(message: &Message) -> String {
    let words = title_of(&message.content);
    match message.attachments.first() {
        Some(attachment) if words.is_empty() => title_of(&attachment.name),
        _ => words,
    }
}

/// The events of an answer, from its beginning, and then as they come: `phase`, `segment`, `text`, `reasoning`, `attempt`,
/// `done`.
#[utoipa::path(get, path = "/answers/{id}/events", tag = "conversations", params(("id" = String, Path)),
    responses((status = 200, body = AnswerEvent, content_type = "text/event-stream"), (status = 404, body = Problem)))]
async fn answer_events(State(desk): State<Desk>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let named = |event: AnswerEvent| (event.name(), event);
    if let Some(events) = desk.answers.follow(&id) {
        return Ok(sse::stream(&desk, events.map(named)).into_response());
    }
    let message = kept(&desk, &id, "follow the answer").await?;
    if is_running(&message) {
        let events = chat::from_afar(desk.store.clone(), message);
        return Ok(sse::stream(&desk, events.map(named)).into_response());
    }
    Ok(sse::stream(&desk, stream::iter(chat::replayed(message)).map(named)).into_response())
}

/// Stops an answer; says what became of the server's work.
#[utoipa::path(post, path = "/answers/{id}/stop", tag = "conversations", params(("id" = String, Path)),
    responses((status = 200, body = Stopped), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn stop_answer(State(desk): State<Desk>, Path(id): Path<String>) -> Result<Json<Stopped>, Refusal> {
    if let Some(stopped) = desk.answers.stop(&id).await {
        return Ok(Json(stopped));
    }
    const WHAT: &str = "stop the answer";
    let message = kept(&desk, &id, WHAT).await?;
    if is_running(&message) {
        let reason = "it comes in another Longshore that is open on this machine";
        let refusal = Refusal::with_status(WHAT, StatusCode::CONFLICT, ErrorKind::InvalidRequest, reason);
        return Err(refusal.next("stop it there"));
    }
    let answer = message.answer.unwrap_or_default();
    let tokens = answer.usage.map_or(0, |usage| usage.completion_tokens);
    Ok(Json(Stopped { state: answer.state, upstream: Upstream::AlreadyEnded, tokens }))
}

/// An answer that is not coming in this process.
async fn kept(desk: &Desk, id: &str, what: &str) -> Result<Message, Refusal> {
    desk.store.interrupt_left().await.map_err(|error| refuse(what, &error))?;
    let message = desk.store.message(id).await.map_err(|error| refuse(what, &error))?;
    let message = message.filter(|message| message.answer.is_some());
    let missing = || {
        Refusal::with_status(what, StatusCode::NOT_FOUND, ErrorKind::InvalidRequest, format!("there is no answer {id}"))
    };
    message.ok_or_else(missing)
}

fn is_running(message: &Message) -> bool {
    message.answer.as_ref().is_some_and(|answer| answer.state == AnswerState::Running)
}
