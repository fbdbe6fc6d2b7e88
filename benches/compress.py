#!/usr/bin/env python3
"""What a compressed hit costs: CPU time per request of Larder, nginx and Varnish, beside Larder's
own hit without a coding; and how short Larder makes a long answer, at first and later.

All candidates are started at once and loaded in turn, round after round. Before that each has to
answer, without its origin, in a coding that decodes to the origin's bytes; and while they are
loaded, the origin must not be asked.
"""

import argparse
import gzip
import http.client
import os
import subprocess
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import harness
from harness import Bench, Failed, LARDER, Missing, binary, free_port, say, wait_for
from products import product_list

TARGET, LENGTH = "/products", 64 * 1024
LONG = 2_500_000
# What a gzip of the long answer may take while a client waits.
QUICK = 750_000
# Larder codes anew what was answered so often in one coding.
EARNED = 16
# How long that may take.
PATIENCE = 60

LARDER_CONFIG = """\
listen: 127.0.0.1:{{listen}}
admin: 127.0.0.1:{{admin}}
origin: http://127.0.0.1:{origin}
workers: 1
log: {{{{ access: "off" }}}}
rules:
  - name: products
    match: GET /**
    ttl: 1h
"""

# The level is nginx's default, 1.
NGINX_GZIP = "gzip on; gzip_types application/json;"

VARNISH_CONFIG = """\
vcl 4.1;
backend origin {{ .host = "127.0.0.1"; .port = "{origin}"; }}
sub vcl_backend_response {{ set beresp.do_gzip = true; }}
"""


