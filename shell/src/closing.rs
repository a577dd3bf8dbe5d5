//! What it means to close the window: [`Closing`].
//!
//! Who closes a window is done with it, and does not want to lose what it was doing. So closing is quitting, but for
//! work that is under way: that is finished behind the tray's icon, and then the program ends by itself.

/// What is done when the window is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    /// The program ends; requests that run are given the time that the settings give them.
    Quit,
    /// The window goes, the work goes on, and the program ends with it.
    FinishFirst,
}

/// What the decision depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Situation {
    /// Requests or a benchmark run in this process.
    pub(crate) has_work: bool,
    /// Something on the screen still shows that the program runs, and brings the window back.
    pub(crate) has_tray: bool,
}

impl Situation {
    /// What to do now.
    pub(crate) fn decide(self) -> Closing {
        if self.has_work && self.has_tray { Closing::FinishFirst } else { Closing::Quit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_finished_where_the_person_can_see_it() {
        for (has_work, has_tray, expected) in [
            (false, true, Closing::Quit),
            (false, false, Closing::Quit),
            (true, true, Closing::FinishFirst),
            // An invisible program that goes on would be a surprise.
            (true, false, Closing::Quit),
        ] {
            assert_eq!(Situation { has_work, has_tray }.decide(), expected, "work {has_work}, tray {has_tray}");
        }
    }
}
