//! `cargo xtask perf`: everything that docs/performance/ tells is measured again, and written where it stands.
//!
//! A page keeps its prose; what is measured stands between `<!-- perf:NAME -->` and `<!-- /perf:NAME -->`.

mod desk;
mod machine;
mod mission;
mod page;
mod process;

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// A section's name, the page it stands on, and what measures it.
type Section = (&'static str, &'static str, fn(&Setting) -> Outcome<String>);

/// Everything that is measured. What is in [`NAMED`] is done only when it is named.
const SECTIONS: &[Section] = &[
    ("mission", "mission.md", mission::measure),
    ("accuracy", "accuracy.md", |setting| accuracy(setting, &["longshore", "hyper"])),
    ("overhead", "measured.md", |setting| client_bench(setting, "overhead")),
    ("allocations", "measured.md", |setting| client_bench(setting, "allocations")),
    ("levers", "measured.md", |setting| client_bench(setting, "levers")),
    ("loading", "measured.md", |setting| client_bench(setting, "loading")),
    ("desk", "desk.md", desk::measure),
    ("others", "accuracy.md", |setting| accuracy(setting, &["longshore", "hyper", "wrk", "oha", "aiperf", "guidellm"])),
];

/// These need more than the rest: other people's tools, a browser.
const NAMED: [&str; 2] = ["others", "desk"];

/// Where to measure.
pub(crate) struct Setting {
    /// The repository.
    pub(crate) root: PathBuf,
    /// The program.
    pub(crate) program: PathBuf,
    /// The folder in which traces of the browser are kept; `target/perf` if nobody says.
    pub(crate) trace: Option<PathBuf>,
}

/// Does the sections that are named, or all that need not be.
pub(crate) fn run(arguments: &[String]) -> Outcome<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no repository")?.to_path_buf();
    let (mut program, mut trace) = (None, None);
    let mut wanted = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bin" => program = Some(PathBuf::from(arguments.next().ok_or("--bin names a file")?).canonicalize()?),
            "--trace" => trace = Some(std::path::absolute(arguments.next().ok_or("--trace names a folder")?)?),
            name if SECTIONS.iter().any(|(known, ..)| *known == name) => wanted.push(name),
            other => return Err(format!("there is no section {other}\n{}", crate::USAGE).into()),
        }
    }
    let program = match program {
        Some(program) => program,
        None => build(&root)?,
    };
    let setting = Setting { root, program, trace };
    for (name, file, measure) in SECTIONS {
        let chosen = if wanted.is_empty() { !NAMED.contains(name) } else { wanted.contains(name) };
        if chosen {
            eprintln!("perf: {name}");
            let begun = Instant::now();
            let text = format!("{}\n{}", machine::line(&setting.root), measure(&setting)?.trim_end());
            page::write(&setting.root.join("docs/performance").join(file), name, &text)?;
            eprintln!("perf: {name} took {:.0} s", begun.elapsed().as_secs_f64());
        }
    }
    Ok(())
}

/// The released program and the examples that measure beside it.
fn build(root: &Path) -> Outcome<PathBuf> {
    for arguments in [
        &["build", "--release", "--locked"][..],
        &["build", "--release", "--locked", "-p", "longshore-bench", "--example", "raw-hyper"],
    ] {
        done(Command::new("cargo").current_dir(root).args(arguments))?;
    }
    Ok(root.join("target/release/longshore"))
}

/// One of the client's own benchmarks, as it prints.
fn client_bench(setting: &Setting, name: &str) -> Outcome<String> {
    let mut command = Command::new("cargo");
    command.current_dir(&setting.root).args([
        "bench",
        "--quiet",
        "--locked",
        "-p",
        "longshore-client",
        "--bench",
        name,
    ]);
    let printed = done(&mut command)?;
    Ok(format!("```console\n$ cargo bench -p longshore-client --bench {name}\n{}\n```", printed.trim()))
}

/// The benchmark beside a simulator whose timings are known.
fn accuracy(setting: &Setting, tools: &[&str]) -> Outcome<String> {
    let mut command = Command::new("python3");
    command.current_dir(&setting.root).arg("e2e/measure_accuracy.py").args(["--tools", &tools.join(",")]);
    done(command.env("LONGSHORE_BIN", &setting.program))
}

/// What a command printed; what it says on standard error is seen as it comes.
pub(crate) fn done(command: &mut Command) -> Outcome<String> {
    let output = command.stderr(std::process::Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stdout)).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
