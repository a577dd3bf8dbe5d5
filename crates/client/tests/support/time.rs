//! Time that stands still until a test moves it.

use std::time::Duration;

use longshore_sim::Simulator;

/// Lets the simulator's virtual time run until `work` is done.
pub(crate) async fn run<T>(simulator: &Simulator, work: impl Future<Output = T>) -> T {
    let tick = async {
        loop {
            simulator.advance(Duration::from_millis(10));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        done = work => done,
        () = tick => unreachable!(),
    }
}
