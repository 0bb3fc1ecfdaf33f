//! How the hub's process ends.

use std::cell::RefCell;

use super::world::World;
use super::{sleep, with};
use crate::net::{Fault, Peers};
use crate::scenario::HUB_HOST;

/// The hub dies in the middle of whatever it does.
pub(super) fn crash_hub(world: &RefCell<World>, peers: Peers) {
    if world.borrow().hub_life().is_none() {
        return;
    }
    with(world, |world| {
        // First the hub: a dead one does not see its own connections end.
        world.end_hub(true);
        world.inject(Fault::Crash { host: HUB_HOST.to_owned(), peers });
    });
}

/// Shuts the hub down and waits until it has ended.
pub(super) async fn stop_hub(world: &RefCell<World>) {
    if world.borrow().hub_life().is_none() {
        return;
    }
    let running = world.borrow_mut().hub_running();
    let _ = running.await;
    with(world, World::shut_down);
    let alone = world.borrow_mut().alone();
    let shutdown_timeout = world.borrow().scenario.hub.shutdown_timeout;
    let timeout = sleep(world, shutdown_timeout);
    tokio::select! {
        biased;
        _ = alone => {}
        () = timeout => {}
    }
    with(world, World::close_all);
    let alone = world.borrow_mut().alone();
    let _ = alone.await;
    with(world, |world| world.end_hub(false));
}
