#!/usr/bin/env python3
"""What a cache hit costs by protocol: HTTP/1.1 and HTTP/2, in clear and over TLS.

One Larder and one nginx, each with a port in clear and one with a certificate that signs itself,
loaded by h2load with one protocol after the other, round after round. A request that is not
answered with 200, or not by the protocol that was asked for, ends the run.
"""

import argparse
import re
import subprocess

import harness
from harness import LARDER, LIMIT, Bench, Failed, Missing, free_port, metric, must_hit, say

LARDER_CONFIG = """\
listen:
  - 127.0.0.1:{{listen}}
  - {{{{ address: "127.0.0.1:{tls}", tls: {{{{ certificate: {certificate}, key: {key} }}}} }}}}
admin: 127.0.0.1:{{admin}}
origin: http://127.0.0.1:{origin}
workers: 1
log: {{{{ access: "off" }}}}
rules:
  - name: item
    match: GET /item
    ttl: 1h
"""

# As Debian's nginx takes it; newer ones take it too. In clear it needs a port for each version.
NGINX_SERVER = """\
listen 127.0.0.1:{h2c} http2;
    listen 127.0.0.1:{tls} ssl http2;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
"""

# Many requests at once on few connections, or one on each of many.
HTTP2, HTTP1 = ["-c", "20", "-m", "32"], ["-c", "64", "-m", "1", "--h1"]
PROTOCOLS = [
    ("HTTP/1.1", "http", "http/1.1", HTTP1),
    ("HTTP/2", "http", "h2c", HTTP2),
    ("HTTP/1.1, TLS", "https", "http/1.1", HTTP1),
    ("HTTP/2, TLS", "https", "h2", HTTP2),
]


class Certificate:
    """A certificate that signs itself, and its key, in files."""

    def __init__(self, directory):
        self.file, self.key = directory / "tls.crt", directory / "tls.key"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        command += ["-subj", "/", "-addext", "subjectAltName=DNS:bench.test", "-days", "2"]
        command += ["-keyout", self.key, "-out", self.file]
        made = subprocess.run(command, capture_output=True, text=True)
        if made.returncode:
            raise Failed("openssl: " + made.stderr.strip())

    def at(self, port):
        return {"tls": port, "certificate": self.file, "key": self.key}


class Candidate:
    """One server under load by one protocol, and its figures round by round."""

    def __init__(self, name, process, ports, protocol):
        self.name, self.process = name, process
        self.protocol, self.scheme, self.spoken, self.how = protocol
        self.port = ports[self.protocol]
        self.cpu, self.rate, self.done = [], [], 0

    def load(self, requests):
        """Asks so often; all must be answered."""
        before = harness.cpu_seconds(self.process.pid)
        rate = h2load(f"{self.scheme}://127.0.0.1:{self.port}/item", self.how, self.spoken, requests)
        used = harness.cpu_seconds(self.process.pid) - before
        self.cpu.append(used * 1e6 / requests)
        self.rate.append(rate)
        self.done += requests


def h2load(url, how, spoken, requests):
    """Requests a second; fails where one was not answered, or not by this protocol."""
    command = ["h2load", "-t", "1", "-n", str(requests), *how, url]
    run = subprocess.run(harness.pinned(command, harness.LOAD_CORE), capture_output=True, text=True)
    said = run.stdout
    finished = re.search(r"^finished in .*?, ([\d.]+) req/s", said, re.M)
    counted = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", said)
    good = re.search(r"^status codes: (\d+) 2xx", said, re.M)
    if run.returncode or not (finished and counted and good):
        raise Failed(f"h2load {url}: " + (run.stderr or said).strip())
    if [int(number) for number in counted.groups()] != [requests, 0, 0, 0] or int(good[1]) != requests:
        raise Failed(f"{url}: {counted[0]} of {requests}; {good[0]}")
    protocol = re.search(r"^Application protocol: (\S+)", said, re.M)
    if not protocol or protocol[1] != spoken:
        raise Failed(f"{url}: it spoke {protocol and protocol[1]}, not {spoken}")
    return float(finished[1])


