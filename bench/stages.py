#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Instructions of each stage of a request, from QEMU's record of all of them.

An instruction of the module belongs to the stage of the source file it comes
from: of the innermost inlined function that is ours, which the module's debug
information tells. What the kernel executes when the module has called it belongs
to the stage that called. Nothing of that is in the module: it costs nothing.

count:  from a record to a file of instructions per request.
show:   a table of such files, and a figure.
"""

import argparse
import bisect
import collections
import json
import pathlib
import re
import subprocess

import profile_trace as trace

# The stages in the order in which a packet meets them, and whose files they are.
STAGES = {
    "claim": r"src/(rx|sys/hook|sys/ingress)\.rs",
    "dispatch": r"src/(dispatch|worker|crew|pace|control|sys/queue|sys/kthread|kv/route)\.rs",
    "frame": r"src/(respond|kv/frame|kv/serve)\.rs",
    "parse": r"src/kv/(request/.*|binary/header|binary/request|base64)\.rs",
    "lookup": r"src/(kv/(exec/.*|store/.*|hash|binary/exec|counters|platform)|platform|clock)\.rs",
    "reply": r"src/kv/(reply|decimal|binary/reply)\.rs",
    "transmit": r"src/(tx|headers)\.rs",
}
# All else in the module (wrappers, C shims, the language's own functions) works for
# the stage that calls it, as the kernel does.
HELPER = "helper"
# What nobody is seen to have called.
OTHER = "other"
# Past these the kernel does somebody else's work.
SWITCH = ("__schedule", "schedule", "handle_softirqs")
# A call is at most that long: where it returns to is so close behind.
CALL_MAX = 8
OURS = re.compile(r"(?:^|/)((?:src|abi)/[^:]*\.(?:rs|c|h)):")


class Module:
    """What is known of the module's instructions."""

    def __init__(self, ko, loaded):
        """`loaded`: addresses of its functions, by name."""
        self.ko = ko
        self.sections = self._sections(loaded)
        self.exits = self._exits()

    def _run(self, *command, text=None):
        return subprocess.run(command, input=text, check=True, capture_output=True, text=True).stdout

    def _sections(self, loaded):
        """Section, address where it is, and its size, in order of addresses."""
        found = {}
        for line in self._run("objdump", "-t", str(self.ko)).splitlines():
            match = re.match(r"([0-9a-f]{16}) .{7} (\.\S*text\S*)\s+([0-9a-f]+)\s+(?:\.hidden )?(\S+)$", line)
            if match and match[4] in loaded:
                found.setdefault(match[2], loaded[match[4]] - int(match[1], 16))
        sizes = {}
        for line in self._run("objdump", "-h", "-w", str(self.ko)).splitlines():
            words = line.split()
            if len(words) > 2 and words[0].isdigit():
                sizes[words[1]] = int(words[2], 16)
        return sorted((base, name, sizes[name]) for name, base in found.items())

    def place(self, pc):
        """Section and offset of an address, None when it is not ours."""
        at = bisect.bisect_right(self.sections, (pc, "~", 0)) - 1
        if at < 0:
            return None
        base, name, size = self.sections[at]
        return (name, pc - base) if pc - base < size else None

    def _exits(self):
        """How instructions leave a function: "call", "jump" or "return"."""
        exits = {}
        for _, section, _ in self.sections:
            last = None
            for line in self._run("objdump", "-dr", "--no-show-raw-insn", "-j", section, str(self.ko)).splitlines():
                match = re.match(r"\s*([0-9a-f]+):\s+(.*)", line)
                if not match:
                    continue
                if "R_X86_64" in match[2]:
                    if "__x86_return_thunk" in match[2] and last:
                        exits[last] = "return"
                    continue
                last = (section, int(match[1], 16))
                word = match[2].split()[0] if match[2] else ""
                if word.startswith("call"):
                    exits[last] = "call"
                elif word.startswith("ret"):
                    exits[last] = "return"
                elif word.startswith("jmp"):
                    exits[last] = "jump"
        return exits

    def stages(self, places):
        """The stage of each of these places."""
        result = {}
        for section in {section for section, _ in places}:
            offsets = sorted(offset for name, offset in places if name == section)
            text = "".join(f"{offset:#x}\n" for offset in offsets)
            said = self._run("addr2line", "-a", "-i", "-e", str(self.ko), "-j", section, text=text)
            offset = None
            for line in said.splitlines():
                if line.startswith("0x"):
                    offset = int(line, 16)
                    result[section, offset] = HELPER
                elif result[section, offset] == HELPER:
                    result[section, offset] = stage_of(line)
        return result


