#!/usr/bin/env python3
"""What Redis costs: a hit in it, beside `redis-benchmark` on the same server; a hit in memory
while other pods write; and a hit in memory with a Redis that is not needed for it.

Every figure is a median over rounds in which all candidates are loaded in turn. The origin must
not be asked, and what is called a hit in Redis must have been one: both are read from counters.
"""

import argparse
import subprocess
import time
from contextlib import contextmanager

import harness
from harness import Bench, Failed, LOAD_CORE, SERVER_CORE, calls, must_hit, say
from paced import Paced

CONFIG = """\
listen: 127.0.0.1:{{listen}}
admin: 127.0.0.1:{{admin}}
origin: http://127.0.0.1:{origin}
workers: 1
log: {{{{ access: "off" }}}}
store: {{{{ memory: {memory}, max_object: 64KiB{redis} }}}}
rules:
  - name: item
    match: GET /items/{{{{id}}}}
    ttl: 1h
    tags: ["item:{{{{id}}}}"]
  - match: PUT /items/{{{{id}}}}
    invalidate: ["item:{{{{id}}}}"]
"""

HOT = "/items/hot"
# So many items of 1 KiB, and so little memory, that what is asked for in turn is never in it.
ITEMS, TINY, AMPLE = 30_000, "1MiB", "256MiB"
# One in twenty may be found in memory all the same.
SHARE = 0.95
CLIENTS = 32
EVENTS = 1_000
# What a hit may cost while that many events a second come, over one while none does.
ALLOWED = 1.15

# Asks for every item in turn from one on, under the one `Host` that all pods are asked with.
IN_TURN = """\
local requests, at = {}, 0
function init(args)
  at = tonumber(args[1])
  for n = 1, %d do
    requests[n] = wrk.format("GET", "/items/" .. n, { Host = "bench.test" })
  end
end
function request()
  at = at %% #requests + 1
  return requests[at]
end
"""


class Setting:
    """The servers that all measurements share, and Larders as they are asked for."""

    def __init__(self, bench):
        self.bench = bench
        self.redis, self.redis_port = bench.start_redis()
        _, self.origin = bench.start_limit("--sizes", core=LOAD_CORE)
        self.in_turn = bench.dir / "in-turn.lua"
        self.in_turn.write_text(IN_TURN % ITEMS)

    def larder(self, name, memory=AMPLE, namespace="bench", core=SERVER_CORE):
        """A Larder; without a namespace, one without Redis. Waits until it follows the log."""
        redis = f"redis://127.0.0.1:{self.redis_port}/0"
        redis = f", redis: {{{{ url: {redis}, namespace: {namespace} }}}}" if namespace else ""
        config = CONFIG.format(origin=self.origin, memory=memory, redis=redis)
        process, port = self.bench.start_larder(config, name, core)
        process.port = port
        if namespace:
            until("the log to be followed", lambda: harness.metric(process.admin, "larder_log_joined"))
        return process

    @contextmanager
    def origin_unasked(self):
        """Fails if the origin is asked for anything meanwhile, writes aside."""
        before = calls(self.origin)
        yield
        if calls(self.origin) != before:
            raise Failed(f"the origin was asked {calls(self.origin) - before:,} times")


def in_redis(larder, what, result):
    """How many `lookups` or `writes` of Redis came to `result`."""
    return harness.metric(larder.admin, f"larder_store_{what}_total", tier="redis", result=result)


