//! Files that are whole or not there.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::Path,
};

/// Puts these bytes at the place of what is there, at once. A new file is readable by its owner only; an old one keeps
/// who may read it.
///
/// # Errors
/// The system's; what was there is still there then.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // What a link leads to is what is meant.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = folder.join(format!(".{name}.{}.tmp", std::process::id()));
    let written = write(&draft, bytes).and_then(|()| {
        if let Ok(before) = fs::metadata(path) {
            fs::set_permissions(&draft, before.permissions())?;
        }
        fs::rename(&draft, path)
    });
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let _ = fs::remove_file(path);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file: File = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
