"""What the measuring scripts share: processes, ports, CPU time, load, one HTTP answer.

Nothing here decides what is measured. Every process started through `Bench` is ended when
the `with` block is left, whatever the reason.
"""

import grp
import os
import pwd
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
LARDER = TARGET / "release" / "larder"
LIMIT = TARGET / "limit" / "release" / "limit"
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
SERVER_CORE, LOAD_CORE = 0, 1


# A cache on one thread, in files on a memory file system, without a log.
NGINX_CONFIG = """\
daemon off;
user {user} {group};
worker_processes 1;
pid {dir}/nginx.pid;
error_log {dir}/nginx-error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path {dir}/nginx-tmp/body;
  proxy_temp_path {dir}/nginx-tmp/proxy;
  fastcgi_temp_path {dir}/nginx-tmp/fastcgi;
  uwsgi_temp_path {dir}/nginx-tmp/uwsgi;
  scgi_temp_path {dir}/nginx-tmp/scgi;
  proxy_cache_path {dir}/nginx-cache keys_zone=bench:8m use_temp_path=off;
  upstream origin {{ server 127.0.0.1:{origin}; keepalive 16; }}
  server {{
    listen 127.0.0.1:{port};
    {server}
    location / {{
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_cache bench;
      proxy_cache_valid 200 1h;
      add_header X-Cache $upstream_cache_status;
      {more}
    }}
  }}
}}
"""


class Failed(Exception):
    """A measurement that cannot be trusted, or a process that did not start."""


class Missing(Failed):
    """A candidate that is not on this machine. One that is here and fails ends the run."""


def need(*programs, built=(LIMIT, LARDER), by="bench"):
    """Fails unless what is measured is built, by `make BY`, and the programs it takes are installed."""
    for path in built:
        if not path.exists():
            raise Failed(f"{path} is not built: run `make {by}`")
    for program in programs:
        if not shutil.which(program):
            raise Failed(f"{program} is not installed: run `scripts/need.sh {program}`")


def say(text):
    """Progress goes to standard error, so that standard output is the table alone."""
    print(text, file=sys.stderr, flush=True)


def interrupt_on_sigterm():
    """Lets SIGTERM and SIGHUP unwind like Ctrl-C, so that nothing outlives the script."""

    def stop(_number, _frame):
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)


def pinned(command, core):
    """`command` on one core, where there are two and `taskset` to say so."""
    if core is None or len(os.sched_getaffinity(0)) < 2 or not shutil.which("taskset"):
        return [str(word) for word in command]
    return ["taskset", "-c", str(core), *(str(word) for word in command)]


def binary(name):
    """Debian puts servers where an ordinary user's PATH does not look."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not found:
        raise Missing(f"{name} is not installed")
    return found


def nobody():
    """The user and the group without rights, as which servers work that root starts."""
    user = pwd.getpwnam("nobody")
    return user.pw_name, grp.getgrgid(user.pw_gid).gr_name


def free_port():
    """A port that was free a moment ago: for programs that cannot choose one themselves."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Bench:
    """The processes and files of one run."""

    def __init__(self):
        shared = Path("/dev/shm")
        where = shared if os.access(shared, os.W_OK) else None
        self.dir = Path(tempfile.mkdtemp(prefix="larder-bench-", dir=where))
        self.dir.chmod(0o755)
        self.processes = []

    def __enter__(self):
        interrupt_on_sigterm()
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            stop(process)
        shutil.rmtree(self.dir, ignore_errors=True)

    def start(self, command, core=SERVER_CORE, stdout=None, name=None):
        """Starts a server in a process group of its own; its standard error is kept."""
        log = self.dir / f"{name or Path(str(command[0])).name}-{len(self.processes)}.log"
        with open(log, "wb") as errors:
            process = subprocess.Popen(
                pinned(command, core),
                stdin=subprocess.DEVNULL,
                stdout=stdout or subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )
        process.log = log
        self.processes.append(process)
        return process

    def start_limit(self, *args, core=SERVER_CORE):
        """Starts the floor (or, with `--sizes`, the origin) and reads its port."""
        process = self.start([LIMIT, *args], core=core, stdout=subprocess.PIPE)
        line = process.stdout.readline()
        if not line.strip():
            raise Failed("limit did not start: " + last_lines(process.log))
        return process, int(line)

    def start_larder(self, config, name, core=SERVER_CORE, log=None):
        """Starts `larder serve` on `config`, a text with a `{listen}` place for the port."""
        port, file = free_port(), self.dir / f"{name}.yaml"
        admin = free_port()
        file.write_text(config.format(listen=port, admin=admin))
        with open(log or os.devnull, "wb") as out:
            process = self.start([LARDER, "serve", "--config", file], core, out, name)
        process.admin = admin
        wait_for(port, process)
        return process, port

    def start_nginx(self, origin, more="", server=""):
        """Starts nginx as a cache of what is on port `origin`; `more` goes into its location, `server`
        around that."""
        port, file = free_port(), self.dir / "nginx.conf"
        (self.dir / "nginx-tmp").mkdir()
        user, group = nobody()
        config = NGINX_CONFIG.format(
            dir=self.dir, port=port, origin=origin, user=user, group=group, more=more, server=server
        )
        file.write_text(config)
        process = self.start([binary("nginx"), "-c", file, "-p", self.dir], name="nginx")
        wait_for(port, process)
        return process, port

    def start_redis(self, core=LOAD_CORE):
        """Starts a `redis-server` that keeps nothing on disk; gives its port."""
        port = free_port()
        command = ["redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", self.dir]
        process = self.start([*command, "--save", "", "--appendonly", "no"], core)
        wait_for(port, process)
        return process, port


