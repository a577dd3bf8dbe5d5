//! The command line: what can be written there, and nothing of what it does.

mod bench;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueHint, builder::NonEmptyStringValueParser};
use clap_complete::Shell;
use longshore_sim::Distribution;

pub(crate) use bench::{Bench, BenchCommand, Compare, Dialect, Load, Report, Target as BenchTarget, Task, Work};

/// What follows the list of options in `--help`.
const AFTER_HELP: &str = "\
Exit codes:
    0  done
    1  anything that has no code of its own
    2  usage
    3  configuration
    4  no server answered
    5  unknown model
    6  the answer was interrupted
    7  `bench compare` found a regression
  130  cancelled

Try: longshore chat -m \"What is streaming?\"";

/// Chat and infer with the models of your servers, over REST and gRPC; with a tiny model built in.
///
/// Without a command, Longshore opens its desk: a page in the browser, and on the same port, 127.0.0.1:8400, a gateway
/// for OpenAI, Ollama and Triton clients. If it runs already, the page of the one that runs is opened.
#[derive(Debug, Parser)]
#[command(name = "longshore", version, after_help = AFTER_HELP, max_term_width = 110)]
pub(crate) struct Cli {
    /// What every command understands.
    #[command(flatten)]
    pub(crate) global: Global,
    /// Without a command: open no browser, only say where the page is.
    #[arg(long)]
    pub(crate) no_open: bool,
    /// What to do; opening the desk, if nothing else.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Options of every command.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Everywhere")]
pub struct Global {
    /// Print JSON, for programs.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Read this configuration file, and no other.
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// Ask only the server of this name.
    #[arg(long, global = true, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) server: Option<String>,
    /// Neither give an answer that was kept, nor keep one.
    #[arg(long, global = true)]
    pub(crate) no_cache: bool,
    /// Set any setting, such as inference.timeout=30s; stronger than file and environment.
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) set: Vec<(String, String)>,
    /// Tell more on standard error; twice for debugging.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Tell nothing on standard error but what went wrong.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// No colours; the variable NO_COLOR does the same.
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Talk with a model: interactively, or one question with -m or from standard input.
    Chat(Chat),
    /// Send tensors to a model, get tensors back.
    Infer(Infer),
    /// Turn texts into vectors.
    Embed(Embed),
    /// List the models of every server.
    Models(Models),
    /// Make a model ready, with progress.
    Load(ModelName),
    /// Let a model finish its work and free its memory.
    Unload(ModelName),
    /// Let a server fetch a model from where it gets them, as Ollama does; with progress.
    Pull(ModelName),
    /// Show how each server does, by each protocol.
    Servers,
    /// Answer OpenAI, Ollama, Triton and gRPC clients on one port; the desk's page is there too, and not opened.
    Serve(Serve),
    /// Be a model server for tests: as fast, slow or broken as you say.
    Sim(Sim),
    /// Measure a server, a fleet or a gateway; compare what was measured.
    Bench(Box<Bench>),
    /// Check, show or begin a configuration.
    #[command(subcommand)]
    Config(Config),
    /// Print a completion script for a shell.
    Completions {
        /// Which shell.
        shell: Shell,
    },
}

/// `chat`.
#[derive(Args, Debug)]
pub(crate) struct Chat {
    /// The model; without it the configured one, or the first that is ready.
    pub(crate) model: Option<String>,
    /// Ask this one question and end.
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) message: Option<String>,
    /// Give the whole answer at once.
    #[arg(long)]
    pub(crate) no_stream: bool,
    /// What the model shall be.
    #[arg(long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
    /// How to choose words.
    #[command(flatten)]
    pub(crate) sampling: Sampling,
}

/// How a model chooses words, and when it stops.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Sampling")]
pub(crate) struct Sampling {
    /// How freely the model chooses words; 0 always takes the likeliest.
    #[arg(long, value_name = "NUMBER", value_parser = not_negative, allow_negative_numbers = true)]
    pub(crate) temperature: Option<f64>,
    /// The share of likely words to choose from, 0 to 1.
    #[arg(long, value_name = "SHARE", value_parser = share, allow_negative_numbers = true)]
    pub(crate) top_p: Option<f64>,
    /// How many likely words to choose from.
    #[arg(long, value_name = "COUNT")]
    pub(crate) top_k: Option<u32>,
    /// The most tokens to generate.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_tokens: Option<u32>,
    /// Make the choice repeatable.
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub(crate) seed: Option<i64>,
    /// Stop before this text; may be given several times.
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) stop: Vec<String>,
}

