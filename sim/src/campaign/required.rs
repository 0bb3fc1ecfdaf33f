//! What a campaign has to meet before its silence proves anything.

use crate::backend::Backend;
use crate::scenario::Profile;
use crate::situations::Situation;

/// From so many runs on, a campaign that never met a situation of its profile is void.
pub const ENFORCED_FROM: u64 = 1_000;

/// What a campaign of the profile has to meet on the backend.
pub(super) fn of(profile: Profile, backend: Backend) -> Vec<Situation> {
    match backend {
        Backend::Message | Backend::Simulated | Backend::Both => of_profile(profile),
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
