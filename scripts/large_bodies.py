#!/usr/bin/env python3
"""Whether Larder's memory stays within bounds, on the release binary as its own process.

Three loads, a fresh process each: one response far larger than the store, more answers than
the store can hold, and more content in flight at once than it may keep. Every byte that comes
back is compared with what the origin made. Exits with 1 when a bound is broken.
"""

import argparse
import re
import selectors
import socket
import sys
import time
from collections import deque
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benches"))
import harness  # noqa: E402
from harness import Bench, Failed, ask, memory, say  # noqa: E402

MIB = 2**20
STORE = 64 * MIB
# The store, a tenth of it for fragmentation, and 64 MiB for the rest of the process.
BOUND = STORE * 11 // 10 + 64 * MIB
STREAM_GROWTH = 32 * MIB

CONFIG = """\
listen: 127.0.0.1:{{listen}}
admin: 127.0.0.1:{{admin}}
origin: http://127.0.0.1:{origin}
store: {{{{ memory: 64MiB }}}}
log: {{{{ access: "off" }}}}
rules:
  - name: sizes
    match: GET /size/{{{{length}}}}/{{{{name}}}}
    ttl: 1h
"""

# The origin's content: 64 KiB blocks of one line, which names the answer and numbers the block.
BLOCK = 64 * 1024
READ = 256 * 1024
SILENCE = 60  # seconds without a byte from any connection before giving up


def block(name, number):
    return f"{name:>20.20} {number:>10}\n".encode() * (BLOCK // 32)


class Client:
    """One connection that asks for its answers in order, `depth` at a time, and checks them."""

    def __init__(self, port, answers, depth=1):
        self.todo = deque(answers)  # (length, name), not asked for yet
        self.asked = deque()  # asked for, not begun
        self.depth = depth
        self.head = b""
        self.left = 0  # content bytes still to come
        self.name, self.length, self.expected = "", 0, b""
        self.socket = socket.create_connection(("127.0.0.1", port), 30)

    def ask(self):
        """Fills the pipeline. Requests are small: they fit the socket's buffer."""
        wanted = []
        while self.todo and len(self.asked) < self.depth:
            answer = self.todo.popleft()
            self.asked.append(answer)
            wanted.append(f"GET /size/{answer[0]}/{answer[1]} HTTP/1.1\r\nHost: b.test\r\n\r\n")
        if wanted:
            self.socket.sendall("".join(wanted).encode())

    def done(self):
        return not (self.todo or self.asked or self.left)

    def read(self):
        data = self.socket.recv(READ)
        if not data:
            raise Failed(f"connection ended with {self.left} bytes of {self.name!r} to come")
        at = 0
        while at < len(data):
            at = self.take_content(data, at) if self.left else self.take_head(data, at)
        if len(self.asked) <= self.depth // 2:
            self.ask()
        return len(data)

    def take_head(self, data, at):
        probe = self.head + data[at : at + 4096]
        end = probe.find(b"\r\n\r\n")
        if end < 0:
            self.head = probe
            return min(at + 4096, len(data))
        at += end + 4 - len(self.head)
        self.head = b""
        if not self.asked:
            raise Failed("an answer that nobody asked for")
        self.length, self.name = self.asked.popleft()
        said = re.search(rb"(?i)\r\ncontent-length: *(\d+)", probe[:end])
        if not probe.startswith(b"HTTP/1.1 200 ") or not said or int(said[1]) != self.length:
            raise Failed(f"{self.name!r} was answered {probe[:end].decode('latin-1')!r}")
        self.left = self.length
        return at

    def take_content(self, data, at):
        """Compares up to the end of the content, the block or the data."""
        done = self.length - self.left
        number, offset = divmod(done, BLOCK)
        if offset == 0:
            self.expected = block(self.name, number)
        count = min(self.left, BLOCK - offset, len(data) - at)
        if data[at : at + count] != self.expected[offset : offset + count]:
            raise Failed(f"wrong content in {self.name!r} after {done} bytes")
        self.left -= count
        return at + count


def drive(clients):
    """Runs all clients to their ends; bytes received."""
    total = 0
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.socket, selectors.EVENT_READ, client)
            client.ask()
        open_clients = len(clients)
        while open_clients:
            ready = selector.select(SILENCE)
            if not ready:
                raise Failed(f"{open_clients} connections got nothing for {SILENCE} s")
            for key, _ in ready:
                total += key.data.read()
                if key.data.done():
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
                    open_clients -= 1
    return total


