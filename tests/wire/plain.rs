//! What is read in one pass is what is read thoroughly, or it is not read in one pass.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use signal_hub::protocol::codec::{
    Bounds, Template, decode_client_frame, decode_client_text, decode_plain_frame,
    decode_thoroughly,
};
use signal_hub::protocol::{ClientFrame, Request};

/// The entries of an object, each value as its JSON.
type Entries = Vec<(String, String)>;

const KINDS: [&str; 6] =
    ["hub:send", "hub:publish", "hub:heartbeat", "hub:subscribe", "hub:register", "hub:seldom"];

const KEYS: [&str; 14] = [
    "id",
    "from",
    "to",
    "type",
    "pattern",
    "timestamp",
    "payload",
    "metadata",
    "ttl",
    "correlationId",
    "signature",
    "topic",
    "data",
    "durable",
];

/// Values that some keys may have, and values that none may.
const VALUES: [&str; 40] = [
    "null",
    "true",
    "false",
    "0",
    "7",
    "-0",
    "-1",
    "1.0",
    "1e3",
    "01",
    "+1",
    "1E400",
    "-",
    "18446744073709551615",
    "18446744073709551616",
    r#""""#,
    r#""x""#,
    r#""ä€😀""#,
    r#""@(a/b)""#,
    r#""@(a//b)""#,
    r#""@(a b)""#,
    r#""hub:x""#,
    r#""\u0041""#,
    r#""\ud800""#,
    r#""\x""#,
    r#""@(\u0061)""#,
    "\"\u{1}\"",
    r#""a"#,
    "{}",
    "[]",
    "[[[[]]]]",
    "{",
    r#"{"a":{"a":[1,{}]}}"#,
    r#"{"a":1,"a":2}"#,
    r#"{"\ud800":1}"#,
    r#"{"traceId":"t"}"#,
    r#"{"hub:send":null}"#,
    r#"["@(b)","t","x",null,null,true]"#,
    " 7 ",
    "nul",
];

