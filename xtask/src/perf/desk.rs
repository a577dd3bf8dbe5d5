//! The desk's page: how large it is, how soon it is there, how quickly it reacts, how smoothly a long answer streams, how
//! quickly conversations are found, and what the program takes meanwhile. The browser is Chromium, driven by the scripts
//! in `desk/e2e`.

use std::process::Command;

use serde_json::Value;

use super::{Outcome, Setting, done};

/// Tokens of the long answer.
const TOKENS: &str = "50000";
/// What is said, in words and for the script; tokens a second; how many such answers. A thousand a second is more than most
/// servers say to one person; at the highest pace the page is as busy as this machine lets it be.
const ANSWERS: &[(&str, &str, &str, usize)] = &[
    ("of Markdown, lists, tables and code", "markdown", "1000", 1),
    ("of the same", "markdown", "5000", 3),
    ("of one paragraph without end", "paragraph", "5000", 3),
    ("that are thought before an answer", "thoughts", "5000", 3),
];
/// Fresh starts of the page, and rounds through the screens.
const STARTS: &str = "20";
const ROUNDS: &str = "5";
/// Bytes in a MiB.
const MIB: f64 = 1024.0 * 1024.0;

/// The table, and the search as its benchmark prints it.
pub(super) fn measure(setting: &Setting) -> Outcome<String> {
    let script = |name: &str, arguments: &[&str]| script(setting, name, arguments);
    let traces = setting.trace.clone().unwrap_or_else(|| setting.root.join("target/perf"));
    let trace = |kind: &str| traces.join(format!("desk-{kind}.json")).display().to_string();
    let size = script("size", &[])?;
    let paint = script("paint", &[STARTS])?;
    let interaction = script("interaction", &[ROUNDS])?;
    let memory = script("memory", &[])?;
    let mut rows = vec![
        row("The whole page, compressed", "< 200 kB", &format!("{:.1} kB", number(&size["bytes"]) / 1e3), "size.mjs"),
        row(
            "First contentful paint, of 20 starts",
            "< 300 ms",
            &format!(
                "{:.0} ms median, {:.0} ms worst",
                of(&paint, "first_paint_ms/median"),
                of(&paint, "first_paint_ms/worst")
            ),
            "paint.mjs 20",
        ),
        row(
            "Until one can write",
            "",
            &format!("{:.0} ms median, {:.0} ms worst", of(&paint, "ready_ms/median"), of(&paint, "ready_ms/worst")),
            "paint.mjs 20",
        ),
        row(
            "From a key or a click until it is seen",
            "< 100 ms",
            &format!(
                "{:.0} ms median, {:.0} ms p98, {:.0} ms worst ({}) of {} that took 16 ms or more",
                number(&interaction["median_ms"]),
                number(&interaction["p98_ms"]),
                number(&interaction["worst_ms"]),
                interaction["worst"].as_str().unwrap_or_default(),
                interaction["slow_enough_to_be_told"],
            ),
            "interaction.mjs 5",
        ),
    ];
    for (words, kind, pace, times) in ANSWERS {
        let file = trace(&format!("{kind}-{pace}"));
        let runs = (0..*times).map(|_| script("frames", &[TOKENS, &file, kind, pace])).collect::<Outcome<Vec<_>>>()?;
        let sum = |name: &str| runs.iter().map(|run| number(&run[name])).sum::<f64>();
        let most = |name: &str| runs.iter().map(|run| number(&run[name])).fold(0.0, f64::max);
        let command = format!("frames.mjs {TOKENS} FILE {kind} {pace}");
        let answers = if *times == 1 { "an answer".into() } else { format!("{times} answers") };
        rows.push(row(
            &format!("50,000 tokens {words}, {pace} a second: frames over 50 ms in {answers}"),
            "0",
            &format!(
                "{} of {}; {} ms p99, {} ms longest, of the worst",
                sum("over_50_ms"),
                sum("frames"),
                most("p99_ms"),
                most("longest_ms")
            ),
            &command,
        ));
        rows.push(row(
            "The same: longest task of the page, processor time",
            "< 50 ms",
            &format!("{} ms of {} tasks", most("longest_task_cpu_ms"), sum("tasks")),
            &command,
        ));
    }
    rows.push(row(
        "The program with the page open, resident",
        "< 60 MiB",
        &format!(
            "{:.1} MiB, {:.1} at most; {:.1} before the page",
            of(&memory, "with_page/resident") / MIB,
            of(&memory, "with_page/peak") / MIB,
            of(&memory, "before/resident") / MIB
        ),
        "memory.mjs",
    ));
    Ok(format!(
        "| What | Goal | Measured | `node e2e/…` |\n|---|--:|---|---|\n{}\nFinding conversations, of which the goal is 50 ms:\n\n```console\n$ cargo bench -p longshore-desk --bench search\n{}\n```",
        rows.concat(),
        search(setting)?.trim()
    ))
}

fn row(what: &str, goal: &str, measured: &str, command: &str) -> String {
    format!("| {what} | {goal} | {measured} | `{command}` |\n")
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

/// A number by its way through the document.
fn of(document: &Value, way: &str) -> f64 {
    document.pointer(&format!("/{way}")).map_or(f64::NAN, number)
}

/// What a script of `desk/e2e` says in its last line.
fn script(setting: &Setting, name: &str, arguments: &[&str]) -> Outcome<Value> {
    eprintln!("perf: desk: {name} {}", arguments.join(" "));
    let mut command = Command::new("node");
    command.arg(format!("e2e/{name}.mjs")).args(arguments).current_dir(setting.root.join("desk"));
    let printed = done(command.env("LONGSHORE_BIN", &setting.program))?;
    let last = printed.lines().last().ok_or_else(|| format!("{name} says nothing"))?;
    Ok(serde_json::from_str(last)?)
}

fn search(setting: &Setting) -> Outcome<String> {
    let mut command = Command::new("cargo");
    command.current_dir(&setting.root);
    // The program is named beside it so that dependencies have its features, and are those that are built already.
    done(command.args(["bench", "--quiet", "--locked", "-p", "longshore", "-p", "longshore-desk", "--bench", "search"]))
}
