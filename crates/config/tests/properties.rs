//! No input panics, and what is shown loads to the same.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::time::Duration;

use longshore_config::{
    Address, ByteSize, Config, Credential, DialectChoice, EndMark, LogFormat, LogLevel, Protocol, Server, ServerName,
    Sources, Tls, format_duration, parse_duration,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

proptest! {
    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..300)) {
        describe(Sources::new().file("f", bytes));
    }

    #[test]
    fn no_yaml_like_text_panics(words in vec(word(), 0..60)) {
        describe(Sources::new().file("f", words.concat()));
    }

    #[test]
    fn no_variables_and_flags_panic(
        variables in vec((variable(), "\\PC{0,10}"), 0..6),
        flags in vec(("[a-z0-9_.\\[\\]]{0,20}", "\\PC{0,10}"), 0..4),
    ) {
        let sources = Sources::new().file("f", "servers: [{name: a, rest: h}]").environment(variables);
        describe(flags.into_iter().fold(sources, |sources, (path, value)| sources.flag(path, value, "--flag")));
    }

    #[test]
    fn what_is_shown_loads_to_the_same(config in config()) {
        for text in [config.to_yaml(), loaded(config.to_yaml()).to_yaml(true), loaded(config.to_yaml()).to_json().to_string()] {
            prop_assert_eq!(&loaded(text).config, &config);
        }
    }

    #[test]
    fn durations_and_sizes_round_trip(micros in any::<u64>(), bytes in any::<u64>()) {
        let duration = Duration::from_micros(micros);
        prop_assert_eq!(parse_duration(&format_duration(duration)), Some(duration));
        let size = ByteSize::bytes(bytes);
        prop_assert_eq!(ByteSize::parse(&size.to_string()), Some(size));
    }
}

fn loaded(text: String) -> longshore_config::Loaded {
    match Config::load(Sources::new().file("f", text.clone())) {
        Ok(loaded) => loaded,
        Err(problems) => panic!("{problems}\nin\n{text}"),
    }
}

/// Everything that can be asked of a result.
fn describe(sources: Sources) {
    match Config::load(sources) {
        Ok(loaded) => drop((loaded.to_yaml(true), loaded.to_json(), loaded.settings())),
        Err(problems) => {
            assert!(problems.iter().count() > 0);
            drop((problems.to_string(), problems.source().cloned()));
        }
    }
}

/// Pieces of YAML and of our own names, so that the text often gets past the parser.
fn word() -> impl Strategy<Value = String> {
    let pieces = [
        "servers",
        "retry",
        "gateway",
        "token",
        "name",
        "rest",
        "env",
        "tls",
        ":",
        ": ",
        "\n",
        "\n  ",
        "\n    ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "&a ",
        "*a",
        "!!str ",
        "!x ",
        "\"",
        "'",
        "|",
        ">",
        "#",
        "~",
        "1",
        "30s",
        "null",
        "<<",
        "? ",
        "---",
        "%",
        "é",
        "\t",
        "http://u:p@h",
        "\u{feff}",
    ];
    prop_oneof![9 => prop::sample::select(pieces.to_vec()).prop_map(str::to_owned), 1 => "\\PC{0,4}"]
}

fn variable() -> impl Strategy<Value = String> {
    let pieces = ["__", "_", "SERVERS", "0", "7", "GPU", "REST", "RETRY", "MAX_ATTEMPTS", "GATEWAY", "TOKEN", "é"];
    vec(prop::sample::select(pieces.to_vec()), 0..6).prop_map(|pieces| format!("LONGSHORE_{}", pieces.concat()))
}

prop_compose! {
    fn config()(
        servers in vec(server(), 0..4),
        model in option::of("\\PC{0,8}[a-z#:-]\\PC{0,8}|true|null|~|1e3|-|\u{e9}\u{301}"),
        temperature in option::of(0.0..=2.0),
        max_tokens in option::of(1_u32..=10_000_000),
        timeout in 5_000_000_u64..=86_400_000_000,
        reply_body in 1024_u64..=1 << 36,
        port in any::<u16>(),
        token in option::of(credential()),
        json in any::<bool>(),
    ) -> Config {
        let mut config = Config { servers, ..Config::default() };
        for (index, server) in config.servers.iter_mut().enumerate() {
            server.name = ServerName::new(&format!("{}-{index}", server.name)).unwrap();
        }
        config.inference.model = model;
        config.inference.temperature = temperature;
        config.inference.max_tokens = max_tokens;
        config.inference.timeout = Duration::from_micros(timeout);
        config.limits.reply_body = ByteSize::bytes(reply_body);
        config.gateway.listen.set_port(port);
        config.gateway.token = token;
        config.logging.level = LogLevel::Trace;
        config.logging.format = if json { LogFormat::Json } else { LogFormat::Text };
        config
    }
}

prop_compose! {
    fn server()(
        name in "[A-Za-z][A-Za-z0-9-]{0,10}",
        both in any::<bool>(),
        port in 1_u16..,
        credential in option::of(credential()),
        ca in option::of("/\\PC{1,10}"),
        weight in 1_u32..=1000,
    ) -> Server {
        let address = || Address::parse(&format!("https://host:{port}")).ok();
        Server {
            name: ServerName::new(&name).unwrap(),
            rest: address(),
            grpc: if both { address() } else { None },
            dialect: DialectChoice::Openai,
            credential,
            tls: Some(Tls { ca: ca.map(Into::into), ..Tls::default() }),
            weight,
            prefer: both.then_some(Protocol::Grpc),
            end_mark: if both { EndMark::Optional } else { EndMark::Required },
        }
    }
}

fn credential() -> impl Strategy<Value = Credential> {
    prop_oneof![
        "[A-Z_][A-Z0-9_]{0,9}".prop_map(|name| Credential::from_env(&name).unwrap()),
        "/\\PC{1,10}".prop_map(Credential::from_file),
    ]
}
