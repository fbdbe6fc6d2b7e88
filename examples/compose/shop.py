"""A shop that takes its time: the origin of compose.yaml, with the standard library alone."""

import json
import os
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DELAY = float(os.environ.get("SHOP_DELAY", "0.4"))
products = {f"sku-{n:03}": {"sku": f"sku-{n:03}", "stock": n} for n in range(1, 51)}


class Shop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, content):
        text = json.dumps(content).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def do_GET(self):
        time.sleep(DELAY)
        path = self.path.partition("?")[0]
        if path == "/products":
            return self.answer(200, list(products.values()))
        product = products.get(path.removeprefix("/products/"))
        return self.answer(200, product) if product else self.answer(404, {"error": "not here"})

    do_HEAD = do_GET

    def do_PUT(self):
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        product = products.get(self.path.removeprefix("/products/"))
        if product is None:
            return self.answer(404, {"error": "not here"})
        try:
            product["stock"] = int(json.loads(content)["stock"])
        except (ValueError, KeyError, TypeError):
            return self.answer(400, {"error": 'send {"stock": 3}'})
        return self.answer(200, product)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer((os.environ.get("SHOP_HOST", ""), int(os.environ.get("SHOP_PORT", "3000"))), Shop)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
