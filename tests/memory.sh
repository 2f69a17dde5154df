#!/bin/bash
# guest: --memory 1G
# takes: 40
# memory= is what the module takes, all in all: when it is loaded, full and serving. What
# is counted is the guest's own free memory.

source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

MODULE=/sys/module/unbuckle
SERVER=127.0.0.1:11211
# KiB by which the use of others changes of its own accord: slabs that the network stack
# and processes leave half full. `quiet` below holds it against a server that is a process.
NOISE=512
# KiB of packets that wait (4 MiB for a worker, as much for its client), and of loadgen,
# while it runs.
TRAFFIC=16384

# KiB in use. Free pages that a CPU keeps at hand are free, and MemFree leaves them out:
# after large packets they are many MiB.
used() {
	echo 3 >/proc/sys/vm/drop_caches
	echo 1 >/proc/sys/vm/stat_refresh
	used_now
}
used_now() {
	awk '/^MemTotal:/ { used = $2 }
		/^MemFree:/ { used -= $2 }
		/^ +count:/ { used -= 4 * $2 }
		END { print used }' /proc/meminfo /proc/zoneinfo
}

# KiB of the module's code and static data, and of its types, which the kernel keeps.
code() {
	local bytes=0
	[[ ! -e $MODULE ]] || bytes=$(($(cat $MODULE/coresize) + $(stat -c %s /sys/kernel/btf/unbuckle)))
	echo $((bytes / 1024))
}

# at_most KIB: of memory are in use more than at the beginning.
at_most() {
	local more
	sync
	sleep 0.3
	more=$(($(used) - $(cat /run/base) - $(code)))
	echo "$more KiB more in use beside $(code) of code, at most $1 and $NOISE of noise"
	[[ $more -le $(($1 + NOISE)) ]]
}

# at_least KIB: as much is taken already.
at_least() {
	local more
	more=$(($(used) - $(cat /run/base)))
	echo "$more KiB more in use, at least $1 less $NOISE"
	[[ $more -ge $(($1 - NOISE)) ]]
}

# The parts are there and no more than the whole, in sysfs and in stats.
parts() {
	local name part sum=0
	for name in store locks tables responders others; do
		part=$(cat "$MODULE/memory/$name")
		[[ $part -gt 0 && $(counter "memory_$name") -eq $part ]] || return
		sum=$((sum + part))
	done
	echo "$sum bytes in parts, $(cat $MODULE/memory/limit) in all"
	[[ $(cat $MODULE/memory/limit) -eq $(($1 << 20)) && $(counter limit_maxbytes) -eq $(($1 << 20)) ]] &&
		[[ $sum -le $(($1 << 20)) && $sum -gt $((($1 << 20) - 4096)) ]]
}

# while_serving KIB COMMAND…: no more than that and TRAFFIC is in use meanwhile.
while_serving() {
	local most=0 now limit=$1
	shift
	"$@" &
	while kill -0 $! 2>/dev/null; do
		now=$(used_now)
		[[ $now -le $most ]] || most=$now
		sleep 0.1
	done
	wait $! || return
	echo "$((most - $(cat /run/base))) KiB more in use at most"
	[[ $((most - $(cat /run/base))) -le $((limit + TRAFFIC)) ]]
}

fill() {
	loadgen run --addr $SERVER --mix set --keys 20000 --value-size 1024 --window 32 --requests 20000 \
		--timeout-ms 5000
}
all_sizes() {
	loadgen run --addr $SERVER --mix get=50,set=50 --keys 400 --key-size 20 \
		--value-size 2:50,1024:40,30000:10 --window 64 --requests 6000 --timeout-ms 5000
}
is_full() { [[ $(counter evictions) -gt 1000 ]]; }

