//! What becomes of the transport, of callers and of events: the test is the shell.

use bytes::Bytes;

use super::*;
use crate::client::Command;
use crate::protocol::codec::decode_hub_frame;

const TIMEOUT: Duration = Duration::from_secs(60);
/// How much later the client's clock is than the wall clock.
const AHEAD: Duration = Duration::from_secs(7);
const NOW: Timestamp = Timestamp::from_millis(1_000_000);

fn client() -> LinkState<&'static str> {
    let mut config = ClientConfig::new("ws://hub:1/ws".parse().unwrap(), Vec::new());
    config.command_queue_max = 2;
    config.outgoing_messages_max = 2;
    let mut client = LinkState::new(config, Dice::new([7; 32]));
    assert_eq!(told(&mut client, Input::Start), ["Dialling", "dial"]);
    client
}

/// A client that has hub:connect to write.
fn greeting() -> LinkState<&'static str> {
    let mut client = client();
    assert_eq!(told(&mut client, Input::Opened), ["Up", "hub:connect at 993000"]);
    client
}

/// What the shell is to do after an input.
fn told(client: &mut LinkState<&'static str>, input: Input) -> Vec<String> {
    told_at(client, NOW, input)
}

fn told_at(client: &mut LinkState<&'static str>, now: Timestamp, input: Input) -> Vec<String> {
    let ahead = AHEAD.as_millis() as u64;
    client.handle(now, |at| Timestamp::from_millis(at.as_millis() - ahead), input);
    std::iter::from_fn(|| client.next_output())
        .map(|output| match output {
            Output::Changed(change) => format!("{change:?}"),
            Output::Sent(frame) => frame_text(&frame),
            Output::Dial => "dial".to_owned(),
            Output::Drop => "drop".to_owned(),
            Output::Close { last, timeout } => {
                let last: Vec<_> = last.iter().map(frame_text).collect();
                format!("write {last:?}, close within {timeout:?}")
            }
            Output::RequestToken => "ask for a token".to_owned(),
            Output::Resolve(caller, result) => format!("{caller}: {result:?}"),
        })
        .collect()
}

fn frame_text(frame: &ClientFrame) -> String {
    match frame {
        ClientFrame::Request(request) => {
            format!("{} at {}", request.type_name, request.timestamp.as_millis())
        }
        ClientFrame::Ping => "ping".to_owned(),
    }
}

fn command(client: &mut LinkState<&'static str>, caller: &'static str) -> Vec<String> {
    let id = client.take_command(caller);
    told(client, Input::Command(id, Command::Disconnect { reason: None }))
}

fn closed() -> Input {
    Input::Lost(DisconnectReason::Closed { code: Some(1001), reason: String::new() })
}

#[test]
fn what_is_sent_is_dated_by_the_wall_clock_and_waits_to_be_written() {
    let mut client = greeting();
    let frame = client.next_frame().map(|frame| frame_text(&frame));
    assert_eq!(frame.as_deref(), Some("hub:connect at 993000"));
    assert_eq!(client.next_frame(), None);
}

#[test]
fn a_broken_transport_is_dropped_with_all_that_waited() {
    let mut client = greeting();
    let broken = Input::Lost(DisconnectReason::Broken("reset".to_owned()));
    assert_eq!(told(&mut client, broken), ["Lost(Broken(\"reset\"))", "drop"]);
    assert_eq!(client.next_frame(), None);
    assert_eq!(told(&mut client, closed()), [""; 0], "there is none to be lost");
}

#[test]
fn a_transport_that_the_hub_closes_is_closed_by_handshake() {
    assert_eq!(
        told(&mut greeting(), closed()),
        ["Lost(Closed { code: Some(1001), reason: \"\" })", "write [], close within 2s",]
    );
}

#[test]
fn a_client_that_gives_up_discards_what_waited_unless_it_ends() {
    let late = NOW + TIMEOUT;
    assert_eq!(told_at(&mut client(), late, Input::Tick), ["Abandoned", "drop"]);
    assert_eq!(
        told_at(&mut greeting(), late, Input::Tick),
        ["Abandoned", "write [], close within 2s"]
    );
    let mut ended = greeting();
    assert_eq!(
        told(&mut ended, Input::Stop),
        ["Abandoned", "write [\"hub:connect at 993000\"], close within 2s"]
    );
    assert_eq!(ended.ending(), Some(Ending::Stopped));
}

#[test]
fn each_command_has_a_number_and_each_caller_an_answer() {
    let mut client = client();
    assert_eq!(
        command(&mut client, "first"),
        ["first: Ok(Disconnected { acknowledged: false })", "Abandoned", "drop"]
    );
    assert_eq!(client.take_command("second"), CommandId(1));
    assert!(!client.takes_commands(), "the client has ended");
}

#[test]
fn while_an_event_is_unread_nothing_is_read() {
    let mut client = greeting();
    assert_eq!(client.reading(), Reading::Open);
    told(&mut client, Input::Frame(decode_hub_frame(&Bytes::from_static(b"no frame"))));
    assert_eq!(client.reading(), Reading::Stalled);
    assert!(matches!(client.next_event(), Some(Event::Invalid { .. })));
    assert_eq!((client.reading(), client.next_event()), (Reading::Open, None));
}

/// How many commands the client takes now.
fn taken(client: &mut LinkState<&'static str>) -> usize {
    let takes = |client: &mut LinkState<_>| client.takes_commands();
    std::iter::from_fn(|| takes(client).then(|| client.take_command("caller"))).count()
}

#[test]
fn commands_are_taken_one_after_each_thing_read_and_in_batches_when_idle() {
    let mut client = client();
    assert_eq!(taken(&mut client), 0);
    client.idle();
    assert_eq!(taken(&mut client), 3);
    told(&mut client, Input::Opened);
    assert_eq!(taken(&mut client), 1);
    told(&mut client, Input::Alive);
    told(&mut client, Input::Tick);
    assert_eq!(taken(&mut client), 0, "what could be read goes first");
}

#[test]
fn while_too_many_frames_wait_no_command_is_taken() {
    let mut client = greeting();
    client.outgoing_messages_max = 1;
    client.idle();
    assert!(!client.takes_commands());
    assert!(client.next_frame().is_some());
    assert!(client.takes_commands());
}
