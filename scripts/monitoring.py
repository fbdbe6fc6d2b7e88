"""Whether the alerts and the dashboard say what is so. Run by scripts/monitoring.sh.

First what needs no process: promtool on rules and their tests, the runbook's sections, the
dashboard's layout, and every metric's name against docs/metrics.md. Then two pods of Larder with
a Redis and an origin, under a little traffic and scraped by a real Prometheus that has the rules:
while all is well every expression must evaluate, panels must have data, and no alert may be
active; then one thing after another is broken, and the alerts that it should cause must come.

Every wait is for a condition and has an end. Exits with 1 when a check failed.
"""

import gzip
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benches"))
import harness  # noqa: E402
from harness import ROOT, TARGET, Bench, Failed, ask, free_port, last_lines, wait_for  # noqa: E402

harness.LARDER = Path(os.environ.get("LARDER", TARGET / "debug" / "larder")).resolve()
ALERTS = ROOT / "charts/larder/files/alerts.yaml"
DASHBOARD = ROOT / "charts/larder/files/dashboard.json"
TESTS = ROOT / "monitoring/alerts_test.yaml"
RUNBOOK = ROOT / "docs/runbook.md"
METRICS = ROOT / "docs/metrics.md"
RUNBOOK_URL = "https://larder.example/docs/runbook.md#"

# Metrics that the alerts and the dashboard use and that this Larder does not have yet. Once
# docs/metrics.md has one it must go from here, and the pods below must show it.
LATER = set()
# Expressions that have no data here, by a part of them that no other has, and why.
NO_DATA = {
    'reason="no-room"': "memory is never full of fills here",
}
# Alerts that cannot be brought about here, and why; those on metrics in LATER are known as well.
NOT_HERE = {
    "LarderHitRatioCollapsed": "needs hours of a better past",
    "LarderPanics": "needs a defect",
}
# What must have happened while all was well, or the rest shows little: each is above 0.
TRAFFIC = [
    'larder_requests_total{outcome="hit"}',
    'larder_requests_total{outcome="miss"}',
    'larder_requests_total{outcome="refused"}',
    'larder_forwards_total{reason="credentials"}',
    'larder_forwards_total{reason="invalidated"}',
    'larder_not_stored_total{reason="set-cookie"}',
    'larder_invalidations_total{source="write"}',
    'larder_invalidations_total{source="purge", strength="soft"}',
    'larder_store_lookups_total{result="hit"}',
    "larder_compression_saved_bytes_total",
    'larder_decoded_total{result="done"}',
]
# Of all pods together, so that they name none.
OF_NO_POD = {"LarderAbsent", "LarderHitRatioCollapsed"}

CONFIG = """\
listen:
  - 127.0.0.1:{{listen}}
  - {{{{ address: "127.0.0.1:0", tls: {{{{ certificate: {certificate}, key: {key} }}}} }}}}
admin: 127.0.0.1:{{admin}}
origin: http://127.0.0.1:{origin}
store:
  memory: 32MiB
  redis: {{{{ url: "redis://127.0.0.1:{redis}/0", namespace: monitoring }}}}
log: {{{{ access: "off" }}}}
drain_timeout: 1s
rules:
  - {{{{ name: product, match: "GET /products/{{{{sku}}}}", ttl: 1h, tags: ["product:{{{{sku}}}}"] }}}}
  - {{{{ name: change, match: "PUT /products/{{{{sku}}}}", invalidate: ["product:{{{{sku}}}}"] }}}}
  - {{{{ name: large, match: "GET /large/{{{{name}}}}", ttl: 1h, compress: false }}}}
  - {{{{ name: coded, match: "GET /coded/{{{{name}}}}", ttl: 1h }}}}
"""

PROMETHEUS = """\
global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: shop/web
    static_configs:
"""
POD = """\
      - targets: ["127.0.0.1:{admin}"]
        labels: {{ namespace: shop, pod: "{pod}" }}
"""


class Checks:
    """What was looked at, and what was wrong with it."""

    def __init__(self):
        self.passed = 0
        self.failures = []

    def that(self, holds, otherwise):
        if holds:
            self.passed += 1
        else:
            self.failures.append(otherwise)
            print(f"FAILED: {otherwise}", flush=True)
        return holds


