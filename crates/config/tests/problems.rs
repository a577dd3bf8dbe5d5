//! What is wrong with a configuration is said in full: each mistake with its place and what would be right.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a helper of a test fails the test")]

use longshore_config::{Config, Problems, Sources};

/// Loads a file with some variables and flags, and gives what is wrong with them.
fn problems(yaml: &str, variables: &[(&str, &str)], flags: &[(&str, &str, &str)]) -> Problems {
    let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let sources = Sources::new().file("longshore.yaml", yaml).environment(environment);
    let sources = flags.iter().fold(sources, |sources, (path, value, flag)| sources.flag(*path, *value, *flag));
    match Config::load(sources) {
        Ok(_) => panic!("accepted: {yaml:?} {variables:?} {flags:?}"),
        Err(problems) => problems,
    }
}

fn check(yaml: &str, expected: &[&str]) {
    assert_eq!(problems(yaml, &[], &[]).to_string(), expected.join("\n"), "{yaml}");
}

/// Like [`check`] for one mistake on one line; `»` stands before the place that is to be named.
fn check_at(marked: &str, expected: &str) {
    let (before, _) = marked.split_once('»').unwrap();
    let column = before.chars().count() + 1;
    check(&marked.replace('»', ""), &[&format!("longshore.yaml:1:{column}: {expected}")]);
}

fn check_variables(variables: &[(&str, &str)], expected: &[&str]) {
    assert_eq!(problems("", variables, &[]).to_string(), expected.join("\n"), "{variables:?}");
}

#[test]
fn everything_is_reported_at_once() {
    let yaml = "\
servers:
  - name: gpu
    rest: http://gpu.lan:8000
    wieght: 2
    prefer: grpc
  - name: GPU
    grpc: gpu.lan:8001
    weight: 0
retry:
  max_attempts: many
gateway:
  drain_timeout: 30
loging:
  level: debug
";
    let variables = [("LONGSHORE_RETRY__MAX_DELAY", "soon"), ("LONGSHORE_BACTH__ENABLED", "true"), ("PATH", "/bin")];
    let flags = [("gateway.listen", "everywhere", "--listen")];
    let expected = [
        "longshore.yaml:4:5: servers[0].wieght: unknown setting; did you mean \"weight\"?",
        "longshore.yaml:5:13: servers[0].prefer: grpc is preferred, but the server has no grpc address; \
         add \"grpc\" or leave \"prefer\" out",
        "longshore.yaml:6:11: servers[1].name: two servers of one name, \"GPU\": the other is servers[0]; \
         give each server its own name",
        "longshore.yaml:8:13: servers[1].weight: out of range, found \"0\"; use 1 to 1000",
        "longshore.yaml:10:17: retry.max_attempts: expected a whole number, found \"many\"",
        "longshore.yaml:12:18: gateway.drain_timeout: expected a duration such as 250ms, 30s or 1m30s, found \"30\"; \
         add a unit: 30s is seconds, 30ms is milliseconds",
        "longshore.yaml:13:1: loging: unknown setting; did you mean \"logging\"?",
        "environment variable LONGSHORE_BACTH__ENABLED: bacth: unknown setting; did you mean LONGSHORE_BATCH__ENABLED?",
        "environment variable LONGSHORE_RETRY__MAX_DELAY: retry.max_delay: \
         expected a duration such as 250ms, 30s or 1m30s, found \"soon\"",
        "flag --listen: gateway.listen: expected an IP address and a port, such as 127.0.0.1:8400, found \"everywhere\"",
    ];
    assert_eq!(problems(yaml, &variables, &flags).to_string(), expected.join("\n"));
}

#[test]
fn unknown_settings_suggest_the_nearest() {
    check(
        "retry: {max_atempts: 1}",
        &["longshore.yaml:1:9: retry.max_atempts: unknown setting; did you mean \"max_attempts\"?"],
    );
    check(
        "max_attempts: 3",
        &["longshore.yaml:1:1: max_attempts: unknown setting; did you mean \"retry.max_attempts\"?"],
    );
    check(
        "logging: {colour: red}",
        &["longshore.yaml:1:11: logging.colour: unknown setting; known here: level, format"],
    );
    check(
        "batch:\n  <<: {enabled: true}",
        &["longshore.yaml:2:3: batch.<<: YAML merge keys are not read; \
         give the whole value an anchor (&name) and repeat it with *name"],
    );
    check_variables(
        &[("LONGSHORE_RETRY_MAX_ATTEMPTS", "2")],
        &["environment variable LONGSHORE_RETRY_MAX_ATTEMPTS: retry_max_attempts: unknown setting; \
         did you mean LONGSHORE_RETRY__MAX_ATTEMPTS?"],
    );
    let flags = [("gateway.lisen", "x", "--set")];
    let expected = "flag --set: gateway.lisen: unknown setting; did you mean \"gateway.listen\"?";
    assert_eq!(problems("", &[], &flags).to_string(), expected);
}

