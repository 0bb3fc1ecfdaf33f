"""A connection: what waits to be written to it, and what it may still ask."""

import asyncio
import contextlib
import traceback
import uuid
from collections import deque

import settings
from websocket import PING, TEXT, WebSocket
from wire import HUB, Refused, envelope, is_ping, message, text


class Session:
    def __init__(self, hub, reader, writer):
        self.hub, self.writer = hub, writer
        self.socket = WebSocket(reader, writer, self.alive)
        self.id, self.addresses, self.claimed = f"session-{uuid.uuid4()}", [], HUB  # earliest first
        self.opened = self.heard = self.pinged = self.moved = hub.now()
        self.connected, self.close_code, self.hangs_up = False, None, False
        self.queue, self.bytes, self.wake = deque(), 0, asyncio.Event()
        self.paused_for, self.written = None, deque(maxlen=2048)
        self.malformed, self.topics = deque(maxlen=settings.malformed_per_minute_max), {}

    def alive(self):
        self.heard = self.hub.now()

    def bound(self):
        most = settings.message_bytes_max
        return most if self.connected else min(most, settings.connect_bytes_max)

    async def run(self):
        """Reads what comes until the connection ends."""
        self.writer.transport.set_write_buffer_limits(high=0)
        ends = (ConnectionError, asyncio.TimeoutError, asyncio.IncompleteReadError,
                asyncio.LimitOverrunError)
        with contextlib.suppress(*ends), contextlib.closing(self.writer):
            if not await self.socket.accept():
                return
            writing = asyncio.create_task(self.write())
            self.hub.opened(self)
            try:
                async for data, size in self.socket.messages(self.bound):
                    if self.close_code is None:
                        self.frame(data, size)
                if not self.hangs_up:
                    self.socket.write_close(self.close_code or self.socket.close_code)
            finally:
                writing.cancel()
                self.hub.closed(self)

    async def write(self):
        with contextlib.suppress(ConnectionError):
            while self.queue or not self.hangs_up:
                while self.queue:
                    data, until = self.queue.popleft()
                    self.bytes -= len(data)
                    if until is None or self.hub.now() <= until:
                        self.socket.write(TEXT, data)
                        await self.writer.drain()
                    self.moved = self.hub.now()
                    self.written.append(int(self.moved))
                    if len(self.queue) < settings.resume_threshold:
                        self.end_pauses()
                if not self.hangs_up:
                    self.wake.clear()
                    await self.wake.wait()
            self.socket.write_close(self.close_code)

    def hang_up(self):
        """Closes once all that waits is written; the peer has a while to see it."""
        self.hangs_up = True
        self.wake.set()
        asyncio.get_running_loop().call_later(settings.close_timeout, self.writer.transport.abort)

    def due(self, now):
        """Returns the code to close it with, if its time is over."""
        if not self.connected and now - self.opened >= settings.connect_timeout:
            return 4005
        if now - self.heard >= settings.idle_timeout:
            return 4004
        if not self.has_room(0) and now - self.moved >= settings.slow_consumer_timeout:
            return 1013
        if now - self.pinged >= settings.ping_interval:
            self.pinged = now
            self.socket.write(PING)
        return None

    def has_room(self, size, times=1):
        return not self.queue or (len(self.queue) < times * settings.queue_messages_max
                                  and self.bytes + size <= times * settings.queue_bytes_max)

    def put(self, data, until=None):
        self.moved = self.moved if self.queue else self.hub.now()
        self.queue.append((data, until))
        self.bytes += len(data)
        self.wake.set()

    def pause_for(self, slow, address):
        """Whoever sends to a session that does not keep up is told so, once."""
        depth = len(slow.queue)
        if depth > settings.pause_threshold and not self.paused_for:
            self.paused_for = slow
            self.tell("hub:pause", {"reason": "slow_consumer", "actorAddress": address,
                                    "queueDepth": depth})

    def end_pauses(self):
        for session in [session for session in self.hub.sessions if session.paused_for is self]:
            session.paused_for = None
            session.tell("hub:resume", {})

    def put_own(self, data):
        """The hub's own words have twice the room; who fills that as well is closed."""
        if self.close_code is None and self.has_room(len(data), 2):
            self.put(data)
        elif self.close_code is None:
            self.hub.close(self, 1013)

    def tell(self, kind, payload, to=None, metadata=None, correlation=None):
        to = to or (self.addresses or [self.claimed])[0]
        self.put_own(message(HUB, to, kind, payload, metadata or {}, correlation))

    def frame(self, data, size):
        self.hub.counts["messages_received"] += 1
        try:
            if data is None:
                raise Refused("message_too_large", f"a message of {size} bytes is too large",
                              actualSize=size, maxSize=self.bound())
            request = envelope(data)
        except Refused as refused:
            self.malformed.append(self.hub.now())
            self.tell("hub:error", refused.payload, correlation=refused.id)
            is_full = len(self.malformed) == self.malformed.maxlen
            many = is_full and self.hub.now() - self.malformed[0] < 60
            if data is None or many:
                self.hub.close(self, 1009 if data is None else 1008)
            return
        try:
            if is_ping(request):
                self.put_own(b'{"type":"pong"}')
            else:
                self.request(request)
        except Exception:
            traceback.print_exc()

    def request(self, request):
        self.claimed, kind, asks = request["from"], request["type"], request["pattern"] == "ask"
        try:
            answer = self.hub.answer(self, request)
        except Refused as refused:
            return self.refuse(request, refused)
        if asks or kind in ("hub:heartbeat", "hub:disconnect"):
            self.reply(request, *answer)
        if kind == "hub:disconnect":
            self.hub.close(self, 1000)

    def refuse(self, request, refused):
        self.hub.counts["errors"] += 1
        asks = request["pattern"] == "ask"
        if asks:
            self.reply(request, "hub:error", refused.payload)
        if request["type"] == "hub:connect" and not self.connected:
            code = 4002 if refused.code == "version_mismatch" else 1008
            self.hub.close(self, code, settings.refusal_linger if asks else 0)

    def reply(self, request, kind, payload, metadata=None):
        trace = request["metadata"].get("traceId")
        trace = {"traceId": trace} if text(0, 256)(trace) else {}
        self.tell(kind, payload, request["from"], (metadata or {}) | trace, request["id"])