/// `infer`.
#[derive(Args, Debug)]
#[command(after_help = "\
A datatype that is not written is the one that the model declares; where it declares none, JSON texts become BYTES,
whole numbers INT64, other numbers FP32, truth values BOOL. The shape is that of the nested lists.

Examples:
  longshore infer affine -i 'x=[[1, 2], [3, 4]]'
  longshore infer affine -i x=@x.npy -o y=@y.npy
  longshore infer built-in -i 'text_input=\"Streaming means\"' --param max_tokens=24")]
pub(crate) struct Infer {
    /// The model.
    pub(crate) model: String,
    /// An input: NAME=@FILE.npy, NAME=JSON or NAME:DATATYPE=JSON.
    #[arg(short, long = "input", value_name = "NAME=VALUE", required = true)]
    pub(crate) inputs: Vec<String>,
    /// An output that is wanted, and the file to write it to; all are printed if none is named.
    #[arg(short, long = "output", value_name = "NAME[=@FILE.npy]")]
    pub(crate) outputs: Vec<String>,
    /// An option of the request; the value is JSON, or else text.
    #[arg(long = "param", value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) params: Vec<(String, String)>,
    /// The model may answer several times; each answer is printed as it comes.
    #[arg(long)]
    pub(crate) stream: bool,
    /// The model's version; without it, the server chooses.
    #[arg(long, value_name = "VERSION")]
    pub(crate) model_version: Option<String>,
}

/// `embed`.
#[derive(Args, Debug)]
pub(crate) struct Embed {
    /// The model; without it the configured one, or the first that is ready.
    pub(crate) model: Option<String>,
    /// The texts; without any, each line of standard input is one.
    #[arg(value_name = "TEXT")]
    pub(crate) texts: Vec<String>,
    /// A text, where naming the model is not wanted; may be given several times.
    #[arg(short, long = "input", value_name = "TEXT")]
    pub(crate) inputs: Vec<String>,
    /// Shorten the vectors to this many numbers, where the model can.
    #[arg(long, value_name = "COUNT")]
    pub(crate) dimensions: Option<u32>,
}

/// `models`.
#[derive(Args, Debug)]
pub(crate) struct Models {
    /// Only those that can answer at once.
    #[arg(long)]
    pub(crate) ready: bool,
}

/// `load`, `unload` and `pull`.
#[derive(Args, Debug)]
pub(crate) struct ModelName {
    /// The model.
    pub(crate) model: String,
    /// An option for the server; the value is JSON, or else text.
    #[arg(long = "param", value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) params: Vec<(String, String)>,
}

/// `serve`.
#[derive(Args, Debug, Default)]
pub(crate) struct Serve {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub(crate) listen: Option<SocketAddr>,
}

/// `sim`. What stands here is the common case; a file named with `--config` can say everything, and these win over it.
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "With --config FILE everything else can be said: models, queues, memory, freezes and rules for faults.

Try: longshore sim --ttft 200ms --itl 'normal(20ms, 5ms)' --error-rate 1%"
)]
pub(crate) struct Sim {
    /// A real server in place of an invented one.
    #[command(subcommand)]
    pub(crate) cassette: Option<Cassette>,
    /// Where to listen on this machine; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", value_parser = address, default_value = "127.0.0.1:8410")]
    pub(crate) listen: SocketAddr,
    /// What every request takes at least: a duration, normal(MEAN, DEVIATION) or lognormal(MEAN, DEVIATION).
    #[arg(long, value_name = "TIME")]
    pub(crate) latency: Option<Distribution>,
    /// Time to the first token.
    #[arg(long, value_name = "TIME")]
    pub(crate) ttft: Option<Distribution>,
    /// Time from one token to the next.
    #[arg(long, value_name = "TIME")]
    pub(crate) itl: Option<Distribution>,
    /// Tokens of an answer.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) tokens: Option<u32>,
    /// Requests answered at a time; the others queue. 0: no limit.
    #[arg(long, value_name = "N")]
    pub(crate) slots: Option<usize>,
    /// The share of requests that fail with status 500: 0.002, or 0.2%.
    #[arg(long, value_name = "SHARE", value_parser = share_or_percent)]
    pub(crate) error_rate: Option<f64>,
    /// Where all chance comes from: the same seed gives the same faults, texts and times.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// A chat model to have; may be given several times.
    #[arg(long = "model", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) models: Vec<String>,
    /// At the end, judge how the clients behaved; a bad verdict ends with code 1.
    #[arg(long)]
    pub(crate) verdict: bool,
    /// Serve TLS with a certificate of its own making, which is written to this file for clients to trust.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) tls: Option<PathBuf>,
}