class Origin(ThreadingHTTPServer):
    """Answers with product lists, never coded, and counts its answers.

    `/products` is the short one, every other target the long one.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.short, self.long = product_list(LENGTH), product_list(LONG)
        self.calls, self.counting = 0, threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def content(self, target):
        return self.short if target == TARGET else self.long


class Answer(BaseHTTPRequestHandler):
    """One connection of the origin."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        with self.server.counting:
            self.server.calls += 1
        content = self.server.content(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Cache-Control", "max-age=3600")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


def fetch(port, target, coding=None):
    """One GET on one connection: (fields, content as it was coded)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.putrequest("GET", target, skip_accept_encoding=True)
        if coding:
            connection.putheader("Accept-Encoding", coding)
        connection.endheaders()
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise Failed(f"{target} on port {port} was answered {answer.status}")
    found = answer.headers.get("Content-Encoding")
    if found != coding:
        raise Failed(f"{target} on port {port} came in {found}, not in {coding}")
    return answer.headers, content


def decoded(content, coding):
    if coding is None:
        return content
    if coding == "gzip":
        return gzip.decompress(content)
    run = subprocess.run([{"br": "brotli", "zstd": "zstd"}[coding], "-dc"], input=content, capture_output=True)
    if run.returncode:
        raise Failed(f"what came in {coding} cannot be decoded: {run.stderr.decode().strip()}")
    return run.stdout


# A compressed hit


class Candidate:
    """One server, what it is asked for, and its figures round by round."""

    def __init__(self, name, process, port, coding="gzip"):
        self.name, self.process, self.port, self.coding = name, process, port, coding
        self.cpu, self.rate, self.length = [], [], 0

    def must_hit(self, origin, is_hit):
        """Fills, then proves that further answers come from the cache, and decode to the origin's."""
        fetch(self.port, TARGET, self.coding)
        before = origin.calls
        for _ in range(10):
            fields, content = fetch(self.port, TARGET, self.coding)
            if decoded(content, self.coding) != origin.short:
                raise Failed(f"{self.name}: answered with other content than the origin")
            if not is_hit(fields):
                raise Failed(f"{self.name}: does not say that it was a hit: {dict(fields)}")
        if origin.calls != before:
            raise Failed(f"{self.name}: asked the origin again, so it does not cache")

    def load(self, seconds):
        fields = [f"Accept-Encoding: {self.coding}"] if self.coding else []
        load = harness.wrk(self.process.pid, self.port, TARGET, seconds, fields=fields)
        self.cpu.append(load.cpu)
        self.rate.append(load.rate)

    def weigh(self):
        """The length of what it answers with: once it is what it stays."""
        self.length = len(fetch(self.port, TARGET, self.coding)[1])


def start_larder(bench, origin):
    """One Larder, and what it is asked for: with a coding, and without."""
    config = LARDER_CONFIG.format(origin=origin.server_port)
    process, port = bench.start_larder(config, "larder")
    pair = [Candidate("larder, gzip", process, port), Candidate("larder, identity", process, port, None)]
    for candidate in pair:
        candidate.must_hit(origin, lambda fields: "hit" in fields.get("Cache-Status", ""))
    later(port, TARGET, "gzip")
    return pair


def start_nginx(bench, origin):
    process, port = bench.start_nginx(origin.server_port, NGINX_GZIP)
    candidate = Candidate("nginx proxy_cache, gzip", process, port)
    candidate.must_hit(origin, lambda fields: fields.get("X-Cache") == "HIT")
    return candidate


def start_varnish(bench, origin, elsewhere):
    port, file = free_port(), bench.dir / "varnish.vcl"
    file.write_text(VARNISH_CONFIG.format(origin=origin.server_port))
    # It loads what it compiles the configuration to, and not every memory file system allows that.
    allowed = not os.statvfs(bench.dir).f_flag & os.ST_NOEXEC
    directory = (bench.dir if allowed else elsewhere) / "varnish"
    command = [binary("varnishd"), "-F", "-n", directory, "-f", file]
    command += ["-a", f"127.0.0.1:{port}", "-T", "none", "-s", "malloc,64m"]
    if os.geteuid() == 0:
        user, group = harness.nobody()
        command += ["-j", f"unix,user={user},ccgroup={group},workuser={user}"]
    process = bench.start(command, name="varnish")
    wait_for(port, process, seconds=30)
    candidate = Candidate("Varnish, do_gzip", process, port)
    # A hit names two transactions: its own, and the one that fetched.
    candidate.must_hit(origin, lambda fields: len(fields.get("X-Varnish", "").split()) == 2)
    return candidate


def start_all(bench, origin, elsewhere):
    """Larder, and whoever else is here; who is missing is named and left out."""
    candidates = start_larder(bench, origin)
    for make in (lambda: start_nginx(bench, origin), lambda: start_varnish(bench, origin, elsewhere)):
        try:
            candidates.append(make())
        except Missing as why:
            say(f"skipped: {why}")
    return candidates


def measure(candidates, origin, rounds, seconds):
    for candidate in candidates:
        candidate.weigh()
        candidate.load(1)
        candidate.cpu.clear()
        candidate.rate.clear()
    before = origin.calls
    for number in range(rounds):
        for candidate in candidates:
            candidate.load(seconds)
        figures = "  ".join(f"{c.name} {c.cpu[-1]:.2f}" for c in candidates)
        say(f"round {number + 1} of {rounds}, µs a request: {figures}")
    if origin.calls != before:
        raise Failed(f"the origin was asked {origin.calls - before:,} times meanwhile")


def ratio(one, other):
    """Round by round, so that a disturbance which lasts a round cancels out."""
    return harness.median([own / its for own, its in zip(one.cpu, other.cpu)])


def report(candidates):
    coded, identity, *others = candidates
    rows = [
        (
            each.name,
            f"{each.length:,}",
            f"{harness.median(each.cpu):.2f}",
            f"±{harness.spread(each.cpu) * 100:.0f} %",
            f"{ratio(each, coded):.2f}",
            f"{harness.median(each.rate):,.0f}",
        )
        for each in candidates
    ]
    header = ("64 KiB of JSON, a hit", "bytes", "µs CPU a request", "spread", "x larder, gzip", "requests/s")
    print(harness.table(header, rows))
    print()
    aims = {"nginx": ("at most a tenth of nginx's", 0.1), "Varnish": ("below Varnish's", 1)}
    for other in others:
        words, limit = aims[other.name.split()[0].rstrip(",")]
        aim(words, ratio(coded, other), limit)
    aim("below Larder's own without a coding", ratio(coded, identity), 1)
    print()


def aim(words, found, limit):
    met = "met" if found < limit else "MISSED"
    print(f"- CPU of a coded hit {words}: {found:.3f} x, {met}")


# How short


def later(port, target, coding):
    """Asks for it often enough to have it coded anew, and waits for that: its length then.

    `None` where no other has come in time: the first was as short, or nobody makes another.
    """
    first = len(fetch(port, target, coding)[1])
    for _ in range(EARNED):
        fetch(port, target, coding)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        _, content = fetch(port, target, coding)
        if len(content) != first:
            return len(content)
        time.sleep(0.2)
    say(f"{coding} of {target} is as long after {PATIENCE} s as it was at first")
    return None


def lengths(port, origin):
    """What the long answer takes in each coding, each under a target of its own, so that it is
    coded as it comes from the origin: that length, and the later one."""
    rows, quick = [], 0
    for coding in ("gzip", "br", "zstd"):
        target = f"/long/{coding}"
        before = origin.calls
        _, first = fetch(port, target, coding)
        best = later(port, target, coding)
        _, last = fetch(port, target, coding)
        if any(decoded(content, coding) != origin.long for content in (first, last)):
            raise Failed(f"what came in {coding} is not what the origin sent")
        if origin.calls != before + 1:
            raise Failed(f"the origin was asked {origin.calls - before} times for {target}")
        quick = quick or len(first)
        rows.append((coding, *sized(len(first)), *sized(best)))
    header = (f"{LONG:,} bytes of JSON", "first, bytes", "ratio", "later, bytes", "ratio")
    print(harness.table(header, rows))
    print()
    met = "met" if quick <= QUICK else "MISSED"
    print(f"- gzip at first in at most {QUICK:,} bytes: {quick:,}, {met}")
    print()


def sized(length):
    return ("–", "–") if length is None else (f"{length:,}", f"{LONG / length:.2f}")


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=int, default=3, help="of load, a candidate and round")
    args = options.parse_args()
    harness.need("wrk", "brotli", "zstd", built=[LARDER])
    with tempfile.TemporaryDirectory(prefix="larder-bench-") as elsewhere, Bench() as bench:
        os.chmod(elsewhere, 0o755)
        harness.settle()
        origin = Origin()
        candidates = start_all(bench, origin, Path(elsewhere))
        measure(candidates, origin, args.rounds, args.seconds)
        report(candidates)
        lengths(candidates[0].port, origin)
    print(f"Keep-alive, 64 connections; servers on core 0, load on core 1; medians of {args.rounds} interleaved")
    print(f"rounds of {args.seconds} s. Larder and nginx work on one thread, Varnish as it comes, with its log in")
    print("shared memory; nginx codes at its default level, 1, and Larder's hit is of its later coding.")
    print(f"{harness.machine()}, {harness.versions('larder', 'nginx', 'Varnish')}.")


if __name__ == "__main__":
    harness.run("compress", main)
