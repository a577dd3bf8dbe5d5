//! The command line of `bench`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint, builder::NonEmptyStringValueParser};
use longshore_bench::{measure::Objectives, workload::Length};

use super::{not_negative, share_or_percent};

/// `bench`.
#[derive(Args, Clone, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  longshore bench                                    the built-in model, or the first configured server
  longshore bench --url http://127.0.0.1:8000 --concurrency 1,10,50 --duration 30s --repeats 5
  longshore bench --url http://127.0.0.1:8000 --rate 20 --poisson --slo ttft=200ms,itl=30ms --html report.html
  longshore bench --url grpc://127.0.0.1:8001 --dialect oip --model resnet --task infer --batch 8
  longshore bench --sweep 1..200 --slo ttft=500ms
  longshore bench compare before.json latest

docs/benchmark.md says what every number means."
)]
pub(crate) struct Bench {
    /// What to do with runs that were made before.
    #[command(subcommand)]
    pub(crate) command: Option<BenchCommand>,
    /// With --json: where to write the run, in place of standard output.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) json_file: Option<PathBuf>,
    /// Whom to ask.
    #[command(flatten)]
    pub(crate) target: Target,
    /// How much, and for how long.
    #[command(flatten)]
    pub(crate) load: Load,
    /// What to ask.
    #[command(flatten)]
    pub(crate) work: Work,
    /// What to make of it.
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Whom to ask.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Target")]
pub(crate) struct Target {
    /// A server that need not be configured: http://…, https://… or grpc://…
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url, conflicts_with = "server")]
    pub(crate) url: Option<String>,
    /// What it speaks; it is asked if this is not said.
    #[arg(long, value_name = "DIALECT", value_enum, default_value_t = Dialect::Auto)]
    pub(crate) dialect: Dialect,
    /// The model; without it the configured one, or the first that is ready.
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) model: Option<String>,
    /// The server's process on this machine, to measure what it takes; it is found by its port if this is not said.
    #[arg(long, value_name = "PID")]
    pub(crate) server_pid: Option<u32>,
    /// Where the server tells of itself in Prometheus' format; /metrics of --url is asked if this is not said.
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) server_metrics: Option<http::Uri>,
    /// The environment variable with the token that is shown there; then a simulator's own page is asked, too.
    #[arg(long, value_name = "VARIABLE", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) server_metrics_token_env: Option<String>,
}

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dialect {
    Auto,
    Native,
    Ollama,
    Openai,
    Oip,
}

/// How much, and for how long.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Load")]
pub(crate) struct Load {
    /// Requests at a time; several levels are done one after the other.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,5,10,20,50")]
    pub(crate) concurrency: Vec<usize>,
    /// Requests a second whether or not answers come; FROM..TO is a ramp.
    #[arg(long, value_name = "RATE", value_parser = rates, conflicts_with = "concurrency")]
    pub(crate) rate: Option<(f64, f64)>,
    /// With --rate: at random instants, as independent callers are.
    #[arg(long, requires = "rate", conflicts_with = "gamma")]
    pub(crate) poisson: bool,
    /// With --rate: at random instants of this variation; above 1 is burstier than --poisson.
    #[arg(long, value_name = "CV", requires = "rate", value_parser = not_negative)]
    pub(crate) gamma: Option<f64>,
    /// Look for the highest rate that meets --slo.
    #[arg(long, value_name = "FROM..TO", value_parser = rates, requires = "slo", conflicts_with_all = ["concurrency", "rate"])]
    pub(crate) sweep: Option<(f64, f64)>,
    /// Replay requests of a trace: JSON lines with timestamp, input_length and output_length.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["concurrency", "rate", "sweep"])]
    pub(crate) trace: Option<PathBuf>,
    /// With --trace: how many times faster.
    #[arg(long, value_name = "FACTOR", requires = "trace", value_parser = not_negative, default_value = "1")]
    pub(crate) speed: f64,
    /// How long each level is measured, after its warm-up. 10s, if nothing else ends it.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) duration: Option<std::time::Duration>,
    /// How many requests of each level are measured.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) requests: Option<u64>,
    /// End a level when the median latency is known to this share of it: 2%.
    #[arg(long, value_name = "SHARE", value_parser = share_or_percent)]
    pub(crate) precision: Option<f64>,
    /// How often each level is done; comparisons want 5.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) repeats: u32,
    /// What counts as good: ttft=200ms,itl=30ms,e2e=5s.
    #[arg(long, value_name = "LIMITS")]
    pub(crate) slo: Option<Objectives>,
    /// Threads of the client. One is the most exact; more where the report says that the client was the limit.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=64))]
    pub(crate) threads: usize,
    /// Where all chance comes from.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
}

