//! It must have happened: what a campaign has to meet before its silence proves anything. Each
//! situation is counted on the history alone, as the invariants are judged.

mod names;
mod shape;
mod sightings;
mod watch;

pub use names::{IMPOSSIBLE, Situation};
pub use shape::{SHAPE_EVERY, Shape};
pub use sightings::{Sighting, Sightings};
pub use watch::Watch;

use crate::backend::Backend;
use crate::scenario::Profile;

/// From so many runs on, a campaign that never met a situation of its profile is void.
pub const ENFORCED_FROM: u64 = 1_000;

/// What a campaign of the profile has to meet on the backend.
pub fn required(profile: Profile, backend: Backend) -> Vec<Situation> {
    match backend {
        Backend::Message | Backend::Simulated => of_profile(profile),
        // Its runs take as long as they say: there are never enough.
        Backend::Real => Vec::new(),
    }
}

fn of_profile(profile: Profile) -> Vec<Situation> {
    use Situation as S;
    let usual = [S::ConnectAccepted, S::RegisterAccepted, S::SendAccepted, S::PublishAccepted];
    let peculiar: &[Situation] = match profile {
        Profile::Swarm => return Situation::ALL.to_vec(),
        Profile::Calm | Profile::Crowd => {
            &[S::BroadcastAccepted, S::SubscribeAccepted, S::DiscoverAccepted]
        }
        Profile::Storm => &[
            S::OldCloseAfterTakeover,
            S::HalfOpenFoundBySilence,
            S::HubCrashedWithClients,
            S::HubShutDownWithClients,
            S::LinkChanged,
            S::Stalled,
            S::Partitioned,
            S::Reset,
            S::Severed,
            S::Crashed,
            S::ClockSkewed,
            S::HubPaused,
            S::ClientPaused,
        ],
        Profile::Flaky => &[S::LinkChanged, S::Stalled, S::HostReadingPaused, S::QueueFull],
        Profile::Takeover => &[
            S::OldCloseAfterTakeover,
            S::AskAcrossTakeover,
            S::SameAddressWithinRoundTrip,
            S::OneOfSeveralLost,
            S::SecondClientStarted,
        ],
        Profile::Halfopen => {
            &[S::HalfOpenFoundBySilence, S::BroadcastToTheDead, S::Severed, S::Partitioned]
        }
        Profile::Restart => &[S::HubCrashedWithClients, S::HubShutDownWithClients],
    };
    let mut required = usual.to_vec();
    required.extend(peculiar);
    required
}
