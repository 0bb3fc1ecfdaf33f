//! How the hub's process ends.

use super::MessagePlatform;
use super::world::World;
use dst::backend::testbed::{self, Platform};

/// The hub as long as it runs.
pub struct Hub(pub MessagePlatform);

impl testbed::Hub for Hub {
    async fn shut_down(self) {
        let Self(platform) = self;
        let running = platform.world().hub_running();
        let _ = running.await;
        platform.with(World::shut_down);
        let alone = platform.world().alone();
        let shutdown_timeout = platform.world().scenario.hub.shutdown_timeout;
        let timeout = platform.sleep(shutdown_timeout);
        tokio::select! {
            biased;
            _ = alone => {}
            () = timeout => {}
        }
        platform.with(World::close_all);
        let alone = platform.world().alone();
        let _ = alone.await;
    }
}
