"""Measures what bystanders notice of one hostile client, attack by attack.

usage: hostile.py PROGRAM [SECONDS]

PROGRAM is the built `signal-hub`, best in release. For each attack a bystander asks all the time, for
SECONDS (5) without the attack, SECONDS with it, and again, in turn. A line of the table: the median, the
99th percentile and the longest of its asks in milliseconds without and with the attack, and the
program's memory before, at most, and after. Everything stays on this machine, and every loop is bounded.
"""

import asyncio
import json
import re
import statistics
import struct
import subprocess
import sys
import time

import websockets

from walk import Client, HUB

ROUNDS = 2
PACE = 0.01
BIG = 1_000_000


def envelope(kind, payload=None, **more):
    message = {"id": "1", "from": "@(mallory)", "to": HUB, "type": kind, "pattern": "tell",
               "timestamp": int(time.time() * 1000), "payload": payload}
    message.update(more)
    return json.dumps(message, separators=(",", ":"))


def registration(address="@(mallory)", **more):
    return {"actorAddress": address, "capabilities": ["c"], **more}


def send(metadata=None, **payload):
    payload = {"to": "@(sleeper)", "type": "t", "data": 1, **payload}
    return envelope("hub:send", payload, metadata=metadata or {})


async def hostile(url, frames, reads=True, setup=(), pace=PACE):
    """One connection that writes `frames` in turn at its pace, for ever; comes back when closed."""
    while True:
        try:
            client = await Client.open(url, "@(mallory)")
            await client.connect()
            await client.register()
            for frame in setup:
                await client.socket.send(frame)
            reading = asyncio.create_task(drop_all(client)) if reads else None
            if not reads:
                client.socket.transport.pause_reading()
            try:
                while True:
                    for frame in frames:
                        await client.socket.send(frame)
                        await asyncio.sleep(pace)
            finally:
                if reading:
                    reading.cancel()
                client.socket.transport.abort()
        except (OSError, AssertionError, asyncio.TimeoutError, websockets.ConnectionClosed):
            await asyncio.sleep(0.1)


async def drop_all(client):
    try:
        async for _ in client.socket:
            pass
    except websockets.ConnectionClosed:
        pass


async def sleeper(url):
    """Registers and never reads; it pings now and then, so it is no silent session."""
    client = await Client.open(url, "@(sleeper)")
    await client.connect()
    await client.register()
    client.socket.transport.pause_reading()
    while True:
        await asyncio.sleep(1)
        await client.socket.send('{"type":"ping"}')


async def many_addresses(url):
    """Registers until it may no more, then says goodbye, again and again."""
    while True:
        client = await Client.open(url, "@(mallory)")
        await client.connect()
        reading = asyncio.create_task(drop_all(client))
        for nth in range(1_000):
            await client.socket.send(envelope("hub:register", registration(f"@(mallory/{nth})")))
            await asyncio.sleep(PACE)
        await client.socket.send(envelope("hub:disconnect"))
        await asyncio.sleep(0.5)
        reading.cancel()


async def half_frames(url):
    """Connections that begin a large frame before hub:connect and leave it at that."""
    host, port = re.match(r"ws://(.*):(\d+)/", url).groups()
    streams = []
    for _ in range(200):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                     b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                     b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\x81\xff" + struct.pack(">Q", BIG) + bytes(4) + bytes(BIG - 1))
        streams.append(writer)
        await asyncio.sleep(PACE)
    await asyncio.sleep(3600)


