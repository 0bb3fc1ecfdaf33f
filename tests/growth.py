#!/usr/bin/env python3
"""How the hub's cost for one delivery, message, session or registration grows with their number.

Starts a fresh hub for each run, loads it with `signal-hub bench`, and prints the tables of
docs/PERFORMANCE.md: the median of all rounds, in which the sizes take turns.

    tests/growth.py [--program target/release/signal-hub] [--rounds 3] [--duration 4s] [--only fanout]

Ends with status 1 if a run fails or a message does not arrive. Hub and generator need some 10,050 open
files each (ulimit -Hn); `--most 1000` leaves out what is larger. On Linux, each gets a core.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile

SERVE = ["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--rate-limit-per-second", "0",
         "--connections-per-second-max", "0"]

# What grows: the sizes, the sessions that a size needs, the workload's arguments, and columns of what
# one costs: a heading, its unit and where it stands in the results.
DELIVERY = ("CPU a delivery", "us", lambda r: r["server"]["cpu_s_per_million"])
GROWTHS = {
    "fanout": ("subscribers", [10, 100, 1_000, 10_000], lambda n: n + 1,
               lambda n, time: ["fanout", "--subscribers", n, *time], [DELIVERY]),
    "p2p": ("pairs", [50, 500, 5_000], lambda n: 2 * n,
            lambda n, time: ["p2p", "--pairs", n, *time],
            [("CPU a message", "us", DELIVERY[2])]),
    "idle": ("idle sessions", [1_000, 10_000], lambda n: n,
             lambda n, time: ["idle", "--sessions", n, *time[2:]],
             [("memory a session", "KiB", lambda r: r["server"]["rss_bytes_per_session"] / 1024),
              ("CPU to open one", "us", lambda r: r["opening"]["server_cpu_us_per_session"])]),
    "register": ("addresses", [1_000, 5_000, 10_000, 50_000], lambda n: n // 1_000,
                 lambda n, time: ["register", "--sessions", n // 1_000, "--addresses", 1_000],
                 [("CPU a registration", "us", DELIVERY[2])]),
    "kept": ("100 subscribers", ["recover nothing", "recover", "never", "10ms", "always"], lambda _: 101,
             lambda how, time: ["fanout", *time, *([] if how == "recover nothing" else ["--recover"])],
             [DELIVERY, ("time a delivery", "us", lambda r: 1e6 / r["per_second"])]),
}
# Of what is kept, what lies in a store as well.
SYNCS = ["never", "10ms", "always"]


def on_core(core):
    """Keeps a child on one core, where there are two and the system can."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return (lambda: os.sched_setaffinity(0, {cores[core]})) if len(cores) > 1 else None


def run(program, size, arguments):
    """The results of one run against a fresh hub."""
    with tempfile.TemporaryDirectory() as folder:
        store = ["--store", folder, "--store-sync", size] if size in SYNCS else []
        return run_with(program, store, arguments)


def run_with(program, store, arguments):
    with subprocess.Popen([program, *SERVE, *store], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          preexec_fn=on_core(0)) as hub:
        try:
            url = re.search(r"ws://\S+", hub.stdout.readline()).group()
            command = [program, "bench", url, *map(str, arguments), "--json", "--server-pid", str(hub.pid)]
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  preexec_fn=on_core(1), timeout=600)
        finally:
            hub.terminate()
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: status {done.returncode}\n{done.stderr}{done.stdout}")
    return json.loads(done.stdout)


def measure(options, name):
    """The results of each size, one list a size."""
    _, sizes, sessions, arguments, _ = GROWTHS[name]
    sizes = [size for size in sizes if sessions(size) <= options.most]
    time = ["--warm-up", "2s", "--duration", options.duration]
    found = {size: [] for size in sizes}
    for round_ in range(options.rounds):
        for size in sizes:
            print(f"{name} {size}, round {round_ + 1} of {options.rounds}", file=sys.stderr)
            found[size].append(run(options.program, size, arguments(size, time)))
    return found


def table(name, found):
    what, _, _, _, columns = GROWTHS[name]
    heads = [what]
    for head, unit, _ in columns:
        heads += [f"{head}, {unit}", "x the least"]
    heads += ["hub busy", "generator busy"]
    rows = []
    costs = {head: {size: statistics.median(map(cost, runs)) for size, runs in found.items()}
             for head, _, cost in columns}
    for size, runs in found.items():
        cells = [f"{size:,}" if isinstance(size, int) else size]
        for head, _, _ in columns:
            cost, least = costs[head][size], min(costs[head].values())
            cells += [f"{cost:.2f}" if cost < 100 else f"{cost:.0f}", f"{cost / least:.2f}"]
        for who in ("server", "generator"):
            cells.append(f"{100 * statistics.median(run[who]['share'] for run in runs):.0f} %")
        rows.append(cells)

    def line(cells):
        return f"| {' | '.join(cells)} |"

    return "\n".join([line(heads), "|" + "---:|" * len(heads), *map(line, rows)])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="target/release/signal-hub")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--duration", default="4s")
    parser.add_argument("--most", type=int, default=10_001, help="sessions of the largest run")
    parser.add_argument("--only", choices=GROWTHS, action="append", help="one growth, not all")
    options = parser.parse_args()
    for name in options.only or GROWTHS:
        print(table(name, measure(options, name)), end="\n\n", flush=True)


main()
