# SPDX-License-Identifier: GPL-2.0-only
"""pylibmc: libmemcached from Python, in text and in binary."""

import time

import pylibmc

from check import HOST, KEY, PORT, check, fails, run


def replaced(mc, key):
    """False as well where binary says not found instead of not stored."""
    try:
        return mc.replace(key, "x")
    except pylibmc.NotFound:
        return False


def session(binary):
    mode = "binary" if binary else "text"
    behaviors = {"cas": True, "tcp_nodelay": True}
    mc = pylibmc.Client([f"{HOST}:{PORT}"], binary=binary, behaviors=behaviors)
    k = f"{KEY}{mode}"

    def say(what):
        return f"{mode} {what}"

    check(say("set"), mc.set(k, "hello"), True)
    check(say("get"), mc.get(k), "hello")
    check(say("get of a miss"), mc.get(k + "none"), None)
    check(say("types keep their flags"), (mc.set(k, 7), mc.get(k)), (True, 7))
    check(say("pickles"), (mc.set(k, {"a": [1, None]}), mc.get(k)), (True, {"a": [1, None]}))
    check(say("bytes"), (mc.set(k, b"\0\r\n\xff"), mc.get(k)), (True, b"\0\r\n\xff"))
    check(say("add of a stored key"), mc.add(k, "x"), False)
    check(say("add"), mc.add(k + "new", "x"), True)
    check(say("replace"), mc.replace(k, b"mid"), True)
    check(say("replace of a miss"), replaced(mc, k + "none"), False)
    check(say("append"), mc.append(k, b"dle"), True)
    check(say("prepend"), mc.prepend(k, b"the "), True)
    check(say("get of all that"), mc.get(k), b"the middle")
    check(say("delete"), mc.delete(k), True)
    check(say("delete of a miss"), mc.delete(k), False)
    mc.set(k, "1")
    check(say("incr"), mc.incr(k, 41), 42)
    check(say("decr"), mc.decr(k, 2), 40)
    fails(say("incr of a miss"), pylibmc.NotFound, lambda: mc.incr(k + "none"))
    mc.set(k, "one")
    value, unique = mc.gets(k)
    check(say("gets"), value, "one")
    check(say("cas"), mc.cas(k, "two", unique), True)
    check(say("cas of an old unique"), mc.cas(k, "three", unique), False)
    check(say("get after cas"), mc.get(k), "two")
    many = {f"{k}{i}": "v" * i for i in range(1, 200)}
    check(say("set_multi"), mc.set_multi(many), [])
    check(say("get_multi"), mc.get_multi([*many, k + "none"]), many)
    check(say("incr_multi"), (mc.set(k, 5), mc.incr_multi([k], delta=3), mc.get(k)), (True, None, 8))
    check(say("delete_multi"), mc.delete_multi(list(many)), True)
    check(say("get_multi after that"), mc.get_multi(list(many)), {})
    large = "0123456789abcdef" * 50_000
    check(say("a large value"), (mc.set(k, large), mc.get(k) == large), (True, True))
    fails(say("a value too large"), pylibmc.Error, lambda: mc.set(k, b"x" * 2_000_000))
    check(say("set after that"), (mc.set(k, "x"), mc.get(k)), (True, "x"))
    check(say("compression"), (mc.set(k, "z" * 500_000, min_compress_len=1), mc.get(k)), (True, "z" * 500_000))
    mc.set(k + "e1", "x", time=1)
    mc.set(k + "e2", "x", time=100)
    mc.set(k + "e3", "x", time=1)
    check(say("touch"), mc.touch(k + "e3", 100), True)
    time.sleep(2.2)
    check(say("expired"), mc.get(k + "e1"), None)
    check(say("not expired"), mc.get(k + "e2"), "x")
    check(say("touched in time"), mc.get(k + "e3"), "x")
    (_, stats), = mc.get_stats()
    stats = {str(name): value for name, value in stats.items()}
    check(say("stats"), "curr_items" in stats and "get_hits" in stats, True)
    quiet = pylibmc.Client([f"{HOST}:{PORT}"], binary=binary, behaviors={"_noreply": True})
    quiet.set(k, "quiet")
    quiet.disconnect_all()
    time.sleep(0.2)
    check(say("set noreply"), mc.get(k), "quiet")
    check(say("flush_all"), (mc.flush_all(), mc.get(k)), (True, None))


def text():
    session(False)


def binary():
    session(True)


run(text, binary)
