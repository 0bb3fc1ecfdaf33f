"""Several hubs on one NATS behind one port, as behind a load balancer without stickiness; breaks them, if told to.

    front.py --hub PROGRAM --nats PROGRAM --port PORT [--config FILE] [--hubs 3] [--servers 1] [--faults SEED]
        [--every 6] [--beyond] [--record FILE] [--keep FOLDER]

Each connection goes to the next hub that stands. Faults: a hub is killed, stopped for less than its lease (with --beyond also
for longer), or ended in order, and comes back; the engine, or one of its servers, is killed and comes back. One at a time, drawn from the seed and the
hubs' settings, and the first after some seconds. What is done is recorded, a line each. With --alone the hubs know nothing of
each other, which nobody should take for a cluster. Ends with SIGTERM, and all that it started with it.
"""

import argparse
import asyncio
import glob
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import zlib

LEASE = 10.0


def free_port():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return holder.getsockname()[1]


class Engine:
    """One server of NATS, or several."""

    def __init__(self, program, folder, count):
        self.program = program
        self.ports = [free_port() for _ in range(count)]
        routes = [free_port() for _ in range(count)]
        self.configs, self.children = [], [None] * count
        for number, port in enumerate(self.ports):
            self.configs.append(os.path.join(folder, f"nats-{number}.conf"))
            with open(self.configs[-1], "w") as config:
                config.write(f'server_name: s{number}\nlisten: "127.0.0.1:{port}"\nmax_payload: 2MB\n')
                config.write(f'jetstream {{ store_dir: "{folder}/js-{number}", sync_interval: always }}\n')
                if count > 1:
                    urls = ", ".join(f'"nats://127.0.0.1:{route}"' for route in routes)
                    own = f'listen: "127.0.0.1:{routes[number]}"'
                    config.write(f"cluster {{ name: front, {own}, routes: [{urls}] }}\n")

    def flags(self):
        servers = ",".join(f"nats://127.0.0.1:{port}" for port in self.ports)
        return ["--cluster", servers, "--cluster-replicas", str(len(self.ports))]

    def start(self, number):
        command = [self.program, "-c", self.configs[number]]
        self.children[number] = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self, number):
        child, self.children[number] = self.children[number], None
        if child:
            child.kill()
            child.wait()


class Hub:
    """One hub, and whether it can be connected to."""

    def __init__(self, program, name, engine, folder, flags):
        self.name, self.port, self.child, self.stands = name, free_port(), None, False
        self.log = open(os.path.join(folder, f"{name}.log"), "ab")
        self.command = [program, "serve", "--listen", f"127.0.0.1:{self.port}"]
        if engine:
            self.command += [*engine.flags(), "--node", name, "--cluster-start-timeout", "1m"]
        self.command += flags

    async def start(self):
        self.child = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=self.log)
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                break
            except OSError:
                if self.child.poll() is not None:
                    raise SystemExit(f"{self.name} ended: {self.child.returncode}")
                await asyncio.sleep(0.05)
        self.stands = True

    def check(self):
        if self.stands and self.child.poll() is not None:
            raise SystemExit(f"{self.name} ended by itself: {self.child.returncode}")

    def signal(self, number):
        self.child.send_signal(number)


