//! The numbers that the program counts while it serves, as a page of the gateway in Prometheus' format.

use std::time::Duration;

use longshore_server::MetricsPage;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::{task::AbortHandle, time::sleep};

use crate::exit::Failure;

/// Upper bounds in seconds, from an embedding on this machine to a long answer.
const SECONDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];
/// How often samples are put into their buckets, so that they do not pile up while nobody asks.
const UPKEEP: Duration = Duration::from_secs(5);

/// The counting that goes on until this is dropped.
pub(crate) struct Counting {
    handle: PrometheusHandle,
    upkeep: AbortHandle,
}

/// Begins to count, for the whole process. Needs a runtime.
pub(crate) fn install() -> Result<Counting, Failure> {
    let failed = |error: metrics_exporter_prometheus::BuildError| Failure::Other(format!("count: {error}"));
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)
        .map_err(failed)?;
    let handle = builder.install_recorder().map_err(failed)?;
    longshore_client::metrics::describe();
    let kept = handle.clone();
    let upkeep = tokio::spawn(async move {
        loop {
            sleep(UPKEEP).await;
            kept.run_upkeep();
        }
    });
    Ok(Counting { handle, upkeep: upkeep.abort_handle() })
}

impl Counting {
    /// The page, made anew each time.
    pub(crate) fn page(&self) -> MetricsPage {
        let handle = self.handle.clone();
        MetricsPage::new(move || handle.render())
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.upkeep.abort();
    }
}
