//! The program as people and scripts use it: what it says, where, and how it ends.

mod support;

use std::{fs, process::Stdio};

use support::{Home, Rogue, dead_port};

#[test]
fn senseless_lines_end_with_2() {
    let home = Home::with("servers:\n  - name: one\n    rest: http://127.0.0.1:1\n");
    for line in [
        "--no-such-flag",
        "no-such-command",
        "chat --temperature hot",
        "chat --max-tokens 0 -m hi",
        "infer",
        "infer model -i x",
        "infer model -i x=[1,",
        "infer model -i x=@no-such-file.npy",
        "infer model -i x=1 -o y=z",
        "load",
        "embed model",
        "chat",
        "chat --server nobody -m hi",
        "completions tcsh",
        "sim --error-rate 2",
        "sim --ttft soon",
        "sim --listen nowhere",
    ] {
        let said = home.run(&line.split(' ').collect::<Vec<_>>()).ended(2);
        assert!(!said.err.is_empty() && said.out.is_empty(), "{line}: {said}");
    }
}

#[test]
fn every_problem_of_the_configuration_is_shown_in_its_line() {
    let home = Home::with("servers:\n  - name: one\n    rset: http://127.0.0.1:2\ninference:\n  temperature: very\n");
    for line in ["config check", "config show", "chat -m hi", "models", "serve --listen 127.0.0.1:0", "servers"] {
        let said = home.run(&line.split(' ').collect::<Vec<_>>()).ended(3);
        for part in ["longshore.yaml:3:5", "rset", "\"rest\"", "longshore.yaml:5:16", "temperature: very"] {
            assert!(said.err.contains(part), "{line}: no {part:?} in {said}");
        }
        assert!(said.out.is_empty(), "{line}: {said}");
    }
    let problems = &home.run(&["models", "--json"]).ended(3).json()["error"];
    assert_eq!(problems["exit_code"], 3);
    assert!(problems["problems"].as_array().is_some_and(|list| list.len() >= 2), "{problems}");
}

#[test]
fn a_simulation_that_makes_no_sense_is_refused() {
    let home = Home::new();
    for (text, part) in [("sed: 7", "sed"), ("models: []", "models"), ("rules: [{ what: nothing }]", "rules")] {
        home.write("sim.yaml", text);
        let said = home.run(&["sim", "--listen", "127.0.0.1:0", "--config", "sim.yaml"]).ended(3);
        assert!(said.err.contains("sim.yaml") && said.err.contains(part), "{text}: {said}");
    }
    let said = home.run(&["sim", "--listen", "0.0.0.0:0"]).ended(3);
    assert!(said.err.contains("127.0.0.1"), "{said}");
}

#[test]
fn variables_and_flags_are_blamed_by_name() {
    let home = Home::new();
    let said = home.run(&["models", "--set", "inference.timeout=soon"]).ended(3);
    assert!(said.err.contains("--set inference.timeout"), "{said}");
    let output = home.command(&["models"]).env("LONGSHORE_INFERENCE__TOP_P", "7").output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("LONGSHORE_INFERENCE__TOP_P"));
    let said = home.run(&["models", "--config", "nowhere.yaml"]).ended(3);
    assert!(said.err.contains("nowhere.yaml"), "{said}");
}

#[test]
fn other_machines_are_not_served_without_a_token() {
    let said = Home::new().run(&["serve", "--listen", "0.0.0.0:0"]).ended(3);
    assert!(said.err.contains("token") && said.out.is_empty(), "{said}");
}

#[test]
fn where_nobody_answers_the_address_is_named() {
    let port = dead_port();
    let home =
        Home::with(&format!("servers:\n  - name: gone\n    rest: http://127.0.0.1:{port}\n    dialect: openai\n"));
    let said = home.run(&["chat", "m", "-m", "hi", "--server", "gone"]).ended(4);
    for part in [&port.to_string(), "gone", "tried: ", "next: "] {
        assert!(said.err.contains(part), "no {part:?} in {said}");
    }
    let said = home.run(&["chat", "m", "-m", "hi", "--server", "gone", "--json"]).ended(4);
    let error = &said.json()["error"];
    assert_eq!((&error["kind"], &error["exit_code"]), (&"connect".into(), &4.into()), "{said}");
    let said = home.run(&["servers", "--server", "gone"]).ended(4);
    assert!(said.out.contains(&port.to_string()) && said.out.contains("no answer"), "{said}");
}

#[test]
fn without_servers_and_engine_there_is_nobody() {
    let home = Home::with("engine:\n  enabled: false\n");
    let said = home.run(&["chat", "-m", "hi"]).ended(4);
    assert!(said.err.contains("engine") && said.err.contains("config init"), "{said}");
}