def stage_of(line):
    """The stage of a file and line."""
    match = OURS.search(line)
    if match:
        for stage, files in STAGES.items():
            if re.fullmatch(files, match[1]):
                return stage
    return HELPER


class Walk:
    """Follows the instructions, and knows for whom the kernel works."""

    def __init__(self):
        self.counts = collections.Counter()
        # Stage that the kernel works for now; None for anybody else.
        self.owner = None
        # Where the module called from, and where it was called from for whom.
        self.calls = []
        self.callers = []
        self.last = None
        self.last_ours = False
        # In the module, be it in a helper.
        self.last_inside = False

    @staticmethod
    def _returned(stack, pc):
        """Takes the newest entry off the stack that such a return belongs to."""
        for at in range(len(stack) - 1, -1, -1):
            if stack[at][0] < pc <= stack[at][0] + CALL_MAX:
                entry = stack[at]
                del stack[at:]
                return entry
        return None

    def ours(self, pc, stage):
        if not self.last_inside and self.last is not None and not self._returned(self.calls, pc):
            self.callers.append((self.last, self.owner))
            del self.callers[:-16]
        self.counts[stage] += 1
        self.last, self.last_ours, self.last_inside = pc, True, True

    def others(self, pc, helper, exit_of_last, stage_of_last, switches):
        if self.last_ours and exit_of_last == "call":
            self.calls.append((self.last, None))
            del self.calls[:-16]
            self.owner = stage_of_last
        else:
            caller = self._returned(self.callers, pc) if self.callers else None
            if caller:
                self.owner = caller[1]
            elif self.last_ours:
                self.owner = None if exit_of_last == "return" else stage_of_last
        if switches:
            self.owner = None
        if self.owner or helper:
            self.counts[self.owner or OTHER] += 1
        self.last, self.last_ours, self.last_inside = pc, False, helper


def count(args):
    addresses, names = trace.symbols(args.output)
    loaded = {n.removesuffix(" [unbuckle]"): a for a, n in zip(addresses, names) if n.endswith(" [unbuckle]")}
    if not loaded:
        raise SystemExit("bench: no module in the guest")
    module = Module(args.module, loaded)
    pcs = trace.instructions(args.trace, addresses[names.index(trace.ROUND)])
    places = {pc: module.place(pc) for pc in set(pcs)}
    stages = module.stages({place for place in places.values() if place})
    switches = {addresses[n] for n, name in enumerate(names) if name in SWITCH}
    entry = addresses[names.index("udp_sendmsg")]

    walk, last, requests = Walk(), None, 0
    for pc in pcs:
        place = places[pc]
        stage = stages.get(place)
        if place and stage != HELPER:
            walk.ours(pc, stage)
        else:
            walk.others(pc, bool(place), module.exits.get(last), stages.get(last), pc in switches)
        requests += pc == entry
        last = place
    if not requests:
        raise SystemExit("bench: no request in the record")
    result = {
        "server": args.server,
        "workload": args.workload,
        "window": args.window,
        "requests": requests,
        "stages": {stage: round(walk.counts[stage] / requests, 1) for stage in [*STAGES, OTHER]},
    }
    args.result.write_text(json.dumps(result, indent=1) + "\n")


def show(args):
    results = [json.loads(path.read_text()) for path in args.results]
    print(f"{'instructions per request':<40}" + "".join(f"{stage:>10}" for stage in [*STAGES, OTHER, "all"]))
    for result in results:
        name = f"{result['server']} {result['workload']} w{result['window']}"
        values = list(result["stages"].values())
        print(f"{name:<40}" + "".join(f"{value:>10,.0f}" for value in [*values, sum(values)]))


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("count")
    one.add_argument("--output", type=pathlib.Path, required=True)
    one.add_argument("--trace", type=pathlib.Path, required=True)
    one.add_argument("--module", type=pathlib.Path, required=True)
    one.add_argument("server")
    one.add_argument("workload")
    one.add_argument("window", type=int)
    one.add_argument("result", type=pathlib.Path)
    one.set_defaults(run=count)
    two = commands.add_parser("show")
    two.add_argument("results", type=pathlib.Path, nargs="+")
    two.set_defaults(run=show)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
