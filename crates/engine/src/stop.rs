//! Ends an answer before a stop text, which may come in pieces.
//!
//! [`StopTexts`] holds back what could still become one, and nothing else.

/// Watches an answer for texts that end it.
pub(crate) struct StopTexts {
    stops: Vec<String>,
    held: String,
}

/// What may be shown now.
#[derive(Debug, PartialEq)]
pub(crate) enum Passed {
    /// This, and more may come.
    Text(String),
    /// This, and then the answer ends.
    Last(String),
}

impl StopTexts {
    pub(crate) fn new(stops: &[String]) -> Self {
        Self { stops: stops.iter().filter(|stop| !stop.is_empty()).cloned().collect(), held: String::new() }
    }

    pub(crate) fn push(&mut self, text: &str) -> Passed {
        self.held.push_str(text);
        if let Some(at) = self.stops.iter().filter_map(|stop| self.held.find(stop.as_str())).min() {
            self.held.truncate(at);
            return Passed::Last(std::mem::take(&mut self.held));
        }
        let keep = self.beginning();
        let held = self.held.split_off(self.held.len() - keep);
        Passed::Text(std::mem::replace(&mut self.held, held))
    }

    /// What was held back, when no more comes.
    pub(crate) fn finish(self) -> String {
        self.held
    }

    /// Length of the longest end of the held text with which a stop text begins.
    fn beginning(&self) -> usize {
        let ends = self.held.char_indices().map(|(at, _)| &self.held[at..]);
        ends.filter(|end| self.stops.iter().any(|stop| stop.starts_with(end))).map(str::len).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(stops: &[&str], pieces: &[&str]) -> (Vec<String>, bool) {
        let mut watch = StopTexts::new(&stops.iter().map(|stop| (*stop).to_owned()).collect::<Vec<_>>());
        let mut shown = Vec::new();
        for piece in pieces {
            match watch.push(piece) {
                Passed::Text(text) => shown.push(text),
                Passed::Last(text) => {
                    shown.push(text);
                    return (shown, true);
                }
            }
        }
        shown.push(watch.finish());
        (shown, false)
    }

    #[test]
    fn stop_texts_end_the_answer_wherever_they_are_cut() {
        let check = |stops: &[&str], pieces: &[&str], shown: &[&str], stopped: bool| {
            let expected = (shown.iter().map(|text| (*text).to_owned()).collect(), stopped);
            assert_eq!(run(stops, pieces), expected, "{stops:?} in {pieces:?}");
        };
        check(&[], &["a", "b"], &["a", "b", ""], false);
        check(&[""], &["a"], &["a", ""], false);
        check(&["END"], &["fine EN", "D more"], &["fine ", ""], true);
        check(&["END"], &["fine EN", "ough"], &["fine ", "ENough", ""], false);
        check(&["END"], &["fine E"], &["fine ", "E"], false);
        check(&["ab", "aab"], &["xa", "a", "b"], &["x", "", ""], true);
        check(&["\n\n", "x"], &["a\n", "x"], &["a", "\n"], true);
        check(&["🦀"], &["a🦀b"], &["a"], true);
    }

    proptest! {
        /// However the text is cut, what is shown is what stands before the first stop text.
        #[test]
        fn any_cut_shows_the_same(text in "[ab]{0,24}", stops in prop::collection::vec("[ab]{1,4}", 0..3), cuts in prop::collection::vec(1..4_usize, 24)) {
            let mut pieces = Vec::new();
            let mut rest = text.as_str();
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            let stops: Vec<&str> = stops.iter().map(String::as_str).collect();
            let (shown, stopped) = run(&stops, &pieces);
            let first = stops.iter().filter_map(|stop| text.find(stop)).min();
            prop_assert_eq!(stopped, first.is_some());
            // Pieces may reveal a longer stop text later than a shorter one: the shorter one wins only when it is whole.
            prop_assert!(text.starts_with(&shown.concat()));
            for stop in &stops {
                prop_assert!(!shown.concat().contains(stop));
            }
            if !stopped {
                prop_assert_eq!(shown.concat(), text);
            }
        }
    }
}
