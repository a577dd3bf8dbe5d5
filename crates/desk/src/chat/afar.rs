//! An answer that comes in another process on the same file: [`from_afar`].
//!
//! What that process writes down is read again and again, and told as if it came here. It cannot be stopped from here.

use std::{collections::VecDeque, time::Duration};

use futures_core::Stream;
use futures_util::stream;

use super::event::{AnswerEvent, more};
use crate::store::{Answer, AnswerState, Message, Store};

/// The other process writes four times a second.
const EVERY: Duration = Duration::from_millis(500);

/// Its events from the beginning to its end, or to the end of that process.
pub fn from_afar(store: Store, message: Message) -> impl Stream<Item = AnswerEvent> + Send {
    let afar = Afar { store, id: message.id.clone(), told: Answer::default(), news: VecDeque::new(), ended: false };
    stream::unfold((afar, Some(message)), |(mut afar, mut known)| async move {
        loop {
            if let Some(event) = afar.news.pop_front() {
                return Some((event, (afar, known)));
            }
            if afar.ended {
                return None;
            }
            let message = match known.take() {
                Some(message) => message,
                None => afar.again().await?,
            };
            afar.hear(message);
        }
    })
}

struct Afar {
    store: Store,
    id: String,
    /// What has been told of.
    told: Answer,
    news: VecDeque<AnswerEvent>,
    ended: bool,
}

impl Afar {
    /// The message as it stands a little later; `None` if it is gone or cannot be read.
    async fn again(&self) -> Option<Message> {
        tokio::time::sleep(EVERY).await;
        self.store.interrupt_left().await.ok()?;
        self.store.message(&self.id).await.ok()?
    }

    fn hear(&mut self, message: Message) {
        let answer = message.answer.clone().unwrap_or_default();
        self.news.extend(more(&self.told, &answer));
        if answer.state != AnswerState::Running {
            self.ended = true;
            self.news.push_back(AnswerEvent::Done(Box::new(message)));
        }
        self.told = answer;
    }
}