#[test]
fn wrong_values_say_what_would_be_right() {
    let cases = [
        ("engine: {enabled: »yes}", "engine.enabled: expected true or false, found \"yes\"; write true"),
        (
            "engine: {enabled: »'true'}",
            "engine.enabled: expected true or false, found \"true\"; write true without quotes",
        ),
        ("engine: {threads: »\"4\"}", "engine.threads: expected a whole number, found \"4\"; write 4 without quotes"),
        ("engine: {threads: »1.5}", "engine.threads: expected a whole number, found \"1.5\""),
        ("engine: {threads: »-1}", "engine.threads: expected a whole number, found \"-1\""),
        ("engine: {threads: »0}", "engine.threads: out of range, found \"0\"; use 1 to 512"),
        ("engine: {threads: »[1]}", "engine.threads: expected a whole number, found a list"),
        ("engine: {threads: »{a: 1}}", "engine.threads: expected a whole number, found a section"),
        ("engine: {models: »''}", "engine.models: expected a path, found \"\""),
        (
            "engine: {models: »~/m}",
            "engine.models: the home directory is not known, found \"~/m\"; write the whole path",
        ),
        (
            "engine: {memory_budget: »4G}",
            "engine.memory_budget: expected a size such as 64KiB or 1GiB, found \"4G\"; write 4GiB (1024s) or 4GB (1000s)",
        ),
        ("engine: {memory_budget: »1MiB}", "engine.memory_budget: out of range, found \"1MiB\"; use 16MiB to 4TiB"),
        ("inference: {temperature: ».nan}", "inference.temperature: expected a number, found \".nan\""),
        ("inference: {temperature: »NaN}", "inference.temperature: expected a number, found \"NaN\""),
        ("inference: {temperature: »2.5}", "inference.temperature: out of range, found \"2.5\"; use 0.0 to 2.0"),
        ("inference: {timeout: »25h}", "inference.timeout: out of range, found \"25h\"; use 100ms to 24h"),
        (
            "inference: {model: »' '}",
            "inference.model: expected text, found \" \"; leave the line out if there is none",
        ),
        (
            "logging: {level: »infos}",
            "logging.level: expected one of error, warn, info, debug, trace, found \"infos\"; did you mean \"info\"?",
        ),
        (
            "logging: {level»: }",
            "logging.level: expected one of error, warn, info, debug, trace, found nothing; leave the line out to get the default",
        ),
        ("logging: »text", "logging: expected a section with level, format, found \"text\""),
        ("logging: »[a]", "logging: expected a section with level, format, found a list"),
        ("servers: »{a: 1}", "servers: expected a list, each item on a line that begins with \"- \", found a section"),
        ("servers: [»{rest: h}]", "servers[0].name: missing; add \"name\""),
        (
            "servers: [»gpu]",
            "servers[0]: expected a section with name, rest, grpc, dialect, credential, tls, weight, prefer, end_mark, found \"gpu\"",
        ),
        (
            "servers: [{name: »a__b, rest: h}]",
            "servers[0].name: expected a name of 1 to 64 letters, digits, \"-\" and \"_\" that begins with a letter and has no \"__\", found \"a__b\"",
        ),
        (
            "servers: [{name: a, rest: »ftp://h}]",
            "servers[0].rest: expected an address such as http://gpu.lan:8000, found \"ftp://h\"",
        ),
        (
            "servers: [{name: a, rest: »h/v1}]",
            "servers[0].rest: an address ends before /v1, found \"h/v1\"; leave /v1 out: the dialect adds it",
        ),
        (
            "servers: [{name: a, rest: h, dialect: »opanai}]",
            "servers[0].dialect: expected one of auto, native, openai, ollama, oip, found \"opanai\"; did you mean \"openai\"?",
        ),
        (
            "gateway: {listen: »':80'}",
            "gateway.listen: expected an IP address and a port, such as 127.0.0.1:8400, found \":80\"; 127.0.0.1:80 answers this machine only, 0.0.0.0:80 every one",
        ),
        ("gateway: {tls: »{key: k}}", "gateway.tls.certificate: missing; add \"certificate\""),
        (
            "»- a",
            "expected a section with servers, inference, timeouts, models, retry, breaker, health, pool, limits, cache, batch, gateway, desk, engine, logging, metrics, found a list",
        ),
    ];
    for (yaml, expected) in cases {
        check_at(yaml, expected);
    }
}