const METADATA: [&str; 4] = ["{}", "null", r#"{"traceId":"t"}"#, r#"{"a":{"a":[1,{}]},"a":2}"#];

const SPACES: [&str; 6] = ["", "", " ", "\n\t", "\r\n ", "\u{a0}"];

fn text(value: &str) -> String {
    serde_json::to_string(value).expect("a string is JSON")
}

fn entries<const N: usize>(entries: [(&str, &str); N]) -> Entries {
    entries.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

fn envelope(kind: &str) -> Entries {
    let kind = text(kind);
    entries([
        ("id", r#""m-1""#),
        ("from", r#""@(alice)""#),
        ("to", r#""@(cloudflare/signal-hub)""#),
        ("type", &kind),
        ("pattern", r#""ask""#),
        ("timestamp", "1700000000000"),
        ("payload", "null"),
        ("metadata", "{}"),
        ("correlationId", "null"),
        ("ttl", "null"),
        ("signature", "null"),
    ])
}

/// With the fields of all kinds.
fn payload() -> Entries {
    entries([
        ("to", r#""@(bob)""#),
        ("topic", r#""news""#),
        ("type", r#""chat:hello""#),
        ("data", r#"{"n":[1,null],"text":"h\ni"}"#),
        ("timestamp", "5"),
        ("durable", "true"),
    ])
}

/// One thing that makes an object another one.
#[derive(Debug, Clone)]
enum Edit {
    Drop(Index),
    Repeat(Index),
    Swap(Index, Index),
    Replace(Index, &'static str),
    Insert(Index, &'static str, &'static str),
    /// A letter of a key becomes an escape.
    Escape(Index),
}

impl Edit {
    fn any() -> impl Strategy<Value = Edit> {
        let index = any::<Index>;
        prop_oneof![
            1 => index().prop_map(Edit::Drop),
            1 => index().prop_map(Edit::Repeat),
            1 => (index(), index()).prop_map(|(one, other)| Edit::Swap(one, other)),
            4 => (index(), select(&VALUES[..])).prop_map(|(at, value)| Edit::Replace(at, value)),
            2 => (index(), select(&KEYS[..]), select(&VALUES[..]))
                .prop_map(|(at, key, value)| Edit::Insert(at, key, value)),
            1 => index().prop_map(Edit::Escape),
        ]
    }

    fn apply(&self, object: &mut Entries) {
        let len = object.len();
        match self {
            _ if len == 0 => {}
            Edit::Drop(at) => drop(object.remove(at.index(len))),
            Edit::Repeat(at) => object.push(object[at.index(len)].clone()),
            Edit::Swap(one, other) => object.swap(one.index(len), other.index(len)),
            Edit::Replace(at, value) => object[at.index(len)].1 = (*value).to_owned(),
            Edit::Insert(at, key, value) => {
                object.insert(at.index(len), ((*key).to_owned(), (*value).to_owned()));
            }
            Edit::Escape(at) => {
                let key = &mut object[at.index(len)].0;
                let first = key.chars().next().map_or(0, u32::from);
                *key = format!("\\u{first:04x}{}", key.get(1..).unwrap_or_default());
            }
        }
    }
}

fn object(entries: &Entries, space: &str) -> String {
    let entries: Vec<String> = entries
        .iter()
        .map(|(key, value)| format!("{space}\"{key}\"{space}:{space}{value}{space}"))
        .collect();
    format!("{{{}}}", entries.join(","))
}

/// Frames of all kinds with a few edits, spaces between their words, and sometimes an end too early
/// or a wrong byte.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let edits = || proptest::collection::vec(Edit::any(), 0..3);
    let spaces = (select(&SPACES[..]), select(&SPACES[..]));
    let cut = prop_oneof![6 => Just(None), 1 => any::<Index>().prop_map(Some)];
    let byte = prop_oneof![6 => Just(None), 1 => any::<(Index, u8)>().prop_map(Some)];
    (select(&KINDS[..]), select(&METADATA[..]), edits(), edits(), spaces, cut, byte).prop_map(
        |(kind, metadata, outer, inner, (space, around), cut, byte)| {
            let (mut envelope, mut payload) = (envelope(kind), payload());
            inner.iter().for_each(|edit| edit.apply(&mut payload));
            (envelope[6].1, envelope[7].1) = (object(&payload, space), metadata.to_owned());
            outer.iter().for_each(|edit| edit.apply(&mut envelope));
            let mut frame = format!("{around}{}{around}", object(&envelope, space)).into_bytes();
            if let Some((at, byte)) = byte {
                let at = at.index(frame.len());
                frame[at] = byte;
            }
            frame.truncate(cut.map_or(frame.len(), |at| at.index(frame.len())));
            frame
        },
    )
}

/// Frames of one client, which differ by an edit or two.
fn alike() -> impl Strategy<Value = Vec<String>> {
    let edits = |most| proptest::collection::vec(Edit::any(), 0..most);
    let each = proptest::collection::vec((edits(2), edits(2)), 2..6);
    (select(&KINDS[..2]), select(&METADATA[..]), edits(2), edits(2), select(&SPACES[..]), each)
        .prop_map(|(kind, metadata, outer, inner, space, each)| {
            let (mut of_all, mut data) = (envelope(kind), payload());
            of_all[7].1 = metadata.to_owned();
            outer.iter().for_each(|edit| edit.apply(&mut of_all));
            inner.iter().for_each(|edit| edit.apply(&mut data));
            let frames = each.iter().map(|(outer, inner)| {
                let (mut envelope, mut payload) = (of_all.clone(), data.clone());
                inner.iter().for_each(|edit| edit.apply(&mut payload));
                let payload = object(&payload, space);
                envelope.iter_mut().filter(|(key, _)| key == "payload").for_each(|entry| {
                    entry.1.clone_from(&payload);
                });
                outer.iter().for_each(|edit| edit.apply(&mut envelope));
                object(&envelope, space)
            });
            frames.collect()
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn what_is_read_with_a_template_is_what_is_read_without(
        frames in alike(),
        type_bytes_max in 7..15_usize,
        metadata_bytes_max in 0..30_usize,
    ) {
        let bounds = Bounds { type_bytes_max, metadata_bytes_max, ..Bounds::default() };
        let mut template = Template::default();
        for frame in frames.iter().chain(&frames) {
            let with = decode_client_text(frame, &bounds, &mut template);
            prop_assert_eq!(with, decode_client_frame(frame.as_bytes(), &bounds));
        }
    }

    #[test]
    fn what_is_read_in_one_pass_is_what_is_read_thoroughly(
        frame in frames(),
        type_bytes_max in 7..15_usize,
        metadata_bytes_max in 0..30_usize,
    ) {
        let bounds = Bounds { type_bytes_max, metadata_bytes_max, ..Bounds::default() };
        if let Some(request) = decode_plain_frame(&frame, &bounds) {
            let thorough = decode_thoroughly(&frame, &bounds);
            prop_assert_eq!(thorough, Ok(ClientFrame::Request(Arc::new(request))));
        }
    }
}

fn plain(frame: &str) -> Option<Request> {
    decode_plain_frame(frame.as_bytes(), &Bounds::default())
}

#[test]
fn frames_as_clients_write_them_are_read_in_one_pass() {
    for kind in ["hub:send", "hub:publish", "hub:heartbeat", "hub:subscribe"] {
        let mut envelope = envelope(kind);
        envelope[6].1 = object(&payload(), "");
        for space in SPACES.iter().filter(|space| space.is_ascii()) {
            let request = plain(&object(&envelope, space)).expect("nothing is unusual in it");
            assert_eq!(request.type_name, kind);
        }
        envelope.reverse();
        envelope.retain(|(key, _)| !["signature", "correlationId", "ttl"].contains(&key.as_str()));
        envelope.push(("priority".to_owned(), "[1]".to_owned()));
        let request = plain(&object(&envelope, "")).expect("neither order nor more keys matter");
        assert_eq!(request.type_name, kind);
    }
}

/// A frame with this id, recipient and data.
fn send(id: &str, to: &str, data: &str) -> String {
    let (mut envelope, mut payload) = (envelope("hub:send"), payload());
    (envelope[0].1, payload[0].1, payload[3].1) = (text(id), text(to), data.to_owned());
    envelope[6].1 = object(&payload, "");
    object(&envelope, "")
}

#[test]
fn names_that_come_again_are_shared() {
    let mut template = Template::default();
    let mut read = |frame: &str| match decode_client_text(frame, &Bounds::default(), &mut template)
    {
        Ok(ClientFrame::Request(request)) => request,
        other => panic!("{frame}: {other:?}"),
    };
    let is_shared =
        |one: &Request, other: &Request| one.from.as_str().as_ptr() == other.from.as_str().as_ptr();
    let [first, second] = [send("1", "@(bob)", "[1]"), send("2", "@(eve)", "null")];
    let (first, second) = (read(&first), read(&second));
    assert!(is_shared(&first, &second), "they are alike");
    let other = read(&send("3", "@(bob)", "1").replace("@(alice)", "@(mallory)"));
    assert_eq!(other.from.as_str(), "@(mallory)");
    let third = read(&send("4", "@(bob)", "2"));
    assert!(is_shared(&first, &third), "one other frame is forgotten at once");
    let long = format!(r#"{{"priority":"{}","#, "x".repeat(2_000));
    let long = send("5", "@(bob)", "[]").replacen('{', &long, 1);
    let requests = [1, 2, 3, 4].map(|_| read(&long));
    assert!(!is_shared(&requests[2], &requests[3]), "a long frame is not remembered");
}

#[test]
fn what_is_unusual_is_left_to_the_thorough_reading() {
    let edited = |key: &str, value: &str| {
        let mut envelope = envelope("hub:send");
        envelope[6].1 = object(&payload(), "");
        envelope.iter_mut().filter(|entry| entry.0 == key).for_each(|entry| entry.1 = value.into());
        object(&envelope, "")
    };
    assert!(plain(&edited("id", r#""m-1""#)).is_some(), "nothing is unusual yet");
    for (key, value) in [
        ("id", r#""\u006d""#),
        ("id", r#""""#),
        ("id", "null"),
        ("from", r#""alice""#),
        ("to", "7"),
        ("type", r#""hub:discover""#),
        ("type", r#"{"hub:send":null}"#),
        ("type", r#""hub\u003asend""#),
        ("pattern", r#""shout""#),
        ("pattern", r#"{"ask":null}"#),
        ("timestamp", "1.0"),
        ("timestamp", "18446744073709551616"),
        ("timestamp", "-0"),
        ("payload", r#"["@(b)","t","x",null,null,true]"#),
        ("payload", r#"{"type":"t","type":"t"}"#),
        ("payload", r#"{"type":"hub:t"}"#),
        ("payload", r#"{"type":""}"#),
        ("payload", r#"{"type":"\t"}"#),
        ("payload", r#"{"to":"@(b)"}"#),
        ("payload", "null"),
        ("metadata", "[]"),
        ("metadata", r#"{"\ud800":1}"#),
        ("ttl", "-1"),
        ("correlationId", "1"),
        ("signature", r#""\n""#),
    ] {
        assert_eq!(plain(&edited(key, value)), None, "{key}: {value}");
    }
    let whole = edited("", "");
    for frame in ["", "{}", r#"{"type":"ping"}"#, &format!("[{whole}]"), &format!("{whole}x")] {
        assert_eq!(plain(frame), None, "{frame}");
    }
    assert_eq!(plain(&whole[..whole.len() - 1]), None, "cut off");
    assert_eq!(plain(&whole.replace(r#""ttl""#, r#""id""#)), None, "a repeated key");
    let not_text = [whole.as_bytes(), b"\xff"].concat();
    assert_eq!(decode_plain_frame(&not_text, &Bounds::default()), None);
}
