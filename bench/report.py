#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""From the guest's lines to instructions of the server per request.

A line of the client talking to the mirror, less what the mirror itself spent,
is the client's share; it is taken away from every line of that workload and
window, but over TCP, where no mirror answers. The result is printed as tables,
written as JSON, and compared with the baseline; with --check it ends with
"N passed, N failed", a row being a test.
"""

import argparse
import json
import pathlib
import sys

# More than this is a rise worth saying.
TOLERANCE = 0.02
UNIT = "server instructions per request (over TCP the client's included)"
# Whose rises are ours.
OURS = ("unbuckle", "twin")


def read(path):
    """What each row's exchange took, the mirror's part of it, and what was wrong."""
    totals, mirror, faults = {}, {}, []
    for line in path.read_text().splitlines():
        if not line.startswith("{"):
            continue
        entry = json.loads(line)
        server, workload, window = entry["label"].split()
        place = (workload, int(window))
        if server == "mirror":
            mirror[place] = entry["spent"] / entry["packets"]
            continue
        totals[(server, *place)] = entry["ns_per_request_usual"]
        for what in ("wrong", "lost", "stray", "refused"):
            if entry[what]:
                faults.append(f"{entry['label']}: {entry[what]} replies {what}")
    return totals, mirror, faults


def missing(path, totals):
    """Rows that were asked for and gave nothing."""
    rows = [line.split() for line in path.read_text().splitlines()]
    wanted = [(server, workload, int(window)) for server, workload, window in rows]
    return [f"{' '.join(map(str, row))}: not measured" for row in wanted if row not in totals]


def reduce(totals, mirror):
    """Rows of server instructions."""
    rows = []
    for (server, workload, window), total in totals.items():
        if server == "client":
            continue
        row = {"server": server, "workload": workload, "window": window}
        client = None
        if not workload.startswith("tcp-"):
            place = (f"{workload}/split", window)
            if not server.startswith("memcached") or place not in mirror:
                place = (workload, window)
            client = round(totals[("client", *place)] - mirror[place], 1)
        row["instructions"] = round(total - (client or 0), 1)
        row["client"] = client
        rows.append(row)
    return rows


def key(row):
    """What a row is called by."""
    return (row["server"], row["workload"], row["window"])


def yardstick(server, window):
    """The least that can be, there and so: another row."""
    if server.startswith("unbuckle"):
        hook = server.split("-")[2:] or ["local_in"]
        return (f"reflect-{hook[0]}", "echo", window)
    if server.startswith(("reflect", "echo")):
        return None
    return ("echo-32", "echo", window)


# What is common to all tables comes first, then the sizes, and so on.
def order(names, first):
    return sorted(names, key=lambda n: (first.index(n) if n in first else len(first), n))


SERVERS = [
    "reflect-ingress", "reflect-pre_routing", "reflect-local_in",
    "unbuckle-inline-ingress", "unbuckle-inline-pre_routing", "unbuckle-inline",
    "unbuckle-rr-ingress", "unbuckle-rr-pre_routing", "unbuckle-rr", "unbuckle-fifo",
    "echo-32", "echo-1", "twin", "memcached-1", "memcached-2",
]  # fmt: skip
WORKLOADS = [
    "echo", "get-32", "get-64", "get-320", "get-1024", "get-4096", "get-65000", "miss",
    "mget10", "mget100", "set-32", "set-1024", "mix-90", "mix-97",
]  # fmt: skip


def table(rows):
    """Prints a table for each workload, a line for each server."""
    found = {key(r): r["instructions"] for r in rows}
    for workload in order({r["workload"] for r in rows}, WORKLOADS):
        mine = [r for r in rows if r["workload"] == workload]
        windows = sorted({r["window"] for r in mine})
        note = "  (the client's included)" if mine[0]["client"] is None else ""
        print(f"{workload}{note}")
        head = "".join(f"{f'w{w}':>11}{'above':>9}{'memc./':>8}" for w in windows)
        print(f"  {'':<28}{head}")
        for server in order({r["server"] for r in mine}, SERVERS):
            line = f"  {server:<28}"
            for window in windows:
                value = found.get((server, workload, window))
                least = found.get(yardstick(server, window))
                theirs = found.get(("memcached-1", workload.replace("echo", "get-32"), window))
                above = value and least and not note
                line += f"{value:>11,.0f}" if value else f"{'':>11}"
                line += f"{value - least:>+9,.0f}" if above else f"{'':>9}"
                line += f"{theirs / value:>8.2f}" if value and theirs else f"{'':>8}"
            print(line.rstrip())
        print()


def change(row, now, before, same):
    """How much dearer a row became, as a part of what it was.

    On another kernel what the yardstick's row became dearer by is not ours.
    """
    was = before[key(row)]
    rise = row["instructions"] - was
    least = yardstick(row["server"], row["window"])
    if not same and least in now and least in before:
        rise -= now[least] - before[least]
    return rise / was


def compare(rows, versions, baseline):
    """Says what changed by more than the tolerance; returns how many of our rows
    did not rise and how many did."""
    now = {key(r): r["instructions"] for r in rows}
    before = {key(r): r["instructions"] for r in baseline["rows"]}
    made = baseline.get("made with", {})
    for name in versions:
        if versions[name] != made.get(name):
            print(f"{name} was {made.get(name)} for the baseline, is {versions[name]}")
    kernel = ("kernel", "rustc", "gcc-14", "qemu-system-x86")
    same = all(versions[name] == made.get(name) for name in kernel)
    if not same:
        print("so the kernel's part of a change, that of the bare reflector, is not counted")
    kept = rises = 0
    for row in rows:
        if key(row) not in before:
            print(f"new: {' '.join(map(str, key(row)))}")
            continue
        part = change(row, now, before, same)
        ours = row["server"].startswith(OURS)
        rose = ours and part > TOLERANCE
        rises += rose
        kept += ours and not rose
        if abs(part) > TOLERANCE:
            kind = "REGRESSION" if rose else "changed"
            print(
                f"{kind}: {row['server']} {row['workload']} w{row['window']}: "
                f"{before[key(row)]:,.0f} to {row['instructions']:,.0f} ({part:+.1%})"
            )
    return kept, rises


def write(path, versions, rows):
    """A row to a line: a change of one is a change of one line."""
    rows = sorted(rows, key=key)
    lines = ",\n  ".join(json.dumps(row) for row in rows)
    result = {"unit": UNIT, "made with": versions, "rows": []}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1).replace("[]", f"[\n  {lines}\n ]") + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--with", dest="versions", action="append", default=[])
    parser.add_argument("--baseline", type=pathlib.Path, required=True)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true")
    mode.add_argument("--make-baseline", action="store_true")
    parser.add_argument("rows", type=pathlib.Path)
    parser.add_argument("raw", type=pathlib.Path)
    parser.add_argument("result", type=pathlib.Path)
    args = parser.parse_args()
    versions = dict(version.split("=", 1) for version in args.versions)

    totals, mirror, faults = read(args.raw)
    faults += missing(args.rows, totals)
    if faults:
        print("\n".join(f"FAULT: {fault}" for fault in faults))
        print(f"0 passed, {len(faults)} failed")
        sys.exit("bench: figures of a faulty run say nothing")
    rows = reduce(totals, mirror)
    write(args.result, versions, rows)
    print(f"{UNIT}\nLinux {versions.get('kernel')}, memcached {versions.get('memcached')}\n")
    table(rows)

    baseline = json.loads(args.baseline.read_text()) if args.baseline.exists() else None
    if args.make_baseline:
        kept = []
        if baseline and baseline.get("made with") == versions:
            new = {key(row) for row in rows}
            kept = [row for row in baseline["rows"] if key(row) not in new]
        write(args.baseline, versions, rows + kept)
    elif baseline:
        kept, rises = compare(rows, versions, baseline)
        print(f"{rises} rise(s) of more than {TOLERANCE:.0%} since the baseline")
        if args.check:
            print(f"{kept} passed, {rises} failed")
            sys.exit(rises > 0 or kept == 0)
    elif args.check:
        sys.exit("bench: no baseline to compare with")


if __name__ == "__main__":
    main()