def attacks(url):
    deep = "*" + "a*" * 120 + "b"
    crowd = [envelope("hub:register", registration(f"@(mallory/{'a' * 60}{nth})", metadata={"m": "m" * 15_000}))
             for nth in range(50)]
    keys = {f"{nth:x}": 1 for nth in range(95_000)}
    return {
        "heartbeats of 1 MB, unread":
            lambda: hostile(url, [envelope("hub:heartbeat", {"timestamp": 1}, junk="j" * BIG)], reads=False),
        "sends with 1 MB of junk to a sleeper": lambda: hostile(url, [json.dumps(
            {**json.loads(send()), "junk": "j" * BIG})]),
        "sends with 95,000 metadata keys": lambda: hostile(url, [send(keys)]),
        "registrations with 1 MB of metadata": lambda: hostile(
            url, [envelope("hub:register", registration(metadata={"m": "m" * BIG}))]),
        "registrations with 260,000 capabilities": lambda: hostile(
            url, [envelope("hub:register", {**registration(), "capabilities": ["a"] * 260_000})]),
        "publications with a type of 1 MB": lambda: hostile(
            url, [envelope("hub:publish", {"topic": "news", "type": "t" * BIG})]),
        "patterns that almost match": lambda: hostile(
            url, [envelope("hub:discover", {"pattern": deep}, pattern="ask")], setup=crowd),
        "discovery by capability": lambda: hostile(
            url, [envelope("hub:discover", {"capability": "c"}, pattern="ask")], setup=crowd),
        "lists of everybody": lambda: hostile(url, [envelope("hub:list_actors", pattern="ask")], setup=crowd),
        "tokens of 900 KiB": lambda: hostile(
            url, [envelope("hub:refresh_token", {"token": "t" * 900_000}, pattern="ask")]),
        "frames of 4 MB": lambda: hostile(url, ["x" * 4_000_000]),
        "1,000 addresses and a goodbye": lambda: many_addresses(url),
        "200 half frames before hub:connect": lambda: half_frames(url),
    }


class Hub:
    """The program, on a free port, with its memory in MiB."""

    def __init__(self, program):
        self.process = subprocess.Popen([program, "serve", "--listen", "127.0.0.1:0"],
                                        stdout=subprocess.PIPE, text=True)
        self.url = re.search(r"ws://\S+", self.process.stdout.readline()).group(0)

    def memory(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1)) // 1024


async def bystander(asker, seconds, hub, peak):
    """Milliseconds of each ask."""
    took, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        begin = time.perf_counter()
        await asker.ask("hub:send", "hub:delivery_ack", {"to": "@(friend)", "type": "t"})
        took.append(1000 * (time.perf_counter() - begin))
        peak[0] = max(peak[0], hub.memory())
        await asyncio.sleep(0.02)
    return took


def figures(took):
    took = sorted(took)
    return f"{statistics.median(took):6.1f} {took[int(len(took) * 0.99)]:6.1f} {took[-1]:6.1f}"


async def measure(program, name, seconds):
    hub = Hub(program)
    try:
        asker, friend = [await Client.open(hub.url, f"@({who})") for who in ("asker", "friend")]
        for client in (asker, friend):
            await client.connect()
            await client.register()
        reading = asyncio.create_task(drop_all(friend))
        sleeping = asyncio.create_task(sleeper(hub.url))
        before, peak, calm, attacked = hub.memory(), [0], [], []
        for _ in range(ROUNDS):
            calm += await bystander(asker, seconds, hub, peak)
            attack = asyncio.create_task(attacks(hub.url)[name]())
            attacked += await bystander(asker, seconds, hub, peak)
            attack.cancel()
            await asyncio.sleep(0.2)
        memory = f"{before:5} {peak[0]:5} {hub.memory():5}"
        print(f"{name:42} {figures(calm)}   {figures(attacked)}   {memory}", flush=True)
        reading.cancel()
        sleeping.cancel()
    finally:
        hub.process.kill()
        hub.process.wait()


async def main(program, seconds):
    print(f"{'':42} {'without, ms':^20}   {'with, ms':^20}   {'memory, MiB':^17}")
    print(f"{'attack':42} {'median':>6} {'99 %':>6} {'most':>6}   {'median':>6} {'99 %':>6} {'most':>6}"
          f"   {'first':>5} {'most':>5} {'last':>5}")
    names = list(attacks("ws://127.0.0.1:1/ws"))
    for name in names:
        await measure(program, name, seconds)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    asyncio.run(main(sys.argv[1], float(sys.argv[2]) if len(sys.argv) == 3 else 5))
