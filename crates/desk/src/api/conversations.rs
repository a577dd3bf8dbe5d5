//! `conversations`: made, found, changed, taken along and brought back.

use axum::{
    Json,
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use longshore_core::Error;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Desk, Problem, Refusal,
    chat::{check_attachments, from_markdown, to_markdown},
    store::{self, AnswerState, Change, Conversation, ConversationSummary, NewConversation},
};

pub(super) fn routes() -> OpenApiRouter<Desk> {
    OpenApiRouter::new()
        .routes(routes!(list_conversations, create))
        .routes(routes!(read, change_conversation, delete_conversation))
        .routes(routes!(export))
        .routes(routes!(import))
}

/// Which conversations are asked for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
struct Search {
    /// Words that must all stand in it; each may be the beginning of one, and Chinese, Japanese and Korean ones may stand
    /// anywhere.
    q: String,
    /// At most so many; 50 if nothing is said.
    limit: Option<usize>,
    /// Only those after the conversation of this id in the list.
    before: Option<String>,
}

/// Conversations, the latest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Conversations {
    /// The conversations.
    pub conversations: Vec<ConversationSummary>,
    /// Whether there are more.
    pub more: bool,
}

/// Conversations, the latest first.
#[utoipa::path(get, path = "/conversations", tag = "conversations", params(Search),
    responses((status = 200, body = Conversations), (status = 500, body = Problem)))]
async fn list_conversations(
    State(desk): State<Desk>,
    Query(search): Query<Search>,
) -> Result<Json<Conversations>, Refusal> {
    let listed = desk.store.list(&search.q, search.limit.unwrap_or(50), search.before).await;
    let (conversations, more) = listed.map_err(|error| refuse("list the conversations", &error))?;
    Ok(Json(Conversations { conversations, more }))
}

/// Begins a conversation.
#[utoipa::path(post, path = "/conversations", tag = "conversations", request_body = NewConversation,
    responses((status = 201, body = Conversation), (status = 500, body = Problem)))]
async fn create(
    State(desk): State<Desk>,
    Json(new): Json<NewConversation>,
) -> Result<(StatusCode, Json<Conversation>), Refusal> {
    let made = desk.store.create(new).await.map_err(|error| refuse("begin a conversation", &error))?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// A conversation with all its branches.
#[utoipa::path(get, path = "/conversations/{id}", tag = "conversations", params(("id" = String, Path)),
    responses((status = 200, body = Conversation), (status = 404, body = Problem)))]
async fn read(State(desk): State<Desk>, Path(id): Path<String>) -> Result<Json<Conversation>, Refusal> {
    find(&desk, &id, "show the conversation").await.map(Json)
}

/// Changes what is said about a conversation, or which branch is shown.
#[utoipa::path(patch, path = "/conversations/{id}", tag = "conversations", params(("id" = String, Path)),
    request_body = Change, responses((status = 200, body = Conversation), (status = 404, body = Problem)))]
async fn change_conversation(
    State(desk): State<Desk>,
    Path(id): Path<String>,
    Json(change): Json<Change>,
) -> Result<Json<Conversation>, Refusal> {
    const WHAT: &str = "change the conversation";
    let changed = desk.store.change(&id, change).await.map_err(|error| refuse(WHAT, &error))?;
    changed.map(Json).ok_or_else(|| missing(WHAT, &id))
}

/// Deletes a conversation. Answers that are coming in it are stopped.
#[utoipa::path(delete, path = "/conversations/{id}", tag = "conversations", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
async fn delete_conversation(State(desk): State<Desk>, Path(id): Path<String>) -> Result<StatusCode, Refusal> {
    const WHAT: &str = "delete the conversation";
    for message in find(&desk, &id, WHAT).await?.messages {
        if desk.answers.is_running(&message.id) {
            desk.answers.stop(&message.id).await;
        }
    }
    match desk.store.delete(&id).await.map_err(|error| refuse(WHAT, &error))? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(missing(WHAT, &id)),
    }
}

/// In which form.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
struct Form {
    /// `markdown` or `json`.
    format: String,
}

/// What a conversation is taken along as, and brought back from.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Exported {
    /// All of it, as it is exported.
    Json {
        /// The form of what follows: 1.
        longshore_conversation: u32,
        /// The conversation.
        conversation: Box<Conversation>,
    },
    /// One branch, as text.
    Markdown {
        /// The text.
        markdown: String,
    },
}

/// A conversation to take along: as JSON with everything, as Markdown for people.
#[utoipa::path(get, path = "/conversations/{id}/export", tag = "conversations", params(("id" = String, Path), Form),
    responses((status = 200, description = "The file", body = Exported), (status = 404, body = Problem)))]
