"""A gRPC server, Larder in front of it, and a client: every kind of call, and what can go wrong with one."""

import json
import os
import queue
import subprocess
import sys
import tempfile
import urllib.request
from concurrent import futures

import grpc

UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
WAIT = 30


def same(content):
    return content


class Calls(grpc.GenericRpcHandler):
    """Messages are bytes, and a method does what its name says."""

    def __init__(self):
        self.released = queue.Queue()
        self.cancelled = queue.Queue()

    def service(self, details):
        handlers = {
            "/t.T/Reverse": grpc.unary_unary_rpc_method_handler(self.reverse, same, same),
            "/t.T/Refuse": grpc.unary_unary_rpc_method_handler(self.refuse, same, same),
            "/t.T/Count": grpc.unary_stream_rpc_method_handler(self.count, same, same),
            "/t.T/Join": grpc.stream_unary_rpc_method_handler(self.join, same, same),
            "/t.T/Chat": grpc.stream_stream_rpc_method_handler(self.chat, same, same),
            "/t.T/Hang": grpc.unary_stream_rpc_method_handler(self.hang, same, same),
        }
        return handlers.get(details.method)

    def reverse(self, message, context):
        context.set_trailing_metadata((("x-mine", "kept"), ("bin-bin", b"\x00\xff")))
        return message[::-1]

    def refuse(self, _message, context):
        context.abort(grpc.StatusCode.NOT_FOUND, "nothing of that name: ünknown")

    def count(self, message, _context):
        for number in range(int(message)):
            yield b"%d" % number

    def join(self, messages, _context):
        return b",".join(messages)

    def chat(self, messages, _context):
        for message in messages:
            yield b"<" + message + b">"

    def hang(self, _message, context):
        context.add_callback(lambda: self.cancelled.put(True))
        yield b"first"
        self.released.get(timeout=WAIT)


def serve(calls, port=0):
    server = grpc.server(futures.ThreadPoolExecutor(64), handlers=(calls,), options=UNLIMITED)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    return server, port


class Larder:
    """A process in front of `origin`; its ports are read from its first log line."""

    def __init__(self, origin):
        self.directory = tempfile.TemporaryDirectory()
        path = os.path.join(self.directory.name, "larder.yaml")
        with open(path, "w") as file:
            file.write(f"listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\norigin: {origin}\nlog: {{ format: json }}\n")
        self.process = subprocess.Popen([os.environ["LARDER"], "serve", "--config", path],
                                        stderr=subprocess.PIPE, text=True)
        self.listen, self.admin = first_line(self.process.stderr)

    def metric(self, name):
        with urllib.request.urlopen(f"http://{self.admin}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))

    def stop(self):
        self.process.terminate()
        self.process.stderr.close()
        return self.process.wait(WAIT)


def first_line(log):
    for line in log:
        said = json.loads(line)
        if "listen" in said:
            return said["listen"].strip("[]\""), said["admin"]
    raise SystemExit("Larder did not start")


def fails(call, status, details=None):
    try:
        call()
    except grpc.RpcError as error:
        assert error.code() == status, error
        assert details is None or details in error.details(), error.details()
        return
    raise AssertionError(f"an answer where {status} was expected")


def calls_of_every_kind(channel):
    reverse = channel.unary_unary("/t.T/Reverse", same, same)
    answer, call = reverse.with_call(b"hello", timeout=WAIT)
    trailing = dict(call.trailing_metadata())
    assert (answer, trailing["x-mine"], trailing["bin-bin"]) == (b"olleh", "kept", b"\x00\xff"), trailing
    large = os.urandom(8 << 20)
    assert reverse(large, timeout=WAIT) == large[::-1]
    assert list(channel.unary_stream("/t.T/Count", same, same)(b"1000", timeout=WAIT)) == [b"%d" % n for n in range(1000)]
    words = [b"%d" % number for number in range(1000)]
    assert channel.stream_unary("/t.T/Join", same, same)(iter(words), timeout=WAIT) == b",".join(words)


def conversation(channel):
    said = queue.Queue()
    heard = channel.stream_stream("/t.T/Chat", same, same)(iter(said.get, None), timeout=WAIT)
    for word in (b"a", b"b", b"c"):
        said.put(word)
        assert next(heard) == b"<" + word + b">"
    said.put(None)
    assert list(heard) == [] and heard.code() == grpc.StatusCode.OK


def errors(channel):
    fails(lambda: channel.unary_unary("/t.T/Refuse", same, same)(b"", timeout=WAIT),
          grpc.StatusCode.NOT_FOUND, "ünknown")
    fails(lambda: channel.unary_unary("/t.T/None", same, same)(b"", timeout=WAIT), grpc.StatusCode.UNIMPLEMENTED)


def many(channel, larder):
    reverse = channel.unary_unary("/t.T/Reverse", same, same)
    calls = [(number, reverse.future(b"%d" % number, timeout=WAIT)) for number in range(2000)]
    for number, call in calls:
        assert call.result() == (b"%d" % number)[::-1]
    print("2000 calls at once, over", int(larder.metric("larder_origin_connections{")), "connections to the origin")


def cancelled(channel, calls):
    call = channel.unary_stream("/t.T/Hang", same, same)(b"", timeout=WAIT)
    assert next(call) == b"first"
    call.cancel()
    calls.cancelled.get(timeout=WAIT)
    calls.released.put(True)


def restart(channel, server, calls, port):
    reverse = channel.unary_unary("/t.T/Reverse", same, same)
    server.stop(None).wait()
    fails(lambda: reverse(b"x", timeout=WAIT), grpc.StatusCode.UNAVAILABLE)
    server, _ = serve(calls, port)
    assert reverse(b"again", timeout=WAIT) == b"niaga"
    return server


def main():
    calls = Calls()
    server, port = serve(calls)
    larder = Larder(f"h2c://127.0.0.1:{port}")
    with grpc.insecure_channel(larder.listen, options=UNLIMITED) as channel:
        for part in (
            lambda: calls_of_every_kind(channel),
            lambda: conversation(channel),
            lambda: errors(channel),
            lambda: many(channel, larder),
            lambda: cancelled(channel, calls),
        ):
            part()
        server = restart(channel, server, calls, port)
    code = larder.stop()
    server.stop(None)
    assert code == 0, code
    print("every kind of gRPC call passes")


if __name__ == "__main__":
    sys.exit(main())
