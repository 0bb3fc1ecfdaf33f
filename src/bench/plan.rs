//! Who takes part in a workload, under which names, and what each says.

use signal_hub::protocol::{
    ActorAddress, Json, Pattern, Publish, RecoveryWish, Register, Send, Topic, Verb,
};
use signal_hub::time::Timestamp;

use super::frames::{KIND, NUMBER, Reader, Template, data, request};

/// All members of a workload.
#[derive(Debug)]
pub struct Plan {
    pub seats: Vec<Seat>,
    /// The first so many members have a lane.
    pub lanes: usize,
    pub pattern: Pattern,
}

/// What one member is to be.
#[derive(Debug)]
pub struct Seat {
    pub address: ActorAddress,
    /// At which hub it is, of all hubs in turn.
    pub place: usize,
    /// Whether the address is registered from the start.
    pub is_registered: bool,
    /// Whether what it misses is kept for it.
    pub recovers: bool,
    pub topic: Option<Topic>,
    /// The lane that it listens to.
    pub hears: Option<usize>,
    /// What it sends.
    pub template: Option<Template>,
    /// What the ids of its requests begin with.
    pub ids: String,
    pub reader: Reader,
}

/// The names and the messages of one run.
#[derive(Debug, Clone)]
pub struct Names {
    /// Differs from run to run, so that two on one hub do not take each other's addresses.
    pub run: String,
    /// Counts the storms of a run: a hub answers an id that comes again as it did before.
    pub round: u32,
    pub payload_bytes: usize,
    pub pattern: Pattern,
    /// Whether all addresses recover.
    pub recovers: bool,
    pub now: Timestamp,
}

impl Plan {
    /// One publisher and its subscribers.
    pub fn fanout(names: &Names, subscribers: usize) -> Self {
        let (publisher, topic) = (names.address("publisher", 0), names.topic(0));
        let mut seats = vec![names.seat(0, publisher.clone()).publishing(names, 0, topic.clone())];
        seats.extend((1..=subscribers).map(|member| {
            let seat = names.seat(member, names.address("subscriber", member));
            seat.hearing(0, &publisher, names).subscribed(topic.clone())
        }));
        Self { seats, lanes: 1, pattern: names.pattern }
    }

    /// So many senders, then as many receivers.
    pub fn pairs(names: &Names, pairs: usize) -> Self {
        let sender = |pair| names.address("sender", pair);
        let receiver = |pair| names.address("receiver", pair);
        let senders = (0..pairs).map(|pair| {
            let seat = names.seat(pair, sender(pair));
            seat.sending(names, pair, receiver(pair))
        });
        let receivers = (0..pairs).map(|pair| {
            let seat = names.seat(pairs + pair, receiver(pair));
            Seat { place: pair + 1, ..seat }.hearing(pair, &sender(pair), names)
        });
        Self { seats: senders.chain(receivers).collect(), lanes: pairs, pattern: names.pattern }
    }

    /// Each member has a topic of its own, on which the one before it publishes.
    pub fn ring(names: &Names, members: usize) -> Self {
        let address = |member| names.address("session", member);
        let seats = (0..members).map(|member| {
            let (before, behind) = ((member + members - 1) % members, (member + 1) % members);
            let seat =
                names.seat(member, address(member)).publishing(names, member, names.topic(behind));
            seat.hearing(before, &address(before), names).subscribed(names.topic(member))
        });
        Self { seats: seats.collect(), lanes: members, pattern: names.pattern }
    }

    /// Members that register further addresses, one after the other.
    pub fn registrars(names: &Names, members: usize) -> Self {
        let seats = (0..members).map(|member| {
            let address = names.address("session", member);
            names.seat(member, address).registering(names, member)
        });
        Self { seats: seats.collect(), lanes: members, pattern: names.pattern }
    }

    pub fn hears(&self) -> Vec<Option<usize>> {
        self.seats.iter().map(|seat| seat.hears).collect()
    }
}

impl Names {
    fn address(&self, role: &str, number: usize) -> ActorAddress {
        let text = format!("@(bench/{}/{role}-{number})", self.run);
        ActorAddress::parse(&text).expect("a path of short segments")
    }

    fn topic(&self, number: usize) -> Topic {
        Topic::parse(&format!("bench/{}/{number}", self.run)).expect("a short topic")
    }

    fn seat(&self, member: usize, address: ActorAddress) -> Seat {
        let ids = format!("{}-{:02x}-{member:08x}-", self.run, self.round);
        let reader = Reader::new(address.clone(), None, ids.clone(), self.payload_bytes);
        let (topic, hears, template) = (None, None, None);
        let (is_registered, recovers) = (true, self.recovers);
        Seat {
            address,
            place: member,
            is_registered,
            recovers,
            topic,
            hears,
            template,
            ids,
            reader,
        }
    }
}

impl Seat {
    fn hearing(self, lane: usize, from: &ActorAddress, names: &Names) -> Self {
        let (me, ids) = (self.address.clone(), self.ids.clone());
        let reader = Reader::new(me, Some(from.clone()), ids, names.payload_bytes);
        Self { hears: Some(lane), reader, ..self }
    }

