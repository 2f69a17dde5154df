#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Draws what bench/run and bench/stages have measured."""

import argparse
import json
import pathlib

import matplotlib

matplotlib.use("Agg")
# The same file from the same figures; text as text.
matplotlib.rcParams.update(
    {"svg.hashsalt": "unbuckle", "svg.fonttype": "none", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
)
import matplotlib.pyplot as plt  # noqa: E402

NAMES = {
    "reflect-ingress": "reflector, ingress",
    "reflect-pre_routing": "reflector, PRE_ROUTING",
    "reflect-local_in": "reflector, LOCAL_IN",
    "unbuckle-inline-ingress": "unbuckle inline, ingress",
    "unbuckle-inline-pre_routing": "unbuckle inline, PRE_ROUTING",
    "unbuckle-inline": "unbuckle inline, LOCAL_IN",
    "unbuckle-rr-ingress": "unbuckle worker, ingress",
    "unbuckle-rr-pre_routing": "unbuckle worker, PRE_ROUTING",
    "unbuckle-rr": "unbuckle worker, LOCAL_IN",
    "unbuckle-fifo": "unbuckle worker, fifo, LOCAL_IN",
    "echo-32": "echo in userspace, batches of 32",
    "echo-1": "echo in userspace",
    "twin": "twin, one thread",
    "memcached-1": "memcached -t 1",
    "memcached-2": "memcached -t 2",
}
COLOURS = {"reflect": "#9aa5b1", "echo": "#9aa5b1", "unbuckle": "#1b6ca8", "twin": "#5fa8d3", "memcached": "#d1793f"}
SIZES = (32, 64, 320, 1024, 4096)
UNIT = "instructions of the server per request"


def colour(server):
    return COLOURS[server.split("-")[0]]


def save(figure, path, png=False):
    figure.tight_layout()
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
    if png:
        figure.savefig(path.with_suffix(".png"), dpi=110, metadata={"Software": None})
    plt.close(figure)


def servers(rows, directory):
    """A GET of 32 bytes in windows of 32, everywhere."""
    found = {(r["server"], r["workload"], r["window"]): r["instructions"] for r in rows}
    bars = []
    for server, name in NAMES.items():
        value = found.get((server, "get-32", 32)) or found.get((server, "echo", 32))
        if value:
            bars.append((server, name, value))
    figure, axes = plt.subplots(figsize=(7, 0.26 * len(bars) + 0.8))
    axes.barh([name for _, name, _ in bars], [v for *_, v in bars], color=[colour(s) for s, *_ in bars])
    axes.bar_label(axes.containers[0], [f"{v:,.0f}" for *_, v in bars], padding=3)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel(f"{UNIT}: GET of a 32-byte value, window 32")
    save(figure, directory / "servers", png=True)


def sizes(rows, directory):
    """What larger values cost."""
    found = {(r["server"], r["workload"], r["window"]): r["instructions"] for r in rows}
    figure, axes = plt.subplots(figsize=(7, 3.5))
    for server, mark in (("unbuckle-inline", "o"), ("unbuckle-rr", "s"), ("twin", "^"), ("memcached-1", "v")):
        points = [(size, found[server, f"get-{size}", 32]) for size in SIZES if (server, f"get-{size}", 32) in found]
        if points:
            axes.plot(*zip(*points), marker=mark, label=NAMES[server])
    axes.set_xscale("log", base=2)
    axes.set_xticks(SIZES, [f"{size:,}" for size in SIZES])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("bytes of the value")
    axes.set_ylabel(UNIT)
    axes.legend(frameon=False)
    save(figure, directory / "sizes")


def stages(results, directory):
    """Stacked, a bar for each record."""
    names = [f"{NAMES.get(r['server'], r['server'])}\n{r['workload']}" for r in results]
    figure, axes = plt.subplots(figsize=(7, 0.5 * len(results) + 1.2))
    left = [0] * len(results)
    for stage in results[0]["stages"]:
        values = [r["stages"][stage] for r in results]
        axes.barh(names, values, left=left, label=stage)
        left = [a + b for a, b in zip(left, values)]
    axes.invert_yaxis()
    axes.set_xlabel("instructions per request, in the module and for it")
    axes.legend(frameon=False, ncols=4, loc="lower center", bbox_to_anchor=(0.4, 1))
    save(figure, directory / "stages")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--directory", type=pathlib.Path, required=True)
    parser.add_argument("what", choices=("rows", "stages"))
    parser.add_argument("results", type=pathlib.Path, nargs="+")
    args = parser.parse_args()
    results = [json.loads(path.read_text()) for path in args.results]
    if args.what == "stages":
        stages(results, args.directory)
    else:
        servers(results[0]["rows"], args.directory)
        sizes(results[0]["rows"], args.directory)


if __name__ == "__main__":
    main()
