//! Every recorded exchange can be read by the tests that decode it.

mod support;

#[test]
fn every_exchange_parses() {
    // Logs, and a body without a head: see fixtures/README.md.
    let no_exchange = ["grpc", "binary", "cancel", "sse"];
    let mut count = 0;
    for server in ["triton-2.51", "mlserver-1.7.1", "llama-server", "llama-router"] {
        for name in support::capture_names(server) {
            if !no_exchange.contains(&name.as_str()) {
                let capture = support::capture(server, &name);
                assert_eq!(capture.head.is_none(), capture.exit == 7, "{server}/{name}");
                count += 1;
            }
        }
    }
    assert!(count > 100, "only {count} exchanges");
}
