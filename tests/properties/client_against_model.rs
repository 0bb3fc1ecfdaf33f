//! The client's state against what it promises: whatever its user wants, the hub answers and the
//! network breaks. In the end everything is well, and the hub has what the user wished for.

mod hub;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use proptest::prelude::*;
use signal_hub::client::state::{ClientState, Input, Output};
use signal_hub::client::{
    ActorConfig, ClientConfig, Command, CommandId, Dice, DisconnectReason, RequestCommand,
};
use signal_hub::protocol::codec::{HubBody, HubFrame, HubMessage};
use signal_hub::protocol::{
    ActorAddress, ClientFrame, Json, MessageId, Pattern, Refusal, Reply, Request, Send, Topic, Verb,
};
use signal_hub::time::Timestamp;

use crate::client_model::{Cause, Model};
use crate::client_moves::{Move, NAMES, TOPICS, address, moves, topic};

const TTL: Duration = Duration::from_secs(20);
/// How long the client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long everything may take to be well again: longer than any pause and any time to live.
const WELL_WITHIN: Duration = Duration::from_secs(120);

proptest! {
    #![proptest_config(crate::config())]

    #[test]
    fn a_client_keeps_its_promises(moves in moves(), dice in any::<u8>()) {
        let mut world = World::new(dice);
        let played = world.play(&moves).and_then(|()| world.end());
        prop_assert!(played.is_ok(), "{:?}\nafter {:#?}", played.err(), world.story);
    }
}

/// A client, its user, and a hub that answers when it is told to.
struct World {
    client: ClientState,
    model: Model,
    now: Timestamp,
    commands: u64,
    dialling: bool,
    open: bool,
    /// Requests that the hub has not looked at.
    inbox: VecDeque<Arc<Request>>,
    /// What the hub knows, and until when which of it belongs to the session.
    known: BTreeMap<ActorAddress, BTreeSet<Topic>>,
    registered: BTreeMap<ActorAddress, Timestamp>,
    tokens: u128,
    /// What happened, for people.
    story: Vec<String>,
}

impl World {
    fn new(dice: u8) -> Self {
        let mut actor = ActorConfig { ttl: TTL, ..ActorConfig::new(address(NAMES[0])) };
        actor.topics = vec![topic(TOPICS[0])];
        let url = "ws://hub/ws".parse().expect("a URL");
        let config =
            ClientConfig { waiting_commands_max: 8, ..ClientConfig::new(url, vec![actor]) };
        let now = Timestamp::from_millis(1_000_000);
        Self {
            client: ClientState::new(config.clone(), Dice::new([dice; 32])),
            model: Model::new(config, now),
            now,
            commands: 0,
            dialling: false,
            open: false,
            inbox: VecDeque::new(),
            known: BTreeMap::new(),
            registered: BTreeMap::new(),
            tokens: 0,
            story: Vec::new(),
        }
    }

    fn play(&mut self, moves: &[Move]) -> Result<()> {
        self.input(Input::Start, Cause::Start)?;
        moves.iter().try_for_each(|one| self.make(one))
    }

    /// Once everything goes well, the hub has what is wished for, also on the next connection. A
    /// client that has ended does nothing any more.
    fn end(&mut self) -> Result<()> {
        self.recover()?;
        self.lose(None, true)?;
        self.recover()?;
        self.input(Input::Stop, Cause::Stop)?;
        ensure!(!self.model.is_pending(), "a call has no end");
        self.pass(WELL_WITHIN)?;
        self.command(Command::Register(ActorConfig::new(address(NAMES[0]))))
    }

    fn recover(&mut self) -> Result<()> {
        let end = self.now + WELL_WITHIN;
        while self.now < end && !self.model.has_ended() {
            self.open()?;
            while !self.inbox.is_empty() {
                self.answer(None)?;
            }
            self.pass(Duration::from_millis(500))?;
        }
        if self.model.has_ended() {
            return Ok(());
        }
        let wishes = self.model.wishes();
        self.expire()?;
        let have = self.registered.keys();
        let have: BTreeMap<ActorAddress, BTreeSet<Topic>> =
            have.map(|address| (address.clone(), self.known[address].clone())).collect();
        ensure!(have == wishes, "the hub has {have:?}, and the user wishes for {wishes:?}");
        Ok(())
    }

    fn make(&mut self, one: &Move) -> Result<()> {
        self.story.push(format!("{} {one:?}", self.now));
        match one.clone() {
            Move::Want(address) => self
                .command(Command::Register(ActorConfig { ttl: TTL, ..ActorConfig::new(address) })),
            Move::WantNoMore(address) => self.command(Command::Unregister(address)),
            Move::Subscribe(address, topic) => {
                self.command(Command::Subscribe { address: Some(address), topic })
            }
            Move::Unsubscribe(address, topic) => {
                self.command(Command::Unsubscribe { address: Some(address), topic })
            }
            Move::Ask(from, id) => self.say(Pattern::Ask, from, id),
            Move::Tell(from) => self.say(Pattern::Tell, Some(from), None),
            Move::Leave => self.command(Command::Disconnect { reason: None }),
            Move::Stop => self.input(Input::Stop, Cause::Stop),
            Move::Open => self.open(),
            Move::Answer => self.answer(None),
            Move::Refuse(refusal) => self.answer(Some(refusal)),
            Move::Ignore => {
                self.inbox.pop_front();
                Ok(())
            }
            Move::TakeOver(address) => self.take_over(address),
            Move::Replace => self.replace(),
            Move::Lose(code) => self.lose(code, false),
            Move::LoseAndForget => self.lose(None, true),
            Move::Wait(time) => self.pass(time),
        }
    }