#[test]
fn a_first_configuration_is_sound_and_is_not_written_over() {
    let home = Home::new();
    home.run(&["config", "init"]).ended(0);
    let said = home.run(&["config", "check"]).ended(0);
    assert!(said.out.contains("longshore.yaml"), "{said}");
    let before = fs::read(home.path().join("longshore.yaml")).unwrap();
    fs::write(home.path().join("longshore.yaml"), "engine: { slots: 1 }\n").unwrap();
    home.run(&["config", "init"]).ended(1);
    home.run(&["config", "init", "--force"]).ended(0);
    assert_eq!(fs::read(home.path().join("longshore.yaml")).unwrap(), before);
}

#[test]
fn settings_are_shown_with_their_origins() {
    let home = Home::with("inference:\n  temperature: 0.25\n");
    let line = ["config", "show", "--origins", "--set", "inference.top_p=0.5"];
    let said = home.run(&line).ended(0);
    for part in ["0.25", "longshore.yaml:2:16", "0.5", "--set inference.top_p", "default"] {
        assert!(said.out.contains(part), "no {part:?} in {said}");
    }
    let settings = home.run(&[&line[..], &["--json"]].concat()).ended(0).json();
    let found = settings["settings"].as_array().unwrap().iter().find(|one| one["path"] == "inference.temperature");
    assert_eq!(found.unwrap()["value"], 0.25);
    let shown = home.run(&["config", "show"]).ended(0).out;
    home.write("again.yaml", &shown);
    home.run(&["config", "check", "--config", "again.yaml"]).ended(0);
}

#[test]
fn secrets_do_not_print_and_their_absence_is_told() {
    let home = Home::with("servers:\n  - name: far\n    rest: https://far.example\n    credential: { env: FAR_KEY }\n");
    for line in [&["config", "show", "--origins"][..], &["config", "show", "--json"], &["config", "check"]] {
        let output = home.command(line).env("FAR_KEY", "canary-7f3a").output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success() && !text.contains("canary-7f3a"), "{text}");
    }
    let said = home.run(&["config", "check"]).ended(0);
    assert!(said.err.contains("FAR_KEY is not set"), "{said}");
}

#[test]
fn schema_paths_and_completions_are_printed() {
    let home = Home::new();
    assert!(home.run(&["config", "schema"]).ended(0).json()["properties"]["servers"].is_object());
    let paths = home.run(&["config", "paths", "--json"]).ended(0).json();
    assert_eq!(paths["configuration"][0]["path"], "longshore.yaml");
    assert_eq!(paths["configuration"][0]["used"], false);
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let said = home.run(&["completions", shell]).ended(0);
        assert!(said.out.contains("chat") && said.out.contains("longshore"), "{shell}: {said}");
    }
}

#[test]
fn text_of_a_model_is_inert() {
    let home = Home::with(&Rogue::start().config());
    for line in ["chat escapes -m go", "chat escapes -m go --json"] {
        let said = home.run(&line.split(' ').collect::<Vec<_>>()).ended(0);
        assert!(said.out.contains("plain") && said.out.contains("text"), "{said}");
        let obeyed = |char: char| char != '\n' && (char.is_control() || char == '\u{202e}');
        assert!(!said.out.contains(obeyed), "{:?}", said.out);
    }
    let said = home.run(&["chat", "escapes", "-m", "go", "--json"]);
    assert_eq!(said.json()["text"], support::ESCAPES, "a program gets the text as it is");
    assert_eq!(said.json()["server"], "rogue");
}

#[test]
fn a_broken_answer_is_shown_and_ends_with_6() {
    let home = Home::with(&Rogue::start().config());
    let said = home.run(&["chat", "cut", "-m", "go"]).ended(6);
    assert_eq!(said.out, "only this\n", "{said}");
    let said = home.run(&["chat", "cut", "-m", "go", "--json"]).ended(6);
    assert_eq!(said.json()["error"]["partial_text"], "only this", "{said}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_an_answer_with_130() {
    let home = Home::with(&Rogue::start().config());
    let mut running = home.start(&["chat", "endless", "-m", "go"]);
    running.expect("word word");
    running.signal("INT");
    let rest = running.rest();
    assert_eq!(running.wait(), 130);
    assert!(rest.ends_with('\n'), "the shell's prompt would stand behind the answer: {rest:?}");
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let home = Home::with(&Rogue::start().config());
    let mut running = home.start(&["chat", "endless", "-m", "go"]);
    running.expect("word");
    drop(running.0.stdout.take());
    assert_eq!(running.wait(), 0);
}

#[test]
fn help_goes_to_standard_output() {
    let said = Home::new().run(&["--help"]).ended(0);
    for command in
        ["chat", "infer", "embed", "models", "load", "unload", "pull", "servers", "serve", "config", "completions"]
    {
        assert!(said.out.lines().any(|line| line.trim_start().starts_with(command)), "no {command} in {said}");
    }
    assert!(said.out.contains("130  cancelled") && said.err.is_empty(), "{said}");
    let mut child = Home::new().command(&["--help"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    child.wait().unwrap();
}
