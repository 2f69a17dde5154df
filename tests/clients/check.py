# SPDX-License-Identifier: GPL-2.0-only
"""What the Python clients' scripts have in common: a line for each check."""

import sys
import time
import traceback

HOST, PORT = sys.argv[1], int(sys.argv[2])
KEY = f"{time.time_ns():x}_"


def check(what, got, wanted):
    """Says whether a check came out as it must."""
    if got == wanted and type(got) is type(wanted):
        print("ok", what)
    else:
        print(f"FAIL {what}: wanted {wanted!r:.200}, got {got!r:.200}")


def fails(what, error, action):
    """The same for what must raise an error."""
    try:
        got = action()
    except error:
        print("ok", what)
    else:
        print(f"FAIL {what}: wanted {error.__name__}, got {got!r:.200}")


def run(*parts):
    """Runs the parts of a script; one that ends badly is a check that failed."""
    for part in parts:
        try:
            part()
        except Exception as error:  # whatever a client may raise
            traceback.print_exc()
            print(f"FAIL {part.__name__}: {error!r:.300}")
