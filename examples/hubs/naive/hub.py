"""A small hub of docs/PROTOCOL.md, to be broken as docs/ANY_HUB.md says. It has neither limits nor tokens; it knows no
ask again that it answered, ends no silent session, and says no goodbye."""

import argparse
import asyncio
import fnmatch
import json
import re
import time
import traceback
import uuid

from websocket import MESSAGE_BYTES_MAX, TEXT, WebSocket

BUGS = "late_close", "session_subscriptions", "takeover_loses_subscriptions", "ask_throws", "old_session_receives"
HUB, RESUME_SECONDS, CLOCK_SKEW_MS = "@(cloudflare/signal-hub)", 30, 5_000
ADDRESS = re.compile(r"@\([\w.~:-]+(/[\w.~:-]+)*\)", re.ASCII)


class Refused(Exception):
    """The hub's no: a code, and why."""


class Actor:
    """What the hub knows of an address; without an owner it is detached."""

    def __init__(self):
        self.owner, self.version, self.topics, self.superseded = None, 0, {}, []


class Session(WebSocket):
    is_connected, latest = False, HUB

    def tell(self, to: str, kind: str, payload, answers: str | None = None, sender: str = HUB, metadata=()) -> None:
        self.write(TEXT, json.dumps({
            "id": str(uuid.uuid4()), "from": sender, "to": to, "type": kind, "pattern": "tell",
            "timestamp": milliseconds(), "payload": payload, "metadata": dict(metadata), "correlationId": answers,
            "ttl": None, "signature": None}).encode())