# Others use the same after traffic as before it, once it has been there. (The first module
# that is loaded leaves 300 KiB, the next ones nothing.)
quiet() {
	local twin before status=0
	load port=11211 && unload || return
	unbuckle-twin --port 11211 --memory 8 --threads 1 >/dev/null &
	twin=$!
	blackbox wait --addr $SERVER --timeout 10 && all_sizes && all_sizes || status=1
	kill "$twin"
	wait "$twin"
	before=$(used)
	unbuckle-twin --port 11211 --memory 8 --threads 1 >/dev/null &
	twin=$!
	blackbox wait --addr $SERVER --timeout 10 && all_sizes || status=1
	kill "$twin"
	wait "$twin"
	sleep 0.3
	used >/run/base
	echo "$before KiB, then $(cat /run/base)"
	[[ $status -eq 0 && $(($(cat /run/base) - before)) -le $((NOISE / 2)) ]]
}

# refused LINE ARGUMENT…: insmod fails, and says so.
refused() {
	local line=$1
	shift
	log_mark
	fails load "$@" && log_says "$line"
}

set_to() { echo "$2" >$MODULE/parameters/"$1"; }
refuses() {
	log_mark
	fails set_to "$1" "$2" 2>/dev/null && log_says "$3"
}

missing() { cat $MODULE/supplies/pages_missing; }
# Somebody asks for more than all pages for replies hold and does not read it; others are
# answered as ever, with copies. Pages come back when packets are freed. All on one CPU:
# each has pages of its own.
deaf() {
	local before status=0
	taskset -pc 0 $BASHPID
	value $SERVER b 9000 || return
	exec 3<>/dev/udp/127.0.0.1/11211
	for _ in {1..40}; do printf '\0\1\0\0\0\1\0\0get b\r\n' >&3; done
	before=$(missing)
	value $SERVER o 9000 && value $SERVER l 5 || status=1
	echo "$before replies found no page, then $(missing)"
	[[ $(missing) -gt $before ]] || status=1
	exec 3>&-
	# It is looked for them every few replies.
	for _ in {1..20}; do value $SERVER o 9000 || status=1; done
	before=$(missing)
	for _ in {1..10}; do value $SERVER o 9000 || status=1; done
	echo "$before replies found no page, then $(missing) after they came back"
	[[ $(missing) -eq $before ]] || status=1
	return "$status"
}
# ask from here.
client() { "$@"; }

check 'others are quiet' quiet
check 'load, 64 MiB' load
check 'all of it is taken' at_least 65536
check 'and no more' at_most 65536
check 'its parts' parts 64
check 'unload' unload
check 'it comes back' at_most 0

check 'load, 8 MiB, for two workers and two CPUs' load memory=8 workers=1 responders=4
check 'no more is taken' at_most 8192
check 'its parts' parts 8
check 'no more while it is filled' while_serving 8192 fill
check 'it is full' is_full
check 'nor when it is full' at_most 8192
check 'no more while all sizes are read' while_serving 8192 all_sizes
check 'nor afterwards' at_most 8192
check 'two workers' set_to cpus 0-1
check 'inline' set_to routing inline
check 'no more while CPUs answer' while_serving 8192 all_sizes
check 'nor afterwards' at_most 8192
check 'a client that does not read' deaf
check 'nor for that one' at_most 8192
check 'the parts have not changed' parts 8
check 'unload' unload
check 'it comes back' at_most 0

check 'more workers than responders' refused '2 workers and 0 CPUs that answer inline need responders=2 or more, not 1' workers=2 responders=1
check 'more responders than CPUs can use' refused 'responders=1000 is more than' responders=1000
check 'too little' refused 'memory=2 is too little for 3 responders: give at least 3' memory=2 routing=inline
check 'the least' load memory=3 routing=inline
check 'keeps a value' value $SERVER k 5000
check 'no more is taken' at_most 3072
check 'one worker more is too many' refuses cpus 0-1 'need responders=4 or more, not 3'
check 'unload' unload
check 'it comes back' at_most 0
finish
