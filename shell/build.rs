//! Compiles `tauri.conf.json` and the icons in.

fn main() {
    tauri_build::build();
}
