//! Which Longshore serves a person's desk: a file in the data folder that only that person can read, believed only after
//! who it names has answered to its token.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// How long somebody may take to say that it is the one.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of that answer.
const LONGEST: u64 = 64 << 10;

/// One that serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Where it listens.
    pub url: String,
    /// Its process.
    pub pid: u32,
    /// What opens its desk.
    pub(crate) token: String,
}

impl Instance {
    /// The URL of its page.
    pub fn page(&self) -> String {
        format!("{}/desk/#token={}", self.url, self.token)
    }
}

/// The file, as long as this one serves.
pub(crate) struct Known {
    path: PathBuf,
    instance: Instance,
}

impl Drop for Known {
    fn drop(&mut self) {
        // Another one may have put itself there since.
        if read(&self.path).as_ref() == Some(&self.instance) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The one that serves, if there is one and it answers. One that serves https is not asked, and so not found.
pub(crate) async fn running(folder: &Path) -> Option<Instance> {
    let instance = read(&file(folder))?;
    timeout(PATIENCE, answers(&instance)).await.ok()?.ok()?.then_some(instance)
}

/// Writes the file.
pub(crate) fn announce(folder: &Path, instance: &Instance) -> io::Result<Known> {
    fs::create_dir_all(folder)?;
    let path = file(folder);
    // Whole at its place, or not at all; and never readable by others, not even for a moment.
    let draft = folder.join(format!("instance.{}.tmp", instance.pid));
    let _ = fs::remove_file(&draft);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&draft)?.write_all(&serde_json::to_vec(instance)?)?;
    fs::rename(&draft, &path)?;
    Ok(Known { path, instance: instance.clone() })
}

fn file(folder: &Path) -> PathBuf {
    folder.join("instance.json")
}

fn read(path: &Path) -> Option<Instance> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Whether it is a desk that knows the token.
async fn answers(instance: &Instance) -> io::Result<bool> {
    let Some(authority) = instance.url.strip_prefix("http://") else { return Ok(false) };
    let mut stream = TcpStream::connect(authority).await?;
    let request = format!(
        "GET /desk/api/hello HTTP/1.1\r\nhost: {authority}\r\nauthorization: Bearer {}\r\nconnection: close\r\n\r\n",
        instance.token
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return Ok(false) };
    Ok(head.starts_with("HTTP/1.1 200 ") && body.contains("\"started_at\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_does_not_answer_is_not_running() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(running(folder.path()).await, None);
        // A port that was just free.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let instance = Instance { url: format!("http://127.0.0.1:{port}"), pid: 1, token: "t".into() };
        let known = announce(folder.path(), &instance).unwrap();
        assert_eq!(read(&file(folder.path())), Some(instance));
        assert_eq!(running(folder.path()).await, None);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(file(folder.path())).unwrap().permissions().mode() & 0o777, 0o600);
        }
        drop(known);
        assert!(!file(folder.path()).exists());
    }

    #[test]
    fn the_file_of_another_one_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let one = |pid| Instance { url: "http://127.0.0.1:1".into(), pid, token: "t".into() };
        let first = announce(folder.path(), &one(1)).unwrap();
        let second = announce(folder.path(), &one(2)).unwrap();
        drop(first);
        assert_eq!(read(&file(folder.path())), Some(one(2)));
        drop(second);
        assert!(!file(folder.path()).exists());
    }
}