class Result:
    """One line of the table."""

    def __init__(self, name, figure, bound, seconds, received):
        self.name, self.figure, self.bound = name, figure, bound
        self.seconds, self.received = seconds, received

    def kept(self):
        return self.figure < self.bound

    def row(self):
        return (
            self.name,
            f"{self.figure / MIB:.1f} MiB",
            f"< {self.bound / MIB:.1f} MiB",
            "yes" if self.kept() else "**no**",
            f"{self.received / MIB:,.0f} MiB",
            f"{self.seconds:.1f} s",
        )


class Scenario:
    """A fresh Larder in front of the origin."""

    def __init__(self, bench, origin, name):
        config = CONFIG.format(origin=origin)
        self.process, self.port = bench.start_larder(config, name, core=None)
        ask(self.port, "/size/1024/warm")
        self.resting = memory(self.process.pid)[0]
        say(f"{name}: {self.resting / MIB:.1f} MiB at rest")

    def run(self, clients):
        """Seconds, bytes received, and the highest resident size."""
        start = time.monotonic()
        received = drive(clients)
        seconds = time.monotonic() - start
        if self.process.poll() is not None:
            raise Failed("larder has ended: " + harness.last_lines(self.process.log))
        peak = memory(self.process.pid)[1]
        harness.stop(self.process)
        return seconds, received, peak


def one_huge(bench, origin, length):
    larder = Scenario(bench, origin, "huge")
    seconds, received, peak = larder.run([Client(larder.port, [(length, "huge")])])
    name = f"one response of {length // MIB:,} MiB: growth"
    return Result(name, peak - larder.resting, STREAM_GROWTH, seconds, received)


def many_small(bench, origin, count, connections=32):
    larder = Scenario(bench, origin, "small")
    clients = [
        Client(larder.port, [(4096, f"n{n}") for n in range(first, count, connections)], depth=8)
        for first in range(min(connections, count))
    ]
    seconds, received, peak = larder.run(clients)
    name = f"{count:,} distinct answers of 4 KiB: resident at most"
    return Result(name, peak, BOUND, seconds, received)


def large_at_once(bench, origin, count):
    larder = Scenario(bench, origin, "large")
    clients = [Client(larder.port, [(8 * MIB, f"n{n}")]) for n in range(count)]
    seconds, received, peak = larder.run(clients)
    name = f"{count} cold answers of 8 MiB at once: resident at most"
    return Result(name, peak, BOUND, seconds, received)


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--huge", type=int, default=1024, help="MiB of the one response")
    options.add_argument("--small", type=int, default=200_000, help="answers of 4 KiB")
    options.add_argument("--large", type=int, default=300, help="answers of 8 MiB at once")
    args = options.parse_args()
    harness.need(by="limits")
    with Bench() as bench:
        _, origin = bench.start_limit("--sizes", core=None)
        results = [
            one_huge(bench, origin, args.huge * MIB),
            many_small(bench, origin, args.small),
            large_at_once(bench, origin, args.large),
        ]
    header = ("with `store.memory: 64MiB`", "measured", "bound", "kept", "received", "took")
    print(harness.table(header, [result.row() for result in results]))
    print()
    print(f"Every byte was compared with what the origin made. {harness.machine()}.")
    if not all(result.kept() for result in results):
        raise Failed("a bound is broken")


if __name__ == "__main__":
    try:
        main()
    except Failed as why:
        sys.exit(f"limits: {why}")
    except KeyboardInterrupt:
        sys.exit("limits: interrupted")