def stop(process):
    """Ends a process group: asked once, then killed."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(timeout=3)
            # The leader is gone; what it left behind in its group goes too.
            os.killpg(process.pid, signal.SIGKILL)
        except (subprocess.TimeoutExpired, ProcessLookupError):
            continue
    process.poll()


def last_lines(path, count=5):
    lines = path.read_text(errors="replace").strip().splitlines()
    return "\n".join(lines[-count:]) or "(it said nothing)"


def wait_for(port, process, seconds=10):
    """Waits until `port` takes connections; fails at once when the process has ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise Failed(f"nothing listens on port {port}: {last_lines(process.log)}")


# What the operating system knows


def tree(pid):
    """`pid` and every process below it."""
    children = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = stat(int(entry.name))
            if fields:
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, queue = [], [pid]
    while queue:
        found.append(queue.pop())
        queue.extend(children.get(found[-1], []))
    return found


def stat(pid):
    """Fields of `/proc/PID/stat` from the state on: [1] parent, [11] utime, [12] stime."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def cpu_seconds(pid):
    """User and system time that `pid` and its descendants have used."""
    fields = [stat(each) for each in tree(pid)]
    return sum(int(f[11]) + int(f[12]) for f in fields if f) / TICKS


def memory(pid):
    """(resident now, highest resident so far) of one process, bytes."""
    text = Path(f"/proc/{pid}/status").read_text()
    return tuple(
        int(re.search(rf"^{key}:\s+(\d+) kB", text, re.M)[1]) * 1024
        for key in ("VmRSS", "VmHWM")
    )


# Requests


def ask(port, target, method="GET", timeout=10):
    """One request on one connection: (status, fields with lower-case names, content)."""
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        connection.sendall(
            f"{method} {target} HTTP/1.1\r\nHost: bench.test\r\nConnection: close\r\n\r\n".encode()
        )
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    head, found, content = answer.partition(b"\r\n\r\n")
    if not found:
        raise Failed(f"no answer to {method} {target} on port {port}")
    lines = head.decode("latin-1").split("\r\n")
    fields = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        fields[name.strip().lower()] = value.strip()
    return int(lines[0].split()[1]), fields, content


def calls(origin_port):
    """How many requests the origin has answered."""
    return int(ask(origin_port, "/calls")[2])


def must_hit(name, port, target, origin_port, fields=()):
    """Fills, then proves that further answers come from the cache."""
    ask(port, target)
    before = calls(origin_port)
    for _ in range(10):
        status, found, content = ask(port, target)
        if status != 200 or len(content) != 1024:
            raise Failed(f"{name}: answered {status} with {len(content)} bytes")
    if calls(origin_port) != before:
        raise Failed(f"{name}: asked the origin again, so it does not cache")
    for field, word in fields:
        if word not in found.get(field, ""):
            raise Failed(f"{name}: {field} is {found.get(field)!r}, without {word!r}")


def metric(admin_port, name, **labels):
    """The sum over all series of `name` that carry every one of `labels`."""
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    total = 0
    for line in ask(admin_port, "/metrics")[2].decode().splitlines():
        series, _, value = line.rpartition(" ")
        if series.partition("{")[0] == name and all(word in series for word in wanted):
            total += float(value)
    return total


class Load:
    """What one run of wrk came to: µs CPU a request, requests a second, latency in ms."""

    def __init__(self, cpu, requests, seconds, percentiles):
        self.cpu = cpu * 1e6 / requests
        self.requests = requests
        self.rate = requests / seconds
        self.p50, self.p99 = percentiles


UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60}


def wrk(pid, port, target, seconds, connections=64, script=None, fields=()):
    """Loads one server and divides its CPU time by the requests that wrk counted.

    `script`: a file of Lua that says what to ask for, and the words that it is given.
    `fields`: field lines that each request carries.
    """
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    for field in fields:
        command += ["-H", field]
    url, words = f"http://127.0.0.1:{port}{target}", []
    if script:
        command += ["-s", script[0]]
        words = ["--", *script[1:]]
    before = cpu_seconds(pid)
    run = subprocess.run(
        pinned([*command, url, *words], LOAD_CORE),
        capture_output=True,
        text=True,
    )
    used = cpu_seconds(pid) - before
    total = re.search(r"(\d+) requests in ([\d.]+)(m?s|m)", run.stdout)
    if run.returncode or not total:
        raise Failed("wrk: " + (run.stderr or run.stdout).strip())
    if "Non-2xx" in run.stdout or "Socket errors" in run.stdout:
        raise Failed("wrk saw errors:\n" + run.stdout)
    percentiles = [
        float(found[1]) * UNITS[found[2]] * 1e3
        for percent in (50, 99)
        if (found := re.search(rf"^\s+{percent}%\s+([\d.]+)([um]?s|m) *$", run.stdout, re.M))
    ]
    return Load(used, int(total[1]), float(total[2]) * UNITS[total[3]], percentiles)


def median(values):
    return statistics.median(values)


def spread(values):
    """Half the distance between the extremes, as a share of the median."""
    return (max(values) - min(values)) / 2 / median(values)


# Words about the machine


def version(command, pattern):
    """The version a program gives itself, or a question mark."""
    try:
        run = subprocess.run(command, capture_output=True, text=True)
    except OSError:
        return "?"
    found = re.search(pattern, run.stdout + run.stderr)
    return found[1] if found else "?"


# What each program is asked for its version, and where it stands in the answer.
VERSIONS = {
    "larder": ([str(LARDER), "--version"], r"larder (\S+)"),
    "nginx": (["/usr/sbin/nginx", "-v"], r"nginx/(\S+)"),
    "h2load": (["h2load", "--version"], r"nghttp2/(\S+)"),
    "HAProxy": (["/usr/sbin/haproxy", "-v"], r"ersion (\S+)"),
    "Varnish": (["/usr/sbin/varnishd", "-V"], r"varnish-(\S+)"),
    "Redis": (["redis-server", "--version"], r"v=(\S+)"),
}


def versions(*names):
    """Whose figures these are; programs that do not tell their version are left out."""
    found = [(name, version(*VERSIONS[name])) for name in names]
    return ", ".join(f"{name} {number}" for name, number in found if number != "?")


def machine():
    """One line: what these figures were taken on."""
    cpu = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    cores = len(os.sched_getaffinity(0))
    wrk_version = version(["wrk", "-v"], r"wrk (?:debian/)?([\w.]+)")
    return (
        f"{cpu[1] if cpu else os.uname().machine}, {cores} cores, "
        f"Linux {os.uname().release}, wrk {wrk_version}"
    )


def table(header, rows):
    """A Markdown table whose first column is text and whose others are figures."""
    lines = ["| " + " | ".join(header) + " |"]
    lines.append("|---" + "|---:" * (len(header) - 1) + "|")
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def settle():
    """Says when something else keeps the machine busy: ratios survive that, figures do not."""
    load = os.getloadavg()[0]
    if load > 0.7:
        say(f"note: the load average is {load:.1f} before the first request")


def run(name, main):
    """Runs a script; what failed, or that somebody interrupted it, is its last line."""
    try:
        main()
    except Failed as why:
        sys.exit(f"{name}: {why}")
    except KeyboardInterrupt:
        sys.exit(f"{name}: interrupted")
