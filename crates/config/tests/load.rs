//! A sound configuration: what it holds, what overrides what, and where each value came from.

#![expect(clippy::panic, reason = "a helper of a test fails the test")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use longshore_config::{
    ByteSize, Config, Credential, DialectChoice, EndMark, Loaded, LogLevel, Origin, Protocol, Server, ServerName,
    Sources,
};

fn load(yaml: &str, variables: &[(&str, &str)], flags: &[(&str, &str, &str)]) -> Loaded {
    let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let sources = Sources::new().file("longshore.yaml", yaml).environment(environment).home("/home/me");
    let sources = flags.iter().fold(sources, |sources, (path, value, flag)| sources.flag(*path, *value, *flag));
    Config::load(sources).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn every_kind_of_value_is_read() {
    let yaml = "\
servers:
  - name: gpu
    rest: https://gpu.lan/base/
    grpc: gpu.lan:8001
    dialect: OIP
    credential: { file: secrets/gpu }
    tls: &tls { ca: /etc/ca.pem, server_name: gpu }
    weight: 3
    prefer: grpc
    end_mark: optional
  - { name: other, rest: 'https://other.lan', tls: *tls }
inference: { model: 1.10, timeout: 1m30s, temperature: 0, max_tokens: 100, stream: false }
engine: { models: ~/models, memory_budget: 1.5GiB }
limits: { reply_body: 1048576 }
gateway: { listen: localhost:9000 }
logging: { level: debug }
cache:
";
    let Config { servers, inference, engine, limits, gateway, logging, cache, .. } = load(yaml, &[], &[]).config;
    let gpu = &servers[0];
    assert_eq!(gpu.rest.as_ref().map(ToString::to_string).as_deref(), Some("https://gpu.lan/base"));
    assert_eq!(gpu.grpc.as_ref().map(ToString::to_string).as_deref(), Some("http://gpu.lan:8001"));
    assert_eq!((gpu.dialect, gpu.weight, gpu.first_protocol()), (DialectChoice::Oip, 3, Protocol::Grpc));
    assert_eq!(gpu.credential, Some(Credential::from_file("secrets/gpu")));
    assert_eq!(servers[1].tls, gpu.tls);
    assert_eq!((gpu.end_mark, servers[1].end_mark), (EndMark::Optional, EndMark::Required));
    assert_eq!(inference.model.as_deref(), Some("1.10"), "text stays as it was written");
    assert_eq!((inference.timeout, inference.temperature), (Duration::from_secs(90), Some(0.0)));
    assert_eq!((inference.max_tokens, inference.stream), (Some(100), false));
    assert_eq!(engine.models, Some(PathBuf::from("/home/me/models")));
    assert_eq!((engine.memory_budget, limits.reply_body), (ByteSize::mib(1536), ByteSize::mib(1)));
    assert_eq!(gateway.listen, "127.0.0.1:9000".parse().unwrap());
    assert_eq!(logging.level, LogLevel::Debug);
    assert_eq!(cache, Config::default().cache, "an empty section is the defaults");
}

#[test]
fn nothing_set_is_the_defaults() {
    for yaml in ["", "# only a comment\n", "---\n", "{}", "\u{feff}"] {
        assert_eq!(load(yaml, &[], &[]).config, Config::default(), "{yaml:?}");
    }
    assert_eq!(Config::load(Sources::new()).unwrap().config, Config::default());
}

#[test]
fn flags_override_variables_override_the_file() {
    let yaml = "retry:\n  max_attempts: 2\n  budget_percent: 30\n  base_delay: 1s\n";
    let variables = [("LONGSHORE_RETRY__BUDGET_PERCENT", "40"), ("longshore_retry__base_delay", "2s")];
    let loaded =
        load(yaml, &variables, &[("retry.base_delay", "3s", "--delay"), ("retry.base_delay", "4s", "--delay")]);
    let retry = &loaded.config.retry;
    assert_eq!((retry.max_attempts, retry.budget_percent, retry.base_delay), (2, 40, Duration::from_secs(4)));

    let check = |path: &str, origin: Origin, text: &str| {
        assert_eq!(loaded.origins.of(path), &origin);
        assert_eq!(origin.to_string(), text);
    };
    let file = Origin::File { path: Path::new("longshore.yaml").into(), line: 2, column: 17 };
    check("retry.max_attempts", file, "longshore.yaml:2:17");
    let variable = "LONGSHORE_RETRY__BUDGET_PERCENT".to_owned();
    check("retry.budget_percent", Origin::Env { variable }, "environment variable LONGSHORE_RETRY__BUDGET_PERCENT");
    check("retry.base_delay", Origin::Flag { name: "--delay".to_owned() }, "flag --delay");
    check("retry.max_delay", Origin::Default, "default");
}

#[test]
fn servers_are_addressed_by_index_and_by_name() {
    let yaml = "servers: [{name: GPU-box, rest: h:1}, {name: other, rest: h:2}]";
    let variables = [
        ("LONGSHORE_SERVERS__gpu_box__WEIGHT", "7"),
        ("LONGSHORE_SERVERS__1__REST", "changed:2"),
        ("LONGSHORE_SERVERS__2__NAME", "third"),
        ("LONGSHORE_SERVERS__2__REST", "h:3"),
        ("LONGSHORE_SERVERS__FOURTH__REST", "h:4"),
        ("LONGSHORE_SERVERS__FOURTH__CREDENTIAL__ENV", "TOKEN"),
    ];
    let servers =
        load(yaml, &variables, &[("servers[1].weight", "8", "-x"), ("servers.fifth.grpc", "h:5", "-x")]).config.servers;
    let names: Vec<&str> = servers.iter().map(|server| server.name.as_str()).collect();
    assert_eq!(names, ["GPU-box", "other", "third", "fourth", "fifth"]);
    assert_eq!((servers[0].weight, servers[1].weight), (7, 8));
    assert_eq!(servers[1].rest.as_ref().map(longshore_config::Address::host), Some("changed"));
    assert_eq!(servers[3].credential, Credential::from_env("TOKEN"));
    assert_eq!(servers[4].first_protocol(), Protocol::Grpc);
}

#[test]
fn a_long_list_of_variables_is_taken_in_the_order_of_its_numbers() {
    let names: Vec<(String, String)> =
        (0..12).map(|n| (format!("LONGSHORE_SERVERS__{n}__NAME"), format!("s{n}"))).collect();
    let rests: Vec<(String, String)> =
        (0..12).map(|n| (format!("LONGSHORE_SERVERS__{n}__REST"), format!("h:{}", n + 1))).collect();
    let loaded = Config::load(Sources::new().environment(names.into_iter().chain(rests))).unwrap();
    let found: Vec<String> = loaded.config.servers.iter().map(|server| server.name.to_string()).collect();
    assert_eq!(found, (0..12).map(|n| format!("s{n}")).collect::<Vec<_>>());
}

#[test]
fn some_variables_are_not_settings() {
    let variables = [("LONGSHORE_CONFIG", "x.yaml"), ("LONGSHORE_GPU_TOKEN", "hunter2"), ("OTHER", "1"), ("", "")];
    let loaded = load("gateway: {token: {env: LONGSHORE_GPU_TOKEN}}", &variables, &[]);
    assert_eq!(loaded.config.gateway.token, Credential::from_env("LONGSHORE_GPU_TOKEN"));
}

#[test]
fn an_empty_variable_clears_what_is_optional() {
    let yaml = "inference: {model: a}\ngateway: {token: {env: A}}";
    let loaded = load(yaml, &[("LONGSHORE_INFERENCE__MODEL", ""), ("LONGSHORE_GATEWAY__TOKEN", "")], &[]);
    assert_eq!((loaded.config.inference.model, loaded.config.gateway.token), (None, None));
}

#[test]
fn relative_paths_in_the_file_start_at_the_file() {
    let sources = Sources::new()
        .file("/etc/longshore/longshore.yaml", "engine: {models: models}")
        .environment([("LONGSHORE_GATEWAY__TOKEN__FILE".to_owned(), "token".to_owned())]);
    let config = Config::load(sources).unwrap().config;
    assert_eq!(config.engine.models, Some(PathBuf::from("/etc/longshore/models")));
    assert_eq!(config.gateway.token, Some(Credential::from_file("token")), "a variable's path starts where we are");
}

#[test]
fn a_server_can_be_made_in_code() {
    let server = Server { name: ServerName::new("a").unwrap(), ..Server::default() };
    assert_eq!((server.weight, server.dialect), (1, DialectChoice::Auto));
}

#[test]
fn shown_settings_carry_their_origins() {
    let yaml = "servers:\n- name: gpu\n  rest: h:1\n  credential: {env: GPU_TOKEN}\n";
    let loaded = load(yaml, &[("LONGSHORE_INFERENCE__MODEL", "yes")], &[]);
    let text = loaded.to_yaml(true);
    for line in [
        "  - name: gpu  # longshore.yaml:2:9\n    rest: http://h:1  # longshore.yaml:3:9\n    grpc: null  # default\n",
        "    credential:\n      env: GPU_TOKEN  # longshore.yaml:4:21\n      file: null  # default\n",
        "  model: \"yes\"  # environment variable LONGSHORE_INFERENCE__MODEL\n  timeout: 2m  # default\n",
    ] {
        assert!(text.contains(line), "{line}\nis not in\n{text}");
    }
    let shown = loaded.settings();
    let model = shown.iter().find(|shown| shown.path == "inference.model").unwrap();
    assert_eq!((&model.value, model.origin.to_string().contains("MODEL")), (&"yes".into(), true));
    assert_eq!(loaded.to_json()["servers"][0]["credential"]["env"], "GPU_TOKEN");
    assert_eq!(loaded.to_json()["gateway"]["max_concurrent"], 1024);
}
