#!/bin/bash
# guest: --memory 1G
# takes: 60
# How many items 64 MiB hold, keys of 16 bytes and values of 32, beside memcached: with the
# parameters that nobody has given, on two CPUs. More is stored than fits, each key is
# read back, and what comes whole is counted.

source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

KEYS=700000
SERVER=127.0.0.1:11211
# Per cent by which there must be more than in memcached.
MORE=15

# holds FILE ARGUMENT…: stores and counts.
holds() {
	local file=$1
	shift
	blackbox density --addr $SERVER --keys $KEYS "$@" | tee "$file"
}
held() { sed -n "s/^\([0-9]*\) of $KEYS\$/\1/p" "$1"; }
is_full() { [[ $(held "$1") -gt 0 && $(held "$1") -lt $KEYS ]]; }

theirs() {
	local server status=0
	memcached -u root -m 64 -t 1 -l 127.0.0.1 -p 11211 -U 0 &
	server=$!
	blackbox wait --addr $SERVER --tcp --timeout 10 && holds /run/theirs --transport tcp || status=1
	kill "$server"
	wait "$server"
	return "$status"
}
# What is not there any more has been evicted, and nothing else.
all_is_accounted_for() {
	local held evicted
	held=$(held /run/ours) evicted=$(counter evictions)
	echo "$held are there, stats says $(counter curr_items); $evicted evicted, of $KEYS"
	[[ $(counter curr_items) -eq $held && $((held + evicted)) -eq $KEYS ]]
}
more_than_theirs() {
	local ours theirs
	ours=$(held /run/ours) theirs=$(held /run/theirs)
	echo "$ours and $theirs items: $((ours * 1000 / theirs - 1000)) thousandths more"
	[[ $((ours * 100)) -ge $((theirs * (100 + MORE))) ]]
}

check 'two CPUs' test "$(nproc)" -eq 2
check 'load' load
check 'it has what nobody asked for' test "$(cat /sys/module/unbuckle/parameters/memory)" -eq 64
check 'more than it holds' holds /run/ours
check 'it is full' is_full /run/ours
check 'all is accounted for' all_is_accounted_for
check 'no request found a long buffer in use' test "$(cat /sys/module/unbuckle/supplies/buffers_missing)" -eq 0
check 'inline as well' sh -c 'echo inline >/sys/module/unbuckle/parameters/routing'
check 'unload' unload
check 'the same for memcached' theirs
check 'it is full too' is_full /run/theirs
check 'more than memcached' more_than_theirs
# For the log.
more_than_theirs
finish
