"""Lints and renders the charts, and checks every object and configuration that comes out.

Run by charts.sh, which brings the tools. `schema FILE` instead puts what `larder schema` printed
into the values' schemas of both charts.

The charts are staged first, with their dependencies in place, so that nothing is fetched and
nothing is written beside them. The valkey chart is a stand-in there that renders nothing: what is
checked is Larder's side of it.
"""

import contextlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

CHARTS = Path("charts")
RELEASE, NAMESPACE = "demo", "prod"
# The first that starts native sidecars without a feature gate, and the newest known.
KUBERNETES = ["1.29", "1.37"]

failures: list[str] = []
passed = 0


def check(what: str, wrong) -> None:
    """Counts one check: `wrong` is empty, or says what is the matter."""
    global passed
    if wrong:
        failures.append(f"{what}: {wrong}")
        print(f"FAILED {what}: {wrong}", file=sys.stderr)
    else:
        passed += 1


# Staging


def stage(root: Path) -> dict[str, Path]:
    shutil.rmtree(root, ignore_errors=True)
    library, larder, shop = root / "larder-sidecar", root / "larder", root / "shop"
    shutil.copytree(CHARTS / "larder-sidecar", library, ignore=shutil.ignore_patterns("ci"))
    shutil.copytree(CHARTS / "larder", larder, ignore=shutil.ignore_patterns("charts", "*.lock"))
    shutil.copytree(CHARTS / "larder-sidecar" / "ci" / "parent", shop)
    for chart in (larder, shop):
        shutil.copytree(library, chart / "charts" / "larder-sidecar")
    valkey = larder / "charts" / "valkey"
    (valkey / "templates").mkdir(parents=True)
    (valkey / "Chart.yaml").write_text("apiVersion: v2\nname: valkey\nversion: 1.0.0\n")
    (valkey / "values.yaml").write_text("service:\n  port: 6379\n")
    (valkey / "templates" / "_helpers.tpl").write_text(
        '{{- define "valkey.fullname" -}}{{ .Release.Name }}-valkey{{- end -}}\n'
    )
    return {"larder-sidecar": library, "larder": larder, "shop": shop}


# Rendering


FILES = ["alerts.yaml", "dashboard.json"]


class Helm3:
    """The command, of version 3."""

    name = "helm 3"

    def __init__(self, command: str):
        self.command = command

    def run(self, *args: str) -> subprocess.CompletedProcess:
        return subprocess.run([self.command, *args], capture_output=True, text=True, check=False)

    def lint(self, chart: Path, values: Path | None) -> str:
        args = ["--values", str(values)] if values else []
        done = self.run("lint", "--strict", "--namespace", NAMESPACE, str(chart), *args)
        return "" if done.returncode == 0 else done.stdout + done.stderr

    def package(self, chart: Path, into: Path) -> str:
        """What is wrong with a packaged chart: it must bring the files that stand elsewhere."""
        done = self.run("package", str(chart), "--destination", str(into))
        if done.returncode != 0:
            return done.stderr
        with tarfile.open(next(into.glob(f"{chart.name}-*.tgz"))) as packed:
            there = set(packed.getnames())
        return ", ".join({f"{chart.name}/files/{name}" for name in FILES} - there)

    def template(self, chart: Path, values: dict) -> tuple[str, str]:
        """What is rendered, or why nothing is."""
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump(values, file)
            file.flush()
            done = self.run(
                "template", RELEASE, str(chart), "--namespace", NAMESPACE, "--values", file.name,
                "--kube-version", KUBERNETES[-1],
            )  # fmt: skip
        return (done.stdout, "") if done.returncode == 0 else ("", done.stderr)


class Helm4:
    """The library, of version 4."""

    name = "helm 4"

    def lint(self, chart: Path, values: Path | None) -> str:
        given = yaml.safe_load(values.read_text()) if values else None
        with silence():
            report = helm.lint(str(chart), given, strict=True, namespace=NAMESPACE)
        bad = [m["error"] for m in report["messages"] if m["severity"] >= 2] + report["errors"]
        return "; ".join(bad)

    def template(self, chart: Path, values: dict) -> tuple[str, str]:
        try:
            with silence(), helm.Chart.load(str(chart)) as loaded:
                files = loaded.render(values, name=RELEASE, namespace=NAMESPACE)
        except helm.HelmError as error:
            return "", str(error)
        return "\n---\n".join(v for k, v in sorted(files.items()) if k.endswith(".yaml")), ""