class Hub:
    def __init__(self, bugs: list[str]):
        self.bugs, self.now, self.actors = bugs, 0.0, {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(reader, writer)
        try:
            await session.accept()
            while (message := await session.read()) is not None:
                self.hear(session, message)
        except (ConnectionError, EOFError):
            pass
        finally:
            writer.close()
            for address, actor in self.actors.items():
                if actor.owner is session or "late_close" in self.bugs and address == session.latest:
                    self.detach(actor)

    async def watch(self) -> None:
        """Ends what is over; time in which this process stood still counts for nobody."""
        last = time.monotonic()
        while True:
            await asyncio.sleep(0.05)
            self.now, last = self.now + min(1, time.monotonic() - last), time.monotonic()
            for address, actor in list(self.actors.items()):
                if actor.until <= self.now and actor.owner:
                    actor.owner.tell(address, "hub:unregistered", {"actorAddress": address, "reason": "expired"})
                    self.detach(actor)
                elif actor.until <= self.now:
                    del self.actors[address]

    def detach(self, actor: Actor) -> None:
        actor.owner, actor.until = None, self.now + RESUME_SECONDS

    def hear(self, session: Session, message: bytes) -> None:
        request, kind, to, is_silent = {}, None, HUB, False
        try:
            request |= json.loads(message)
            if request == {"type": "ping"}:
                return session.write(TEXT, b'{"type":"pong"}')
            to, kind = ADDRESS.fullmatch(request["from"])[0], request["type"]
            is_silent = request["pattern"] == "tell" and kind not in ("hub:heartbeat", "hub:disconnect")
            if session.is_connected == (kind == "hub:connect"):
                raise Refused("unauthorized", "send hub:connect first, and once")
            request["metadata"] = request.get("metadata") or {}
            reply = getattr(self, f"do_{kind.removeprefix('hub:')}")(session, request, request.get("payload") or {})
        except AssertionError:
            return traceback.print_exc()
        except (Refused, LookupError, TypeError, ValueError, AttributeError, RecursionError) as no:
            code, why = no.args if isinstance(no, Refused) else ("internal_error", repr(no))
            reply = "hub:error", {"code": code, "message": why, "resolution": "Mend it.", "details": {}}
        if not is_silent:
            session.tell(to, *reply, request.get("id"))
        if kind == "hub:disconnect" or kind == "hub:connect" and not session.is_connected:
            session.close(4002 if reply[1].get("code") == "version_mismatch" else 1000)

    def held(self, session: Session) -> list[str]:
        return [address for address, actor in self.actors.items() if actor.owner is session]

    def acting(self, session: Session, request: dict) -> str:
        """Returns the address that acts: the claimed one, or the session's earliest."""
        held = self.held(session)
        if request["from"] in held:
            return request["from"]
        if request["from"] in self.live() or not held:
            raise Refused("unauthorized", "register first, and send as an address of your own")
        return held[0]

    def do_connect(self, session: Session, request: dict, payload: dict) -> tuple:
        if re.split("[.-]", str(request["metadata"].get("protocolVersion")))[0] != "0":
            raise Refused("version_mismatch", "this hub speaks version 0.1.0")
        session.is_connected, session.topics = True, {}
        return "hub:connected", {
            "sessionId": f"session-{uuid.uuid4()}", "serverVersion": "naive", "maxMessageSize": MESSAGE_BYTES_MAX,
            "heartbeatInterval": 25_000, "capabilities": {
                "maxActorsPerInstance": 1 << 30, "supportsBackpressure": False, "supportedContentTypes": []}}

    def do_heartbeat(self, session: Session, request: dict, payload: dict) -> tuple:
        for actor in self.actors.values():
            if actor.owner is session and actor.metadata.get("renewOnHeartbeat"):
                actor.until = self.now + actor.ttl
        return "hub:heartbeat_ack", {"timestamp": payload.get("timestamp"), "serverTime": milliseconds()}

    def do_disconnect(self, session: Session, request: dict, payload: dict) -> tuple:
        for address in self.held(session):
            del self.actors[address]
        return "hub:disconnect", {"acknowledged": True}

    def do_register(self, session: Session, request: dict, payload: dict) -> tuple:
        address = ADDRESS.fullmatch(payload["actorAddress"])[0]
        actor = self.actors.get(address) or Actor()
        resumed, old = address in self.actors and not actor.owner, actor.owner
        if old is not session:
            self.actors[address] = self.actors.pop(address, actor)  # The session's latest is the last.
        session.latest, actor.owner, actor.version, actor.token = address, session, actor.version + 1, str(uuid.uuid4())
        actor.metadata = request["metadata"] | (payload.get("metadata") or {})
        actor.capabilities, actor.ttl = payload["capabilities"], min(3600, payload.get("ttlSeconds") or 300)
        if old not in (None, session):
            self.supersede(old, address, actor)
        more = {"version": actor.version, "resumed": resumed, "subscriptions": sorted(self.topics(actor))}
        return "hub:registered", self.renewed(address, actor) | more

    def supersede(self, old: Session, address: str, actor: Actor) -> None:
        old.tell(address, "hub:unregistered", {"actorAddress": address, "reason": "duplicate_connection"})
        if "takeover_loses_subscriptions" in self.bugs:
            actor.topics.clear()
        if "old_session_receives" in self.bugs:
            actor.superseded.append(old)
        elif not self.held(old):
            old.close(4003)

    def topics(self, actor: Actor) -> dict[str, str]:
        """Returns what the actor is subscribed to, with the ids of the subscriptions."""
        return actor.owner.topics if "session_subscriptions" in self.bugs else actor.topics

    def do_unregister(self, session: Session, request: dict, payload: dict) -> tuple:
        address = payload.get("actorAddress") or self.acting(session, request)
        if address not in self.held(session):
            raise Refused("unauthorized", f"{address} is not registered by this session")
        del self.actors[address]
        return "hub:unregistered", {"actorAddress": address, "unregisteredAt": milliseconds()}

    def do_renew(self, session: Session, request: dict, payload: dict) -> tuple:
        token = payload.get("renewalToken") or self.actors[self.acting(session, request)].token
        for address in self.live():
            if (actor := self.actors[address]).token == token:
                actor.version += 1
                return "hub:renewed", self.renewed(address, actor)
        raise Refused("unauthorized", "nobody has this renewal token")

    def renewed(self, address: str, actor: Actor) -> dict:
        actor.until = self.now + actor.ttl
        return {"actorAddress": address, "expiresAt": milliseconds() + 1000 * actor.ttl, "renewalToken": actor.token}

    def do_send(self, session: Session, request: dict, payload: dict) -> tuple:
        to = payload.get("to") or request["to"]
        if not self.deliver(session, request, payload, {"forwarded": True}, lambda address, _: address == to):
            assert "ask_throws" not in self.bugs  # Whoever asks waits for ever.
            return "hub:unknown_actor", {"actorAddress": to, "message": f"Actor not registered: {to}"}
        return "hub:delivery_ack", {"messageId": request["id"], "deliveredAt": milliseconds(), "status": "delivered"}

    def do_publish(self, session: Session, request: dict, payload: dict) -> tuple:
        topic = payload["topic"]
        route, wants = {"publication": True, "topic": topic}, lambda _, actor: topic in self.topics(actor)
        count = self.deliver(session, request, payload, route, wants)
        return "hub:published", {"topic": topic, "subscriberCount": count}

    def do_broadcast(self, session: Session, request: dict, payload: dict) -> tuple:
        capability = request["metadata"].get("targetCapability")
        spared = payload.get("excludeSelf") and self.acting(session, request)
        wants = lambda address, actor: address != spared and capability in (None, *actor.capabilities)
        count = self.deliver(session, request, payload, {"broadcast": True}, wants)
        return "hub:broadcast_ack", {"messageId": request["id"], "deliveredCount": count, "failedCount": 0}

    def deliver(self, session: Session, request: dict, payload: dict, route: dict, wants) -> int:
        """Returns how many actors get a copy: those who want it."""
        sender, ttl, kind = self.acting(session, request), request.get("ttl"), payload["type"]
        if ttl is not None and request["timestamp"] + ttl + CLOCK_SKEW_MS < milliseconds():
            raise Refused("message_expired", "the message's time to live was over when it arrived")
        metadata = request["metadata"] | route | {"via": HUB, "originalMessageId": request["id"]}
        to = [address for address in self.live() if wants(address, self.actors[address])]
        for address in to:
            for receiver in [*self.actors[address].superseded, self.actors[address].owner]:
                receiver.tell(address, kind, payload.get("data"), sender=sender, metadata=metadata)
        return len(to)

    def do_subscribe(self, session: Session, request: dict, payload: dict) -> tuple:
        topics, topic = self.topics(self.actors[self.acting(session, request)]), payload["topic"]
        return "hub:subscribed", {"topic": topic, "subscriptionId": topics.setdefault(topic, f"sub-{uuid.uuid4()}")}

    def do_unsubscribe(self, session: Session, request: dict, payload: dict) -> tuple:
        topics = self.topics(self.actors[self.acting(session, request)])
        named = payload.get("topic") or payload["subscriptionId"]
        topic = next((topic for topic, subscription in topics.items() if subscription == named), named)
        topics.pop(topic, None)
        return "hub:unsubscribed", {"topic": topic, "unsubscribedAt": milliseconds()}

    def live(self) -> list[str]:
        return sorted(address for address, actor in self.actors.items() if actor.owner)

    def do_discover(self, session: Session, request: dict, payload: dict) -> tuple:
        pattern = payload.get("pattern") or "*"
        found = fnmatch.filter(self.live(), pattern if pattern.startswith("@(") else f"@({pattern})")
        actors = [{"address": address, "actorAddress": address, "metadata": self.actors[address].metadata,
                   "capabilities": self.actors[address].capabilities} for address in found]
        return "hub:discovered", {"actors": actors, "hasMore": False}


def milliseconds() -> int:
    return int(time.time() * 1000)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--bug", action="append", choices=BUGS, default=[])
    arguments = parser.parse_args()
    hub = Hub(arguments.bug)
    async with await asyncio.start_server(hub.serve, "127.0.0.1", arguments.port):
        await hub.watch()


asyncio.run(main())
