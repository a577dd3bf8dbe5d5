//! Compiles the protocol buffers without `protoc`: messages of the gRPC dialect as Rust types, and Triton's model
//! configuration as a descriptor that is read at run time.

use std::{env, error::Error, fs, path::Path};

const MESSAGES: [&str; 2] = ["inference.proto", "health.proto"];
const CONFIG: &str = "model_config.proto";

#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "environment and output are how cargo and a build script talk"
)]
fn main() -> Result<(), Box<dyn Error>> {
    for file in MESSAGES.into_iter().chain([CONFIG]) {
        println!("cargo::rerun-if-changed=proto/{file}");
    }
    let mut messages = prost_build::Config::new();
    // Tensors stay in the buffer that their message came in.
    messages.bytes(["."]);
    messages.btree_map(["."]);
    messages.compile_fds(protox::compile(MESSAGES, ["proto"])?)?;

    let out = env::var_os("OUT_DIR").ok_or("cargo gives no OUT_DIR")?;
    let config = protox::Compiler::new(["proto"])?.open_file(CONFIG)?.encode_file_descriptor_set();
    fs::write(Path::new(&out).join("model_config.bin"), config)?;
    Ok(())
}