@contextlib.contextmanager
def silence():
    """The library says on standard error what it also returns."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def objects(text: str) -> dict[str, dict]:
    """The rendered objects by kind and name."""
    found = [each for each in yaml.safe_load_all(text) if each]
    return {f"{each['kind']}/{each['metadata']['name']}": each for each in found}


# Objects

# The Prometheus operator's resources are not Kubernetes' own, so the validator has no schema for
# them. These are the parts that the charts use, by the operator's API reference, and nothing else
# is let through.
TEXT = {"type": "string"}
DURATION = {"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$"}
TEXTS = {"type": "object", "additionalProperties": TEXT}


def closed(required: list[str], **properties) -> dict:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def several(item: dict) -> dict:
    return {"type": "array", "items": item, "minItems": 1}


RULE = closed(
    ["expr"], alert=TEXT, record=TEXT, expr=TEXT, labels=TEXTS, annotations=TEXTS,
    **{"for": DURATION, "keep_firing_for": DURATION},
)  # fmt: skip
CUSTOM = {
    "PodMonitor": closed(
        ["selector", "podMetricsEndpoints"],
        selector=closed(["matchLabels"], matchLabels=TEXTS),
        podMetricsEndpoints=several(
            closed(["port"], port=TEXT, path=TEXT, interval=DURATION, scrapeTimeout=DURATION)
        ),
    ),
    "PrometheusRule": closed(
        ["groups"],
        groups=several(closed(["name", "rules"], name=TEXT, interval=DURATION, rules=several(RULE))),
    ),
}


def invalid(each: dict) -> str:
    """Why an object would be refused."""
    if each["apiVersion"] == "monitoring.coreos.com/v1":
        errors = jsonschema.Draft7Validator(CUSTOM[each["kind"]]).iter_errors(each["spec"])
        return "; ".join(f"{list(e.absolute_path)}: {e.message}" for e in errors)
    for version in KUBERNETES:
        try:
            kubernetes_validate.validate(each, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            return f"Kubernetes {version}: {list(error.path)}: {error.message}"
    return ""


def pod_of(rendered: dict[str, dict]) -> tuple[dict, dict]:
    template = next(o for o in rendered.values() if o["kind"] == "Deployment")["spec"]["template"]
    return template["metadata"], template["spec"]


def larder_of(pod: dict) -> dict:
    containers = pod.get("initContainers", []) + pod["containers"]
    return next(each for each in containers if each["name"] == "larder")


def seconds(duration: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(s|m)", duration).groups()
    return int(number) * {"s": 1, "m": 60}[unit]


def wrong_with_pod(rendered: dict[str, dict], values: dict, config: dict) -> list[str]:
    """What the documentation promises of every pod, and this one breaks."""
    metadata, pod = pod_of(rendered)
    larder = larder_of(pod)
    own = values.get("larder-sidecar", values)
    native = "larder-sidecar" in values and own.get("native", True)
    security = larder["securityContext"]
    mounts = larder["volumeMounts"]
    delay = seconds(config.get("drain_delay", "0s"))
    drain = delay + seconds(config.get("drain_timeout", "25s"))
    ports = {each["name"]: each["containerPort"] for each in larder["ports"]}
    probes = [larder[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")]
    promises = {
        "service links are off": pod["enableServiceLinks"] is False,
        "a native sidecar restarts always": larder.get("restartPolicy") == ("Always" if native else None),
        "a native sidecar is an init container": native == (larder in pod.get("initContainers", [])),
        "whoever is not asked to end last goes on for a while": native or delay > 0 or not config,
        "the grace period outlasts the application and the drain": (
            pod["terminationGracePeriodSeconds"]
            > drain + (own.get("appShutdownSeconds", 30) if native else 0)
        ),
        "nothing runs in preStop": "lifecycle" not in larder,
        "it is restricted": (
            security["runAsNonRoot"] is True
            and security["runAsUser"] == 65532
            and security["readOnlyRootFilesystem"] is True
            and security["allowPrivilegeEscalation"] is False
            and security["capabilities"] == {"drop": ["ALL"]}
            and security["seccompProfile"] == {"type": "RuntimeDefault"}
        ),
        "the configuration is a directory": (
            [each["mountPath"] for each in mounts] == ["/etc/larder"]
            and not any("subPath" in each for each in mounts)
        ),
        "only who asked has pods replaced": (
            ("checksum/larder-config" in metadata.get("annotations", {}))
            == own.get("restartOnConfigChange", False)
        ),
        "probes are by number, on the admin port": all(
            probe["port"] == ports["larder-admin"] for probe in probes
        ),
        "memory is limited to what is requested": (
            larder["resources"]["limits"]["memory"] == larder["resources"]["requests"]["memory"]
        ),
        "services point at numbers": all(
            port["targetPort"] == ports["larder-http"]
            for service in rendered.values()
            if service["kind"] == "Service"
            for port in service["spec"]["ports"]
        ),
    }
    if config:
        limit = larder["resources"]["limits"]["memory"]
        mebibytes = int(limit.removesuffix("Mi"))
        written = own["config"].get("store", {}).get("memory")
        promises["the store has its quarter, or what was written"] = config["store"]["memory"] == (
            written or f"{max(32, mebibytes // 4)}MiB"
        )
        promises["the ports agree"] = config["listen"].endswith(f":{ports['larder-http']}") and config[
            "admin"
        ].endswith(f":{ports['larder-admin']}")
        redis = config["store"].get("redis")
        if redis:
            promises["the namespace is there"] = redis["namespace"] in (
                own.get("redis", {}).get("namespace") or f"{NAMESPACE}/{workload(rendered)}",
            )
    return [what for what, holds in promises.items() if not holds]


def wrong_with_monitoring(rendered: dict[str, dict]) -> list[str]:
    """Alerts and dashboard are the files of the chart, but for where the runbook is."""
    wrong = []
    for name, each in rendered.items():
        if each["kind"] == "PrometheusRule":
            groups = each["spec"]["groups"]
            alerts = [rule for group in groups for rule in group["rules"] if "alert" in rule]
            if not all(rule["annotations"].get("runbook_url") for rule in alerts):
                wrong.append(f"{name}: an alert has no runbook")
            if without_runbooks(groups) != without_runbooks(source("alerts.yaml")["groups"]):
                wrong.append(f"{name}: differs from files/alerts.yaml")
        if name.startswith("ConfigMap/") and name.endswith("-dashboard"):
            if yaml.safe_load(each["data"]["larder.json"]) != source("dashboard.json"):
                wrong.append(f"{name}: differs from files/dashboard.json")
    return wrong


def source(name: str):
    return yaml.safe_load((CHARTS / "larder" / "files" / name).read_text())


def without_runbooks(groups: list) -> list:
    copy = json.loads(json.dumps(groups))
    for group in copy:
        for rule in group["rules"]:
            rule.get("annotations", {}).pop("runbook_url", None)
    return copy


def workload(rendered: dict[str, dict]) -> str:
    return next(o for o in rendered.values() if o["kind"] == "Deployment")["metadata"]["name"]


# Configurations


def check_configuration(rendered: dict[str, dict]) -> tuple[str, dict]:
    """Runs `larder check` on the directory as the container would see it."""
    _, pod = pod_of(rendered)
    larder = larder_of(pod)
    volume = next(each for each in pod["volumes"] if each["name"] == "larder-config")
    configuration = {}
    with tempfile.TemporaryDirectory() as directory:
        for source in volume["projected"]["sources"]:
            for kind, given in source.items():
                name = given["name"]
                if kind == "configMap" and f"ConfigMap/{name}" in rendered:
                    files = rendered[f"ConfigMap/{name}"]["data"]
                else:
                    files = {item["path"]: f"{item['key']}-of-{name}-0123456789" for item in given.get("items", [])}
                for path, text in files.items():
                    if path.endswith(".crt"):
                        text = CERTIFICATE
                    (Path(directory) / path).write_text(text)
        file = Path(directory) / "larder.yaml"
        if not file.exists():  # the configuration is somebody else's
            return "", {}
        configuration = yaml.safe_load(file.read_text())
        environment = {
            each["name"]: each.get("value", "redis://redis:6379/0") for each in larder.get("env", [])
        }
        done = subprocess.run(
            [os.environ["LARDER"], "check", str(file)],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
    return ("" if done.returncode == 0 else f"exit {done.returncode}\n{done.stdout}{done.stderr}"), configuration


# Any certificate; nobody connects.
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBdTCCARugAwIBAgIUeANW+VCaWlb7zCxeRHfq6d5HpT8wCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjgwNjE2NTFaGA8yMTI2MTEwNDA2MTY1
MVowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABB9N
EngRXz27DO1E1UWEKqNTVgRdESDOhjkFVJW95HOBsAt5QliU5pPQizLA4L3ra8Zd
i4t9zwYnW7EvuIziPjejUzBRMB0GA1UdDgQWBBSlcFS4sK28NNo3UNwhgeGcFuKQ
pjAfBgNVHSMEGDAWgBSlcFS4sK28NNo3UNwhgeGcFuKQpjAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0gAMEUCIQCP2BMKqQiQLEqmghRy5sEcgIzGa9rxVTZq
5k4sVnaL7AIgc0qz90dnLplh5JyZup6G3U9MDq/OezWuErDK3Y6+XHQ=
-----END CERTIFICATE-----
"""


