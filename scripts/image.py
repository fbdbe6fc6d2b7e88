"""Runs the image's program as a restricted pod would, and says how large it is.

Called by image.sh, in a mount name space of its own: the unpacked image, its configuration as
JSON, its packed form, the C library it was linked with, version and revision.

The process has the image as its root, read-only; the user, directory and command that the image
names; no capability, and none to be had; no new privileges; and an empty environment. What a
container runtime would add is missing: name spaces of its own for network and processes, /proc,
/dev, a seccomp filter and cgroups.
"""

import ctypes
import http.client
import http.server
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

LIMIT = 20_000_000
PR_CAPBSET_READ, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 23, 24, 38
libc = ctypes.CDLL(None, use_errno=True)

passed = 0
failures: list[str] = []


def check(what: str, holds: bool, seen="") -> None:
    global passed
    if holds:
        passed += 1
    else:
        failures.append(what)
        print(f"FAILED {what}: {seen}", file=sys.stderr)


# The image


def interpreter(program: Path) -> bool:
    """Whether an ELF file asks for a dynamic linker."""
    data = program.read_bytes()
    offset, size, count = struct.unpack_from("<Q", data, 32)[0], *struct.unpack_from("<HH", data, 54)
    kinds = [struct.unpack_from("<I", data, offset + size * n)[0] for n in range(count)]
    return 3 in kinds  # PT_INTERP


def look_at(root: Path, config: dict, version: str, revision: str) -> None:
    files = sorted(str(each.relative_to(root)) for each in root.rglob("*") if not each.is_dir())
    check("two files", files == ["etc/ssl/certs/ca-certificates.crt", "larder"], files)
    check("the program is static", not interpreter(root / "larder"))
    check("its user", config["User"] == "65532:65532", config["User"])
    check("its command", config["Entrypoint"] + config["Cmd"] == ["/larder", "serve"], config)
    labels = config["Labels"]
    check("its version", labels["org.opencontainers.image.version"] == version, labels)
    check("its revision", labels["org.opencontainers.image.revision"] == revision, labels)


# The origin


class Origin(http.server.BaseHTTPRequestHandler):
    asked = threading.Event()

    def do_GET(self):
        content = b"slow" if self.path == "/slow" else b"from the origin"
        if self.path == "/slow":
            Origin.asked.set()
            time.sleep(1.5)
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(port: int, path: str) -> tuple[int, bytes, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.getheader("Cache-Status", "")
    finally:
        connection.close()


# The run


def mount(*args: str) -> None:
    subprocess.run(["mount", *args], check=True)


def confine(root: Path, user: int, group: int, directory: str) -> None:
    """Runs in the new process, before the program does."""
    os.chroot(root)
    os.chdir(directory)
    for capability in range(64):
        if libc.prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1:
            libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def start(root: Path, config: dict) -> subprocess.Popen:
    user, group = map(int, config["User"].split(":"))
    return subprocess.Popen(
        config["Entrypoint"] + config["Cmd"],
        preexec_fn=lambda: confine(root, user, group, config["WorkingDir"]),
        env={},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def status_of(process: int) -> dict[str, str]:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def ready(port: int) -> bool:
    for _ in range(100):
        try:
            return get(port, "/readyz")[0] == 200
        except OSError:
            time.sleep(0.05)
    return False


def run(root: Path, config: dict) -> None:
    origin = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Origin)
    threading.Thread(target=origin.serve_forever, daemon=True).start()
    port, admin = free_port(), free_port()
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        Path(directory, "larder.yaml").write_text(
            f"listen: 127.0.0.1:{port}\nadmin: 127.0.0.1:{admin}\n"
            f"origin: http://127.0.0.1:{origin.server_port}\n"
            "rules: [{ match: GET /product, ttl: 1h }]\n"
        )
        # The configuration, as a pod mounts it; then the image, so that both are read-only.
        configured = root / config["WorkingDir"].lstrip("/")
        mount("--bind", str(root), str(root))
        mount("--bind", directory, str(configured))
        mount("-o", "remount,bind,ro", str(configured))
        mount("-o", "remount,bind,ro,nosuid,nodev", str(root))
        larder = start(root, config)
        try:
            measure(larder, port, admin)
        finally:
            larder.kill()
            print(larder.stdout.read() if failures else "", end="")
            subprocess.run(["umount", str(configured)], check=False)
            subprocess.run(["umount", str(root)], check=False)


def measure(larder: subprocess.Popen, port: int, admin: int) -> None:
    check("it is ready", ready(admin))
    seen = status_of(larder.pid)
    check("its user is the image's", set(seen["Uid"].split() + seen["Gid"].split()) == {"65532"}, seen)
    held = {name: seen[name] for name in seen if re.fullmatch("Cap(Inh|Prm|Eff|Bnd|Amb)", name)}
    check("it has no capability", all(int(bits, 16) == 0 for bits in held.values()), held)
    check("it gains no privilege", seen["NoNewPrivs"] == "1", seen)
    lines = Path(f"/proc/{larder.pid}/mountinfo").read_text().splitlines()
    # Of a changed root, mountinfo shows what lies below it.
    options = {line.split()[4]: line.split()[5] for line in lines}
    roots = [options.get(path, "") for path in ("/", "/etc/larder")]
    check("its root is read-only", all("ro" in each.split(",") for each in roots), options)

    first, second = get(port, "/product"), get(port, "/product")
    check("a request is answered", first[:2] == (200, b"from the origin"), first)
    check("the next one from the store", second[0] == 200 and "; hit" in second[2], second)
    check("metrics are served", b"larder_requests_total" in get(admin, "/metrics")[1])

    slow = []
    client = threading.Thread(target=lambda: slow.append(get(port, "/slow")))
    client.start()
    Origin.asked.wait(5)
    began = time.monotonic()
    larder.send_signal(signal.SIGTERM)
    ended = larder.wait(30)
    took = time.monotonic() - began
    client.join(5)
    check("SIGTERM lets what is in flight end", slow and slow[0][:2] == (200, b"slow"), slow)
    check("and it exits with 0", ended == 0, ended)
    print(f"drained in {took:.1f} s")


def main() -> int:
    root, image, packed, linked, version, revision = Path(sys.argv[1]), *sys.argv[2:]
    config = json.loads(Path(image).read_text())["OCIv1"]["config"]
    look_at(root, config, version, revision)
    program = (root / "larder").stat().st_size
    whole = sum(each.stat().st_size for each in root.rglob("*") if each.is_file())
    pulled = sum(each.stat().st_size for each in Path(packed, "blobs").rglob("*") if each.is_file())
    check("it is under 20 MB", whole < LIMIT, whole)
    run(root, config)
    print(
        f"program {program / 1e6:.1f} MB (static, {linked}), image {whole / 1e6:.1f} MB,"
        f" {pulled / 1e6:.1f} MB to pull"
    )
    print(f"{passed} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
