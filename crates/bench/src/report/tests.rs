//! Every way of writing a report says what the run says, and nothing from outside becomes markup.

use super::*;
use crate::{
    certificate::{Certificate, Certified, Deviation},
    measure::Window,
    resources::{Exposed, Gauge},
    run::{Caching, FORMAT, Level, Metrics, Row, Run, StageResult, Told},
    statistics::{Distribution, wilson},
};

const HOSTILE: &str = "<script>alert(1)</script>|\u{1b}[2J";

fn run() -> Run {
    let mut run = Run { id: "r1".into(), format: FORMAT.into(), ..Run::default() };
    run.subject.target = "http://127.0.0.1:1".into();
    run.subject.model = Some(HOSTILE.into());
    run.subject.task = "chat".into();
    run.subject.objectives = "ttft=15ms".into();
    run.subject.server_process = "process 4711".into();
    run.exposed =
        Some(Exposed { url: "http://127.0.0.1:1/metrics".into(), gauges: vec![Gauge::Waiting], problem: None });
    for (concurrency, ttft) in [(1_usize, 10.0), (10, 12.5)] {
        let load = format!("C={concurrency}");
        let spread = || Distribution::of((0..400).map(|at| ttft + f64::from(at) * 0.01)).spread(true);
        let metrics = Metrics {
            ttft: spread(),
            scheduled_ttft: spread(),
            scheduled_e2e: spread(),
            itl: spread(),
            ..Metrics::default()
        };
        let window = Window {
            seconds: 10.0,
            requests_per_second: 40.0 * concurrency as f64,
            tokens_per_second: 654.25,
            ..Window::default()
        };
        let row = |at: i32| Row {
            at: f64::from(at) * 25.0,
            ttft: Some(ttft),
            e2e: 25.0,
            outcome: "ok".into(),
            counts: true,
            ..Row::default()
        };
        run.stages.push(StageResult {
            load: load.clone(),
            requests: (0..400).map(row).collect(),
            ..StageResult::default()
        });
        let outcomes = [("ok".to_owned(), 400), ("server".to_owned(), 2)].into();
        run.levels.push(Level {
            load,
            concurrency: Some(concurrency),
            requests: 402,
            success: wilson(400, 402),
            efficiency: Some(0.75),
            metrics,
            window,
            outcomes,
            failures: [("server".to_owned(), HOSTILE.to_owned())].into(),
            told: [(Gauge::Waiting, Told { mean: 3.25, max: 9.0 })].into(),
            caching: Caching {
                answers: [("hit".to_owned(), 300), ("miss".to_owned(), 100)].into(),
                hit_ms: Some(0.125),
                made_ms: Some(25.0),
                prompt_tokens: 4000,
                cached_tokens: 1000,
            },
            gaps_by_place: vec![5.0, 5.5, 6.0],
            warnings: vec!["the same for all".into()],
            ..Level::default()
        });
    }
    run
}

#[test]
fn a_page_loads_nothing_and_shows_each_plot_as_a_table_too() {
    let page = html(&run_document(&run()));
    let plots = page.matches("<svg").count();
    assert!(plots >= 5, "{plots} plots");
    assert_eq!((page.matches("role=\"img\"").count(), page.matches("The same as a table").count()), (plots, plots));
    assert!(!page.contains("<script") && !page.contains('\u{1b}') && page.contains("&lt;script&gt;"));
    for outside in ["src=", "href=", "url(", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
    for opened in ["table", "section", "figure", "svg", "details", "tr", "td", "p", "ul"] {
        let (from, to) = (
            page.matches(&format!("<{opened}>")).count() + page.matches(&format!("<{opened} ")).count(),
            page.matches(&format!("</{opened}>")).count(),
        );
        assert_eq!(from, to, "{opened}");
    }
}

#[test]
fn all_three_say_what_the_run_says() {
    let document = run_document(&run());
    for written in [text(&document, Some(100), false), markdown(&document), html(&document)] {
        for number in
            ["654.2", "40.00", "400.0", "75 %", "99.5 %", "C=10", "402", "3.250", "9.000", "4711", "0.125", "15.00"]
        {
            assert!(
                written.contains(number) || written.contains(&number.replace('=', "\\=")),
                "{number} is missing in\n{written}"
            );
        }
    }
    let brief = text(&document, None, true);
    assert!(!brief.contains("DEFINITIONS") && brief.contains("THROUGHPUT"), "{brief}");
}

#[test]
fn a_spreadsheet_gets_a_line_for_each_load() {
    let written = csv(&run());
    let lines: Vec<Vec<&str>> = written.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|cells| cells.len() == lines[0].len()));
    let at = |name: &str| lines[0].iter().position(|cell| *cell == name).unwrap();
    assert_eq!((lines[2][at("requests_per_s")], lines[2][at("offered")]), ("400", ""));
    assert_eq!(lines[1][at("ttft_p50_ms")], "11.99");
}

/// The client's own part and each warning are told once, with the loads they are about.
#[test]
fn findings_are_gathered() {
    let mut run = run();
    let deviation = |metric: &str| Deviation {
        metric: metric.into(),
        count: 400,
        true_mean: 10.0,
        mean: 10.5,
        true_p99: Some(10.0),
        p99: Some(10.75),
    };
    let certified = |load: &str| Certified {
        load: load.into(),
        deviations: vec![deviation("ttft"), deviation("e2e")],
        ..Certified::default()
    };
    run.certificate = Some(Certificate { levels: vec![certified("C=1"), certified("C=10")], ..Certificate::default() });
    let document = run_document(&run);
    let findings = document.sections.iter().find(|section| section.title == "Findings").unwrap();
    let Block::List(found) = &findings.blocks[0] else { panic!("{findings:?}") };
    let telling = |part: &str| found.iter().filter(|finding| finding.contains(part)).count();
    assert_eq!(
        (telling("the mean of"), telling("the p99 of"), telling("C=1, C=10: the same for all.")),
        (1, 1, 1),
        "{found:?}"
    );
    assert!(found.iter().any(|finding| finding.contains("TTFT (C=1 +0.500 ms of")), "{found:?}");
}

#[test]
fn every_section_of_the_analysis_is_there() {
    let document = run_document(&run());
    let titles: Vec<&str> = document.sections.iter().map(|section| section.title.as_str()).collect();
    for title in [
        "Summary",
        "Latency",
        "Throughput",
        "Targets and what was reached",
        "Caching",
        "Resources",
        "Errors",
        "Findings",
        "Opportunities",
        "Advice by use",
        "Environment",
    ] {
        assert!(titles.contains(&title), "{title} is missing in {titles:?}");
    }
    let written = text(&document, None, false);
    for part in
        ["waited in the server's queue", "75 % of 8000 prompt tokens", "Behind an API", "At a desk", "In batches"]
    {
        assert!(written.contains(part), "{part} is missing in\n{written}");
    }
}

/// A run of which nothing is known makes a report without numbers of its own.
#[test]
fn an_empty_run_has_a_report() {
    let document = run_document(&Run::default());
    for written in [text(&document, None, false), markdown(&document), html(&document)] {
        assert!(written.contains("0 of 0 requests"), "{written}");
    }
    assert_eq!(csv(&Run::default()).lines().count(), 1);
}

#[test]
fn a_comparison_has_a_report() {
    let (a, mut b) = (run(), run());
    b.id = "r2".into();
    let written = markdown(&comparison_document(&crate::compare::compare(&a, &b, 0.03)));
    assert!(
        written.contains("No regression") && written.contains("| C=10 | TTFT p50 | 12.50 | 12.50 | +0.0 % |"),
        "{written}"
    );
}