# What must be refused

REFUSED = {
    "larder": [
        ("a number without a unit", {"memory": 256}, "string"),
        ("too little memory", {"memory": "32Mi"}, "64Mi or more"),
        ("an unknown key", {"memmory": "256Mi"}, "memmory"),
        ("a configuration as text", {"config": "rules: []"}, "object"),
        ("`off` without quotes", {"config": {"log": {"access": False}}}, "access"),
        ("a duration without a unit", {"config": {"drain_timeout": 25}}, "drain_timeout"),
        ("a delay without a unit", {"drainDelay": "5"}, "drainDelay"),
        ("a port that nobody sends to", {"config": {"listen": "0.0.0.0:9000"}}, "they must agree"),
        ("memory in two places", {"resources": {"limits": {"memory": "1Gi"}}}, "limits"),
        ("no origin", {"origin": ""}, "origin is needed"),
        ("an origin without a scheme", {"origin": "web"}, "origin"),
        ("a word for a number", {"replicas": "two"}, "integer"),
        ("a password and no Redis", {"redis": {"passwordSecret": {"name": "r"}}}, "no redis.url"),
        ("two Redis", {"redis": {"url": "redis://r", "urlSecret": {"name": "r"}}}, "one of them"),
        ("a namespace with a space", {"redis": {"namespace": "a b"}}, "namespace"),
        ("two configurations", {"configMap": "mine", "config": {"cache_status": True}}, "one of them"),
        ("half a digest", {"image": {"digest": "sha256:1"}}, "digest"),
    ],
    "shop": [
        ("a word for yes", {"larder-sidecar": {"native": "yes"}}, "native"),
        ("a key of the other chart", {"larder-sidecar": {"service": {}}}, "service"),
        ("rules that are no list", {"larder-sidecar": {"config": {"rules": {}}}}, "rules"),
    ],
}
BASE = {
    "larder": {"origin": "http://web:3000"},
    "shop": {"larder-sidecar": {"origin": "http://127.0.0.1:3000"}},
}


