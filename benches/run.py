#!/usr/bin/env python3
"""What a cache hit costs: CPU time per request of Larder and its neighbours over the floor.

One run, all candidates started at once and loaded in turn, round after round, so that what
disturbs the machine disturbs everyone. Only ratios of one run are worth comparing.
"""

import argparse

import harness
from harness import Bench, LARDER, LIMIT, Missing, binary, free_port, must_hit, say, wait_for

LARDER_CONFIG = """\
listen: 127.0.0.1:{{listen}}
admin: 127.0.0.1:{{admin}}
origin: http://127.0.0.1:{origin}
workers: 1
log: {{{{ access: "{access}" }}}}
rules:
  - name: item
    match: GET /item
    ttl: 1h
"""

HAPROXY_CONFIG = """\
global
  nbthread 1
  maxconn 1024
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
cache bench
  total-max-size 16
  max-age 3600
frontend front
  bind 127.0.0.1:{port}
  http-request cache-use bench
  http-response cache-store bench
  default_backend origin
backend origin
  server one 127.0.0.1:{origin}
"""


class Candidate:
    """One server under load, and its figures round by round."""

    def __init__(self, name, process, port):
        self.name, self.process, self.port = name, process, port
        self.cpu, self.rate = [], []

    def load(self, seconds):
        load = harness.wrk(self.process.pid, self.port, "/item", seconds)
        self.cpu.append(load.cpu)
        self.rate.append(load.rate)


def start_floor(bench):
    return Candidate("limit (bare epoll)", *bench.start_limit())


def start_larder(bench, origin, access):
    if not LARDER.exists():
        raise Missing(f"there is no {LARDER}")
    name = f"larder, access log {'on' if access == 'all' else 'off'}"
    config = LARDER_CONFIG.format(origin=origin, access=access)
    candidate = Candidate(name, *bench.start_larder(config, f"larder-{access}"))
    must_hit(name, candidate.port, "/item", origin, [("cache-status", "hit")])
    return candidate


def start_nginx(bench, origin):
    process, port = bench.start_nginx(origin)
    must_hit("nginx", port, "/item", origin, [("x-cache", "HIT")])
    return Candidate("nginx proxy_cache", process, port)


def start_haproxy(bench, origin):
    port, file = free_port(), bench.dir / "haproxy.cfg"
    file.write_text(HAPROXY_CONFIG.format(port=port, origin=origin))
    process = bench.start([binary("haproxy"), "-db", "-f", file], name="haproxy")
    wait_for(port, process)
    # HAProxy adds Age to what it takes from its cache, and to nothing else.
    must_hit("haproxy", port, "/item", origin, [("age", "")])
    return Candidate("HAProxy cache", process, port)


def start_all(bench):
    """The floor and whoever else is here; who is missing is named and left out."""
    _, origin = bench.start_limit("--sizes")
    makers = [
        ("larder", lambda: start_larder(bench, origin, "off")),
        ("larder with its log on", lambda: start_larder(bench, origin, "all")),
        ("haproxy", lambda: start_haproxy(bench, origin)),
        ("nginx", lambda: start_nginx(bench, origin)),
    ]
    candidates = [start_floor(bench)]
    for name, make in makers:
        try:
            candidates.append(make())
        except Missing as why:
            say(f"skipped: {name}: {why}")
    return candidates


def measure(candidates, rounds, seconds):
    for candidate in candidates:
        harness.wrk(candidate.process.pid, candidate.port, "/item", 1)
    for number in range(rounds):
        for candidate in candidates:
            candidate.load(seconds)
        figures = "  ".join(f"{c.name} {c.cpu[-1]:.2f}" for c in candidates)
        say(f"round {number + 1} of {rounds}, µs a request: {figures}")


def report(candidates, rounds, seconds):
    floor = candidates[0].cpu
    rows = []
    for candidate in candidates:
        # Ratios round by round: a disturbance that lasts a round cancels out.
        ratios = [own / limit for own, limit in zip(candidate.cpu, floor)]
        rows.append(
            (
                candidate.name,
                f"{harness.median(candidate.cpu):.2f}",
                f"±{harness.spread(candidate.cpu) * 100:.0f} %",
                f"{harness.median(ratios):.2f}",
                f"{harness.median(candidate.rate):,.0f}",
            )
        )
    header = ("server", "µs CPU a request", "spread", "x limit", "requests/s")
    print(harness.table(header, rows))
    print()
    print("1 KiB hit, keep-alive, 64 connections; server on core 0, load on core 1; medians of")
    print(f"{rounds} interleaved rounds of {seconds} s. {harness.machine()},")
    print(f"{harness.versions('larder', 'nginx', 'HAProxy')}.")


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=int, default=3, help="of load, a candidate and round")
    args = options.parse_args()
    harness.need("wrk", built=[LIMIT])
    with Bench() as bench:
        harness.settle()
        candidates = start_all(bench)
        measure(candidates, args.rounds, args.seconds)
        report(candidates, args.rounds, args.seconds)


if __name__ == "__main__":
    harness.run("bench", main)
