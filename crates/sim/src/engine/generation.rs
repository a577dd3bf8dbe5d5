//! A generation as it happens: [`Generation`] waits for the planned instant of each token and hands it on.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_core::Stream;
use longshore_core::{Error, Event, EventKind, Usage, event::InferenceOutput, text_model};

use super::{
    clock::{Clock, Sleep, Tick},
    draw::Draw,
    models::Lease,
    schedule::{Schedule, Turn},
    text::Plan,
};
use crate::{
    config::{Distribution, Latency, Shape},
    observe::{Key, Record},
};

/// What a generation needs to know beside its text.
pub(crate) struct Setting {
    pub(crate) clock: Clock,
    pub(crate) schedule: Schedule,
    pub(crate) latency: Latency,
    pub(crate) shape: Shape,
    pub(crate) seed: u64,
    pub(crate) key: Key,
    pub(crate) record: Arc<Record>,
    /// Hand tokens on as they are made, or all at the end.
    pub(crate) stream: bool,
    /// The caller asked with tensors and is answered with tensors: its own id for the request.
    pub(crate) tensors: Option<Option<String>>,
}

/// The events of one generation. Dropping it gives the slot and the model back.
pub(crate) struct Generation {
    setting: Setting,
    plan: Plan,
    held: Option<(Turn, Lease)>,
    /// Tokens of each choice that were made.
    made: u32,
    /// The planned instants of the tokens that leave next, together; never empty until the end.
    group: Vec<Tick>,
    sleep: Option<Sleep>,
    out: VecDeque<EventKind>,
    ended: bool,
}

impl Generation {
    /// `first` is the instant of the first token.
    pub(crate) fn new(setting: Setting, plan: Plan, turn: Turn, lease: Lease, first: Tick) -> Self {
        let mut out = VecDeque::new();
        if setting.tensors.is_none() {
            out.push_back(EventKind::Started { model: lease.model.id.clone() });
        }
        let mut generation = Self {
            setting,
            plan,
            held: Some((turn, lease)),
            made: 0,
            group: Vec::new(),
            sleep: None,
            out,
            ended: false,
        };
        generation.plan_group(first);
        generation
    }

    /// Plans the tokens that leave together next, the first of them at `first`.
    fn plan_group(&mut self, first: Tick) {
        let left = self.plan.steps() - self.made;
        let shape = self.setting.shape;
        let size = if self.setting.stream {
            shape.tokens_per_chunk.max(1).saturating_mul(shape.burst.max(1))
        } else if self.setting.latency.batch_slope == 0.0 {
            // Nothing that others do changes these instants, and nobody sees the tokens before the last: one wait will
            // do.
            left
        } else {
            1
        };
        let size = size.min(left).max(1);
        self.group.clear();
        self.group.reserve(size as usize);
        let mut at = first;
        for position in 0..size {
            if position > 0 {
                at = self.next_after(at, self.made + position);
            }
            self.group.push(at);
        }
    }

    /// The instant of token `position` when the one before it was made at `at`: a decode step later.
    fn next_after(&self, at: Tick, position: u32) -> Tick {
        let Setting { latency, seed, key, schedule, .. } = &self.setting;
        let alone = latency.batch_slope == 0.0;
        if let Distribution::Fixed(step) = latency.itl
            && (alone || step.is_zero())
        {
            return schedule.after(at, step);
        }
        let step = latency.itl.sample(&mut Draw::new(seed ^ key.lane(), "itl", key.index, position.into()));
        let others = if alone { 0 } else { schedule.load().0.saturating_sub(1) };
        let step = step * (1.0 + latency.batch_slope * others as f64);
        schedule.after(at, Duration::try_from_secs_f64(step).unwrap_or(Duration::MAX / 4))
    }

