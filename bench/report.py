#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""From the guest's lines to instructions of the server per request.

A line of the client talking to the mirror, less what the mirror itself spent,
is the client's share; it is taken away from every line of that workload and
window. The result is printed as tables, written as JSON, and compared.
"""

import argparse
import json
import pathlib
import sys

# More than this is a rise worth saying (userspace servers vary by a per cent).
TOLERANCE = 0.02
# Whose rises are ours.
OURS = ("unbuckle-inline", "unbuckle-rr", "twin")
YARDSTICK = "reflect-local_in"


def read(path):
    """The client's shares and the rows, by what they are of."""
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
        totals[(server, *place)] = entry["ns_per_reply"]
        for what in ("wrong", "lost", "stray", "refused"):
            if entry[what]:
                faults.append(f"{entry['label']}: {entry[what]} replies {what}")
    return totals, mirror, faults


def reduce(totals, mirror):
    """Rows of server instructions."""
    rows = []
    for (server, workload, window), total in totals.items():
        place = (workload, window)
        if server == "client":
            continue
        client = totals[("client", *place)] - mirror[place]
        rows.append(
            {
                "server": server,
                "workload": workload,
                "window": window,
                "instructions": round(total - client, 1),
                "client": round(client, 1),
            }
        )
    return rows


def table(rows):
    """Prints a table for each workload, a line for each server."""
    found = {(r["server"], r["workload"], r["window"]): r["instructions"] for r in rows}
    windows = sorted({r["window"] for r in rows}, reverse=True)
    for workload in dict.fromkeys(r["workload"] for r in rows):
        head = f"{workload:<22}" + "".join(f"{f'w{w}':>10}" for w in windows)
        head += "".join(f"{f'+reflect w{w}':>14}" for w in windows)
        print(head + "".join(f"{f'memcached/ w{w}':>16}" for w in windows))
        for server in dict.fromkeys(r["server"] for r in rows if r["workload"] == workload):
            mine = [found.get((server, workload, w)) for w in windows]
            least = [found.get((YARDSTICK, "echo", w)) for w in windows]
            theirs = [
                found.get(("memcached", "get-32" if workload == "echo" else workload, w))
                for w in windows
            ]
            line = f"  {server:<20}" + "".join(f"{m:>10,.0f}" if m else f"{'':>10}" for m in mine)
            line += "".join(
                f"{m - y:>+14,.0f}" if m and y else f"{'':>14}" for m, y in zip(mine, least)
            )
            print(line + "".join(f"{t / m:>16.2f}" if m and t else "" for m, t in zip(mine, theirs)))
        print()


def compare(rows, baseline):
    """Says what changed by more than the tolerance, returns our rises."""
    before = {(r["server"], r["workload"], r["window"]): r["instructions"] for r in baseline["rows"]}
    rises = 0
    for row in rows:
        was = before.get((row["server"], row["workload"], row["window"]))
        if not was:
            continue
        change = row["instructions"] / was - 1
        if abs(change) <= TOLERANCE:
            continue
        regression = change > 0 and row["server"] in OURS
        rises += regression
        kind = "REGRESSION" if regression else "changed"
        print(
            f"{kind}: {row['server']} {row['workload']} w{row['window']}: "
            f"{was:,.0f} to {row['instructions']:,.0f} ({change:+.1%})"
        )
    return rises


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kernel", required=True)
    parser.add_argument("--baseline", type=pathlib.Path, required=True)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true")
    mode.add_argument("--make-baseline", action="store_true")
    parser.add_argument("raw", type=pathlib.Path)
    parser.add_argument("result", type=pathlib.Path)
    args = parser.parse_args()

    rows_of, mirror, faults = read(args.raw)
    rows = reduce(rows_of, mirror)
    if not rows:
        sys.exit("bench: nothing was measured")
    result = {"unit": "server instructions per request", "kernel": args.kernel, "rows": rows}
    # A row to a line: a change of one is a change of one line.
    lines = ",\n  ".join(json.dumps(row) for row in rows)
    text = json.dumps({**result, "rows": []}, indent=1).replace("[]", f"[\n  {lines}\n ]")
    args.result.write_text(text + "\n")

    print(f"server instructions per request, Linux {args.kernel}\n")
    table(rows)
    for fault in faults:
        print(f"FAULT: {fault}")
    if faults:
        sys.exit("bench: figures of a faulty run say nothing")
    if args.make_baseline:
        args.baseline.parent.mkdir(parents=True, exist_ok=True)
        args.baseline.write_text(text + "\n")
    elif args.baseline.exists():
        rises = compare(rows, json.loads(args.baseline.read_text()))
        print(f"{rises} rise(s) of more than {TOLERANCE:.0%} since the baseline")
        if rises and args.check:
            sys.exit(1)


if __name__ == "__main__":
    main()
