//! How the hub's process ends.

use super::MessagePlatform;
use super::world::World;
use dst::backend::testbed::{self, Platform};

/// The hub as long as it runs.
pub struct Hub {
    pub platform: MessagePlatform,
    pub life: u32,
}

impl testbed::Hub for Hub {
    fn has_failed(&self) -> bool {
        self.platform.world().hub_has_failed(self.life)
    }

    async fn shut_down(self) -> bool {
        let Self { platform, life } = self;
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
        platform.with(World::close_store);
        !platform.world().hub_has_failed(life)
    }
}
