//! Running the program in a home of its own, and a server that misbehaves on request. Not every test uses all of
//! it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "these helpers fail the test they serve")]
#![expect(
    clippy::disallowed_methods,
    reason = "no async worker sleeps here: one waits for a process, one is slow on purpose"
)]
#![allow(clippy::allow_attributes, reason = "an expectation of dead code would fail in the test that uses everything")]
#![allow(dead_code, reason = "each test uses its own part of this")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A home in which nothing of this machine's own configuration can be seen.
pub(crate) struct Home(TempDir);

/// What one run said.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Standard output as one JSON document.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}\n{self}"))
    }

    /// Fails with everything that was said unless it ended with `code`.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.out, self.err)
    }
}

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// A home whose configuration is `yaml`.
    pub(crate) fn with(yaml: &str) -> Self {
        let home = Self::new();
        home.write("longshore.yaml", yaml);
        home
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_longshore"));
        command.args(arguments).current_dir(self.path()).env_clear();
        for folder in ["HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA"] {
            command.env(folder, self.path());
        }
        // Without it, Windows cannot open a socket.
        for kept in ["SYSTEMROOT", "PATH"] {
            command.envs(std::env::vars_os().filter(|(name, _)| name.eq_ignore_ascii_case(kept)));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// The program, begun by a shell that sets limits or traps before.
    #[cfg(unix)]
    pub(crate) fn command_after(&self, shell: &str, arguments: &[&str]) -> Command {
        let program = self.command(arguments);
        let script = format!("{shell}; exec \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        command.arg("-c").arg(script).arg(program.get_program()).args(arguments).current_dir(self.path()).env_clear();
        command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        Said::of(self.command(arguments).output().unwrap())
    }

    pub(crate) fn pipe(&self, input: &str, arguments: &[&str]) -> Said {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Said::of(child.wait_with_output().unwrap())
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        Running(self.command(arguments).spawn().unwrap())
    }
}

/// A program that runs on; killed when the test is over.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    /// Reads standard output until `text` stands there.
    pub(crate) fn expect(&mut self, text: &str) -> String {
        let (mut seen, mut byte) = (Vec::new(), [0]);
        let out = self.0.stdout.as_mut().unwrap();
        while !String::from_utf8_lossy(&seen).contains(text) {
            assert_eq!(out.read(&mut byte).unwrap(), 1, "it ended after {:?}", String::from_utf8_lossy(&seen));
            seen.push(byte[0]);
        }
        String::from_utf8(seen).unwrap()
    }

    /// Standard output to its end.
    pub(crate) fn rest(&mut self) -> String {
        let mut text = String::new();
        self.0.stdout.as_mut().unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.0.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// The exit code.
    pub(crate) fn wait(&mut self) -> i32 {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(Instant::now() < deadline, "it still runs");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port where nobody listens.
pub(crate) fn dead_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// An OpenAI server whose models misbehave as they are called: `escapes` writes control sequences, `cut` closes in the
/// middle, `endless` never ends.
pub(crate) struct Rogue {
    pub(crate) url: String,
}

pub(crate) const ESCAPES: &str = "\u{1b}]52;c;aGFjaw==\u{7}\u{1b}[2Jplain\u{9b}31m\u{202e}text";

impl Rogue {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                thread::spawn(move || serve(stream));
            }
        });
        Self { url }
    }

    pub(crate) fn config(&self) -> String {
        format!("servers:\n  - name: rogue\n    rest: {}\n    dialect: openai\n", self.url)
    }
}

/// Answers requests until the client has enough.
fn serve(mut stream: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let (mut head, mut length) = (String::new(), 0);
        while reader.read_line(&mut head).ok().filter(|&read| read > 0)? > 2 {}
        for line in head.lines() {
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        if head.starts_with("POST") {
            return stream_answer(&mut stream, &serde_json::from_slice(&body).ok()?);
        }
        let models = ["escapes", "cut", "endless"].map(|id| json!({ "id": id, "object": "model" }));
        let list = json!({ "object": "list", "data": models }).to_string();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length:";
        write!(stream, "{head} {}\r\n\r\n{list}", list.len()).ok()?;
    }
}

fn stream_answer(stream: &mut TcpStream, request: &Value) -> Option<()> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).ok()?;
    let mut say = |delta: Value, finish: Option<&str>| {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish });
        let chunk = json!({ "id": "1", "object": "chat.completion.chunk", "created": 1, "model": request["model"], "choices": [choice] });
        write!(stream, "data: {chunk}\n\n").ok()
    };
    match request["model"].as_str()? {
        "escapes" => {
            // One character at a time: sequences must not survive by being cut.
            for char in ESCAPES.chars() {
                say(json!({ "content": char }), None)?;
            }
            say(json!({}), Some("stop"))?;
            stream.write_all(b"data: [DONE]\n\n").ok()
        }
        "cut" => say(json!({ "content": "only this" }), None),
        _ => loop {
            say(json!({ "content": "word " }), None)?;
            thread::sleep(Duration::from_millis(5));
        },
    }
}