    /// The group's instant has come: its tokens become events, and the next group is planned.
    fn hand_on(&mut self) {
        let now = self.setting.clock.now();
        let group = std::mem::take(&mut self.group);
        let count = (group.len() as u32).min(self.plan.steps() - self.made);
        let last = group.last().copied().unwrap_or(now);
        let choices = self.plan.choices.len() as u64;
        let stream = self.setting.stream;
        if count > 0 {
            self.setting.record.note(|draft| {
                for planned in &group {
                    // Of a group, only the last token leaves at its own instant.
                    draft.token(choices, *planned, if *planned == last { now } else { *planned }, stream);
                }
            });
        }
        let per_chunk = if stream { self.setting.shape.tokens_per_chunk.max(1) } else { count.max(1) };
        let end = self.made + count;
        while self.made < end {
            let next = (self.made + per_chunk).min(end);
            self.put_chunk(self.made, next);
            self.made = next;
        }
        // Its room is used again.
        self.group = group;
        if self.made == self.plan.steps() {
            self.finish(last);
        } else {
            self.plan_group(self.next_after(last, self.made));
        }
    }

    /// The tokens from `from` up to `to` of each choice: reasoning first, then text.
    fn put_chunk(&mut self, from: u32, to: u32) {
        let border = self.plan.reasoning.clamp(from, to);
        for (choice, index) in (0..self.plan.choices.len()).zip(0..) {
            let (reasoning, text) = (self.plan.said(choice, from, border), self.plan.said(choice, border, to));
            if !reasoning.is_empty() && self.setting.tensors.is_none() {
                self.out.push_back(EventKind::Reasoning { index, text: reasoning });
            }
            match &self.plan.tool {
                // A whole answer has its calls whole: see `finish`.
                Some(tool) if border < to && self.setting.stream => {
                    let calls = tool.delta(border == self.plan.reasoning, &text);
                    self.out.push_back(EventKind::ToolCalls { index, calls });
                }
                None if !text.is_empty() => self.out.push_back(EventKind::Text { index, text }),
                _ => {}
            }
        }
    }

    fn finish(&mut self, at: Tick) {
        if let Some((turn, _)) = &mut self.held {
            turn.ends(at);
        }
        self.held = None;
        let completion_tokens = u64::from(self.plan.steps()) * self.plan.choices.len() as u64;
        let prompt_tokens = self.plan.prompt_tokens;
        if let Some(id) = self.setting.tensors.clone() {
            self.texts_to_tensors(&id);
        }
        if let Some(tool) = self.plan.tool.as_ref().filter(|_| !self.setting.stream) {
            let said = self.plan.said(0, self.plan.reasoning, self.plan.steps());
            self.out.push_back(EventKind::ToolCalls { index: 0, calls: tool.whole(&said) });
        }
        self.out.push_back(EventKind::Usage(Usage { prompt_tokens, completion_tokens, cached_tokens: None }));
        self.out.push_back(EventKind::Done(self.plan.finish.clone()));
        self.ended = true;
    }

    /// Turns texts that wait to go out into tensors: one tensor for each, or, for a whole answer, one for all.
    fn texts_to_tensors(&mut self, id: &Option<String>) {
        let texts: Vec<String> = self
            .out
            .drain(..)
            .filter_map(|kind| if let EventKind::Text { text, .. } = kind { Some(text) } else { None })
            .collect();
        let tensor = |texts: &[&str]| {
            let output = text_model::output(texts).unwrap_or_default();
            EventKind::Tensors(InferenceOutput { id: id.clone(), version: Some("1".into()), ..output })
        };
        if self.setting.stream {
            self.out.extend(texts.iter().map(|text| tensor(&[text])));
        } else {
            self.out.push_back(tensor(&texts.iter().map(String::as_str).collect::<Vec<_>>()));
        }
    }

    /// Whether what is in `out` may leave: a whole answer by tensors is put together first.
    fn may_leave(&self) -> bool {
        self.ended || self.setting.tensors.is_none() || self.setting.stream
    }
}

impl Stream for Generation {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if self.may_leave()
                && let Some(kind) = self.out.pop_front()
            {
                return Poll::Ready(Some(Ok(Event::now(kind))));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            let at = self.group.last().copied().unwrap_or_default();
            if self.setting.clock.now() < at {
                let Self { sleep, setting, .. } = &mut *self;
                let sleep = sleep.get_or_insert_with(|| setting.clock.until(at));
                sleep.reset(at);
                ready!(Pin::new(sleep).poll(cx));
            }
            self.hand_on();
            if self.setting.stream
                && let Some(id) = self.setting.tensors.clone()
                && !self.ended
            {
                self.texts_to_tensors(&id);
            }
        }
    }
}