def wait_until(condition, what, seconds=20):
    """Asks until `condition()` is true; gives its value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    raise Failed(f"waited {seconds} s in vain until {what}")


# Without any process


def promtool(*args, text=None):
    run = subprocess.run(["promtool", *map(str, args)], input=text, capture_output=True, text=True)
    return run.returncode, (run.stdout + run.stderr).strip()


def documented():
    """The names in the table of docs/metrics.md, which a test keeps equal to the program's."""
    return set(re.findall(r"^\| `(\w+)` \|", METRICS.read_text(), re.M))


def names_in(expression):
    """The metrics that an expression reads, histograms by their own name."""
    without_text = re.sub(r'"[^"]*"', "", expression)
    found = re.findall(r"(?<![\w:])(?:larder|process)_\w+(?![\w:])", without_text)
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in found}


def check_runbook(checks, alerts):
    """A section for each alert, an alert for each section."""
    sections = re.findall(r"^## (Larder\w+)$", RUNBOOK.read_text(), re.M)
    for name in sections:
        checks.that(name in {alert["name"] for alert in alerts}, f"{name} is in the runbook and no alert")
    tests = TESTS.read_text()
    for alert in alerts:
        name, words = alert["name"], alert["annotations"]
        checks.that(name in sections, f"{name} has no section in the runbook")
        checks.that(f'alertname="{name}"' in tests or f"alertname: {name}\n" in tests, f"{name} has no test")
        severity = alert["labels"].get("severity")
        checks.that(severity in ("critical", "warning"), f"{name} has severity {severity}")
        checks.that(words.get("summary"), f"{name} has no summary")
        named = "$labels.pod" in words.get("description", "")
        checks.that(named != (name in OF_NO_POD), f"{name}: the description should name the pod, or cannot")
        url = RUNBOOK_URL + name.lower()
        checks.that(words.get("runbook_url") == url, f"{name}: runbook_url is not {url}")


def panels_of(dashboard):
    """Every panel, those in collapsed rows included."""
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", [])