#[test]
fn contradictions_are_named() {
    let server = |rest: &str| format!("servers: [{{name: a, {rest}}}]");
    let cases = [
        ("servers: [»{name: a}]".to_owned(), "servers[0]: no address; give \"rest\", \"grpc\" or both"),
        (
            server("rest: h, prefer: »grpc"),
            "servers[0].prefer: grpc is preferred, but the server has no grpc address; add \"grpc\" or leave \"prefer\" out",
        ),
        (
            server("grpc: h, prefer: »rest"),
            "servers[0].prefer: rest is preferred, but the server has no rest address; add \"rest\" or leave \"prefer\" out",
        ),
        (server("grpc: »h/x"), "servers[0].grpc: a gRPC address has no path; leave out what follows the port"),
        (
            server("rest: h, tls: »{ca: c}"),
            "servers[0].tls: TLS settings for a server without an https address; write https:// in the address, or leave \"tls\" out",
        ),
        (
            server("rest: 'https://h', tls: {client_certificate: »c}"),
            "servers[0].tls.client_certificate: a client certificate without its key; add \"client_key\" with the certificate's private key",
        ),
        (
            server("rest: 'https://h', tls: {client_key: »c}"),
            "servers[0].tls.client_key: a client key without its certificate; add \"client_certificate\" with the certificate chain",
        ),
        (
            server("rest: h, credential: {env: A, file: »b}"),
            "servers[0].credential.file: both a variable and a file; keep one of \"env\" and \"file\"",
        ),
        (
            server("rest: h, credential: »{}"),
            "servers[0].credential: neither a variable nor a file; write \"env: NAME\" or \"file: PATH\"",
        ),
        (
            "servers: [{name: »Built-In, rest: h}]".to_owned(),
            "servers[0].name: \"built-in\" is the engine's name; choose another name",
        ),
        (
            "retry: {base_delay: »5s, max_delay: 1s}".to_owned(),
            "retry.base_delay: the first wait is longer than the longest; make \"base_delay\" at most \"max_delay\"",
        ),
        (
            "inference: {timeout: »1s}".to_owned(),
            "timeouts.connect: connecting may take longer than the whole request; make it at most \"inference.timeout\"",
        ),
        (
            "gateway: {listen: »'0.0.0.0:80'}".to_owned(),
            "gateway.listen: 0.0.0.0:80 can be reached from other machines, but no token is asked for; set \"gateway.token\", or listen on 127.0.0.1",
        ),
        (
            "gateway: {listen: »'[::]:80'}".to_owned(),
            "gateway.listen: [::]:80 can be reached from other machines, but no token is asked for; set \"gateway.token\", or listen on 127.0.0.1",
        ),
    ];
    for (yaml, expected) in cases {
        check_at(&yaml, expected);
    }
}

#[test]
fn a_contradiction_with_a_value_that_could_not_be_read_is_not_guessed_at() {
    check(
        "retry: {base_delay: 1 second, max_delay: 50ms}",
        &["longshore.yaml:1:21: retry.base_delay: expected a duration such as 250ms, 30s or 1m30s, found \"1 second\""],
    );
    check(
        "servers: [{name: 1}, {name: 2, rest: h}]",
        &[
            "longshore.yaml:1:18: servers[0].name: expected a name of 1 to 64 letters, digits, \"-\" and \"_\" that begins with a letter and has no \"__\", found \"1\"",
            "longshore.yaml:1:29: servers[1].name: expected a name of 1 to 64 letters, digits, \"-\" and \"_\" that begins with a letter and has no \"__\", found \"2\"",
        ],
    );
}

#[test]
fn what_is_odd_in_the_yaml_is_reported_too() {
    check(
        "cache: {ttl: 1m}\ncache: {ttl: 2m}\n? [a]\n: 1\nbatch: !big {}\n",
        &[
            "longshore.yaml:2:1: cache: set twice: first on line 1; keep one of them",
            "longshore.yaml:3:3: a setting's name must be plain text",
            "longshore.yaml:5:13: batch: the YAML tag \"!big\" means nothing here; leave it out",
        ],
    );
    check(
        "retry:\n  max_attempts: [1,\n",
        &["longshore.yaml:2:17: retry.max_attempts[1]: not valid YAML: unclosed bracket '['; \
         check the indentation, the quotes and the brackets up to here"],
    );
    check(
        "a: &a\n  b: *a\n",
        &["longshore.yaml:2:6: a.b: an alias inside the value it stands for; write the value out"],
    );
    check(
        "cache: {}\n---\nbatch: {}\n",
        &["longshore.yaml:2:1: a second YAML document begins here; keep everything in one document"],
    );
}

