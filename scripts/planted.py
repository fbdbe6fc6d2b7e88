#!/usr/bin/env python3
"""Plants bugs in the protocol of the invalidation log, one at a time, and demands that the traces or
the random histories find each.

    python3 scripts/planted.py [--histories N] [NAME ...]

A bug is a list of replacements in the source. They are made in a copy of the work tree that has a
target directory of its own. Exits with 1 where a bug goes unnoticed, or the clean tree is red.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHARED = "src/invalidation/shared.rs"
TAIL = "src/invalidation/tail.rs"
FIND = "src/store/tier/find.rs"
FILL = "src/proxy/fill.rs"
FOLLOW = "src/proxy/follow.rs"

# Name, and what is replaced: file, old text, new text.
BUGS = [
    ("mark taken after the fetch", [
        (FILL, "let fetched = Fetched { mark, sent, received };",
         "let _ = mark; let mark = self.log.mark(sent);\n            let fetched = Fetched { mark, sent, received };"),
    ]),
    ("answer released before the append", [
        ("src/invalidation/log.rs", "match receipt.await {",
         "if sent { return Receipt { position: None, order: self.order(), logged: true }; }\n        match receipt.await {"),
    ]),
    ("tail skips an event", [
        (SHARED, "        for logged in log {\n            for event in &logged.events {\n                if !writer",
         "        for logged in log.iter().skip(usize::from(log.len() > 1)) {\n            for event in &logged.events {\n                if !writer"),
    ]),
    ("stamp at insertion", [
        (FIND, "        self.admit(*loaded, content, age, &head, &session)\n    }",
         "        let found = self.admit(*loaded, content, age, &head, &session)?;\n"
         "        tokio::time::sleep(Duration::from_millis(5)).await;\n"
         "        let mark = Mark { stamp: self.0.log.order(), ..found.mark };\n"
         "        Ok(Arc::new(StoredResponse::new(crate::store::Parts { mark, ..found.to_parts() })))\n    }"),
    ]),
    ("soft over hard", [
        ("src/invalidation/index.rs", "if lasts.hard.order > stamp {",
         "if lasts.hard.order > stamp && lasts.hard.order > lasts.soft.order {"),
        ("src/invalidation/index.rs", "if lasts.hard.id > id {",
         "if lasts.hard.id > id && lasts.hard.id > lasts.soft.id {"),
    ]),
    ("promotion after a lost append", [
        (SHARED, "self.0.writer.lock().fleet.usable().cloned()", "self.0.writer.lock().fleet.joined().cloned()"),
    ]),
    ("current is when the reply came", [
        (TAIL, "self.log.note_current(session, now.mono);", "self.log.note_current(session, self.clock.mono());"),
    ]),
    ("lost events go unnoticed", [
        (TAIL, "if present.is_empty() || !same {", "if !same {"),
    ]),
    ("entries of any incarnation", [
        (SHARED, "if mark.nonce != session.nonce {", "if false {"),
    ]),
    ("own event moves applied", [
        (SHARED, "        Some(Receipt {\n            position: Some(Position {\n                nonce: session.nonce,",
         "        writer.fleet.advance(id, 0);\n        self.tell_progress(session, id);\n"
         "        Some(Receipt {\n            position: Some(Position {\n                nonce: session.nonce,"),
    ]),
    ("follower is not checked when it joins", [
        ("src/proxy/forward.rs", "&& self.untouched_since(&tags, &path, flight.stamp)", ""),
        (FOLLOW, "self.untouched_since(&arrival.tags, &arrival.path, follow.flight.stamp)", "true"),
    ]),
    ("follower is not checked again", [
        (FOLLOW, "self.untouched_since(&arrival.tags, &arrival.path, follow.flight.stamp)", "true"),
    ]),
    ("304 freshens what is stored now", [
        (FILL, "                && self.freshened(&order, &lead, &entry, &answer, &fetched)",
         "                && let Some(entry) = self.memory.find(&order.key).and_then(|s| s.variants().first().cloned())\n"
         "                && self.freshened(&order, &lead, &entry, &answer, &fetched)"),
    ]),
    ("own event waits for the tail", [
        (SHARED, "if !writer.fleet.arrived(event, now.mono) {",
         "if !writer.fleet.arrived(event, now.mono) && { writer.fleet.is_known(event.uid); false } {"),
    ]),
    ("unlogged event is not queued", [
        ("src/invalidation/fleet.rs", "            self.queue.push_back(event.clone());\n            self.bound_queue();\n        }\n        seen", "        }\n        seen"),
    ]),
    ("a flush leaves memory as it is", [
        (SHARED, "        self.0.index.forget(Last {\n            order,", "        self.0.index.forget(Last {\n            order: 0,"),
    ]),
    ("own events are not brought to a new incarnation", [
        ("src/invalidation/fleet.rs", "if cause == Flush::Incarnation {", "if false {"),
    ]),
    ("what appends is not woken after a flush", [
        (SHARED, "            && writer.fleet.queued() > 0\n", "            && writer.fleet.queued() > usize::MAX - 1\n"),
    ]),
    ("max_blind counts from the promotion", [
        (FIND, "fetched: head.sent,", "fetched: now,"),
    ]),
    ("a log that cannot be written is followed", [
        (TAIL, "if !writable {", "if false {"),
    ]),
    ("hit of Redis does not wait for the tail", [
        (FIND, "if !reached {", "if false {"),
    ]),
    ("nothing is too old while the log is away", [
        (SHARED, "now.since(seen) > shared.max_blind", "now.since(seen) > shared.max_blind * 100"),
    ]),
    ("an append begins a log", [
        ("src/redis/commands.rs", '        .arg("NOMKSTREAM")\n', ""),
    ]),
    ("an overtaken answer is stored", [
        ("src/proxy/record.rs", "Validity::Gone | Validity::Unknown | Validity::Blind => return Err(Reason::Overtaken),\n            Validity::Untouched | Validity::Stale => {}",
         "Validity::Gone | Validity::Unknown | Validity::Blind | Validity::Untouched | Validity::Stale => {}"),
        ("src/proxy/record.rs", "self.memory.insert(response.clone())",
         "self.memory.insert(Arc::new(StoredResponse::new(crate::store::Parts { mark: crate::invalidation::Mark { stamp: self.log.order(), ..response.mark }, ..response.to_parts() })))"),
    ]),
]

TRACES = "fleet_schedules::traces::"
HISTORIES = "fleet_schedules::no_read_of_a_fleet_is_older_than_what_is_guaranteed"


def cargo(tree, target, arguments, environment=(), limit=3600):
    """The exit code and what was said; a hang is an exit code of its own."""
    command = ["cargo", "test", "--locked", "--quiet", "--test", "it", *arguments]
    variables = {**os.environ, "CARGO_TARGET_DIR": str(target), "RUST_BACKTRACE": "0", **dict(environment)}
    try:
        done = subprocess.run(command, cwd=tree, env=variables, text=True, errors="replace",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=limit)
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired as hang:
        return -1, str(hang.stdout or "")


def look(tree, target, histories):
    """How many traces found it, and which history did; `None` where it does not build."""
    built, said = cargo(tree, target, ["--no-run"])
    if built != 0:
        print(said)
        return None
    code, said = cargo(tree, target, [TRACES])
    red = len(set(re.findall(r"^    (fleet_schedules::traces::\S+)$", said, re.M)))
    traces = "hang" if code < 0 else red if code else 0
    code, said = cargo(tree, target, ["--", HISTORIES, "--exact"], [("LARDER_HISTORIES", str(histories))])
    which = re.search(r"history (\d+), seed", said)
    found = "hang" if code < 0 else f"after {which.group(1)}" if which else "red" if code else "-"
    return traces, found


def copy(tree):
    """A copy of the work tree, so that nothing planted is ever left in it."""
    ignored = shutil.ignore_patterns("target", ".git", "fuzz")
    if tree.exists():
        shutil.rmtree(tree)
    # With times of their own: what was built of another copy is not taken for one of this.
    shutil.copytree(ROOT, tree, ignore=ignored, symlinks=True, copy_function=shutil.copy)


def plant(tree, edits):
    for name, old, new in edits:
        path = tree / name
        text = path.read_text()
        if text.count(old) != 1:
            sys.exit(f"{name} has this {text.count(old)} times and not once; mend {Path(__file__).name}:\n{old}")
        path.write_text(text.replace(old, new))


def dig_up(tree, edits):
    for name in {name for name, _, _ in edits}:
        (tree / name).write_text((ROOT / name).read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--histories", type=int, default=300)
    parser.add_argument("names", nargs="*", help="only bugs whose names contain one of these")
    asked = parser.parse_args()
    base = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "planted"
    tree, target = base / "tree", base / "target"
    base.mkdir(parents=True, exist_ok=True)
    copy(tree)
    bugs = [bug for bug in BUGS if not asked.names or any(name in bug[0] for name in asked.names)]
    wrong = []
    print(f"{'bug':<50} {'traces':>7} {'histories':>11} {'seconds':>8}")
    for name, edits in [("(none)", []), *bugs]:
        began = time.monotonic()
        plant(tree, edits)
        found = look(tree, target, asked.histories)
        dig_up(tree, edits)
        traces, histories = found or ("-", "no build")
        print(f"{name:<50} {traces:>7} {histories:>11} {time.monotonic() - began:>8.0f}", flush=True)
        is_red = traces != 0 or histories != "-"
        if found is None or is_red != bool(edits):
            wrong.append(name)
    if wrong:
        sys.exit("not as it should be: " + ", ".join(wrong))


main()
