//! Passes the hub's frames to the parts of the client that they concern.

use super::{ClientState, Owner, Phase, Purpose};
use crate::client::{Ending, Event, Message, Outcome};
use crate::protocol::codec::{HubBody, HubFrame, HubMessage, InvalidHubFrame};
use crate::protocol::{DisconnectNotice, MessageId, Notice, PauseNotice, Reply};
use crate::time::Timestamp;

impl ClientState {
    pub(super) fn frame(&mut self, now: Timestamp, frame: Result<HubFrame, InvalidHubFrame>) {
        match &mut self.phase {
            Phase::Connected(session) => session.heard = now,
            Phase::Greeting | Phase::Closing { .. } => {}
            Phase::New
            | Phase::Authorizing
            | Phase::Connecting
            | Phase::Pausing
            | Phase::Ended(_) => return,
        }
        match frame {
            Ok(HubFrame::Pong) => {}
            Ok(HubFrame::Message(message)) => self.message(now, *message),
            Err(invalid) => self.emit(Event::Invalid { why: invalid.to_string() }),
        }
    }

    fn message(&mut self, now: Timestamp, message: HubMessage) {
        let HubMessage { id, from, to, timestamp, ttl, metadata, seq, body } = message;
        match body {
            HubBody::Reply { correlation, reply } => self.reply(now, timestamp, correlation, reply),
            HubBody::Notice(Notice::Disconnect(notice)) => self.close_announced(now, notice),
            HubBody::Notice(Notice::Unregistered(notice)) => self.unregistered(now, notice),
            HubBody::Notice(Notice::Pause(pause)) => self.paused(pause),
            HubBody::Notice(Notice::Resume) => self.resumed(),
            HubBody::Delivery { kind, payload, route, origin } => {
                let message = Message {
                    id,
                    from,
                    to,
                    kind,
                    payload,
                    metadata,
                    route,
                    origin,
                    timestamp,
                    ttl,
                    position: None,
                };
                self.delivered(now, seq, message);
            }
            HubBody::Unknown { kind, payload } => self.emit(Event::Unknown { kind, payload }),
        }
    }

    fn paused(&mut self, pause: PauseNotice) {
        if let Phase::Connected(session) = &mut self.phase {
            session.is_paused = true;
        }
        self.emit(Event::Paused {
            reason: pause.reason,
            address: pause.actor_address,
            queue_depth: pause.queue_depth,
        });
    }

    fn resumed(&mut self) {
        if let Phase::Connected(session) = &mut self.phase {
            session.is_paused = false;
        }
        self.emit(Event::Resumed);
    }

    fn reply(
        &mut self,
        now: Timestamp,
        hub_now: Timestamp,
        correlation: Option<MessageId>,
        reply: Reply,
    ) {
        let purpose = correlation.as_ref().and_then(|id| self.asks.remove(id));
        let (Some(id), Some(purpose)) = (&correlation, purpose) else {
            if let Reply::Error(refusal) = reply {
                self.emit(Event::HubError { correlation, refusal });
            }
            return;
        };
        self.deadlines.clear(&Owner::Ask(id.clone()));
        match purpose {
            Purpose::Connect => self.greeted(now, hub_now, reply),
            Purpose::Token => self.token_answered(now, hub_now, reply),
            Purpose::Heartbeat | Purpose::GivenUp => {}
            Purpose::Register(address) => self.register_answered(now, hub_now, address, reply),
            Purpose::Renew(address) => self.renew_answered(now, hub_now, address, reply),
            Purpose::Recover(address) => self.recover_answered(now, &address, Some(&reply)),
            Purpose::Subscribe { address, topic, command } => {
                self.subscribe_answered(now, address, topic, command, reply);
            }
            Purpose::Unsubscribe { address, topic, command } => {
                self.unsubscribe_answered(now, address, topic, command, reply);
            }
            Purpose::Command(id) => {
                if let Reply::TokenRefreshed(refreshed) = &reply {
                    self.token_refreshed(now, hub_now, refreshed);
                }
                self.resolve_reply(id, reply);
            }
            Purpose::Disconnect(id) => {
                let acknowledged = matches!(reply, Reply::Disconnected(_));
                self.resolve(id, Ok(Outcome::Disconnected { acknowledged }));
            }
        }
    }

    /// After a takeover the client must not come back, even if the close frame is lost.
    fn close_announced(&mut self, now: Timestamp, notice: DisconnectNotice) {
        let taken_over = notice.reason == DisconnectNotice::DUPLICATE_CONNECTION;
        self.emit(Event::CloseAnnounced { reason: notice.reason, message: notice.message });
        if let (true, Phase::Connected(session)) = (taken_over, &self.phase) {
            let session = session.id;
            self.await_close(now, session, Ending::DuplicateConnection);
        }
    }
}