/// `sim record` and `sim replay`.
#[derive(Debug, Subcommand)]
pub(crate) enum Cassette {
    /// Stand before a model server, and write what goes through to a file, without secrets.
    Record(Record),
    /// Answer from a recorded file, as fast and in such pieces as the server did.
    Replay(Replay),
}

/// `sim record`.
#[derive(Args, Debug)]
pub(crate) struct Record {
    /// The server's URL, such as http://127.0.0.1:8000.
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) upstream: String,
    /// The authorities (PEM) that an https upstream must be certified by, in place of the system's.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) ca: Option<PathBuf>,
    /// Where to listen on this machine; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", value_parser = address, default_value = "127.0.0.1:8410")]
    pub(crate) listen: SocketAddr,
    /// The file, which must not exist yet.
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
}

/// `sim replay`.
#[derive(Args, Debug)]
pub(crate) struct Replay {
    /// Where to listen on this machine; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", value_parser = address, default_value = "127.0.0.1:8410")]
    pub(crate) listen: SocketAddr,
    /// How many times faster than it was; 0 does not wait at all.
    #[arg(long, value_name = "FACTOR", value_parser = not_negative, default_value = "1.0", allow_negative_numbers = true)]
    pub(crate) speed: f64,
    /// The file.
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
}

/// `config`.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Say whether the configuration is sound, or everything that is wrong with it.
    Check,
    /// Print the settings in effect.
    Show {
        /// With where each comes from.
        #[arg(long)]
        origins: bool,
    },
    /// Write a commented configuration to begin with.
    Init {
        /// Where to.
        #[arg(default_value = longshore_config::FILE_NAME, value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Write over a file that exists.
        #[arg(long)]
        force: bool,
    },
    /// Print the JSON Schema of the configuration file, for editors.
    Schema,
    /// Show where configuration and history are looked for.
    Paths,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err("write it as KEY=VALUE".into()),
    }
}

fn not_negative(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|&number: &f64| number.is_finite() && number >= 0.0).ok_or("a number, 0 or more".into())
}

fn share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|number| (0.0..=1.0).contains(number)).ok_or("a number from 0 to 1".into())
}

/// A share as a number between 0 and 1, or in percent.
fn share_or_percent(text: &str) -> Result<f64, String> {
    let (number, unit) = text.strip_suffix('%').map_or((text, 1.0), |number| (number.trim_end(), 100.0));
    let share = number.parse::<f64>().map_err(|_| "a share such as 0.002 or 0.2% is wanted".to_owned())? / unit;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("a share lies between 0 and 1, or 0% and 100%".into()) }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let number = text.strip_prefix("localhost:").map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
    number.parse().map_err(|_| "an address and a port, such as 127.0.0.1:8400".into())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn lines_are_understood_or_refused() {
        let check = |line: &str, ok: bool| {
            let parsed = Cli::try_parse_from(line.split_whitespace());
            assert_eq!(parsed.is_ok(), ok, "{line}: {parsed:?}");
        };
        check("longshore", true);
        check("longshore --json", true);
        check("longshore chat m -m hi --temperature 0 --seed -1 --stop a --stop b --json --config x.yaml", true);
        check("longshore chat --no-cache -m hi", true);
        check("longshore chat --temperature -1", false);
        check("longshore chat --top-p 1.5", false);
        check("longshore chat --max-tokens 0", false);
        check("longshore infer m", false);
        check("longshore infer m -i x=1 -o y --param a=b", true);
        check("longshore infer m -i x=1 --param a", false);
        check("longshore --no-open --json", true);
        check("longshore serve --no-open", false);
        check("longshore serve --listen localhost:0", true);
        check("longshore serve --listen 8400", false);
        check("longshore models --set inference.model=x -vv", true);
        check("longshore load", false);
        check("longshore bench", true);
        check("longshore bench --concurrency 1,5 --duration 2s --slo ttft=1s --json out.json", true);
        check("longshore bench --rate 20..40", true);
        check("longshore bench --rate 20 --poisson --requests 9", true);
        check("longshore bench --rate 20 --concurrency 5", false);
        check("longshore bench --poisson", false);
        check("longshore bench --sweep 1..9", false);
        check("longshore bench compare a", false);
        check("longshore bench compare a latest --threshold 5% --json", true);
        check("longshore bench list", true);
        check("longshore sim --tokens 3", true);
        check("longshore sim record --upstream http://localhost:1 --listen localhost:0 file --json", true);
        check("longshore sim record file", false);
        check("longshore sim replay --speed 0 file", true);
        check("longshore sim replay --speed -1 file", false);
        check("longshore sim --tokens 3 replay file", false);
    }
}