def check_layout(checks, dashboard):
    """Nothing overlaps, and every panel says how to read it."""
    ids = [panel["id"] for panel in panels_of(dashboard)]
    checks.that(len(ids) == len(set(ids)), "two panels of the dashboard have one id")
    taken = {}
    for panel in panels_of(dashboard):
        title, place = panel["title"], panel["gridPos"]
        if panel["type"] == "row":
            continue
        collapsed = panel not in dashboard["panels"]
        cells = {
            (collapsed, x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        # Rows that are collapsed lie over one another until one is opened.
        over = {taken[cell] for cell in cells if cell in taken} if not collapsed else set()
        checks.that(not over and place["x"] + place["w"] <= 24, f"{title} lies over {over or 'the edge'}")
        taken.update(dict.fromkeys(cells, title))
        checks.that(len(panel.get("description", "")) > 20, f"{title} does not say how to read it")
        units = [panel["fieldConfig"]["defaults"].get("unit")]
        for override in panel["fieldConfig"]["overrides"]:
            units += [p["value"] for p in override["properties"] if p["id"] == "unit"]
        checks.that(any(units), f"{title} has no unit")
        for target in panel["targets"]:
            named = target["legendFormat"] or target.get("format") == "table" or panel["type"] == "stat"
            checks.that(named, f"{title} has a line without a name")
            checks.that(target["datasource"]["uid"] == "${datasource}", f"{title} is bound to one data source")


def check_names(checks, expressions):
    known = documented()
    used = set().union(*map(names_in, expressions))
    for name in sorted(used):
        checks.that(name in known | LATER, f"{name} is no metric of Larder")
    for name in sorted(LATER):
        checks.that(name not in known, f"{name} is documented by now: take it from LATER in {Path(__file__).name}")
        checks.that(name in used, f"{name} is in LATER, and nothing uses it")


# What is asked of the pods


class Origin(BaseHTTPRequestHandler):
    """A shop that can be made to fail. Content is text, a kilobyte or half a megabyte of it."""

    protocol_version = "HTTP/1.1"
    failing = False

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        if Origin.failing:
            self.close_connection = True
            return
        content, fields = (f"{self.path} " * 200).encode(), {}
        if self.path.startswith("/large/"):
            content = content * (2**19 // len(content))
        if self.path.startswith("/coded/"):
            content, fields = gzip.compress(content), {"Content-Encoding": "gzip"}
        if self.path.startswith("/coded/bad"):
            content = b"this is not gzip at all"
        if self.path.startswith("/carts/"):
            fields = {"Set-Cookie": "cart=1"}
        self.send_response(200)
        for name, value in {"Content-Type": "text/plain", **fields, "Content-Length": len(content)}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_PUT = answer

    def log_message(self, *_):
        pass


class Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


class Pod:
    """One Larder with ports and labels that stay the same when it starts again."""

    def __init__(self, bench, name, config):
        self.bench, self.name, self.config = bench, name, config
        self.process, self.port = bench.start_larder(config, name, core=None)
        self.admin = self.process.admin

    def ask(self, method, target, **fields):
        """The status, or `None` where the connection ended without an answer."""
        # One name for all pods, or each would have answers of its own in Redis.
        fields = {"Host": "shop.test", **fields}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{target}", method=method, headers=fields)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                answer.read()
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None
        except Exception:  # content that was broken off
            return None

    def purge(self, content):
        """The status of a purge."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.admin}/purge",
            data=json.dumps(content).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status

    def reload(self):
        """The status of a reload."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.admin}/reload",
            data=b"{}",
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status

    def exposition(self):
        return ask(self.admin, "/metrics")[2].decode()

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def start_again(self):
        self.kill()
        command = [harness.LARDER, "serve", "--config", self.bench.dir / f"{self.name}.yaml"]
        self.process = self.bench.start(command, None, name=self.name)
        wait_for(self.port, self.process)


class Traffic(threading.Thread):
    """A little of everything, through both pods, until it is told to end."""

    def __init__(self, pods):
        super().__init__(daemon=True)
        self.pods, self.ended, self.rounds = pods, threading.Event(), 0

    def run(self):
        while not self.ended.wait(0.05):
            self.round(self.rounds)
            self.rounds += 1

    def round(self, number):
        for pod in self.pods:
            for sku in range(3):
                pod.ask("GET", f"/products/{sku}", **{"Accept-Encoding": ("zstd", "br", "gzip")[sku]})
            pod.ask("GET", "/products/9")
            pod.ask("GET", f"/products/new-{number}")
            pod.ask("GET", "/carts/1")
            pod.ask("GET", f"/large/{number % 80}")
        first, second = self.pods
        first.ask("GET", f"/coded/{number}")
        if number % 5 == 0:
            first.ask("PUT", "/products/9")
            second.ask("TRACE", "/products/1")
            second.ask("GET", "/products/1", Authorization="Bearer x")
            first.purge({"tags": ["product:2"], "soft": number % 10 == 0})


class Certificate:
    """A certificate that signs itself, and its key, in files that pods read."""

    def __init__(self, directory):
        self.file, self.key = directory / "tls.crt", directory / "tls.key"
        self.renew(90)

    def renew(self, days):
        """Makes another that is valid for so many days."""
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        command += ["-subj", "/", "-addext", "subjectAltName=DNS:shop.test", "-days", str(days)]
        command += ["-keyout", self.key, "-out", self.file]
        made = subprocess.run(command, capture_output=True, text=True)
        if made.returncode:
            raise Failed(f"openssl: {made.stderr}")


# Prometheus


class Prometheus:
    def __init__(self, bench, pods):
        self.port = free_port()
        file = bench.dir / "prometheus.yml"
        text = PROMETHEUS.format(rules=ALERTS)
        file.write_text(text + "".join(POD.format(admin=pod.admin, pod=pod.name) for pod in pods))
        self.process = bench.start(
            [
                harness.binary("prometheus"),
                f"--config.file={file}",
                f"--storage.tsdb.path={bench.dir / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--log.level=warn",
            ],
            core=None,
        )
        wait_for(self.port, self.process)

    def get(self, path, **words):
        """The `data` of an answer; fails where Prometheus refuses."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(words)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                reply = json.load(answer)
        except urllib.error.HTTPError as error:
            # It answers 503 until it has read its own log.
            if error.code == 503:
                return None
            reply = json.load(error)
        if reply["status"] != "success":
            raise Failed(reply.get("error", "no reason was given"))
        return reply["data"]

    def query(self, expression):
        """The values of an expression, by their labels."""
        data = self.get("query", query=expression)
        if not data:
            return []
        return [(one["metric"], float(one["value"][1])) for one in data["result"]]

    def active(self):
        """Alerts that are pending or firing, by name."""
        return {alert["labels"]["alertname"]: alert for alert in self.get("alerts")["alerts"]}

    def rules(self):
        return [rule for group in self.get("rules")["groups"] for rule in group["rules"]]


def has_data(values):
    return any(value == value for _, value in values)


# The dashboard's expressions

LABELS = {
    "all": {"namespace": ".*", "pod": ".*", "rule": ".*"},
    "some": {"namespace": "shop", "pod": "(web-0|web-1)", "rule": "(product|change|large|coded|none)"},
}


def substitute(expression, values):
    """An expression as Grafana sends it."""
    words = {"__rate_interval": "30s", "__range": "30s", **values}
    filled = re.sub(r"\$\{?(\w+)\}?", lambda found: words.get(found[1], found[0]), expression)
    if "$" in filled:
        raise Failed(f"a variable that is not known, in {filled}")
    return filled


def expressions_of(dashboard):
    """(where, expression) of panels, annotations and variables."""
    for panel in panels_of(dashboard):
        for target in panel.get("targets", []):
            yield f"panel '{panel['title']}' {target['refId']}", target["expr"]
    for variable in dashboard["templating"]["list"]:
        found = re.fullmatch(r"label_values\((.*), (\w+)\)", variable.get("definition", ""))
        if found:
            yield f"variable {variable['name']}", f"group by ({found[2]}) ({found[1]})"


class Board:
    """Which of the dashboard's expressions have had data so far."""

    def __init__(self, checks, prometheus, dashboard):
        self.checks, self.prometheus = checks, prometheus
        self.expressions = list(expressions_of(dashboard))
        self.annotations = [note["expr"] for note in dashboard["annotations"]["list"]]
        self.empty = {where for where, _ in self.expressions}

    def evaluate(self):
        for where, expression in [*self.expressions, *(("annotation", note) for note in self.annotations)]:
            for values in LABELS.values():
                try:
                    found = has_data(self.prometheus.query(substitute(expression, values)))
                    self.checks.that(True, "")
                except Failed as why:
                    found = self.checks.that(False, f"{where}: {why}")
                if found and values is LABELS["some"]:
                    self.empty.discard(where)

    def conclude(self):
        for where, expression in self.expressions:
            if where not in self.empty:
                self.checks.that(True, "")
                continue
            later = names_in(expression) & LATER
            why = next((why for part, why in NO_DATA.items() if part in expression), None)
            if later:
                why = "this Larder does not have " + " and ".join(sorted(later))
            if self.checks.that(why, f"{where} has no data: {expression}"):
                print(f"  no data: {where}: {why}")


# What is broken


class Redis:
    """Just enough of its protocol to damage what is there."""

    def __init__(self, port):
        self.connection = socket.create_connection(("127.0.0.1", port), 5)
        self.replies = self.connection.makefile("rb")

    def __call__(self, *words):
        request = f"*{len(words)}\r\n".encode()
        for word in words:
            raw = word if isinstance(word, bytes) else str(word).encode()
            request += f"${len(raw)}\r\n".encode() + raw + b"\r\n"
        self.connection.sendall(request)
        return self.reply()

    def reply(self):
        line = self.replies.readline().strip()
        kind, rest = line[:1], line[1:]
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        if kind == b"$":
            return self.replies.read(int(rest) + 2)[:-2] if int(rest) >= 0 else None
        return rest


class Breaking:
    """Breaks one thing after another, and notes which alerts come."""

    def __init__(self, bench, checks, prometheus, pods, redis_port, certificate):
        self.bench, self.checks, self.prometheus, self.pods = bench, checks, prometheus, pods
        self.certificate = certificate
        self.redis = Redis(redis_port)
        self.seen = {}

    def look(self):
        self.seen.update(self.prometheus.active())
        return self.seen

    def until(self, *names, meanwhile=lambda: None, seconds=25):
        """Looks until these alerts are active, or have been since this began."""
        self.seen = {name: alert for name, alert in self.seen.items() if name not in names}

        def all_are():
            meanwhile()
            return not set(names) - set(self.look())

        try:
            wait_until(all_are, "", seconds)
        except Failed:
            pass
        for name in names:
            if self.checks.that(name in self.seen, f"{name} did not come when it should"):
                print(f"  came: {name}: {self.seen[name]['annotations']['description']}")

    def clients_and_content(self):
        first, second = self.pods
        for number in range(300):
            first.ask("TRACE", "/products/1")
            if number % 3 == 0:
                first.ask("GET", f"/coded/bad-{number}")
        for number in range(150):
            second.ask("GET", f"/large/more-{number}")
        counter = iter(range(10**6))
        more = lambda: [first.ask("GET", f"/coded/bad-again-{next(counter)}"), first.ask("TRACE", "/")]  # noqa: E731
        self.until("LarderRefusing", "LarderUndecodable", "LarderMemoryThrashing", meanwhile=more)

    def reload_refused(self):
        """One pod finds a configuration that it cannot use, and then its own again."""
        first, _ = self.pods
        file = self.bench.dir / f"{first.name}.yaml"
        good = file.read_text()
        file.write_text(good + "nonsense: true\n")
        self.until("LarderReloadFailed")
        file.write_text(good)
        mended = 'larder_config_last_reload_successful{pod="web-0"} == 1'
        wait_until(lambda: self.prometheus.query(mended), "the pod took its own configuration back")

    def certificates_end(self):
        """A certificate with ten days left, then with one, and then another in time after all."""
        for days, name in ((10, "LarderCertificateExpiring"), (1, "LarderCertificateEnding")):
            self.certificate.renew(days)
            for pod in self.pods:
                self.checks.that(pod.reload() == 200, f"{pod.name} did not reload")
            self.until(name)
        self.certificate.renew(90)
        names = {"LarderCertificateExpiring", "LarderCertificateEnding"}
        wait_until(lambda: not names & set(self.prometheus.active()), "pods found the new certificate by themselves")

    def restarts_and_damage(self):
        """The second pod starts three times; before the last, what is in Redis is damaged."""
        first, second = self.pods
        started = f'process_start_time_seconds{{pod="{second.name}"}}'
        for sku in range(20):
            first.ask("GET", f"/products/damaged-{sku}")
        for turn in range(3):
            before = self.prometheus.query(started)
            if turn == 2:
                for key in self.redis("KEYS", "larder:*"):
                    if self.redis("TYPE", key) == b"string" and int(self.redis("STRLEN", key)) > 400:
                        self.redis("SETRANGE", key, 200, "damage")
            # The time is in whole seconds.
            wait_until(lambda: time.time() >= before[0][1] + 1, "a second has passed")
            second.start_again()
            wait_until(lambda: self.prometheus.query(started) not in (before, []), "the start was seen")
        skus = iter(range(20))
        more = lambda: second.ask("GET", f"/products/damaged-{next(skus, 0)}")  # noqa: E731
        self.until("LarderRestarting", "LarderEntriesUnreadable", meanwhile=more)

    def log_begins_anew(self):
        flushes = 'larder_log_flushes_total{cause="incarnation", pod="web-0"}'
        for _ in range(3):
            before = self.prometheus.query(flushes)
            self.redis("FLUSHDB")
            wait_until(lambda: self.prometheus.query(flushes) not in (before, []), "a pod saw a new log")
        self.until("LarderLogRestarts")

    def origin_and_redis(self, redis):
        """Redis hangs and the origin breaks off; what writes do then waits for the log."""
        first, _ = self.pods
        Origin.failing = True
        os.killpg(redis.pid, signal.SIGSTOP)
        numbers = iter(range(10**6))

        def more():
            for _ in range(60):
                first.ask("GET", f"/products/gone-{next(numbers)}")
            first.ask("PUT", "/products/1")

        names = ["LarderErrors", "LarderOriginFailing", "LarderRedisFailing", "LarderLogBehind"]
        self.until(*names, "LarderWritesQueued", "LarderWritesUnlogged", meanwhile=more)
        os.killpg(redis.pid, signal.SIGKILL)

    def pods_go(self):
        first, second = self.pods
        first.kill()
        self.until("LarderDown", "LarderWritesLost")
        second.kill()
        self.until("LarderAbsent")


# All of it


def check_without_processes(checks):
    code, said = promtool("check", "rules", ALERTS)
    checks.that(code == 0, f"promtool check rules: {said}")
    print("promtool check rules:", said.splitlines()[-1].strip())
    code, said = promtool("test", "rules", TESTS)
    checks.that(code == 0, f"promtool test rules: {said}")
    print("promtool test rules:", said.splitlines()[-1].strip())


def check_exposition(checks, pods):
    for pod in pods:
        code, said = promtool("check", "metrics", text=pod.exposition())
        checks.that(code == 0 and not said, f"promtool check metrics: {said}")


def check_running(checks, dashboard):
    origin = Quiet(("127.0.0.1", 0), Origin)
    threading.Thread(target=origin.serve_forever, daemon=True).start()
    with Bench() as bench:
        redis, redis_port = bench.start_redis(core=None)
        certificate = Certificate(bench.dir)
        files = {"certificate": certificate.file, "key": certificate.key}
        config = CONFIG.format(origin=origin.server_port, redis=redis_port, **files)
        pods = [Pod(bench, name, config) for name in ("web-0", "web-1")]
        joined = lambda pod: harness.metric(pod.admin, "larder_log_joined") == 1  # noqa: E731
        wait_until(lambda: all(map(joined, pods)), "the pods follow the log")
        traffic = Traffic(pods)
        traffic.start()
        prometheus = Prometheus(bench, pods)

        wait_until(lambda: len(prometheus.query("larder_build_info")) == 2, "both pods are scraped")
        scrapes = "min(count_over_time(larder_build_info[1m]))"
        wait_until(lambda: (prometheus.query(scrapes) or [({}, 0)])[0][1] >= 6, "six scrapes happened")
        wait_until(lambda: traffic.rounds >= 20, "there was some traffic")
        for series in TRAFFIC:
            wait_until(lambda series=series: prometheus.query(f"sum({series}) > 0"), f"{series} was above 0")

        rules = prometheus.rules()
        alerts = [rule for rule in rules if rule["type"] == "alerting"]
        check_runbook(checks, alerts)
        check_names(checks, [rule["query"] for rule in rules] + [e for _, e in expressions_of(dashboard)])
        check_exposition(checks, pods)
        print(f"{len(alerts)} alerts, {len(rules) - len(alerts)} recording rule, all is well:")
        for rule in rules:
            name = rule["name"]
            checks.that(rule["health"] == "ok", f"{name}: {rule.get('lastError', rule['health'])}")
            values = prometheus.query(rule["query"])
            if rule["type"] == "recording":
                checks.that(has_data(values), f"{name} has no data")
            else:
                checks.that(not values, f"{name} is active while all is well: {values}")
        board = Board(checks, prometheus, dashboard)
        board.evaluate()
        print(f"{len(board.expressions)} expressions of the dashboard, {len(board.empty)} without data so far")

        print("things break:")
        traffic.ended.set()
        traffic.join()
        breaking = Breaking(bench, checks, prometheus, pods, redis_port, certificate)
        for step in (
            breaking.clients_and_content,
            breaking.reload_refused,
            breaking.certificates_end,
            breaking.restarts_and_damage,
            breaking.log_begins_anew,
            lambda: breaking.origin_and_redis(redis),
        ):
            step()
        check_exposition(checks, pods)
        board.evaluate()
        breaking.pods_go()
        for rule in prometheus.rules():
            checks.that(rule["health"] == "ok", f"{rule['name']}: {rule.get('lastError', rule['health'])}")
        for name, alert in breaking.seen.items():
            told = " ".join(alert["annotations"].values())
            checks.that("<error" not in told and "{{" not in told, f"{name} says {told}")
        for alert in alerts:
            name, later = alert["name"], names_in(alert["query"]) & LATER
            why = NOT_HERE.get(name) or (later and "this Larder does not have " + " and ".join(sorted(later)))
            came = name in breaking.seen
            checks.that(came != bool(why), f"{name} came: {came}, though {why or 'it should'}")
            if why:
                print(f"  cannot come here: {name}: {why}")
        board.conclude()
    origin.shutdown()


def main():
    if not harness.LARDER.exists():
        raise Failed(f"{harness.LARDER} is not built: cargo build, or LARDER=FILE")
    began = time.monotonic()
    checks = Checks()
    dashboard = json.loads(DASHBOARD.read_text())
    check_layout(checks, dashboard)
    # Both take seconds, and neither needs the other.
    alone = threading.Thread(target=check_without_processes, args=(checks,))
    alone.start()
    try:
        check_running(checks, dashboard)
    except Failed as why:
        checks.that(False, str(why))
    finally:
        alone.join()
    print(f"{time.monotonic() - began:.0f} s")
    print(f"{checks.passed} passed, {len(checks.failures)} failed")
    sys.exit(1 if checks.failures else 0)


if __name__ == "__main__":
    try:
        main()
    except Failed as why:
        sys.exit(f"monitoring: {why}")
    except KeyboardInterrupt:
        sys.exit("monitoring: interrupted")
