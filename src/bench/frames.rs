//! What the generator writes and reads: requests that differ in a number alone, and the shortest way
//! to the number of what comes back. The way is guessed, and everything unusual goes to the codec.

use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memmem::{self, Finder};
use serde::Deserialize;
use signal_hub::protocol::codec::{HubBody, HubFrame, decode_hub_frame, encode_client_frame};
use signal_hub::protocol::{
    ActorAddress, ClientFrame, Json, MessageId, Notice, Pattern, Reply, Request, Verb,
};
use signal_hub::time::Timestamp;

/// Stands for a number in a template: as many digits.
pub const NUMBER: &str = "zzzzzzzzzzzzzzzz";
/// The application's type of all messages.
pub const KIND: &str = "bench:message";
/// The smallest payload: a mark and an empty filling.
pub const PAYLOAD_BYTES_MIN: usize = r#"{"mark":"","filling":""}"#.len() + MARK_BYTES;

const MARK_BYTES: usize = 8 + NUMBER.len();
/// Of so many frames of a session, the codec reads one whole, and all of it is compared.
const READ_WHOLE_EVERY: u64 = 64;

static MARK: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(r#""mark":""#));
static TO: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(r#""to":""#));
static HUB_TYPE: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(r#""type":"hub:"#));
static CORRELATION: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(r#""correlationId":""#));

/// Requests that differ in their number alone.
#[derive(Debug, Clone)]
pub struct Template {
    text: Vec<u8>,
    /// Where the number stands.
    places: Vec<usize>,
}

impl Template {
    pub fn new(request: Request) -> Self {
        let text = encode(request).into_bytes();
        let places = memmem::find_iter(&text, NUMBER).collect();
        Self { text, places }
    }

    pub fn with(&self, number: u64) -> String {
        let mut text = self.text.clone();
        let mut digits = [0; NUMBER.len()];
        for (at, digit) in digits.iter_mut().rev().enumerate() {
            *digit = b"0123456789abcdef"[(number >> (4 * at) & 0xf) as usize];
        }
        for place in &self.places {
            text[*place..*place + digits.len()].copy_from_slice(&digits);
        }
        String::from_utf8(text).expect("ASCII digits take the place of ASCII letters")
    }
}

/// A request as the text of a frame.
pub fn encode(request: Request) -> String {
    encode_client_frame(&ClientFrame::Request(request.into()))
}

/// A request of `from` to the hub.
pub fn request(
    id: &str,
    from: &ActorAddress,
    pattern: Pattern,
    now: Timestamp,
    verb: Verb,
) -> Request {
    let id = MessageId::parse(id).expect("an id of some letters");
    let to = ActorAddress::parse("@(cloudflare/signal-hub)").expect("the protocol's own address");
    Request::new(id, from.clone(), to, pattern, now, verb)
}

/// The data of a lane's messages, of `bytes` bytes.
pub fn data(lane: usize, bytes: usize) -> Json {
    let filling = "x".repeat(bytes.saturating_sub(PAYLOAD_BYTES_MIN));
    let text = format!(r#"{{"mark":"{lane:08x}{NUMBER}","filling":"{filling}"}}"#);
    Json::parse(text).expect("an object of two strings")
}

/// What came from the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A message of a lane; `is_intact` says whether all of it that was compared is as it was sent.
    Delivery { lane: usize, number: u64, to_me: bool, is_intact: bool },
    /// The hub did what was asked.
    Answer { number: u64 },
    /// The hub did not.
    Refused { number: Option<u64>, why: String },
    /// Nothing that counts: a notice, or what others send here.
    Else,
    /// A delivery that no lane sends, or no frame of a hub.
    Strange,
}

/// Reads the frames of one session.
#[derive(Debug)]
pub struct Reader {
    /// The session's address.
    me: ActorAddress,
    /// Who sends to it.
    from: Option<ActorAddress>,
    /// What the ids of its requests begin with.
    ids: String,
    payload_bytes: usize,
    read: u64,
}

impl Reader {
    pub fn new(
        me: ActorAddress,
        from: Option<ActorAddress>,
        ids: String,
        payload_bytes: usize,
    ) -> Self {
        Self { me, from, ids, payload_bytes, read: 0 }
    }

    pub fn read(&mut self, frame: &Bytes) -> Heard {
        self.read += 1;
        let quick = if self.read % READ_WHOLE_EVERY == 1 { None } else { self.quick(frame) };
        quick.unwrap_or_else(|| self.whole(frame))
    }

    fn quick(&self, frame: &[u8]) -> Option<Heard> {
        let Some(mark) = after(frame, &MARK) else {
            let kind = after(frame, &HUB_TYPE)?;
            let answers: [&[u8]; 3] = [br#"delivery_ack""#, br#"published""#, br#"registered""#];
            let is_answer = answers.iter().any(|answer| kind.starts_with(answer));
            let id = after(frame, &CORRELATION).filter(|_| is_answer)?;
            let number = hexadecimal(id.strip_prefix(self.ids.as_bytes())?.get(..NUMBER.len())?)?;
            return Some(Heard::Answer { number });
        };
        let to = after(frame, &TO)?.strip_prefix(self.me.as_str().as_bytes())?;
        let to_me = to.starts_with(b"\"");
        let (lane, number) = (mark.get(..8)?, mark.get(8..MARK_BYTES)?);
        let (lane, number) = (usize::try_from(hexadecimal(lane)?).ok()?, hexadecimal(number)?);
        to_me.then_some(Heard::Delivery { lane, number, to_me, is_intact: true })
    }

    fn whole(&self, frame: &Bytes) -> Heard {
        let message = match decode_hub_frame(frame) {
            Ok(HubFrame::Pong) => return Heard::Else,
            Ok(HubFrame::Message(message)) => message,
            Err(_) => return Heard::Strange,
        };
        match message.body {
            HubBody::Delivery { kind, payload, .. } => {
                let as_sent = kind == KIND && self.from.as_ref() == Some(&message.from);
                self.delivery(&payload, message.to == self.me, as_sent)
            }
            HubBody::Reply { correlation, reply } => {
                let number = correlation
                    .and_then(|id| hexadecimal(id.as_str().strip_prefix(&self.ids)?.as_bytes()));
                match (reply, number) {
                    (Reply::Error(refusal), number) => {
                        Heard::Refused { number, why: refusal.code.as_str().to_owned() }
                    }
                    (Reply::UnknownActor(_), number) => {
                        Heard::Refused { number, why: "unknown_actor".to_owned() }
                    }
                    (_, Some(number)) => Heard::Answer { number },
                    (_, None) => Heard::Else,
                }
            }
            HubBody::Notice(Notice::Pause(_) | Notice::Resume | Notice::Disconnect(_)) => {
                Heard::Else
            }
            HubBody::Notice(Notice::Unregistered(_)) | HubBody::Unknown { .. } => Heard::Else,
        }
    }

    fn delivery(&self, payload: &Json, to_me: bool, as_sent: bool) -> Heard {
        #[derive(Deserialize)]
        struct Data {
            mark: String,
            filling: String,
        }
        let Ok(Data { mark, filling }) = payload.to() else { return Heard::Strange };
        let numbers = mark.split_at_checked(8).and_then(|(lane, number)| {
            Some((hexadecimal(lane.as_bytes())?, hexadecimal(number.as_bytes())?))
        });
        let Some((lane, number)) = numbers else { return Heard::Strange };
        let whole = filling.len() + PAYLOAD_BYTES_MIN == self.payload_bytes.max(PAYLOAD_BYTES_MIN);
        let is_intact = as_sent && whole && filling.bytes().all(|byte| byte == b'x');
        let lane = usize::try_from(lane).unwrap_or(usize::MAX);
        Heard::Delivery { lane, number, to_me, is_intact }
    }
}

/// What follows the first `word`.
fn after<'a>(frame: &'a [u8], word: &Finder<'_>) -> Option<&'a [u8]> {
    word.find(frame).map(|at| &frame[at + word.needle().len()..])
}

fn hexadecimal(digits: &[u8]) -> Option<u64> {
    let mut number = 0;
    for digit in digits {
        number = number << 4 | u64::from(char::from(*digit).to_digit(16)?);
    }
    (1..=NUMBER.len()).contains(&digits.len()).then_some(number)
}

#[cfg(test)]
mod tests {
    use signal_hub::protocol::Send;

    use super::*;

    fn address(path: &str) -> ActorAddress {
        ActorAddress::parse(&format!("@({path})")).unwrap()
    }

    fn template() -> Template {
        let send = Send {
            to: address("bench/b").into(),
            kind: KIND.into(),
            data: data(7, 256),
            queue: true,
        };
        let id = format!("run-7-{NUMBER}");
        let now = Timestamp::from_millis(1);
        Template::new(request(&id, &address("bench/a"), Pattern::Ask, now, Verb::Send(send)))
    }

    fn reader() -> Reader {
        Reader::new(address("bench/b"), Some(address("bench/a")), "run-7-".to_owned(), 256)
    }

    /// A frame from the hub for the reader.
    fn frame(from: &str, kind: &str, payload: &str, correlation: &str) -> String {
        format!(
            r#"{{"id":"1","to":"@(bench/b)","from":"@({from})","type":"{kind}","pattern":"tell","timestamp":1,"payload":{payload},"metadata":{{}},"correlationId":{correlation},"ttl":null,"signature":null}}"#
        )
    }

    fn delivery(number: u64) -> String {
        let sent: serde_json::Value = serde_json::from_str(&template().with(number)).unwrap();
        let data = sent["payload"]["data"].to_string();
        frame("bench/a", sent["payload"]["type"].as_str().unwrap(), &data, "null")
    }

    fn reply(kind: &str, payload: &str) -> String {
        frame("cloudflare/signal-hub", kind, payload, r#""run-7-00000000000000ff""#)
    }

    /// What is read quickly, and what is read whole.
    fn heard(frame: &str) -> (Option<Heard>, Heard) {
        let frame = Bytes::copy_from_slice(frame.as_bytes());
        (reader().quick(&frame), reader().whole(&frame))
    }

    #[test]
    fn the_data_has_the_size_that_was_asked_for_and_never_less_than_its_mark() {
        for (asked, bytes) in [(0, PAYLOAD_BYTES_MIN), (48, 48), (49, 49), (256, 256)] {
            assert_eq!(data(1, asked).as_str().len(), bytes);
        }
    }

    #[test]
    fn both_ways_of_reading_find_lane_and_number_of_a_delivery() {
        for number in [0, 0xff, u64::MAX] {
            let wanted = Heard::Delivery { lane: 7, number, to_me: true, is_intact: true };
            assert_eq!(heard(&delivery(number)), (Some(wanted.clone()), wanted));
        }
    }

    #[test]
    fn both_ways_of_reading_find_the_number_of_an_answer() {
        let payload =
            r#"{"messageId":"run-7-00000000000000ff","deliveredAt":1,"status":"delivered"}"#;
        let ack = reply("hub:delivery_ack", payload);
        let wanted = Heard::Answer { number: 0xff };
        assert_eq!(heard(&ack), (Some(wanted.clone()), wanted));
    }

    #[test]
    fn a_refusal_is_read_whole() {
        let unknown = r#"{"actorAddress":"@(bench/c)","message":"Actor not registered"}"#;
        let error =
            r#"{"code":"rate_limited","message":"too fast","resolution":"Wait.","details":{}}"#;
        for (kind, payload, why) in
            [("hub:error", error, "rate_limited"), ("hub:unknown_actor", unknown, "unknown_actor")]
        {
            let wanted = Heard::Refused { number: Some(0xff), why: why.to_owned() };
            assert_eq!(heard(&reply(kind, payload)), (None, wanted));
        }
    }

    #[test]
    fn a_message_for_somebody_else_is_noticed_each_time() {
        let wanted = Heard::Delivery { lane: 7, number: 1, to_me: false, is_intact: true };
        for to in ["@(bench/c)", "@(bench/b1)", "@(bench/b/1)"] {
            let frame = delivery(1).replace(r#""to":"@(bench/b)""#, &format!(r#""to":"{to}""#));
            assert_eq!(heard(&frame), (None, wanted.clone()), "{to}");
        }
    }

    #[test]
    fn data_that_changed_is_noticed_when_it_is_read_whole() {
        let wanted = Heard::Delivery { lane: 7, number: 1, to_me: true, is_intact: false };
        for (was, is) in [("xxx", "xyx"), ("xxx", "xx"), (KIND, "bench:other"), ("bench/a", "e")] {
            assert_eq!(heard(&delivery(1).replacen(was, is, 1)).1, wanted, "{is}");
        }
    }

    #[test]
    fn what_is_spelled_otherwise_means_the_same() {
        let frame =
            delivery(1).replace(r#""mark":"#, r#""mark": "#).replace(r#""to":"#, r#""to" :"#);
        let wanted = Heard::Delivery { lane: 7, number: 1, to_me: true, is_intact: true };
        assert_eq!(heard(&frame), (None, wanted));
    }

    #[test]
    fn what_no_lane_sends_is_strange() {
        for frame in ["", "{}", r#"{"type":"bench:message"}"#] {
            assert_eq!(heard(frame), (None, Heard::Strange), "{frame}");
        }
    }
}
