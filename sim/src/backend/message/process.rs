//! What a crash ends and a pause stops: the hub, a client, a raw connection.

use super::MessagePlatform;
use super::client_end::Holder;
use dst::backend::testbed::Process;

/// One of them.
#[derive(Clone)]
pub struct MessageProcess {
    pub platform: MessagePlatform,
    pub role: Role,
}

#[derive(Clone, Copy)]
pub enum Role {
    /// In this life of it.
    Hub(u32),
    Holder(Holder),
}

impl Process for MessageProcess {
    fn kill(&self) {
        let mut world = self.platform.world();
        match self.role {
            Role::Hub(_) => world.end_hub(),
            Role::Holder(Holder::Client(id)) => world.kill_client(id),
            Role::Holder(Holder::Raw(id)) => world.kill_raw(id),
        }
    }

    fn pause(&self) {
        let mut world = self.platform.world();
        match self.role {
            Role::Hub(life) => world.pause_hub(life),
            Role::Holder(holder) => world.pause(holder),
        }
    }

    fn resume(&self) {
        let mut world = self.platform.world();
        match self.role {
            Role::Hub(life) => world.resume_hub(life),
            Role::Holder(Holder::Client(id)) => world.resume_client(id),
            Role::Holder(Holder::Raw(id)) => world.resume_raw(id),
        }
    }
}