async fn export(
    State(desk): State<Desk>,
    Path(id): Path<String>,
    Query(form): Query<Form>,
) -> Result<Response, Refusal> {
    const WHAT: &str = "export the conversation";
    let conversation = find(&desk, &id, WHAT).await?;
    let (body, media_type, extension) = match form.format.as_str() {
        "markdown" => (to_markdown(&conversation), "text/markdown; charset=utf-8", "md"),
        "json" | "" => {
            let exported = Exported::Json { longshore_conversation: 1, conversation: Box::new(conversation) };
            let body = serde_json::to_string_pretty(&exported);
            let body = body.map_err(|error| Refusal::invalid(WHAT, format!("it cannot be written: {error}")))?;
            (body, "application/json", "json")
        }
        other => {
            return Err(Refusal::invalid(WHAT, format!("there is no form `{other}`; there are markdown and json")));
        }
    };
    let mut response = body.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    let name = format!("attachment; filename=\"conversation-{}.{extension}\"", id.replace(['"', '\\'], ""));
    if let Ok(name) = HeaderValue::from_str(&name) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

/// Brings a conversation back that was exported. Ids that are taken already are replaced throughout.
#[utoipa::path(post, path = "/conversations/import", tag = "conversations", request_body = Exported,
    responses((status = 201, body = Conversation), (status = 400, body = Problem)))]
async fn import(
    State(desk): State<Desk>,
    Json(exported): Json<Exported>,
) -> Result<(StatusCode, Json<Conversation>), Refusal> {
    const WHAT: &str = "import the conversation";
    let conversation = match exported {
        Exported::Markdown { markdown } => from_markdown(&markdown),
        Exported::Json { longshore_conversation: 1, conversation } => *conversation,
        Exported::Json { longshore_conversation: form, .. } => {
            return Err(Refusal::invalid(WHAT, format!("it has the form {form}, and this program knows 1")));
        }
    };
    let limit = desk.answers.limits().attachment_bytes;
    let conversation = checked(conversation, limit).map_err(|error| Refusal::new(WHAT, &error))?;
    let added = desk.store.add(conversation).await.map_err(|error| refuse(WHAT, &error))?;
    Ok((StatusCode::CREATED, Json(added)))
}

/// Parents stand before their children, ids are ids, and nothing in it is still coming.
fn checked(mut conversation: Conversation, attachment_bytes: usize) -> Result<Conversation, Error> {
    let mut known = std::collections::HashSet::new();
    let is_id =
        |id: &str| (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !is_id(&conversation.id) {
        return Err(Error::invalid("the conversation has no proper id"));
    }
    for message in &mut conversation.messages {
        if !is_id(&message.id) || message.parent.as_ref().is_some_and(|parent| !known.contains(parent)) {
            return Err(Error::invalid(format!("the message `{}` has no proper id or no known parent", message.id)));
        }
        if !known.insert(message.id.clone()) {
            return Err(Error::invalid(format!("the message `{}` comes twice", message.id)));
        }
        message.attachments = check_attachments(std::mem::take(&mut message.attachments), attachment_bytes)?;
        if let Some(answer) = message.answer.as_mut().filter(|answer| answer.state == AnswerState::Running) {
            answer.state = AnswerState::Interrupted;
        }
    }
    if conversation.leaf.as_ref().is_some_and(|leaf| !known.contains(leaf)) {
        conversation.leaf = conversation.messages.last().map(|message| message.id.clone());
    }
    Ok(conversation)
}

pub(super) async fn find(desk: &Desk, id: &str, what: &str) -> Result<Conversation, Refusal> {
    let read = async || desk.store.conversation(id).await.map_err(|error| refuse(what, &error));
    let mut found = read().await?;
    let coming_elsewhere = |message: &store::Message| {
        let running = message.answer.as_ref().is_some_and(|answer| answer.state == AnswerState::Running);
        running && !desk.answers.is_running(&message.id)
    };
    if found.as_ref().is_some_and(|found| found.messages.iter().any(coming_elsewhere)) {
        // That process may have ended since.
        desk.store.interrupt_left().await.map_err(|error| refuse(what, &error))?;
        found = read().await?;
    }
    found.ok_or_else(|| missing(what, id))
}

pub(super) fn missing(what: &str, id: &str) -> Refusal {
    Refusal::missing(what, format!("there is no conversation {id}"))
}

/// An error of the store, with what a person can do about it.
pub(super) fn refuse(what: &str, error: &Error) -> Refusal {
    let refusal = Refusal::new(what, error);
    match store::next(error) {
        Some(next) => refusal.next(next),
        None => refusal,
    }
}
