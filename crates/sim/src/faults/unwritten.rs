//! What HTTP was given and has not written yet: [`Unwritten`] counts it, so that a break comes after what stands before
//! it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use tokio::sync::Notify;

/// Counts data that HTTP has been given and has not written yet: it lets go of what it has written. Lengths on the
/// connection would not tell, for heads, frames and other streams are written there too.
#[derive(Clone, Default)]
pub(crate) struct Unwritten(Arc<(AtomicUsize, Notify)>);

impl Unwritten {
    /// The same data, counted until it is let go of.
    pub(crate) fn track(&self, data: Bytes) -> Bytes {
        self.0.0.fetch_add(1, Ordering::AcqRel);
        Bytes::from_owner(Tracked { data, unwritten: self.clone() })
    }

    /// Resolves when all data was let go of.
    pub(crate) async fn none(&self) {
        while self.0.0.load(Ordering::Acquire) > 0 {
            self.0.1.notified().await;
        }
    }
}

struct Tracked {
    data: Bytes,
    unwritten: Unwritten,
}

impl AsRef<[u8]> for Tracked {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        let (count, changed) = &*self.unwritten.0;
        count.fetch_sub(1, Ordering::AcqRel);
        changed.notify_one();
    }
}