def start_larder(bench, origin, certificate):
    if not LARDER.exists():
        raise Failed(f"there is no {LARDER}")
    tls = free_port()
    config = LARDER_CONFIG.format(origin=origin, **certificate.at(tls))
    process, port = bench.start_larder(config, "larder")
    must_hit("larder", port, "/item", origin, [("cache-status", "hit")])
    return process, ports(port, port, tls)


def start_nginx(bench, origin, certificate):
    tls, h2c = free_port(), free_port()
    server = NGINX_SERVER.format(h2c=h2c, **certificate.at(tls))
    process, port = bench.start_nginx(origin, server=server)
    must_hit("nginx", port, "/item", origin, [("x-cache", "HIT")])
    return process, ports(port, h2c, tls)


def ports(http1, http2, tls):
    """The port of each protocol."""
    return {name: tls if scheme == "https" else http1 if "--h1" in how else http2 for name, scheme, _, how in PROTOCOLS}


def start_all(bench):
    """Every protocol of Larder, and of nginx where it is there."""
    _, origin = bench.start_limit("--sizes")
    certificate = Certificate(bench.dir)
    servers = [("Larder", *start_larder(bench, origin, certificate))]
    try:
        servers.append(("nginx", *start_nginx(bench, origin, certificate)))
    except Missing as why:
        say(f"skipped: nginx: {why}")
    return [Candidate(*server, protocol) for server in servers for protocol in PROTOCOLS]


def measure(candidates, rounds, requests):
    for candidate in candidates:
        h2load(
            f"{candidate.scheme}://127.0.0.1:{candidate.port}/item",
            candidate.how,
            candidate.spoken,
            requests // 10,
        )
    admin = candidates[0].process.admin
    for number in range(rounds):
        for candidate in candidates:
            candidate.load(requests)
        figures = "  ".join(f"{c.name} {c.protocol} {c.cpu[-1]:.2f}" for c in candidates)
        say(f"round {number + 1} of {rounds}, µs a request: {figures}")
    asked = sum(candidate.done for candidate in candidates if candidate.name == "Larder")
    if metric(admin, "larder_requests_total", outcome="hit") < asked:
        raise Failed("not all of Larder's answers were hits")


def report(candidates, rounds, requests):
    rows = []
    for candidate in candidates:
        # To HTTP/1.1 in clear of the same server and round: a disturbance that lasts a round cancels out.
        plain = next(each for each in candidates if each.name == candidate.name)
        ratios = [own / base for own, base in zip(candidate.cpu, plain.cpu)]
        rows.append(
            (
                f"{candidate.name}, {candidate.protocol}",
                f"{candidate.done:,}",
                "0",
                f"{harness.median(candidate.cpu):.2f}",
                f"±{harness.spread(candidate.cpu) * 100:.0f} %",
                f"{harness.median(ratios):.2f}",
                f"{harness.median(candidate.rate):,.0f}",
            )
        )
    header = (
        "server and protocol",
        "done",
        "failed or errored",
        "µs CPU a request",
        "spread",
        "x HTTP/1.1",
        "requests/s",
    )
    print(harness.table(header, rows))
    print()
    print("1 KiB hit; HTTP/1.1: 64 connections; HTTP/2: 20 connections, 32 requests at once on each.")
    print(f"Server on core 0, load on core 1; medians of {rounds} interleaved rounds of {requests:,}")
    print(f"requests. {harness.machine()}, {harness.versions('larder', 'nginx', 'h2load')}.")


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--requests", type=int, default=100_000, help="a candidate and round")
    args = options.parse_args()
    harness.need("h2load", "openssl", built=[LIMIT], by="bench-h2")
    with Bench() as bench:
        harness.settle()
        candidates = start_all(bench)
        measure(candidates, args.rounds, args.requests)
        report(candidates, args.rounds, args.requests)


if __name__ == "__main__":
    harness.run("bench-h2", main)
