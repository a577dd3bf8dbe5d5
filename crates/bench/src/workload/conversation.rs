//! The requests of one arrival: one, or the turns of a conversation that follow each other.

use longshore_core::{Call, call::Message};

use super::{Task, Workload};
use crate::schedule::Shape;

/// A conversation as it goes on; of one request where the task has no turns.
pub struct Session<'a> {
    workload: &'a Workload,
    number: u64,
    shape: Option<Shape>,
    said: Vec<Message>,
    turn: u32,
}

impl<'a> Session<'a> {
    pub(super) fn new(workload: &'a Workload, number: u64, shape: Option<Shape>) -> Self {
        Self { workload, number, shape, said: Vec::new(), turn: 0 }
    }

    /// Whether there is a turn after the present one, which needs the present one's answer.
    pub fn wants_answer(&self) -> bool {
        self.turn < self.turns()
    }

    /// The next request; `answer` is what came back on the one before. `None`: it is over.
    pub fn next(&mut self, answer: &str) -> Option<Call> {
        if self.turn >= self.turns() {
            return None;
        }
        let shape = self.shape.as_ref();
        if matches!(self.workload.task, Task::Chat { .. }) {
            if self.turn > 0 {
                self.said.push(Message::new("assistant", answer));
            }
            let part = u64::from(self.turn);
            let prompt = self.workload.prompts.prompt(self.workload.seed, self.number, part, shape);
            self.said.push(Message::new("user", prompt));
        }
        self.turn += 1;
        Some(self.workload.call(self.workload.op(self.number, shape, self.said.clone())))
    }

    fn turns(&self) -> u32 {
        match self.workload.task {
            Task::Chat { turns } => turns.max(1),
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use longshore_core::{Op, call::CacheUse};

    use super::*;
    use crate::workload::Prompts;

    fn workload(task: Task) -> Workload {
        Workload {
            task,
            prompts: Prompts::Fixed("why?".into()),
            tokens: Some(9),
            stream: true,
            model: Some("m".into()),
            server: None,
            cache: CacheUse::Never,
            seed: 1,
        }
    }

    #[test]
    fn a_conversation_carries_what_was_said() {
        let workload = workload(Task::Chat { turns: 2 });
        let mut session = workload.session(0, None);
        let call = session.next("").unwrap();
        assert!(session.wants_answer() && call.cache == CacheUse::Never && call.model_name() == "m");
        let call = session.next("because").unwrap();
        let Op::Chat(chat) = &*call.op else { panic!("{call:?}") };
        let said: Vec<_> = chat.messages.iter().map(|message| (message.role.as_str(), message.text())).collect();
        assert_eq!(said, [("user", "why?".into()), ("assistant", "because".into()), ("user", "why?".to_owned())]);
        assert_eq!((chat.sampling.max_tokens, chat.include_usage, chat.stream), (Some(9), true, true));
        assert!(!session.wants_answer() && session.next("").is_none());
    }

    #[test]
    fn other_tasks_are_one_request() {
        for task in [Task::Complete, Task::Embed { batch: 3 }, Task::Infer { inputs: Vec::new() }] {
            let (word, workload) = (task.word(), workload(task));
            let mut session = workload.session(5, None);
            let call = session.next("").unwrap();
            assert_eq!(call.op.kind().name(), word);
            assert!(session.next("").is_none());
        }
    }

    #[test]
    fn a_trace_gives_the_lengths() {
        let workload = workload(Task::Complete);
        let shape = Shape { prompt_tokens: 1, tokens: 77, blocks: Vec::new() };
        let call = workload.session(0, Some(shape)).next("").unwrap();
        let Op::Complete(completion) = &*call.op else { panic!("{call:?}") };
        assert_eq!(completion.sampling.max_tokens, Some(77));
    }
}
