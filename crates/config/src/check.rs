//! Settings that are each fine and do not go together: [`contradictions`].

use std::collections::HashMap;

use crate::read::item;
use crate::read::reader::Reader;
use crate::settings::{Config, Protocol, Server};
use crate::value::Credential;

/// The name under which the engine stands among the servers.
pub const ENGINE_NAME: &str = "built-in";

/// Reports every contradiction whose parts were read without problems.
pub(crate) fn contradictions(config: &Config, reader: &mut Reader) {
    reader.end_values();
    for (index, server) in config.servers.iter().enumerate() {
        check_server(server, &item("servers", index), reader);
    }
    check_names(&config.servers, reader);
    check_times(config, reader);
    check_gateway(config, reader);
}

fn check_server(server: &Server, path: &str, reader: &mut Reader) {
    let at = |field: &str| format!("{path}.{field}");
    if server.rest.is_none() && server.grpc.is_none() {
        // Not `at("rest")`: it is the whole server that lacks one.
        reader.contradiction(&[path], "no address", "give \"rest\", \"grpc\" or both");
    }
    for (protocol, address) in [(Protocol::Rest, &server.rest), (Protocol::Grpc, &server.grpc)] {
        if server.prefer == Some(protocol) && address.is_none() {
            let message = format!("{protocol} is preferred, but the server has no {protocol} address");
            let hint = format!("add \"{protocol}\" or leave \"prefer\" out");
            reader.contradiction(&[&at("prefer"), &at(protocol.as_str())], message, hint);
        }
    }
    if server.grpc.as_ref().is_some_and(|address| !address.base_path().is_empty()) {
        reader.contradiction(&[&at("grpc")], "a gRPC address has no path", "leave out what follows the port");
    }
    check_tls(server, path, reader);
    check_credential(server.credential.as_ref(), &at("credential"), reader);
}

fn check_tls(server: &Server, path: &str, reader: &mut Reader) {
    let at = |field: &str| format!("{path}.{field}");
    let Some(tls) = &server.tls else { return };
    let has_address = server.rest.is_some() || server.grpc.is_some();
    let any_tls = [&server.rest, &server.grpc].into_iter().flatten().any(crate::Address::is_tls);
    if has_address && !any_tls {
        let hint = "write https:// in the address, or leave \"tls\" out";
        let paths = [&at("tls"), &at("rest"), &at("grpc")];
        reader.contradiction(&paths.map(String::as_str), "TLS settings for a server without an https address", hint);
    }
    let (certificate, key) = (at("tls.client_certificate"), at("tls.client_key"));
    match (&tls.client_certificate, &tls.client_key) {
        (Some(_), None) => reader.contradiction(
            &[&certificate, &key],
            "a client certificate without its key",
            "add \"client_key\" with the certificate's private key",
        ),
        (None, Some(_)) => reader.contradiction(
            &[&key, &certificate],
            "a client key without its certificate",
            "add \"client_certificate\" with the certificate chain",
        ),
        _ => {}
    }
}

fn check_credential(credential: Option<&Credential>, path: &str, reader: &mut Reader) {
    let Some(credential) = credential else { return };
    match (&credential.env, &credential.file) {
        (Some(_), Some(_)) => {
            let (env, file) = (format!("{path}.env"), format!("{path}.file"));
            reader.contradiction(&[&file, &env], "both a variable and a file", "keep one of \"env\" and \"file\"");
        }
        (None, None) => {
            reader.contradiction(&[path], "neither a variable nor a file", "write \"env: NAME\" or \"file: PATH\"");
        }
        _ => {}
    }
}

fn check_names(servers: &[Server], reader: &mut Reader) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (index, server) in servers.iter().enumerate() {
        let path = format!("{}.name", item("servers", index));
        let name = server.name.as_str().to_lowercase();
        if name == ENGINE_NAME {
            reader.contradiction(&[&path], format!("\"{ENGINE_NAME}\" is the engine's name"), "choose another name");
        }
        if let Some(first) = seen.get(&name) {
            let earlier = format!("{}.name", item("servers", *first));
            let message = format!("two servers of one name, \"{}\": the other is servers[{first}]", server.name);
            reader.contradiction(&[&path, &earlier], message, "give each server its own name");
        } else {
            seen.insert(name, index);
        }
    }
}

fn check_times(config: &Config, reader: &mut Reader) {
    if config.retry.base_delay > config.retry.max_delay {
        reader.contradiction(
            &["retry.base_delay", "retry.max_delay"],
            "the first wait is longer than the longest",
            "make \"base_delay\" at most \"max_delay\"",
        );
    }
    if config.timeouts.connect > config.inference.timeout {
        reader.contradiction(
            &["timeouts.connect", "inference.timeout"],
            "connecting may take longer than the whole request",
            "make it at most \"inference.timeout\"",
        );
    }
}

fn check_gateway(config: &Config, reader: &mut Reader) {
    let gateway = &config.gateway;
    check_credential(gateway.token.as_ref(), "gateway.token", reader);
    if !gateway.listen.ip().is_loopback() && gateway.token.is_none() {
        let message = format!("{} can be reached from other machines, but no token is asked for", gateway.listen);
        let hint = "set \"gateway.token\", or listen on 127.0.0.1";
        reader.contradiction(&["gateway.listen", "gateway.token"], message, hint);
    }
}