def until(what, condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Failed(f"waited {seconds} s for {what}")
        time.sleep(0.02)


# A hit in Redis


class InRedis:
    """A Larder that finds every item in Redis, and what that costs it and Redis."""

    name = "larder, hit in Redis"

    def __init__(self, setting):
        self.setting = setting
        self.fill()
        self.larder = setting.larder("tiny", TINY)
        self.figures, self.shares, self.asked = [], [], 0

    def fill(self):
        """Has another pod fetch every item, so that Redis has what Larder itself puts there."""
        pod = self.setting.larder("filler", core=None)
        written = -1
        while written < (written := int(in_redis(pod, "writes", "written"))) < ITEMS:
            # On from where it came to.
            harness.wrk(pod.pid, pod.port, "/", 5, CLIENTS, (self.setting.in_turn, written))
        harness.stop(pod)
        if written < ITEMS:
            raise Failed(f"only {written:,.0f} of {ITEMS:,} items reached Redis")

    def round(self, seconds):
        larder, redis = self.larder, self.setting.redis
        asked, used = in_redis(larder, "lookups", "hit"), harness.cpu_seconds(redis.pid)
        with self.setting.origin_unasked():
            script = (self.setting.in_turn, self.asked)
            load = harness.wrk(larder.pid, larder.port, "/", seconds, CLIENTS, script)
            self.asked += load.requests
        used = harness.cpu_seconds(redis.pid) - used
        share = (in_redis(larder, "lookups", "hit") - asked) / load.requests
        if share < SHARE:
            raise Failed(f"only {share:.1%} of the requests were answered from Redis")
        self.shares.append(min(share, 1))
        self.figures.append((load.cpu, used * 1e6 / load.requests, load.p50, load.p99, load.rate))


class InMemory:
    """The same number of clients, and a hit in memory: what the tiers differ by."""

    name = "larder, hit in memory"

    def __init__(self, setting):
        self.larder = setting.larder("ample")
        must_hit(self.name, self.larder.port, HOT, setting.origin, [("cache-status", "hit")])
        self.figures = []

    def round(self, seconds):
        load = harness.wrk(self.larder.pid, self.larder.port, HOT, seconds, CLIENTS)
        self.figures.append((load.cpu, None, load.p50, load.p99, load.rate))


class Get:
    """`redis-benchmark` asking the same server for values of 1 KiB, in a database of its own."""

    name = "redis-benchmark GET"

    def __init__(self, setting):
        self.setting = setting
        self.run("set", 10 * ITEMS)
        self.rate = self.run("get", 20_000)[0]
        self.figures = []

    def run(self, test, requests):
        command = ["redis-benchmark", "-p", self.setting.redis_port, "--dbnum", 1, "-t", test]
        command += ["-c", CLIENTS, "-d", 1024, "-r", ITEMS, "-n", requests, "--csv"]
        # Larder's core is free meanwhile.
        run = subprocess.run(harness.pinned(command, SERVER_CORE), capture_output=True, text=True)
        rows = [line.replace('"', "").split(",") for line in run.stdout.splitlines()]
        if run.returncode or len(rows) != 2 or "p99_latency_ms" not in rows[0]:
            raise Failed("redis-benchmark: " + (run.stderr or run.stdout).strip())
        found = dict(zip(*rows))
        return tuple(float(found[name]) for name in ("rps", "p50_latency_ms", "p99_latency_ms"))

    def round(self, seconds):
        requests = max(int(self.rate * seconds), 1)
        used = harness.cpu_seconds(self.setting.redis.pid)
        rate, p50, p99 = self.run("get", requests)
        used = harness.cpu_seconds(self.setting.redis.pid) - used
        self.figures.append((None, used * 1e6 / requests, p50, p99, rate))


def hits_in_redis(setting, rounds, seconds):
    tiers = [InRedis(setting), InMemory(setting), Get(setting)]
    for number in range(rounds):
        for tier in tiers:
            tier.round(seconds)
        rates = "  ".join(f"{tier.name} {tier.figures[-1][-1]:,.0f}" for tier in tiers)
        say(f"round {number + 1} of {rounds}, requests/s: {rates}")
    rows = []
    for tier in tiers:
        middle = [None if None in one else harness.median(one) for one in zip(*tier.figures)]
        own, redis, p50, p99, rate = middle
        cpu = [("–" if used is None else f"{used:.1f}") for used in (own, redis)]
        rows.append((tier.name, *cpu, f"{p50:.2f}", f"{p99:.2f}", f"{rate:,.0f}"))
    header = ("1 KiB, 32 clients", "µs CPU of Larder", "µs CPU of Redis", "p50 ms", "p99 ms", "requests/s")
    print(harness.table(header, rows))
    print()
    print(f"{harness.median(tiers[0].shares):.1%} of the first row's requests were answered from Redis.")
    print()
    for tier in tiers[:2]:
        harness.stop(tier.larder)


# A hit in memory while other pods write


def hits_under_events(setting, rounds, seconds):
    """One hot item; the same writes all the time, but only every other time to its own log."""
    reader = setting.larder("reader")
    must_hit("reader", reader.port, HOT, setting.origin, [("cache-status", "hit")])
    writers = {name: setting.larder(name, namespace=name, core=LOAD_CORE) for name in ("bench", "elsewhere")}
    costs, seen = {"elsewhere": [], "bench": []}, {"elsewhere": 0, "bench": 0}
    harness.wrk(reader.pid, reader.port, HOT, 1)
    for number in range(rounds):
        for name, cost in costs.items():
            tags = harness.metric(reader.admin, "larder_log_tags")
            asked = calls(setting.origin)
            with Paced(writers[name].port, EVENTS) as paced:
                cost.append(harness.wrk(reader.pid, reader.port, HOT, seconds).cpu)
            if calls(setting.origin) - asked != paced.written:
                raise Failed("the hot item was asked for again, though nothing wrote to it")
            if paced.rate < 0.9 * EVENTS:
                raise Failed(f"only {paced.rate:,.0f} of {EVENTS:,} writes a second were answered")
            seen[name] += harness.metric(reader.admin, "larder_log_tags") - tags
        last = " and ".join(f"{cost[-1]:.2f}" for cost in costs.values())
        say(f"round {number + 1} of {rounds}, µs a hit: {last}")
    if seen["elsewhere"] or not seen["bench"]:
        raise Failed(f"the reader's log took in {seen}")
    for process in (reader, *writers.values()):
        harness.stop(process)
    idle, busy = (harness.median(costs[name]) for name in ("elsewhere", "bench"))
    rows = [
        ("none (as many in another namespace)", f"{idle:.2f}", "1.000"),
        (f"{EVENTS:,} a second, of another pod", f"{busy:.2f}", f"{busy / idle:.3f}"),
    ]
    print(harness.table(("events in the log", "µs CPU a hit in memory", "ratio"), rows))
    print()
    # Where rounds of one kind differ by more, that is the noise, and the bound.
    return busy / idle, max(ALLOWED, max(costs["elsewhere"]) / idle)


# A hit in memory with Redis idle


def hits_beside_redis(setting, rounds, seconds):
    pair = [("none", setting.larder("alone", namespace=None)), ("configured, idle", setting.larder("beside"))]
    for name, larder in pair:
        must_hit(name, larder.port, HOT, setting.origin, [("cache-status", "hit")])
        harness.wrk(larder.pid, larder.port, HOT, 1)
    figures = []
    with setting.origin_unasked():
        for number in range(rounds):
            figures.append([harness.wrk(larder.pid, larder.port, HOT, seconds).cpu for _, larder in pair])
            last = " and ".join(f"{cost:.2f}" for cost in figures[-1])
            say(f"round {number + 1} of {rounds}, µs a hit: {last}")
    ratio = harness.median([beside / alone for alone, beside in figures])
    alone, beside = (harness.median(one) for one in zip(*figures))
    rows = [("none", f"{alone:.2f}", "1.000"), ("configured, idle", f"{beside:.2f}", f"{ratio:.3f}")]
    print(harness.table(("Redis", "µs CPU a hit in memory", "ratio"), rows))
    print()


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=int, default=3, help="of load, a candidate and round")
    args = options.parse_args()
    harness.need("wrk", "redis-server", "redis-benchmark")
    with Bench() as bench:
        harness.settle()
        setting = Setting(bench)
        hits_in_redis(setting, args.rounds, args.seconds)
        cost, allowed = hits_under_events(setting, args.rounds, args.seconds)
        hits_beside_redis(setting, args.rounds, args.seconds)
    print(f"Medians of {args.rounds} interleaved rounds of {args.seconds} s; the last two tables with 64 clients.")
    print("Larder on core 0; Redis, the pods that write, and the load on core 1.")
    print(f"{harness.machine()}, {harness.versions('Redis')}.")
    if cost > allowed:
        raise Failed(f"a hit under events costs {cost:.3f} x one over an idle log, above {allowed:.3f}")


if __name__ == "__main__":
    harness.run("redis", main)