/// What to ask.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Work")]
pub(crate) struct Work {
    /// What kind of work.
    #[arg(long, value_enum, default_value_t = Task::Chat)]
    pub(crate) task: Task,
    /// The prompt, or @FILE with one in each line, taken in turn.
    #[arg(long, value_name = "TEXT|@FILE", conflicts_with = "prompt_tokens")]
    pub(crate) prompt: Option<String>,
    /// Make prompts of about so many tokens: 512, normal(512, 100) or lognormal(512, 400).
    #[arg(long, value_name = "LENGTH")]
    pub(crate) prompt_tokens: Option<Length>,
    /// The most tokens of an answer.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) tokens: u32,
    /// A model's tokenizer.json, to count the tokens of answers where the server does not.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) tokenizer: Option<PathBuf>,
    /// Turns of each conversation.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) turns: u32,
    /// Texts of one request of embed; the free first dimension of infer.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub(crate) batch: u32,
    /// Answers in pieces, which is what is done anyway.
    #[arg(long, conflicts_with = "no_stream")]
    pub(crate) stream: bool,
    /// Answers in one piece.
    #[arg(long)]
    pub(crate) no_stream: bool,
    /// Let a response cache answer.
    #[arg(long)]
    pub(crate) cache: bool,
}

/// Kinds of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Task {
    /// Conversations.
    Chat,
    /// Texts to continue.
    Complete,
    /// Texts to turn into vectors.
    Embed,
    /// Tensors, as the model declares them.
    Infer,
}

/// What to make of it.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub(crate) struct Output {
    /// Write a page with plots, which needs no network.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) html: Option<PathBuf>,
    /// Write a line for each level, for spreadsheets.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) csv: Option<PathBuf>,
    /// Write the report as Markdown.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) markdown: Option<PathBuf>,
    /// Do not replay the load against the simulator to prove the client's accuracy.
    #[arg(long)]
    pub(crate) no_certificate: bool,
    /// Do not keep the run.
    #[arg(long)]
    pub(crate) no_store: bool,
}

/// `bench compare`, `bench report`, `bench list`.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Say whether run B is worse than run A; ends with code 7 if it is.
    Compare(Compare),
    /// Write the report of a run again.
    Report(Report),
    /// List the runs that are kept.
    List,
}

/// `bench compare`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Compare {
    /// The run to compare with: a file, the beginning of a kept run's name, or `latest`.
    pub(crate) a: String,
    /// The run that may be worse.
    pub(crate) b: String,
    /// A difference that matters.
    #[arg(long, value_name = "SHARE", value_parser = share_or_percent, default_value = "3%")]
    pub(crate) threshold: f64,
    /// Write the comparison as Markdown, for a pull request.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) markdown: Option<PathBuf>,
}

/// `bench report`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Report {
    /// A file, the beginning of a kept run's name, or `latest`.
    #[arg(default_value = "latest")]
    pub(crate) run: String,
    /// Write a page with plots.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) html: Option<PathBuf>,
    /// Write a line for each level.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) csv: Option<PathBuf>,
    /// Write the report as Markdown.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) markdown: Option<PathBuf>,
}

fn duration(text: &str) -> Result<std::time::Duration, String> {
    let parsed = longshore_config::parse_duration(text).filter(|duration| !duration.is_zero());
    parsed.ok_or_else(|| "a duration such as 30s or 500ms".into())
}

/// `20`, or `20..200`.
fn rates(text: &str) -> Result<(f64, f64), String> {
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    let rate = |text: &str| text.trim().parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0);
    rate(from).zip(rate(to)).ok_or_else(|| "requests a second such as 20, or 20..200".into())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use crate::cli::Cli;

    #[test]
    fn every_option_is_on_the_page() {
        let page = include_str!("../../../../docs/benchmark.md");
        let mut cli = Cli::command();
        cli.build();
        let bench = cli.find_subcommand("bench").unwrap();
        let own = bench.get_arguments().filter(|argument| !argument.is_global_set() && argument.get_id() != "help");
        let names: Vec<_> = own.filter_map(|argument| argument.get_long()).collect();
        assert!(names.len() > 25, "{names:?}");
        for name in names {
            assert!(page.contains(&format!("--{name}")), "docs/benchmark.md does not tell of --{name}");
        }
    }
}