    fn say(
        &mut self,
        pattern: Pattern,
        from: Option<ActorAddress>,
        id: Option<MessageId>,
    ) -> Result<()> {
        let data = Json::from(serde_json::Value::from(self.commands));
        let verb =
            Verb::Send(Send { to: address("bob").into(), kind: "note".into(), data, queue: true });
        let request = RequestCommand { from, id, ..RequestCommand::new(pattern, verb) };
        self.command(Command::Request(Box::new(request)))
    }

    fn command(&mut self, command: Command) -> Result<()> {
        let id = CommandId(self.commands);
        self.commands += 1;
        self.input(Input::Command(id, command.clone()), Cause::Command(id, command))
    }

    fn open(&mut self) -> Result<()> {
        if !std::mem::take(&mut self.dialling) {
            return Ok(());
        }
        self.open = true;
        self.input(Input::Opened, Cause::Opened)
    }

    /// The hub answers its next request: it refuses, or does what is asked for.
    fn answer(&mut self, refusal: Option<Refusal>) -> Result<()> {
        self.expire()?;
        let Some(request) = self.inbox.pop_front() else { return Ok(()) };
        if self.inbox.iter().any(|again| again.id == request.id) {
            // Asked again; the answer to that is the answer to both.
            return Ok(());
        }
        let reply = match refusal.filter(|refusal| self.may_refuse(&request, refusal)) {
            Some(refusal) => Reply::Error(Box::new(refusal)),
            None => self.carry_out(&request).context("the hub is asked for what it knows")?,
        };
        if request.pattern == Pattern::Tell {
            return Ok(());
        }
        let body = HubBody::Reply { correlation: Some(request.id.clone()), reply: reply.clone() };
        // What comes too late is no answer.
        let cause = if self.now < request.timestamp + PATIENCE {
            Cause::Reply(Box::new(Arc::unwrap_or_clone(request)), reply)
        } else {
            Cause::TimePasses
        };
        self.hear(body, cause)
    }

    fn hear(&mut self, body: HubBody, cause: Cause) -> Result<()> {
        let message = HubMessage {
            id: MessageId::parse("m").expect("an id"),
            from: address("hub"),
            to: address(NAMES[0]),
            timestamp: self.now,
            ttl: None,
            metadata: Json::EMPTY_OBJECT,
            seq: None,
            body,
        };
        self.input(Input::Frame(Ok(HubFrame::Message(Box::new(message)))), cause)
    }

    /// The connection, or the attempt to get one, fails.
    fn lose(&mut self, code: Option<u16>, forget: bool) -> Result<()> {
        if forget {
            self.known.clear();
        }
        if !self.open && !self.dialling {
            return Ok(());
        }
        self.cut();
        let why = match code {
            Some(code) => DisconnectReason::Closed { code: Some(code), reason: String::new() },
            None => DisconnectReason::Broken("it broke".to_owned()),
        };
        self.input(Input::Lost(why), Cause::Lost)
    }

    fn cut(&mut self) {
        (self.dialling, self.open) = (false, false);
        self.registered.clear();
        self.inbox.clear();
    }

    /// Lets time pass, with a tick at each deadline.
    fn pass(&mut self, time: Duration) -> Result<()> {
        let end = self.now + time;
        while let Some(deadline) = self.client.next_deadline().filter(|at| *at <= end) {
            self.now = self.now.max(deadline);
            self.input(Input::Tick, Cause::TimePasses)?;
        }
        self.now = end;
        Ok(())
    }

    fn input(&mut self, input: Input, cause: Cause) -> Result<()> {
        let outputs: Vec<Output> = self.client.handle(self.now, input).collect();
        for output in &outputs {
            self.story.push(format!("{}   {}", self.now, in_short(output)));
        }
        self.model.observe(self.now, &cause, &outputs)?;
        for output in outputs {
            match output {
                Output::Connect => self.dialling = true,
                Output::Send(ClientFrame::Request(request)) => self.inbox.push_back(request),
                Output::CloseTransport => self.cut(),
                Output::RequestToken
                | Output::Send(ClientFrame::Ping)
                | Output::Event(_)
                | Output::Resolve(..) => {}
            }
        }
        Ok(())
    }
}

fn in_short(output: &Output) -> String {
    match output {
        Output::Send(ClientFrame::Request(request)) => {
            let Request { from, type_name, pattern, verb, .. } = &**request;
            format!("{} {type_name} as {from}: {verb:?}", pattern.as_str())
        }
        Output::RequestToken
        | Output::Connect
        | Output::Send(ClientFrame::Ping)
        | Output::CloseTransport
        | Output::Event(_)
        | Output::Resolve(..) => format!("{output:?}"),
    }
}
