# SPDX-License-Identifier: GPL-2.0-only
"""pymemcache: text over TCP, and its pools and hashing around that."""

import time

from pymemcache.client.base import Client, PooledClient
from pymemcache.client.hash import HashClient
from pymemcache.exceptions import MemcacheClientError, MemcacheServerError

from check import HOST, KEY, PORT, check, fails, run

mc = Client((HOST, PORT), default_noreply=False, timeout=10, connect_timeout=10)
k = KEY + "k"
LARGE = b"0123456789abcdef" * 60_000


def storing():
    check("set", mc.set(k, b"hello"), True)
    check("get", mc.get(k), b"hello")
    check("get of a miss", mc.get(KEY + "none"), None)
    check("get with a default", mc.get(KEY + "none", default=b"d"), b"d")
    check("add of a stored key", mc.add(k, b"x"), False)
    check("add", mc.add(KEY + "new", b"x"), True)
    check("replace", mc.replace(k, b"world"), True)
    check("replace of a miss", mc.replace(KEY + "none", b"x"), False)
    check("append", mc.append(k, b"!"), True)
    check("prepend", mc.prepend(k, b">"), True)
    check("append of a miss", mc.append(KEY + "none", b"x"), False)
    check("get of all that", mc.get(k), b">world!")
    check("delete", mc.delete(k), True)
    check("delete of a miss", mc.delete(k), False)
    check("get after delete", mc.get(k), None)
    check("set of no bytes", mc.set(k, b""), True)
    check("get of no bytes", mc.get(k), b"")
    check("set of line ends", mc.set(k, b"\r\nEND\r\n\0"), True)
    check("get of line ends", mc.get(k), b"\r\nEND\r\n\0")
    check("flags", mc.set(k, b"f", flags=4_000_000_000), True)
    check("flags come back", mc.raw_command(b"get " + k.encode(), "END\r\n"),
          b"VALUE " + k.encode() + b" 4000000000 1\r\nf\r\n")


def cas():
    mc.set(k, b"one")
    value, unique = mc.gets(k)
    check("gets", value, b"one")
    check("cas", mc.cas(k, b"two", unique), True)
    check("cas of an old unique", mc.cas(k, b"three", unique), False)
    check("cas of a miss", mc.cas(KEY + "none", b"x", unique), None)
    check("get after cas", mc.get(k), b"two")


def numbers():
    mc.set(k, b"10")
    check("incr", mc.incr(k, 5), 15)
    check("decr", mc.decr(k, 6), 9)
    check("decr below 0", mc.decr(k, 100), 0)
    check("incr of a miss", mc.incr(KEY + "none", 1), None)
    check("incr by much", mc.incr(k, 2**64 - 1), 2**64 - 1)
    check("incr wraps", mc.incr(k, 2), 1)
    mc.set(k, b"word")
    fails("incr of a word", MemcacheClientError, lambda: mc.incr(k, 1))


def several():
    many = {f"{KEY}m{i}": b"v%d" % i * (i + 1) for i in range(100)}
    check("set_many", mc.set_many(many), [])
    check("get_many", mc.get_many([*many, KEY + "none"]), many)
    found = mc.gets_many(list(many)[:10])
    check("gets_many", {key: value for key, (value, _) in found.items()}, dict(list(many.items())[:10]))
    check("delete_many", mc.delete_many(list(many)), True)
    check("get_many after that", mc.get_many(list(many)), {})


def quiet():
    check("set noreply", mc.set(k, b"quiet", noreply=True), True)
    check("get after set noreply", mc.get(k), b"quiet")
    check("add noreply", mc.add(k, b"x", noreply=True), True)
    mc.set(k, b"1", noreply=True)
    check("incr noreply", mc.incr(k, 1, noreply=True), None)
    check("get after incr noreply", mc.get(k), b"2")
    check("touch noreply", mc.touch(k, 100, noreply=True), True)
    check("delete noreply", mc.delete(k, noreply=True), True)
    check("get after delete noreply", mc.get(k), None)
    mc.set_many({f"{KEY}q{i}": b"q" for i in range(50)}, noreply=True)
    check("get after set_many noreply", len(mc.get_many([f"{KEY}q{i}" for i in range(50)])), 50)


def expiry():
    mc.set(KEY + "e1", b"x", expire=1)
    mc.set(KEY + "e2", b"x", expire=100)
    mc.set(KEY + "e3", b"x", expire=1)
    mc.set(KEY + "e4", b"x")
    check("touch", mc.touch(KEY + "e3", 100), True)
    check("touch of a miss", mc.touch(KEY + "none", 100), False)
    name = KEY.encode() + b"e4"
    check("gat", mc.raw_command(b"gat 1 " + name, "END\r\n"), b"VALUE " + name + b" 0 1\r\nx\r\n")
    time.sleep(2.2)
    check("expired", mc.get(KEY + "e1"), None)
    check("not expired", mc.get(KEY + "e2"), b"x")
    check("touched in time", mc.get(KEY + "e3"), b"x")
    check("expired by gat", mc.get(KEY + "e4"), None)


def limits():
    check("set of 960,000 bytes", mc.set(k, LARGE), True)
    check("get of 960,000 bytes", mc.get(k) == LARGE, True)
    fails("set of 2 MB", MemcacheServerError, lambda: mc.set(k, b"x" * 2_000_000))
    check("get after that", mc.get(k), None)
    check("a key of 250 bytes", mc.set("k" * 250, b"x"), True)
    check("its value", mc.get("k" * 250), b"x")
    check("and its end", mc.delete("k" * 250), True)


def others():
    check("version", mc.version()[:1].isalnum(), True)
    stats = mc.stats()
    check("stats", stats[b"curr_items"] > 0 and stats[b"limit_maxbytes"] > 0, True)
    pool = PooledClient((HOST, PORT), max_pool_size=4)
    pool.set(k, b"pool", noreply=False)
    check("a pool", pool.get(k), b"pool")
    ring = HashClient([(HOST, PORT)], use_pooling=True)
    ring.set(k, b"ring", noreply=False)
    check("a ring", ring.get_many([k]), {k: b"ring"})
    check("flush_all", mc.flush_all(), True)
    check("get after flush_all", mc.get(k), None)
    mc.quit()
    check("again after quit", mc.set(k, b"x"), True)


run(storing, cas, numbers, several, quiet, expiry, limits, others)
