# SPDX-License-Identifier: GPL-2.0-only
"""What QEMU and the guest wrote down: instructions, and where functions are."""

import re

# What the client calls once in a round.
ROUND = "__x64_sys_sendmmsg"
TRACE = re.compile(rb"^Trace \d+: \S+ \[[0-9a-f]+/([0-9a-f]+)/")


def symbols(output):
    """Addresses and names of the kernel's functions, in order."""
    found = []
    for line in output.read_text(errors="replace").splitlines():
        match = re.fullmatch(r"([0-9a-f]{16}) [tTwW] (\S+)(?:\s+\[(\S+)\])?\r?", line)
        if match:
            module = f" [{match[3]}]" if match[3] else ""
            found.append((int(match[1], 16), match[2] + module))
    found.sort()
    return [a for a, _ in found], [n for _, n in found]


def instructions(path, start):
    """The addresses of all instructions, as they were executed, of whole rounds
    of the client: each begins where the function at `start` does."""
    seen, found, starts = {}, [], []
    with path.open("rb") as trace:
        for line in trace:
            match = TRACE.match(line)
            if match:
                # Few are different: one number each, however often it comes.
                pc = seen.get(match[1])
                if pc is None:
                    pc = seen[match[1]] = int(match[1], 16)
                if pc == start:
                    starts.append(len(found))
                found.append(pc)
    if len(starts) < 2:
        raise SystemExit("bench: no whole round in the record")
    return found[starts[0] : starts[-1]]
