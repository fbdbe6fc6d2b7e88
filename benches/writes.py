#!/usr/bin/env python3
"""Whether a long invalidation log makes hits dearer: it must not.

Two Larders, loaded in turn. First both are idle: that ratio is the noise. Then one of them
answers 100,000 writes to distinct items, which fill its log's index, and the same hits are
measured again. The hot item is never written to, so it must keep hitting throughout.
"""

import argparse
import socket

import harness
from harness import Bench, Failed, calls, must_hit, say

CONFIG = """\
listen: 127.0.0.1:{{listen}}
admin: 127.0.0.1:{{admin}}
origin: http://127.0.0.1:{origin}
workers: 1
log: {{{{ access: "off" }}}}
rules:
  - name: item
    match: GET /items/{{{{id}}}}
    ttl: 1h
    tags: ["item:{{{{id}}}}"]
  - match: PUT|DELETE /items/{{{{id}}}}
    invalidate: ["item:{{{{id}}}}"]
"""

HOT = "/items/hot"
IN_FLIGHT = 32
# Dearer than this, beyond what the idle pair already differs by, counts as a cost; on a machine
# where the idle pair's own rounds differ by more, that is the noise and the bound.
ALLOWED = 1.05


def write(port, count):
    """Sends `count` writes to distinct items down one connection, a batch at a time."""
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        buffer = b""
        for start in range(0, count, IN_FLIGHT):
            batch = range(start, min(start + IN_FLIGHT, count))
            connection.sendall(b"".join(request(number) for number in batch))
            answered = 0
            while answered < len(batch):
                chunk = connection.recv(65536)
                if not chunk:
                    raise Failed("the connection ended among the writes")
                buffer += chunk
                # Answers to these writes are heads alone: the origin sends 204.
                *heads, buffer = buffer.split(b"\r\n\r\n")
                answered += len(heads)
                for head in heads:
                    if not head.startswith(b"HTTP/1.1 204"):
                        raise Failed("a write was answered " + head.decode("latin-1"))


def request(number):
    if number % 2:
        return f"DELETE /items/{number} HTTP/1.1\r\nHost: bench.test\r\n\r\n".encode()
    head = f"PUT /items/{number} HTTP/1.1\r\nHost: bench.test\r\nContent-Length: 1\r\n\r\n1"
    return head.encode()


def measure(pair, rounds, seconds):
    """Medians of CPU time a hit (idle, written) and of their ratio, and the ratio's noise."""
    figures = []
    for _ in range(rounds):
        loads = [harness.wrk(p.pid, port, HOT, seconds) for p, port in pair]
        figures.append([load.cpu for load in loads])
    idle, written = zip(*figures)
    ratios = [w / i for i, w in figures]
    middle = harness.median(ratios)
    return harness.median(idle), harness.median(written), middle, max(ratios) / middle


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=int, default=3, help="of load, a server and round")
    options.add_argument("--writes", type=int, default=100_000)
    args = options.parse_args()
    harness.need()
    with Bench() as bench:
        harness.settle()
        origin_process, origin = bench.start_limit("--sizes", core=harness.LOAD_CORE)
        config = CONFIG.format(origin=origin)
        pair = [bench.start_larder(config, name) for name in ("idle", "written")]
        for name, (_, port) in zip(("idle", "written"), pair):
            must_hit(name, port, HOT, origin, [("cache-status", "hit")])
        before = measure(pair, args.rounds, args.seconds)
        say(f"writing {args.writes:,} items")
        seen = calls(origin)
        write(pair[1][1], args.writes)
        if calls(origin) - seen != args.writes:
            raise Failed(f"the origin saw {calls(origin) - seen:,} of {args.writes:,} writes")
        after = measure(pair, args.rounds, args.seconds)
        if calls(origin) - seen != args.writes:
            raise Failed("the hot item was asked for again, though nothing wrote to it")
        grown = harness.memory(pair[1][0].pid)[0] - harness.memory(pair[0][0].pid)[0]
    report(args, before, after, grown)


def report(args, before, after, grown):
    rows = [
        (name, f"{idle:.2f}", f"{written:.2f}", f"{ratio:.3f}")
        for name, (idle, written, ratio, _) in [
            ("before the writes", before),
            (f"after {args.writes:,} writes to one of them", after),
        ]
    ]
    header = ("µs CPU a hit", "idle log", "written log", "ratio")
    cost, allowed = after[2] / before[2], max(ALLOWED, before[3])
    print(harness.table(header, rows))
    print()
    print(f"A hit over the written log costs {cost:.3f} x one over the idle log (at most {allowed:.3f});")
    print(f"the log holds {grown / 2**20:.1f} MiB more. {harness.machine()}.")
    if cost > allowed:
        raise Failed(f"{cost:.3f} is more than {allowed:.3f}")


if __name__ == "__main__":
    harness.run("writes", main)