#[test]
fn a_syntax_error_does_not_hide_the_variables_mistakes() {
    let found = problems("retry: [", &[("LONGSHORE_RETRY__MAX_ATTEMPTS", "x")], &[]);
    assert_eq!(found.iter().count(), 2, "{found}");
    assert!(found.source().is_none(), "nobody knows what is a secret in a broken file");
}

#[test]
fn variables_are_judged_like_the_file() {
    check_variables(
        &[("LONGSHORE_RETRY", "3")],
        &[
            "environment variable LONGSHORE_RETRY: retry: expected a section with max_attempts, budget_percent, base_delay, max_delay, hedge_after, hedge_percent, resume, found \"3\"",
        ],
    );
    check_variables(
        &[("LONGSHORE_RETRY__MAX_ATTEMPTS__NOW", "3")],
        &[
            "environment variable LONGSHORE_RETRY__MAX_ATTEMPTS__NOW: retry.max_attempts: has no setting \"now\" inside it; \
         did you mean LONGSHORE_RETRY__MAX_ATTEMPTS?",
        ],
    );
    check_variables(
        &[("LONGSHORE_SERVERS__1__REST", "h")],
        &[
            "environment variable LONGSHORE_SERVERS__1__REST: servers.1: there is no item 1: the list has 0, so the next is 0",
        ],
    );
    check_variables(
        &[("LONGSHORE_METRICS__ENABLED", "true"), ("longshore_metrics__enabled", "false")],
        &[
            "environment variable longshore_metrics__enabled: metrics.enabled: set twice: also by LONGSHORE_METRICS__ENABLED; \
         unset longshore_metrics__enabled or LONGSHORE_METRICS__ENABLED",
        ],
    );
    check_variables(
        &[("LONGSHORE_METRICS__ENABLED", "")],
        &["environment variable LONGSHORE_METRICS__ENABLED: metrics.enabled: expected true or false, found \"\""],
    );
}

#[test]
fn spans_point_at_the_bytes() {
    let yaml = "# größer\nretry:\n  max_attempts: 99\n";
    let found = problems(yaml, &[], &[]);
    let span = found.iter().next().and_then(|problem| problem.span.clone()).unwrap();
    assert_eq!(&yaml[span], "99");
}

#[test]
fn escape_sequences_and_long_texts_from_outside_are_inert() {
    let long = "x".repeat(500);
    let found =
        problems(&format!("\"a\\e[31m\\u202e\": 1\nlogging: {{level: {long}}}\n\"{long}\": 1"), &[], &[]).to_string();
    assert!(!found.contains(['\u{1b}', '\u{202e}']), "{found:?}");
    assert!(found.contains(r"a\u{1b}[31m\u{202e}: unknown setting"), "{found}");
    assert!(found.lines().all(|line| line.len() < 300), "{found}");
}

#[test]
fn no_secret_appears_in_any_problem_or_in_the_source() {
    let cases: [(&str, &[(&str, &str)]); 10] = [
        ("gateway: {token: hunter2}", &[]),
        ("gateway: {token: hunter2}", &[("LONGSHORE_GATEWAY__TOKEN__ENV", "A")]),
        ("gateway: {token: {hunter2}, x: 1}", &[]),
        ("gateway: {token: {value: hunter2}}", &[]),
        ("gateway: {token: {env: sk-hunter2}}", &[]),
        ("gateway: {token: [hunter2]}", &[]),
        ("servers: [{name: a, rest: h, api_key: hunter2}]", &[]),
        ("servers: [{name: a, rest: 'http://me:hunter2@h'}]", &[]),
        ("gateway: {token: {env: A}}\ngateway: {token: hunter2}", &[]),
        ("", &[("LONGSHORE_GATEWAY__TOKEN", "hunter2"), ("LONGSHORE_GATEWAY__TOKEN__ENV", "x-hunter2")]),
    ];
    for (yaml, variables) in cases {
        let found = problems(yaml, variables, &[]);
        let shown = format!("{found}\n{found:?}\n{:?}", found.source());
        assert!(!shown.contains("hunter2"), "{yaml}: {shown}");
        assert_eq!(found.source().map(|source| source.text.len()), Some(yaml.len()), "masking keeps the positions");
    }
}
