#!/bin/bash
# Tracepoints: each event is seen as often as it happened, and none when it is off.

source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

TRACING=/sys/kernel/tracing
EVENTS=$TRACING/events/unbuckle
LOCAL=127.0.0.1:11211

watch_for() { echo >$TRACING/trace && echo 1 >"$EVENTS/$1/enable"; }
stop_watching() { echo 0 >$EVENTS/enable; }
# lines EVENT [MORE]: how many of it there are, with MORE in them.
lines() { grep -c " $1: .*${2-}" $TRACING/trace; }
# seen COUNT EVENT [MORE]
seen() {
	local count=$1
	shift
	[[ $(lines "$@") -eq $count ]] || { cat $TRACING/trace; return 1; }
}

requests() {
	blackbox ask --addr $LOCAL 'set a 0 0 5\r\naaaaa\r\n' 'get a\r\n' 'get a b c\r\n' 'get b\r\n'
}
hits_and_misses() {
	watch_for hit && watch_for miss && watch_for receive && requests
	stop_watching
	# The text of the item: "a 0 5", CRLF, "aaaaa", CRLF.
	seen 2 hit len=14 && seen 3 miss len=0 && seen 4 receive && [[ $(lines hit) -eq 2 ]]
}
# Commands that change what they look for: every protocol's, a line of each.
changes() {
	blackbox ask --addr $LOCAL 'set n 0 0 1\r\n5\r\n' 'gat 0 n\r\n' 'gats 0 n x y\r\n' 'touch n 0\r\n' 'touch x 0\r\n' \
		'incr n 1\r\n' 'decr n 2\r\n' 'incr x 1\r\n' 'incr a 1\r\n' 'mg n T0 v\r\n' 'mg x T0 v\r\n' 'ma n\r\n' 'ma x\r\n' \
		'ma z N0\r\n' 'set n 0 0 1\r\n7\r\n' 'append n 0 0 1\r\n7\r\n' 'delete n\r\n'
}
hits_and_misses_of_changes() {
	watch_for hit && watch_for miss && changes
	stop_watching
	# n: gat, gats, touch, incr, decr, mg, ma, and a, which is no number.
	seen 8 hit && seen 7 hit len=10 && seen 1 hit len=14 && seen 7 miss len=0 && [[ $(lines miss) -eq 7 ]]
}
# The same key has the same hash, and no other has.
hashes() {
	[[ $(sed -n 's/.* hit: .*\(hash=[0-9a-f]*\).*/\1/p' $TRACING/trace | sort -u | wc -l) -eq 1 &&
	$(sed -n 's/.* miss: .*\(hash=[0-9a-f]*\).*/\1/p' $TRACING/trace | sort | uniq -c | awk '{ print $1 }' | sort | tr '\n' ' ') == '1 2 ' ]]
}
drops() {
	watch_for drop && client blackbox cases --target module --addr $SERVER4 --cases tests/cases --filter 'same number as the server'
	stop_watching
	seen 1 drop reason=source_port && [[ $(lines drop) -eq 1 ]]
}
evictions() {
	local before texts
	before=$(counter evictions)
	mapfile -t texts < <(seq 1 60 | sed 's/.*/set e& 0 0 40000\\r\\n<x*40000>\\r\\n/')
	watch_for evict && blackbox ask --addr $LOCAL "${texts[@]}" >/dev/null
	stop_watching
	echo "evictions: $(lines evict) events, counted $(($(counter evictions) - before))"
	[[ $(lines evict) -gt 0 && $(lines evict) -eq $(($(counter evictions) - before)) ]]
}
nothing() {
	echo >$TRACING/trace
	requests
	! grep -v '^#' $TRACING/trace
}

check 'topology' topology
check 'load' load memory=2
check 'five events' sh -c "[ \$(ls -d $EVENTS/*/ | wc -l) -eq 5 ]"
check 'hits, misses and packets' hits_and_misses
check 'hashes of keys' hashes
check 'hits and misses of what changes' hits_and_misses_of_changes
check 'drops' drops
check 'evictions' evictions
check 'off again' nothing
check 'unload' unload
check 'no event is left' test ! -e $EVENTS
finish
