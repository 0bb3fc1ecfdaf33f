"""A small hub that speaks docs/PROTOCOL.md, without tokens. docs/ANY_HUB.md breaks it on purpose.

usage: hub.py --port N [--config FILE] [--bug NAME]...
"""

import argparse
import asyncio
import re
import signal
import time
import uuid
from collections import Counter, OrderedDict

import messages
import settings
from session import Session
from wire import (HUB, Refused, check_limit, check_size, dump, is_address,
                  is_object, is_small_object, milliseconds, number, take, text, texts)

BUGS = ("late_close", "session_subscriptions", "takeover_loses_subscriptions", "ask_throws",
        "old_session_receives")


class Registration:
    """What the hub knows of an address; without an owner it is detached."""

    def __init__(self):
        self.owner, self.version, self.topics, self.superseded = None, 0, {}, []


class Hub:
    def __init__(self, bugs):
        self.bugs, self.sessions, self.known, self.outcomes = bugs, set(), {}, OrderedDict()
        self.counts, self.minute, self.stood_still, self.last = Counter(), 0, 0, time.monotonic()
        self.began = time.time() - self.last

    def now(self):
        """In seconds; time in which this process stood still counts for nobody."""
        now = time.monotonic()
        self.stood_still += now - self.last if now - self.last > 1 else 0
        self.last = now
        return now - self.stood_still

    # Sessions and what is theirs.

    def opened(self, session):
        self.sessions.add(session)
        self.counts["connections_opened"] += 1
        if sum(session.close_code is None for session in self.sessions) > settings.sessions_max:
            self.close(session, 1013)

    def close(self, session, code, linger=0):
        session.close_code = code
        self.end(session)
        asyncio.get_running_loop().call_later(linger, session.hang_up)

    def closed(self, session):
        self.sessions.discard(session)
        self.counts["connections_closed"] += 1
        self.end(session)

    def end(self, session):
        while session.addresses:
            self.detach(session.addresses.pop(0))
        session.end_pauses()

    async def watch(self):
        """Ends what is over."""
        while True:
            await asyncio.sleep(0.05)
            now = self.now()
            if self.minute != milliseconds() // 60_000:
                self.minute, self.counts = milliseconds() // 60_000, Counter()
            for session in [session for session in self.sessions if session.close_code is None]:
                if code := session.due(now):
                    self.close(session, code)
            for address, known in list(self.known.items()):
                if known.until <= now and known.owner:
                    self.lose(known.owner, address, "expired")
                    self.detach(address)
                elif known.until <= now:
                    del self.known[address]

    async def shut_down(self):
        self.known.clear()
        for session in list(self.sessions):
            session.addresses.clear()
            session.tell("hub:disconnect", {"reason": "server_shutdown", "message": "It stops."})
            self.close(session, session.close_code or 1001)
        give_up = time.monotonic() + settings.shutdown_timeout
        while self.sessions and time.monotonic() < give_up:
            await asyncio.sleep(0.01)

    def detach(self, address):
        if known := self.known.get(address):
            known.owner, known.until, known.tokens = None, self.now() + settings.resume_window, ()

    def forget(self, address):
        del self.known[address]
        for ask in [ask for ask in self.outcomes if ask[0] == address]:
            del self.outcomes[ask]

    def lose(self, session, address, reason):
        session.addresses.remove(address)
        session.tell("hub:unregistered", {"actorAddress": address, "reason": reason}, address)

    def wall(self, at):
        """Returns what clients call the moment."""
        return int(1000 * (at + self.stood_still + self.began))

    # Requests.

    def answer(self, session, request):
        kind = request["type"]
        if session.connected == (kind == "hub:connect"):
            raise Refused("unauthorized", "send hub:connect first, and once")
        size = len(dump(request["metadata"]).encode())
        if kind != "hub:connect" and size > settings.metadata_bytes_max:
            raise Refused("internal_error", "metadata is too large", field="metadata")
        verb = VERBS.get(kind)
        if not verb:
            raise Refused("internal_error", f"Unknown message type: {kind[:64]}", field="type")
        payload = take(request, "payload", is_object, "an object", {})
        if verb not in DELIVERIES or request["pattern"] == "tell":
            return verb(self, session, request, payload)
        to = (payload.get("to") or request["to"]) if verb is messages.send else payload.get("topic")
        says = [to, *map(payload.get, ("type", "data", "excludeSelf"))]
        says.append(request["metadata"].get("targetCapability"))
        ask = self.acting(session, request), kind, request["id"], dump(says)
        old = self.now() - settings.dedupe_window
        while self.outcomes and next(iter(self.outcomes.values()))[0] <= old:
            self.outcomes.popitem(last=False)
        if ask in self.outcomes:
            return self.outcomes[ask][1]
        outcome = verb(self, session, request, payload)
        if outcome[0] != "hub:unknown_actor":
            self.outcomes[ask] = self.now(), outcome
            while len(self.outcomes) > settings.dedupe_entries_max:
                self.outcomes.popitem(last=False)
        return outcome

    def acting(self, session, request):
        """Returns the address that acts: the claimed one, or the session's earliest."""
        known = self.known.get(request["from"])
        owner = known.owner if known else None
        if owner is session:
            return request["from"]
        if owner or not session.addresses:
            raise Refused("unauthorized", "register first, and send as an address of your own")
        return session.addresses[0]

    # Verbs: each returns the type and payload of its reply.

    def connect(self, session, request, payload):
        metadata = request["metadata"]
        try:
            version = take(metadata, "protocolVersion", text(0, 256), "the hub's version")
        except Refused as refused:
            raise Refused("version_mismatch", str(refused), field="protocolVersion") from None
        if re.split("[.-]", version)[0] != "0":
            raise Refused("version_mismatch", "this hub speaks version 0.1.0")
        take(metadata, "capabilities", texts(1 << 20, 1 << 20), "a non-empty array of strings")
        session.connected = True
        return "hub:connected", {
            "sessionId": session.id, "serverVersion": "naive", "serverTime": milliseconds(),
            "maxMessageSize": settings.message_bytes_max,
            "heartbeatInterval": int(settings.heartbeat_interval * 1000),
            "capabilities": {
                "maxActorsPerInstance": settings.registrations_max, "supportsBackpressure": True,
                "supportedContentTypes": ["application/json"]}}

    def heartbeat(self, session, request, payload):
        for known in [self.known[address] for address in session.addresses]:
            if known.renew_on_heartbeat:
                known.until = max(known.until, self.now() + known.ttl)
        echo = {"timestamp": payload.get("timestamp"), "serverTime": milliseconds()}
        check_size(request["from"], {"from": HUB, "type": "hub:heartbeat_ack", "payload": echo,
                                     "metadata": request["metadata"]})
        return "hub:heartbeat_ack", echo

    def disconnect(self, session, request, payload):
        while session.addresses:
            self.forget(session.addresses.pop())
        return "hub:disconnect", {"acknowledged": True}

    def register(self, session, request, payload):
        address = take(payload, "actorAddress", is_address, "an address: @(path)")
        few = texts(settings.capabilities_max, settings.capability_bytes_max)
        capabilities = take(payload, "capabilities", few, "a few strings")
        metadata = take(payload, "metadata", is_small_object, "an object of at most 16 KiB", {})
        ttl = min(3600, take(payload, "ttlSeconds", number(1), "a whole number of seconds", 300))
        if address == HUB:
            raise Refused("unauthorized", f"{address} is the hub's own address")
        if address not in session.addresses:
            check_limit(len(session.addresses), settings.addresses_per_session_max, "addresses")
        if address not in self.known:
            self.make_room()
        resumed = address in self.known and not self.known[address].owner
        known = self.known.setdefault(address, Registration())
        if known.owner not in (None, session):
            self.take_over(address, known)
        if address not in session.addresses:
            session.addresses.append(address)
        token = str(uuid.uuid4())
        known.owner, known.version, known.tokens = session, known.version + 1, (token, token)
        known.capabilities, known.metadata, known.ttl = capabilities, metadata, ttl
        known.until, known.at = self.now() + ttl, milliseconds()
        known.renew_on_heartbeat = True in (metadata.get("renewOnHeartbeat"),
                                            request["metadata"].get("renewOnHeartbeat"))
        told = {"actorAddress": address, "expiresAt": self.wall(known.until), "renewalToken": token,
                "version": known.version}
        topics, room = sorted(self.topics(address)), settings.message_bytes_max - 700
        count = {"subscriptionCount": len(topics)} if len(dump(topics)) > room else {}
        while len(dump(topics)) > room:
            topics.pop()
        more = {"resumed": resumed, "subscriptions": topics, **count}
        return "hub:registered", {**told, **more}, told

    def make_room(self):
        """A detached address gives way, the one that was detached first."""
        detached = [address for address, known in self.known.items() if not known.owner]
        if len(self.known) >= settings.registrations_max and detached:
            del self.known[min(detached, key=lambda address: self.known[address].until)]
        check_limit(len(self.known), settings.registrations_max, "registrations")

    def take_over(self, address, known):
        old = known.owner
        if "takeover_loses_subscriptions" in self.bugs:
            known.topics.clear()
        if "old_session_receives" in self.bugs:
            known.superseded.append(old)
        if len(old.addresses) > 1 or "old_session_receives" in self.bugs:
            return self.lose(old, address, "duplicate_connection")
        old.tell("hub:disconnect", {"reason": "duplicate_connection",
                                    "message": f"{address} was registered by another connection."})
        old.addresses.clear()
        self.close(old, 4003)
        if "late_close" in self.bugs:  # At its end it detaches what is another's by then.
            old.addresses.append(address)

    def topics(self, address):
        """Returns what the address is subscribed to, with the ids of the subscriptions."""
        known = self.known[address]
        return known.owner.topics if "session_subscriptions" in self.bugs else known.topics

    def unregister(self, session, request, payload):
        address = take(payload, "actorAddress", is_address, "an address: @(path)", None)
        address = address or self.acting(session, request)
        if address not in session.addresses:
            raise Refused("unauthorized", f"{address} is not registered by this session")
        session.addresses.remove(address)
        self.forget(address)
        return "hub:unregistered", {"actorAddress": address, "unregisteredAt": milliseconds()}

    def renew(self, session, request, payload):
        token = payload.get("renewalToken", request["metadata"].get("renewalToken"))
        if token is None:
            address = self.acting(session, request)
        else:
            fits = (address for address, known in self.known.items() if token in known.tokens[:1]
                    or known.owner is session and token in known.tokens)
            address = next(fits, None)
        if not address:
            raise Refused("unauthorized", "the renewal token is unknown or spent")
        known, token = self.known[address], str(uuid.uuid4())
        known.until, known.version = self.now() + known.ttl, known.version + 1
        known.tokens = token, known.tokens[-1]
        return "hub:renewed", {"actorAddress": address, "expiresAt": self.wall(known.until),
                               "renewalToken": token}


VERBS = messages.VERBS | {f"hub:{verb.__name__}": verb for verb in (
    Hub.connect, Hub.heartbeat, Hub.disconnect, Hub.register, Hub.unregister, Hub.renew)}
DELIVERIES = messages.send, messages.publish, messages.broadcast


async def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--config", metavar="FILE")
    parser.add_argument("--bug", action="append", choices=BUGS, default=[])
    arguments = parser.parse_args()
    if arguments.config:
        settings.read(arguments.config)
    hub, stop = Hub(arguments.bug), asyncio.Event()
    serve = lambda reader, writer: Session(hub, reader, writer).run()
    server = await asyncio.start_server(serve, "127.0.0.1", arguments.port)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print(f"listening on 127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    watch = asyncio.create_task(hub.watch())
    await stop.wait()
    server.close()
    await hub.shut_down()
    watch.cancel()


if __name__ == "__main__":
    asyncio.run(main())
