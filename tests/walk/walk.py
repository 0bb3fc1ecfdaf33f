"""Walks through every message of the protocol with a client that this project did not write.

usage: walk.py PROGRAM

PROGRAM is the built `signal-hub`. The walk starts it on free ports, without and with tokens, and
exits 1 at the first answer that is not what docs/PROTOCOL.md says. It takes 75 seconds, because one
part waits for the default idle_timeout while the others are played.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import uuid

import websockets

HUB = "@(cloudflare/signal-hub)"
KEYS = {"id", "from", "to", "type", "pattern", "timestamp", "payload", "metadata",
        "correlationId", "ttl", "signature"}
SECONDS = 10
IDLE_TIMEOUT = 60
LINGER = 12


class Client:
    """One WebSocket and who it says it is."""

    def __init__(self, socket, address):
        self.socket = socket
        self.address = address

    @classmethod
    async def open(cls, url, address):
        # Without pings of its own: what keeps the session alive is the answer to the hub's.
        return cls(await websockets.connect(url, ping_interval=None), address)

    async def say(self, kind, payload=None, pattern="ask", **envelope):
        message = {"id": str(uuid.uuid4()), "from": self.address, "to": HUB, "type": kind,
                   "pattern": pattern, "timestamp": int(time.time() * 1000), "payload": payload}
        message.update(envelope)
        await self.socket.send(json.dumps(message))
        return message["id"]

    async def hear(self):
        message = json.loads(await asyncio.wait_for(self.socket.recv(), SECONDS))
        expect(set(message) == KEYS, f"eleven keys, not {sorted(message)}")
        expect(isinstance(message["metadata"], dict), "metadata is an object")
        expect(message["pattern"] == "tell", "the hub tells")
        return message

    async def ask(self, kind, reply, payload=None, **envelope):
        """Asks and gives back the reply, which must be of that type."""
        request = await self.say(kind, payload, **envelope)
        message = await self.hear()
        expect(message["type"] == reply, f"{kind} gets {reply}, not {message}")
        expect(message["correlationId"] == request, "a reply bears the request's id")
        return message

    async def refused(self, code, kind, payload=None, **envelope):
        message = await self.ask(kind, "hub:error", payload, **envelope)
        error = message["payload"]
        expect(error["code"] == code, f"{kind} gets {code}, not {error}")
        expect(set(error) == {"code", "message", "resolution", "details"}, "the keys of an error")
        return error

    async def hear_nothing(self):
        """A later heartbeat is the next thing heard."""
        await self.ask("hub:heartbeat", "hub:heartbeat_ack")

    async def closed(self, within=SECONDS):
        await asyncio.wait_for(self.socket.wait_closed(), within)
        return self.socket.close_code

    async def connect(self, token=None):
        metadata = {"protocolVersion": "0.1.0", "capabilities": ["chat"]}
        if token:
            metadata["authToken"] = token
        return await self.ask("hub:connect", "hub:connected", metadata=metadata)

    async def register(self, capabilities=("chat",)):
        payload = {"actorAddress": self.address, "capabilities": list(capabilities)}
        return await self.ask("hub:register", "hub:registered", payload)


def expect(truth, what):
    if not truth:
        raise AssertionError(f"expected: {what}")


async def walk_open(url):
    alice = await Client.open(url, "@(walk/alice)")
    await walk_connecting(alice)
    await walk_registration(alice)
    bob = await Client.open(url, "@(walk/bob)")
    await bob.connect()
    await bob.register(["chat", "games"])
    await walk_messages(alice, bob)
    await walk_topics(alice, bob)
    await walk_figures(alice)
    await walk_refusals(alice, bob)
    await walk_takeover(url, alice, bob)
    await walk_ends(url, alice)


async def walk_connecting(alice):
    await alice.socket.send(' { "type" : "ping" } ')
    expect(json.loads(await alice.socket.recv()) == {"type": "pong"}, "a pong")
    await alice.refused("unauthorized", "hub:heartbeat")
    connected = (await alice.connect())["payload"]
    expect(re.fullmatch(r"session-[0-9a-f-]{36}", connected["sessionId"]), "a session id")
    expect(connected["maxMessageSize"] == 1 << 20, "the bound of a message")
    expect(connected["capabilities"]["supportsBackpressure"] is True, "backpressure")
    await alice.refused("unauthorized", "hub:connect",
                        metadata={"protocolVersion": "0.1.0", "capabilities": ["chat"]})
    ack = await alice.ask("hub:heartbeat", "hub:heartbeat_ack", {"timestamp": 5})
    expect(ack["payload"]["timestamp"] == 5, "the timestamp back")
    await alice.say("hub:heartbeat", pattern="tell")
    expect((await alice.hear())["type"] == "hub:heartbeat_ack", "an answer to a told heartbeat")
    await alice.refused("unauthorized", "hub:subscribe", {"topic": "news"})


async def walk_registration(alice):
    registered = await alice.register()
    payload, metadata = registered["payload"], registered["metadata"]
    expect(payload["version"] == 1 and payload["resumed"] is False, "a first registration")
    expect(payload["subscriptions"] == [], "no subscriptions yet")
    for field in ("actorAddress", "expiresAt", "renewalToken", "version"):
        expect(metadata[field] == payload[field], f"{field} in the metadata too")
    token = payload["renewalToken"]
    renewed = await alice.ask("hub:renew", "hub:renewed", None, metadata={"renewalToken": token})
    later = renewed["payload"]["renewalToken"]
    expect(later != token, "a new token")
    await alice.ask("hub:renew", "hub:renewed", {"renewalToken": token})
    await alice.refused("unauthorized", "hub:renew", {"renewalToken": later})
    await alice.ask("hub:renew", "hub:renewed")
    error = await alice.refused("internal_error", "hub:register", {"capabilities": ["chat"]})
    expect(error["message"] == "actorAddress is required", "the name of the field")
    await alice.refused("unauthorized", "hub:register",
                        {"actorAddress": HUB, "capabilities": ["chat"]})


async def walk_messages(alice, bob):
    request = await alice.say("hub:send", {"to": bob.address, "type": "chat:hi", "data": [1, None]},
                              metadata={"thread": 7})
    heard = await bob.hear()
    expect(heard["from"] == alice.address and heard["to"] == bob.address, "sender and recipient")
    expect(heard["type"] == "chat:hi" and heard["payload"] == [1, None], "the data, unaltered")
    expect(heard["metadata"] == {"thread": 7, "forwarded": True, "via": HUB,
                                 "originalMessageId": request}, "the hub's metadata")
    ack = await alice.hear()
    expect(ack["payload"]["messageId"] == request, "the id of what was delivered")
    expect(ack["payload"]["status"] == "delivered", "delivered")

    await alice.say("hub:send", {"type": "chat:told"}, pattern="tell", to=bob.address)
    expect((await bob.hear())["payload"] is None, "no data is null")
    await alice.hear_nothing()
    unknown = await alice.ask("hub:send", "hub:unknown_actor", {"to": "@(nobody)", "type": "t"})
    expect(unknown["payload"]["message"].startswith("Actor not registered"), "nobody is there")

    # An ask that comes again gets its first outcome and is not delivered again.
    again = {"to": bob.address, "type": "chat:once"}
    first = await alice.say("hub:send", again)
    expect((await bob.hear())["type"] == "chat:once", "the message")
    outcome = (await alice.hear())["payload"]
    await alice.ask("hub:send", "hub:delivery_ack", again, id=first)
    await bob.hear_nothing()
    expect(outcome["messageId"] == first, "the first outcome")

    sent = await alice.say("hub:broadcast", {"type": "game:invite", "data": 1, "excludeSelf": True},
                           metadata={"targetCapability": "games"})
    expect((await bob.hear())["metadata"] == {"targetCapability": "games", "broadcast": True,
                                              "via": HUB, "originalMessageId": sent}, "a broadcast")
    ack = await alice.hear()
    expect(ack["type"] == "hub:broadcast_ack", "its acknowledgement")
    expect((ack["payload"]["deliveredCount"], ack["payload"]["failedCount"]) == (1, 0), "one copy")


async def walk_topics(alice, bob):
    subscribed = await bob.ask("hub:subscribe", "hub:subscribed", {"topic": "news"})
    again = await bob.ask("hub:subscribe", "hub:subscribed", {"topic": "news"})
    expect(subscribed["payload"] == again["payload"], "the same subscription")
    sent = await alice.say("hub:publish", {"topic": "news", "type": "headline", "data": "rain"},
                           metadata={"traceId": "t-1"})
    heard = await bob.hear()
    expect(heard["metadata"] == {"traceId": "t-1", "topic": "news", "publication": True, "via": HUB,
                                 "originalMessageId": sent}, "the topic")
    expect(heard["correlationId"] is None, "a copy is no reply")
    published = await alice.hear()
    expect(published["payload"] == {"topic": "news", "subscriberCount": 1}, "one copy")
    expect(published["metadata"] == {"traceId": "t-1"}, "the trace comes back")
    await bob.ask("hub:unsubscribe", "hub:unsubscribed", {"subscriptionId": "news"})
    await bob.ask("hub:unsubscribe", "hub:unsubscribed", {"topic": "news"})
    by_id = await bob.ask("hub:subscribe", "hub:subscribed", {"topic": "news"})
    await bob.ask("hub:unsubscribe", "hub:unsubscribed",
                  {"subscriptionId": by_id["payload"]["subscriptionId"]})
    await bob.ask("hub:subscribe", "hub:subscribed", {"topic": "kept"})


async def walk_figures(alice):
    found = await alice.ask("hub:discover", "hub:discovered", {"pattern": "@(walk/*)", "limit": 1})
    expect(len(found["payload"]["actors"]) == 1 and found["payload"]["hasMore"], "one of two")
    listed = (await alice.ask("hub:list_actors", "hub:actor_list"))["payload"]
    expect((listed["total"], listed["offset"], listed["limit"]) == (2, 0, 100), "all")
    fields = {"address", "actorAddress", "capabilities", "metadata", "registeredAt", "expiresAt",
              "version"}
    expect(set(listed["actors"][0]) == fields, "no token, no session id")
    stats = (await alice.ask("hub:queue_stats", "hub:queue_stats_response"))["payload"]
    expect(stats["pauseThreshold"] > stats["resumeThreshold"] > 0, "thresholds")
    metrics = (await alice.ask("hub:metrics", "hub:metrics_response"))["payload"]
    expect(metrics["messages_received"] >= 0 and metrics["windowStart"] > 0, "figures")


async def walk_refusals(alice, bob):
    await alice.refused("unauthorized", "hub:publish", {"topic": "t", "type": "x"},
                        **{"from": bob.address})
    await alice.refused("internal_error", "hub:send", {"to": bob.address, "type": "hub:fake"})
    await alice.refused("message_expired", "hub:send", {"to": bob.address, "type": "t"},
                        timestamp=1, ttl=1)
    await alice.refused("invalid_token", "hub:refresh_token", {"token": "a.b.c"})
    await alice.say("hub:subscribe", {}, pattern="tell")
    await alice.hear_nothing()
    await alice.socket.send("no envelope")
    error = await alice.hear()
    expect(error["payload"]["code"] == "internal_error", "an error about the frame")
    expect(error["correlationId"] is None, "it had no id")


async def walk_takeover(url, alice, bob):
    phone = await Client.open(url, bob.address)
    await phone.connect()
    registered = (await phone.register())["payload"]
    expect(registered["subscriptions"] == ["kept"], "subscriptions stay with the address")
    notice = await bob.hear()
    expect(notice["payload"]["reason"] == "duplicate_connection", "the reason")
    expect(await bob.closed() == 4003, "close 4003")
    await alice.ask("hub:send", "hub:delivery_ack", {"to": phone.address, "type": "t"})
    expect((await phone.hear())["type"] == "t", "the new connection gets it")

    phone.socket.transport.abort()
    deadline = time.monotonic() + SECONDS
    while (await answer_of(alice, phone.address)) != "hub:unknown_actor":
        expect(time.monotonic() < deadline, "a detached address is unknown")
    back = await Client.open(url, phone.address)
    await back.connect()
    resumed = (await back.register())["payload"]
    expect(resumed["resumed"] is True and resumed["subscriptions"] == ["kept"], "resumed")
    expect(resumed["version"] > registered["version"], "a higher version")
    await back.ask("hub:unregister", "hub:unregistered")
    await back.socket.close()


async def answer_of(client, address):
    await client.say("hub:send", {"to": address, "type": "t"})
    return (await client.hear())["type"]


async def walk_ends(url, alice):
    await alice.say("hub:disconnect", pattern="tell")
    goodbye = await alice.hear()
    expect(goodbye["payload"] == {"acknowledged": True}, "the acknowledgement first")
    expect(await alice.closed() == 1000, "close 1000")

    old = await Client.open(url, "@(old)")
    await old.refused("version_mismatch", "hub:connect",
                      metadata={"protocolVersion": "9.0.0", "capabilities": ["chat"]})
    expect(await old.closed(LINGER + SECONDS) == 4002, "close 4002")

    loud = await Client.open(url, "@(loud)")
    await loud.socket.send("x" * ((1 << 20) + 1))
    expect((await loud.hear())["payload"]["code"] == "message_too_large", "too large")
    expect(await loud.closed() == 1009, "close 1009")

    vague = await Client.open(url, "@(vague)")
    for _ in range(8):
        await vague.socket.send("[]")
        await vague.hear()
    expect(await vague.closed() == 1008, "close 1008")


async def walk_backpressure(url):
    alice = await Client.open(url, "@(alice)")
    slow = await Client.open(url, "@(slow)")
    for client in (alice, slow):
        await client.connect()
        await client.register()
    slow.socket.transport.pause_reading()
    paused = None
    sent = 0
    while paused is None:
        expect(sent < 500, "hub:pause before 500 large messages")
        request = await alice.say("hub:send", {"to": slow.address, "type": "bulk",
                                               "data": "x" * 100_000})
        sent += 1
        while (heard := await alice.hear())["correlationId"] != request:
            expect(heard["type"] == "hub:pause", "nothing else unasked")
            paused = heard["payload"]
    expect(paused["reason"] == "slow_consumer", "the reason")
    expect(paused["actorAddress"] == slow.address, "who is slow")
    expect(paused["queueDepth"] > 8, "how much waits")
    slow.socket.transport.resume_reading()
    for _ in range(sent):
        expect((await slow.hear())["type"] == "bulk", "all of it, late")
    resumed = await alice.hear()
    expect((resumed["type"], resumed["payload"]) == ("hub:resume", {}), "hub:resume")
    await alice.socket.close()
    await slow.socket.close()


async def walk_with_tokens(url, token_for):
    stranger = await Client.open(url, "@(alice)")
    error = await stranger.ask("hub:connect", "hub:error",
                               metadata={"protocolVersion": "0.1.0", "capabilities": ["chat"]})
    expect(error["payload"]["code"] in ("unauthorized", "invalid_token"), "no way in")
    expect(await stranger.closed(LINGER + SECONDS) == 4001, "close 4001")

    alice = await Client.open(url, "@(alice)")
    connected = await alice.connect(f"Bearer {token_for('alice')}")
    expect(connected["metadata"] == {"actorIdentity": "@(alice)"}, "the token's identity")
    await alice.register()
    await alice.refused("unauthorized", "hub:register",
                        {"actorAddress": "@(bob)", "capabilities": ["chat"]})
    token = token_for("alice")
    refreshed = await alice.ask("hub:refresh_token", "hub:token_refreshed", {"token": token})
    expect(refreshed["payload"]["token"] == token, "the token that counts from now on")
    expect(refreshed["payload"]["expiresAt"] > time.time() * 1000, "its end")
    await alice.refused("invalid_token", "hub:refresh_token", {"token": token_for("bob")})
    await alice.socket.close()


async def walk_idling(url):
    """Who only answers pings stays; who answers nothing is closed."""
    quiet = await Client.open(url, "@(quiet)")
    mute = await Client.open(url, "@(mute)")
    for client in (quiet, mute):
        await client.connect()
        await client.register()
    mute.socket.transport.pause_reading()
    await asyncio.sleep(IDLE_TIMEOUT + SECONDS)
    watcher = await Client.open(url, "@(watcher)")
    await watcher.connect()
    listed = (await watcher.ask("hub:list_actors", "hub:actor_list"))["payload"]
    addresses = [actor["address"] for actor in listed["actors"]]
    expect(addresses == [quiet.address], f"the quiet one alone, not {addresses}")
    await quiet.hear_nothing()
    mute.socket.transport.resume_reading()
    code = await mute.closed()
    expect(code == 4004, f"close 4004, not {code}")
    return f"after {IDLE_TIMEOUT + SECONDS} s of silence {addresses} is there, the mute one got {code}"


class Hub:
    """A hub on a free port."""

    def __init__(self, program, *arguments):
        command = [program, "serve", "--listen", "127.0.0.1:0", *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        line = self.process.stdout.readline()
        found = re.fullmatch(r"listening on (ws://\S+)\n", line)
        expect(found, f"where it listens, not {line!r}")
        return found.group(1)

    def __exit__(self, *_):
        self.process.terminate()
        expect(self.process.wait(SECONDS) == 0, "a clean end on SIGTERM")


async def walk(program):
    idling = asyncio.create_task(idle(program))
    with Hub(program) as url:
        await walk_open(url)
    print("walked through every message without tokens")
    with Hub(program, "--pause-threshold", "8", "--resume-threshold", "2",
             "--queue-bytes-max", "100000000", "--rate-limit-per-second", "0") as url:
        await walk_backpressure(url)
    print("walked through backpressure")
    await with_tokens(program)
    print("walked through what tokens change")
    print(f"walked through idling: {await idling}")


async def idle(program):
    with Hub(program) as url:
        return await walk_idling(url)


async def with_tokens(program):
    with tempfile.TemporaryDirectory() as folder:
        secret = os.path.join(folder, "secret")
        with open(secret, "w", encoding="utf-8") as file:
            file.write("a secret of at least thirty-two bytes, for a walk")

        def token_for(actor):
            command = [program, "token", "--secret-file", secret, "--sub", actor, "--actor", actor]
            return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

        with Hub(program, "--auth-secret-file", secret) as url:
            await walk_with_tokens(url, token_for)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    asyncio.run(walk(os.path.abspath(sys.argv[1])))


if __name__ == "__main__":
    main()
