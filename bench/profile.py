#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""From QEMU's record of executed instructions to functions.

record: waits until the guest's load runs, has QEMU log so many bytes, ends it; a
        guest that ends before is an error.
count:  instructions per request of each function. A request is a call of
        udp_sendmsg: on this guest only the client makes those.
show:   a table, or the differences between two.
"""

import argparse
import bisect
import collections
import json
import pathlib
import socket
import time

import profile_trace as trace

READY = "profile: running"
USER = "(userspace)"
PATIENCE = 900


def record(args):
    deadline = time.monotonic() + PATIENCE
    while True:
        if args.output.exists() and READY in args.output.read_text(errors="replace"):
            break
        if time.monotonic() > deadline:
            raise SystemExit("bench: the guest's load never ran")
        if not pathlib.Path(f"/proc/{args.boot}").exists():
            raise SystemExit("bench: the guest ended before its load ran")
        time.sleep(0.2)
    # The guest's shell has its say, too.
    time.sleep(1)
    monitor = socket.socket(socket.AF_UNIX)
    monitor.connect(str(args.monitor))

    def say(command):
        monitor.sendall(command.encode() + b"\n")

    say(f"logfile {args.trace}")
    say("one-insn-per-tb on")
    say("log exec,nochain")
    # The sendings come in rounds: enough of them that a broken one tells little.
    while not args.trace.exists() or args.trace.stat().st_size < args.bytes:
        if time.monotonic() > deadline:
            break
        time.sleep(0.2)
    say("log none")
    say("quit")
    while monitor.recv(4096):
        pass


def count(args):
    addresses, names = trace.symbols(args.output)
    hits = collections.Counter(
        trace.instructions(args.trace, addresses[names.index(trace.ROUND)])
    )
    functions, requests = collections.Counter(), 0
    for pc, executed in hits.items():
        if pc < 1 << 63:
            functions[USER] += executed
            continue
        at = bisect.bisect_right(addresses, pc) - 1
        functions[names[at]] += executed
        if names[at] == "udp_sendmsg" and pc == addresses[at]:
            requests = executed
    if not requests:
        raise SystemExit("bench: no request in the trace")
    result = {name: total / requests for name, total in functions.items()}
    args.result.write_text(json.dumps({"requests": requests, "functions": result}, indent=1))


def show(args):
    def load(path):
        data = json.loads(path.read_text())
        print(f"{path.stem}: {data['requests']} requests, "
              f"{sum(data['functions'].values()):,.0f} instructions each")
        return data["functions"]

    mine = load(args.result)
    less = load(args.less) if args.less else {}
    change = {n: mine.get(n, 0) - less.get(n, 0) for n in mine.keys() | less.keys()}
    for name, value in sorted(change.items(), key=lambda item: -abs(item[1])):
        if abs(value) >= args.least:
            print(f"{value:>10,.1f}  {name}")


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("record")
    one.add_argument("--output", type=pathlib.Path, required=True)
    one.add_argument("--monitor", type=pathlib.Path, required=True)
    one.add_argument("--trace", type=pathlib.Path, required=True)
    one.add_argument("--bytes", type=int, required=True)
    one.add_argument("--boot", type=int, required=True, help="whose end is the guest's")
    one.set_defaults(run=record)
    two = commands.add_parser("count")
    two.add_argument("--output", type=pathlib.Path, required=True)
    two.add_argument("--trace", type=pathlib.Path, required=True)
    two.add_argument("result", type=pathlib.Path)
    two.set_defaults(run=count)
    three = commands.add_parser("show")
    three.add_argument("result", type=pathlib.Path)
    three.add_argument("--less", type=pathlib.Path)
    three.add_argument("--least", type=float, default=10)
    three.set_defaults(run=show)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