def over(base: dict, more: dict) -> dict:
    result = dict(base)
    for key, value in more.items():
        old = result.get(key)
        result[key] = over(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


# The charts among themselves


def check_sources() -> None:
    version = re.search(r'^version = "(.*)"', Path("Cargo.toml").read_text(), re.M).group(1)
    schemas = {}
    for name in ("larder", "larder-sidecar"):
        chart = yaml.safe_load((CHARTS / name / "Chart.yaml").read_text())
        values = yaml.safe_load((CHARTS / name / "values.yaml").read_text())
        schemas[name] = json.loads((CHARTS / name / "values.schema.json").read_text())
        versions = {chart["version"], chart["appVersion"], values["image"]["tag"]}
        check(f"{name}: versions", versions - {version})
        unknown = set(values) ^ (set(schemas[name]["properties"]) - {"global", "larder-sidecar"})
        check(f"{name}: values and schema have the same keys", unknown)
    one, other = schemas.values()
    both = set(one["properties"]) & set(other["properties"]) - {"global"}
    differ = [key for key in both if one["properties"][key] != other["properties"][key]]
    check("both schemas say the same of what both have", differ)
    check("both schemas have the same definitions", one["definitions"] != other["definitions"])
    check_embedded(one["definitions"]["config"])


MADE = "Made of `larder schema` by scripts/charts.py; what a whole file needs is not required here."


def embeddable(schema: dict) -> dict:
    """The schema of a configuration, as a part of the schema of values.

    The chart sets what a file of one's own must say (such as the origin), so nothing at the top is
    required; references inside it are made to start where it now stands.
    """
    parts = {key: schema[key] for key in schema if key not in ("$schema", "$id", "title", "required")}
    text = json.dumps(parts).replace('"$ref": "#/', '"$ref": "#/definitions/config/')
    return {"$comment": MADE, **json.loads(text)}


def embed(file: str) -> None:
    """Puts the schema of the configuration into the values' schemas of both charts."""
    schema = embeddable(json.loads(Path(file).read_text()))
    for name in ("larder", "larder-sidecar"):
        path = CHARTS / name / "values.schema.json"
        whole = json.loads(path.read_text())
        whole["definitions"]["config"] = schema
        path.write_text(json.dumps(whole, indent=2) + "\n")


def check_embedded(config: dict) -> None:
    """Once embedded, the schema must be that of the binary."""
    if config.get("$comment") != MADE:
        return
    done = subprocess.run([os.environ["LARDER"], "schema"], capture_output=True, text=True, check=False)
    same = done.returncode == 0 and embeddable(json.loads(done.stdout)) == config
    check("the schemas hold what `larder schema` prints", "" if same else "scripts/charts.sh schema FILE")


def main() -> int:
    check_sources()
    charts = stage(Path(os.environ["STAGE"]))
    helms = [Helm4()]
    if platform.machine() == "x86_64":
        helms.insert(0, Helm3(os.environ["HELM"]))
        library = CHARTS / "larder-sidecar"
        check("helm 3 package larder-sidecar", helms[0].package(library, Path(os.environ["STAGE"])))
    else:
        print("helm 3 is left out: its package is for x86-64 alone")

    for tool in helms:
        check(f"{tool.name} lint larder-sidecar", tool.lint(charts["larder-sidecar"], None))
        check(f"{tool.name} lint larder", tool.lint(charts["larder"], None))
        for chart, cases in REFUSED.items():
            for what, values, why in cases:
                _, error = tool.template(charts[chart], over(BASE[chart], values))
                wrong = "" if why in error else f"not because of {why!r}: {error or 'it was rendered'}"
                check(f"{tool.name} {chart}: refuses {what}", wrong)

    for chart in ("larder", "shop"):
        for file in sorted((charts[chart] / "ci").glob("*-values.yaml")):
            render(helms, charts[chart], file)

    print(f"{passed} passed, {len(failures)} failed")
    return 1 if failures else 0


def render(helms: list, chart: Path, file: Path) -> None:
    """One set of values, with every Helm, and all that comes out."""
    case = f"{chart.name} {file.stem.removesuffix('-values')}"
    values = yaml.safe_load(file.read_text())
    # What a file of the dependencies is needed for, version 3.6 cannot reach.
    tools = [t for t in helms if t.name != "helm 3" or "helm: 3.7" not in file.read_text()]
    renderings = []
    for tool in tools:
        check(f"{tool.name} lint {case}", tool.lint(chart, file))
        text, error = tool.template(chart, values)
        check(f"{tool.name} template {case}", error)
        if error:
            return
        renderings.append(objects(text))
    rendered = renderings[-1]
    check(f"{case}: all Helms agree", any(each != rendered for each in renderings))
    for name, each in rendered.items():
        check(f"{case}: {name}", invalid(each))
    wrong, configuration = check_configuration(rendered)
    check(f"{case}: larder check", wrong)
    check(f"{case}: alerts and dashboard", "; ".join(wrong_with_monitoring(rendered)))
    check(f"{case}: the pod", "; ".join(wrong_with_pod(rendered, values, configuration)))


if __name__ == "__main__":
    if sys.argv[1:2] == ["schema"]:
        embed(sys.argv[2])
        sys.exit()
    import helm_python as helm
    import jsonschema
    import kubernetes_validate
    import yaml

    sys.exit(main())
