//! What a campaign has to meet before its silence proves anything.

use super::Situation;
use crate::scenario::Profile;

/// What a campaign of the profile has to meet.
pub fn required(profile: Profile) -> Vec<Situation> {
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
        Profile::Principals => &[
            S::TokenExpired,
            S::TokenOutlived,
            S::TokenNarrowed,
            S::TakenAtTokensEnd,
            S::Claimed,
            S::ForeignTakeoverRefused,
            S::ForeignResumeRefused,
            S::ForeignRefreshRefused,
            S::RefusedExpired,
            S::RefusedEarly,
            S::RefusedForged,
            S::RefreshAccepted,
            S::ClockSkewed,
        ],
        Profile::Store => &[
            S::HubRestored,
            S::RecoveredOverRestart,
            S::StoreFull,
            S::DiskFailed,
            S::HubCrashedWithClients,
            S::HubShutDownWithClients,
        ],
        Profile::Restart => &[S::HubCrashedWithClients, S::HubShutDownWithClients],
    };
    let mut required = usual.to_vec();
    required.extend(peculiar);
    required
}
