//! Says that the built page is part of the crate: files that come or go there are seen by the next build.

#![expect(clippy::disallowed_macros, reason = "this is how a build script speaks")]

fn main() {
    println!("cargo:rerun-if-changed=../../desk/dist");
}
