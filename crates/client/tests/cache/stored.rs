//! Answers that outlive the process, and a store that fails.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use longshore_client::DiskConfig;
use tracing::{Level, Metadata, Subscriber, span};

use super::*;

/// The stored answers.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let list = |folder: &Path| fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let parts = list(folder).flat_map(move |format| list(&format).collect::<Vec<_>>());
    parts.filter(|part| part.is_dir()).flat_map(move |part| list(&part).collect::<Vec<_>>()).collect()
}

fn on_disk(folder: &Path) -> CacheConfig {
    CacheConfig { disk: Some(DiskConfig { path: folder.into(), max_bytes: 1 << 20 }), ..CacheConfig::default() }
}

#[tokio::test]
async fn answers_survive_a_restart_and_unloads_do_too() {
    let (simulator, folder) = (Simulator::builder().start().await.unwrap(), tempfile::tempdir().unwrap());
    let restart = || fleet(&simulator, on_disk(folder.path()));
    let first = ask(&restart(), chat("hello", true)).await.unwrap();
    until("the answer is on disk", || files(folder.path()).len() == 1).await;
    let second = restart();
    let again = ask(&second, chat("hello", true)).await.unwrap();
    assert_eq!((again.cache, again.text(), again.usage), (Some(CacheStatus::Hit), first.text(), first.usage));
    assert_eq!(again.route, first.route);
    // As if the list told nothing of it: the answers of an earlier generation stay where they are, unasked.
    ask(&second, Call::new(Op::Unload { parameters: Default::default() }).model("sim")).await.unwrap();
    assert_eq!(status(&restart(), chat("hello", true)).await, CacheStatus::Miss);
    assert_eq!(chats(&simulator), 2);
}

#[tokio::test]
async fn an_old_answer_is_none() {
    let (simulator, folder) = (Simulator::builder().start().await.unwrap(), tempfile::tempdir().unwrap());
    let brief = || fleet(&simulator, CacheConfig { ttl: Duration::from_millis(200), ..on_disk(folder.path()) });
    assert_eq!(status(&brief(), chat("hello", false)).await, CacheStatus::Miss);
    until("the answer is on disk", || files(folder.path()).len() == 1).await;
    let stored = fs::metadata(&files(folder.path())[0]).unwrap().modified().unwrap();
    until("it is old", || stored.elapsed().is_ok_and(|age| age > Duration::from_millis(250))).await;
    assert_eq!(status(&brief(), chat("hello", false)).await, CacheStatus::Miss);
}

#[tokio::test]
async fn a_broken_store_is_told_and_answers_all_the_same() {
    let warnings = Warnings::watch();
    let (simulator, folder) = (Simulator::builder().start().await.unwrap(), tempfile::tempdir().unwrap());
    let restart = || fleet(&simulator, on_disk(folder.path()));
    let first = ask(&restart(), chat("hello", false)).await.unwrap();
    until("the answer is on disk", || files(folder.path()).len() == 1).await;
    let file = &files(folder.path())[0];
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(file, bytes).unwrap();
    let again = ask(&restart(), chat("hello", false)).await.unwrap();
    assert_eq!((again.cache, again.text()), (Some(CacheStatus::Miss), first.text()));
    assert_eq!(warnings.load(Ordering::SeqCst), 1, "one warning for the many");

    let no_folder = folder.path().join("file");
    fs::write(&no_folder, b"").unwrap();
    let nowhere = fleet(&simulator, on_disk(&no_folder));
    assert_eq!(status(&nowhere, chat("hello", false)).await, CacheStatus::Miss);
    assert_eq!(status(&nowhere, chat("hello", false)).await, CacheStatus::Hit, "memory is left");
}

/// Counts warnings.
struct Warnings;

impl Warnings {
    fn watch() -> &'static AtomicUsize {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        struct Counter;
        impl Subscriber for Counter {
            fn enabled(&self, metadata: &Metadata<'_>) -> bool {
                *metadata.level() == Level::WARN && metadata.target().starts_with("longshore_client::cache")
            }
            fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
                span::Id::from_u64(1)
            }
            fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
            fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
            fn event(&self, _: &tracing::Event<'_>) {
                COUNT.fetch_add(1, Ordering::SeqCst);
            }
            fn enter(&self, _: &span::Id) {}
            fn exit(&self, _: &span::Id) {}
        }
        // What watches the whole process is set once.
        let _ = tracing::subscriber::set_global_default(Counter);
        &COUNT
    }
}