class Front:
    def __init__(self, hubs, engine, record):
        self.hubs, self.engine, self.record = hubs, engine, record
        self.next, self.began = 0, time.monotonic()

    def tell(self, what):
        line = f"{time.monotonic() - self.began:8.1f} {what}"
        print(line, file=self.record, flush=True)

    async def serve(self, reader, writer):
        """One connection of a client."""
        for _ in self.hubs:
            hub = self.hubs[self.next % len(self.hubs)]
            self.next += 1
            if not hub.stands:
                continue
            try:
                from_hub, to_hub = await asyncio.open_connection("127.0.0.1", hub.port)
            except OSError:
                continue
            await asyncio.gather(pipe(reader, to_hub), pipe(from_hub, writer))
            return
        writer.transport.abort()

    async def watch(self):
        """A hub that ends by itself ends everything."""
        while True:
            for hub in self.hubs:
                hub.check()
            await asyncio.sleep(0.2)

    async def breaks(self, seed, every, beyond):
        """Breaks and mends, without end."""
        faults = [self.killed, self.stopped, self.ended, self.engine_killed]
        if beyond:
            faults.append(self.stopped_long)
        draw = random.Random(seed)
        await asyncio.sleep(every)
        while True:
            hub = draw.choice(self.hubs)
            await draw.choice(faults)(hub, draw)
            await asyncio.sleep(draw.uniform(0.5, 1.5) * every)

    async def killed(self, hub, draw):
        self.tell(f"{hub.name} is killed")
        hub.stands = False
        hub.child.kill()
        hub.child.wait()
        await self.back(hub, draw.uniform(0.2, 1.3 * LEASE))

    async def ended(self, hub, draw):
        self.tell(f"{hub.name} is ended in order")
        hub.stands = False
        hub.signal(signal.SIGTERM)
        await asyncio.to_thread(hub.child.wait)
        await self.back(hub, draw.uniform(0.2, 3))

    async def back(self, hub, after):
        await asyncio.sleep(after)
        await hub.start()
        self.tell(f"{hub.name} is back after {after:.1f} s")

    async def stopped_long(self, hub, draw):
        await self.stopped_for(hub, draw.uniform(1.1, 1.5) * LEASE)

    async def stopped(self, hub, draw):
        await self.stopped_for(hub, draw.uniform(0.2, 0.7) * LEASE)

    async def stopped_for(self, hub, seconds):
        self.tell(f"{hub.name} stands still for {seconds:.1f} s")
        hub.signal(signal.SIGSTOP)
        # A load balancer's check takes a while.
        await asyncio.sleep(min(seconds, 1))
        hub.stands = False
        await asyncio.sleep(max(seconds - 1, 0))
        hub.signal(signal.SIGCONT)
        hub.stands = True

    async def engine_killed(self, _, draw):
        number, after = draw.randrange(len(self.engine.ports)), draw.uniform(0.2, 3)
        self.tell(f"the engine is killed, server {number}, and back after {after:.1f} s")
        self.engine.kill(number)
        await asyncio.sleep(after)
        self.engine.start(number)


async def pipe(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()
    except OSError:
        writer.transport.abort()


def seed_of(arguments):
    """Each storm has settings of its own."""
    if not arguments.config:
        return arguments.faults
    with open(arguments.config, "rb") as config:
        return arguments.faults + (zlib.crc32(config.read()) << 16)


async def run(arguments, folder):
    engine = Engine(arguments.nats, folder, arguments.servers)
    names = [f"hub-{number}" for number in range(1, arguments.hubs + 1)]
    flags = ["--config", arguments.config] if arguments.config else []
    shared = None if arguments.alone else engine
    hubs = [Hub(arguments.hub, name, shared, folder, flags) for name in names]
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    try:
        for number in range(arguments.servers):
            engine.start(number)
        await asyncio.gather(*(hub.start() for hub in hubs))
        record = open(arguments.record, "a") if arguments.record else open(os.devnull, "w")
        front = Front(hubs, engine, record)
        server = await asyncio.start_server(front.serve, "127.0.0.1", arguments.port)
        works = [ended.wait(), front.watch()]
        if arguments.faults is not None:
            works.append(front.breaks(seed_of(arguments), arguments.every, arguments.beyond))
        tasks = [asyncio.create_task(work) for work in works]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        server.close()
        for task in done:
            task.result()
    finally:
        for hub in hubs:
            if hub.child:
                hub.child.kill()
        for number in range(arguments.servers):
            engine.kill(number)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hub", required=True)
    parser.add_argument("--nats", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--config")
    parser.add_argument("--hubs", type=int, default=3)
    parser.add_argument("--servers", type=int, default=1)
    parser.add_argument("--faults", type=int)
    parser.add_argument("--every", type=float, default=6.0)
    parser.add_argument("--beyond", action="store_true")
    parser.add_argument("--record")
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--keep", help="a folder for the logs of all hubs")
    arguments = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="signal-hub-front-")
    try:
        asyncio.run(run(arguments, folder))
    finally:
        if arguments.keep:
            os.makedirs(arguments.keep, exist_ok=True)
            for log in glob.glob(f"{folder}/*.log"):
                shutil.copy(log, os.path.join(arguments.keep, f"{arguments.port}-{os.path.basename(log)}"))
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
