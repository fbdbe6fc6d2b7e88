"""Writes at a steady rate, from a thread beside what is measured."""

import os
import selectors
import socket
import threading
import time

from harness import Failed, LOAD_CORE

# Connections that take turns, so that one answer which is late holds up few writes.
CONNECTIONS = 8


class Paced:
    """Sends `rate` writes a second to one Larder, each to an item of its own, while in its block."""

    # Items are numbered on across blocks: no two writes name the same tag.
    written_before = 0

    def __init__(self, port, rate):
        self.port, self.every = port, 1 / rate
        self.written, self.rate = 0, 0.0
        self.stopping, self.failure = threading.Event(), None
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()
        Paced.written_before += self.written
        if self.failure:
            raise Failed(f"the writes failed: {self.failure}")

    def run(self):
        try:
            if len(os.sched_getaffinity(0)) > 1:
                os.sched_setaffinity(threading.get_native_id(), {LOAD_CORE})
            self.write()
        except (OSError, Failed) as failure:
            self.failure = failure

    def write(self):
        sockets = [socket.create_connection(("127.0.0.1", self.port), 10) for _ in range(CONNECTIONS)]
        waiting = selectors.DefaultSelector()
        for each in sockets:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            waiting.register(each, selectors.EVENT_READ, [b""])
        answered, began = 0, time.monotonic()
        while not self.stopping.is_set():
            due = int((time.monotonic() - began) / self.every)
            while self.written < due:
                sockets[self.written % CONNECTIONS].sendall(self.request())
                self.written += 1
            answered += self.answers(waiting, self.every / 2)
        took = time.monotonic() - began
        end = time.monotonic() + 10
        while answered < self.written and time.monotonic() < end:
            answered += self.answers(waiting, 0.1)
        self.rate = answered / max(took, time.monotonic() - began)
        for each in sockets:
            each.close()
        if answered < self.written:
            raise Failed(f"{self.written - answered} writes were not answered")

    def request(self):
        item = Paced.written_before + self.written
        return f"PUT /items/{item} HTTP/1.1\r\nHost: bench.test\r\nContent-Length: 1\r\n\r\n1".encode()

    def answers(self, waiting, seconds):
        """How many answers came within `seconds`; each is a head alone."""
        count = 0
        for ready, _ in waiting.select(seconds):
            chunk = ready.fileobj.recv(65536)
            if not chunk:
                raise Failed("a connection ended among the writes")
            *heads, ready.data[0] = (ready.data[0] + chunk).split(b"\r\n\r\n")
            count += len(heads)
            for head in heads:
                if not head.startswith(b"HTTP/1.1 204"):
                    raise Failed("a write was answered " + head.decode("latin-1"))
        return count