    fn subscribed(self, topic: Topic) -> Self {
        Self { topic: Some(topic), ..self }
    }

    fn publishing(self, names: &Names, lane: usize, topic: Topic) -> Self {
        let data = data(lane, names.payload_bytes);
        self.saying(names, Verb::Publish(Publish { topic, kind: KIND.into(), data }))
    }

    fn sending(self, names: &Names, lane: usize, to: ActorAddress) -> Self {
        let (to, data) = (to.into(), data(lane, names.payload_bytes));
        self.saying(names, Verb::Send(Send { to, kind: KIND.into(), data, queue: true }))
    }

    fn registering(self, names: &Names, member: usize) -> Self {
        let another = registration(names.address(&format!("{member}/{NUMBER}"), 0), self.recovers);
        Self { is_registered: false, ..self.saying(names, Verb::Register(another)) }
    }

    fn saying(self, names: &Names, verb: Verb) -> Self {
        let id = format!("{}{NUMBER}", self.ids);
        let request = request(&id, &self.address, names.pattern, names.now, verb);
        Self { template: Some(Template::new(request)), ..self }
    }
}

/// A registration that outlives any run.
pub fn registration(actor_address: ActorAddress, recovers: bool) -> Register {
    Register {
        actor_address,
        capabilities: vec!["bench".to_owned()],
        metadata: Json::EMPTY_OBJECT,
        ttl: Register::TTL_MAX,
        renew_on_heartbeat: false,
        recovery: recovers.then_some(RecoveryWish::Begin),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names {
            run: "run".to_owned(),
            round: 0,
            payload_bytes: 64,
            pattern: Pattern::Ask,
            recovers: false,
            now: Timestamp::from_millis(1),
        }
    }

    /// An address, a topic, the lane that is heard, and to whom the member speaks.
    type Told = (String, Option<String>, Option<usize>, Option<String>);

    fn told(plan: &Plan) -> Vec<Told> {
        let short = |text: &str| text.replace("bench/run/", "");
        let to = |seat: &Seat| {
            let frame = seat.template.as_ref()?.with(0xab);
            let frame: serde_json::Value = serde_json::from_str(&frame).unwrap();
            let payload = &frame["payload"];
            let keys = ["topic", "to", "actorAddress"];
            let to = keys.iter().find_map(|key| payload[key].as_str()).unwrap();
            Some(short(to))
        };
        plan.seats
            .iter()
            .map(|seat| {
                let topic = seat.topic.as_ref().map(|topic| short(topic.as_str()));
                (short(seat.address.as_str()), topic, seat.hears, to(seat))
            })
            .collect()
    }

    fn member(address: &str, topic: Option<&str>, hears: Option<usize>, to: Option<&str>) -> Told {
        (address.to_owned(), topic.map(str::to_owned), hears, to.map(str::to_owned))
    }

    #[test]
    fn a_fanout_has_one_publisher_and_all_others_hear_it() {
        let plan = Plan::fanout(&names(), 2);
        assert_eq!(plan.lanes, 1);
        let wanted = [
            member("@(publisher-0)", None, None, Some("0")),
            member("@(subscriber-1)", Some("0"), Some(0), None),
            member("@(subscriber-2)", Some("0"), Some(0), None),
        ];
        assert_eq!(told(&plan), wanted);
    }

    #[test]
    fn each_sender_of_a_pair_has_its_receiver() {
        let plan = Plan::pairs(&names(), 2);
        assert_eq!(plan.lanes, 2);
        let wanted = [
            member("@(sender-0)", None, None, Some("@(receiver-0)")),
            member("@(sender-1)", None, None, Some("@(receiver-1)")),
            member("@(receiver-0)", None, Some(0), None),
            member("@(receiver-1)", None, Some(1), None),
        ];
        assert_eq!(told(&plan), wanted);
    }

    #[test]
    fn each_sender_of_a_pair_is_at_the_hub_before_its_receivers() {
        let places: Vec<_> = Plan::pairs(&names(), 3).seats.iter().map(|seat| seat.place).collect();
        assert_eq!(places, [0, 1, 2, 1, 2, 3]);
    }

    #[test]
    fn a_ring_goes_around_once_and_one_member_is_a_ring() {
        let wanted = [
            member("@(session-0)", Some("0"), Some(1), Some("1")),
            member("@(session-1)", Some("1"), Some(0), Some("0")),
        ];
        assert_eq!(told(&Plan::ring(&names(), 2)), wanted);
        let alone = [member("@(session-0)", Some("0"), Some(0), Some("0"))];
        assert_eq!(told(&Plan::ring(&names(), 1)), alone);
    }

    #[test]
    fn a_registrar_names_another_address_each_time() {
        let wanted = [member("@(session-0)", None, None, Some("@(0/00000000000000ab-0)"))];
        assert_eq!(told(&Plan::registrars(&names(), 1)), wanted);
    }
}
