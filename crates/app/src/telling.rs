//! What a person is told of a [`Failure`]: on the terminal in colours, in a window as text.

use longshore_config::Problems;
use miette::{GraphicalReportHandler, GraphicalTheme};

use crate::{
    cli::Global,
    context,
    exit::Failure,
    report,
    terminal::{
        Out, Style,
        sanitise::{same_length, sanitise, sanitise_line},
    },
};

/// Says what went wrong as the command line does: to people on standard error, to programs on standard output.
pub fn tell_failure(failure: &Failure, global: &Global) {
    tell(failure, &mut Out::new(context::manner(global)));
}

/// The same as text, for where there is no terminal. Empty if there is nothing to say.
pub fn failure_text(failure: &Failure) -> String {
    match failure {
        Failure::Problems(problems) => drawn(problems, GraphicalTheme::unicode_nocolor()),
        other => sanitise(&lines(other).join("\n")).into_owned(),
    }
}

/// As [`tell_failure`], where there is an [`Out`] already.
pub(crate) fn tell(failure: &Failure, out: &mut Out) {
    if out.manner.json && !matches!(failure, Failure::ClosedOutput | Failure::Partly(_)) {
        // If standard output is closed, the code still tells.
        let _ = out.json(&report::failure_json(failure));
    }
    if let Failure::Problems(problems) = failure {
        let theme = match (out.manner.error_is_terminal, out.manner.error_color) {
            (true, true) => GraphicalTheme::unicode(),
            (true, false) => GraphicalTheme::unicode_nocolor(),
            (false, _) => GraphicalTheme::none(),
        };
        return out.drawn_note(&drawn(problems, theme));
    }
    for (index, line) in lines(failure).iter().enumerate() {
        match (index, failure) {
            (_, Failure::Cancelled) => out.styled_note(Style::Dim, line),
            (0, _) => out.styled_note(Style::Red, &format!("error: {line}")),
            _ => out.note(line),
        }
    }
}

/// The first says what went wrong.
fn lines(failure: &Failure) -> Vec<String> {
    match failure {
        Failure::Usage(message) => vec![message.clone(), "For more information, try '--help'.".into()],
        Failure::Problems(problems) => problems.iter().map(ToString::to_string).collect(),
        Failure::Configuration(message) => vec![format!("configuration: {message}")],
        Failure::Call { what, error } => report::error_lines(what, error),
        Failure::Other(message) => vec![format!("failed to {message}")],
        Failure::Cancelled => vec!["cancelled".into()],
        Failure::Partly(_) | Failure::ClosedOutput => Vec::new(),
    }
}

/// Each problem in its line of the file, where there is one. What came from outside is inert in it.
fn drawn(problems: &Problems, theme: GraphicalTheme) -> String {
    let handler = GraphicalReportHandler::new_themed(theme).with_links(false);
    let source = problems.source().map(|source| same_length(&source.text));
    let mut all = String::new();
    for problem in problems.iter() {
        let place = if problem.path.is_empty() { String::new() } else { format!("{}: ", problem.path) };
        let message = format!("{}: {place}{}", problem.origin, problem.message);
        let mut diagnostic = miette::MietteDiagnostic::new(sanitise_line(&message));
        if let Some(hint) = &problem.hint {
            diagnostic = diagnostic.with_help(sanitise_line(hint));
        }
        let span = problem.span.clone().filter(|_| source.is_some());
        if let Some(span) = span {
            diagnostic = diagnostic.with_label(miette::LabeledSpan::new_with_span(None, span));
        }
        let mut one = String::new();
        let report = miette::Report::new(diagnostic);
        let report = match &source {
            Some(text) => report.with_source_code(text.clone()),
            None => report,
        };
        if handler.render_report(&mut one, report.as_ref()).is_err() {
            one = format!("{}\n", sanitise(&problem.to_string()));
        }
        all.push_str(&one);
    }
    let more = problems.omitted();
    if more > 0 {
        all.push_str(&format!("and {more} more problems\n"));
    }
    all
}

#[cfg(test)]
mod tests {
    use longshore_config::{Config, Sources};

    use super::*;

    #[test]
    fn a_wrong_file_is_told_with_its_line() {
        let sources = Sources::new().file("longshore.yaml", "gateway:\n  listen: nowhere\n");
        let problems = Config::load(sources).unwrap_err();
        let text = failure_text(&problems.into());
        assert!(text.contains("longshore.yaml") && text.contains("listen: nowhere"), "{text}");
        assert!(!text.contains('\x1b'), "{text:?}");
    }

    #[test]
    fn a_failure_is_text_without_control_characters() {
        let text = failure_text(&Failure::Other("serve: \x1b[2Jtaken".into()));
        assert!(text.starts_with("failed to serve: ") && !text.contains('\x1b'), "{text:?}");
        assert_eq!(failure_text(&Failure::ClosedOutput), "");
    }
}
