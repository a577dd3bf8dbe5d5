//! One member's part of a joint answer.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use longshore_core::{Error, Event, EventKind, Events, Usage};

use super::rows;

/// Who of a joint request has which items.
#[derive(Debug)]
pub(super) struct Division {
    /// Where each member's items begin; one more at the end.
    pub(super) starts: Vec<usize>,
    /// How much of the prompt each member is.
    pub(super) weights: Vec<u64>,
}

impl Division {
    fn members(&self) -> usize {
        self.weights.len()
    }

    fn member_of(&self, item: u32) -> usize {
        self.starts.partition_point(|&start| start <= item as usize).saturating_sub(1)
    }
}

/// One member's part.
#[derive(Clone, Debug)]
pub(super) struct Share {
    pub(super) of: Arc<Division>,
    pub(super) member: usize,
    /// The caller's own id of an inference.
    pub(super) id: Option<Arc<str>>,
    /// How many vectors are expected.
    pub(super) vectors: usize,
}

impl Share {
    /// There are no other members, and the answer is this one's as it is.
    pub(super) fn is_whole(&self) -> bool {
        self.of.members() == 1
    }

    /// This member's events of the joint ones. They bear no bytes: those speak of everybody.
    pub(super) fn of(self, joint: Events) -> Events {
        if self.is_whole() {
            return joint;
        }
        let received = vec![0; self.of.members()];
        let state = Some((joint, Part { share: self, received, vectors: 0 }));
        stream::unfold(state, |state| async move {
            let (mut joint, mut part) = state?;
            loop {
                match joint.next().await? {
                    Ok(event) => match part.take(event) {
                        Some(Ok(event)) => return Some((Ok(event), Some((joint, part)))),
                        Some(Err(error)) => return Some((Err(error), None)),
                        None => {}
                    },
                    Err(error) => return Some((Err(error), None)),
                }
            }
        })
        .boxed()
    }
}

struct Part {
    share: Share,
    /// Bytes of text that came for each member.
    received: Vec<u64>,
    vectors: usize,
}

impl Part {
    /// What of an event is this member's.
    fn take(&mut self, event: Event) -> Option<Result<Event, Error>> {
        let Share { of, member, .. } = &self.share;
        let (first, after) = (of.starts[*member], of.starts[*member + 1]);
        let own = |index: u32| (first..after).contains(&(index as usize)).then(|| index - first as u32);
        let kind = match event.kind {
            EventKind::Text { index, text } => {
                let sender = of.member_of(index);
                if let Some(received) = self.received.get_mut(sender) {
                    *received += text.len() as u64;
                }
                EventKind::Text { index: own(index)?, text }
            }
            EventKind::Reasoning { index, text } => EventKind::Reasoning { index: own(index)?, text },
            EventKind::ToolCalls { index, calls } => EventKind::ToolCalls { index: own(index)?, calls },
            EventKind::Embedding { index, vector } => {
                let index = own(index)?;
                self.vectors += 1;
                EventKind::Embedding { index, vector }
            }
            EventKind::Tensors(output) => match rows::cut(&output, first, after - first, of.starts[of.members()]) {
                Ok(mut output) => {
                    output.id = self.share.id.as_deref().map(str::to_owned);
                    EventKind::Tensors(output)
                }
                Err(error) => return Some(Err(error)),
            },
            EventKind::Usage(usage) => EventKind::Usage(self.usage(usage)),
            EventKind::Done(_) if self.vectors < self.share.vectors => {
                let message =
                    format!("{} of {} vectors are missing", self.share.vectors - self.vectors, self.share.vectors);
                return Some(Err(Error::protocol(message)));
            }
            EventKind::Other => return None,
            other => other,
        };
        Some(Ok(Event { kind, raw: None, ..event }))
    }

    /// The parts add up to the whole.
    fn usage(&self, usage: Usage) -> Usage {
        let (member, weights) = (self.share.member, &self.share.of.weights);
        Usage {
            prompt_tokens: part_of(usage.prompt_tokens, weights, member),
            completion_tokens: part_of(usage.completion_tokens, &self.received, member),
            cached_tokens: usage.cached_tokens.map(|tokens| part_of(tokens, weights, member)),
        }
    }
}

/// The part of `total` that falls to one of several weights; equal parts if none weighs anything.
fn part_of(total: u64, weights: &[u64], place: usize) -> u64 {
    let weight = |place: usize| u128::from(weights[place]);
    let sum: u128 = (0..weights.len()).map(weight).sum();
    let upto = |end: usize| match sum {
        0 => u128::from(total) * end as u128 / weights.len().max(1) as u128,
        sum => u128::from(total) * (0..end).map(weight).sum::<u128>() / sum,
    };
    (upto(place + 1) - upto(place)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_to_the_whole() {
        for weights in [&[1, 1, 1][..], &[5, 0, 3], &[0, 0], &[u64::MAX, 1]] {
            for total in [0, 1, 7, 1000] {
                let parts: Vec<_> = (0..weights.len()).map(|place| part_of(total, weights, place)).collect();
                assert_eq!(parts.iter().sum::<u64>(), total, "{weights:?} {parts:?}");
            }
        }
        assert_eq!(part_of(9, &[2, 1], 0), 6);
    }

    #[tokio::test]
    async fn each_member_gets_its_own() {
        let text = |index, text: &str| EventKind::Text { index, text: text.into() };
        let joint = || {
            let usage = EventKind::Usage(Usage { prompt_tokens: 30, completion_tokens: 6, cached_tokens: None });
            let kinds = [text(2, "cc"), text(0, "a"), text(1, "b"), text(2, "cc"), usage];
            let done = EventKind::Done(longshore_core::Finish::Length);
            stream::iter(kinds.into_iter().chain([done]).map(|kind| Ok(Event::now(kind)))).boxed()
        };
        let of = Arc::new(Division { starts: vec![0, 2, 3], weights: vec![20, 10] });
        for (member, texts, prompt, completion) in [(0, &["a", "b"][..], 20, 2), (1, &["cccc"], 10, 4)] {
            let share = Share { of: of.clone(), member, id: None, vectors: 0 };
            let reply = longshore_core::Reply::new(longshore_core::Route::in_process("x"), share.of(joint()));
            let answer = reply.collect().await.unwrap();
            let usage = answer.usage.unwrap();
            assert_eq!(answer.texts, texts);
            assert_eq!((usage.prompt_tokens, usage.completion_tokens), (prompt, completion));
        }
    }
}
