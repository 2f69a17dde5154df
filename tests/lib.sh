# shellcheck shell=bash
# What the guest's tests share. Sourced, never run. The current directory holds
# unbuckle.ko; blackbox, unbuckle-twin, ip, nft and memcaslap are on PATH.
#
#        network namespace c                      initial namespace
#     client, cl0 10.9.0.2/24  -------------  sv0 10.9.0.1/24, the module
#                 fd00:9::2/64     (veth)         fd00:9::1/64

set -uo pipefail

SERVER4=10.9.0.1:11211
SERVER6='[fd00:9::1]:11211'
passed=0 failed=0

# check NAME COMMAND…: one test; what a failed one printed is shown.
check() {
	local name=$1 output
	shift
	if output=$("$@" 2>&1); then
		passed=$((passed + 1))
		printf 'ok   %s\n' "$name"
	else
		failed=$((failed + 1))
		printf 'FAIL %s\n' "$name"
		printf '%s\n' "$output" | tail -n 15 | sed 's/^/     /'
	fi
}

# The closing line; the script's last command.
finish() {
	printf '%d passed, %d failed\n' "$passed" "$failed"
	[[ $failed -eq 0 && $passed -gt 0 ]]
}

fails() { ! "$@"; }

# This is the debug kernel (vm/guest/watched): several times slower.
debug_kernel() { [[ -e /sys/kernel/debug/kmemleak ]]; }

load() { insmod ./unbuckle.ko "$@"; }
unload() { rmmod unbuckle; }

# The client's namespace and the link to it; MTU as given.
topology() {
	ip netns add c &&
		ip link add sv0 type veth peer name cl0 netns c &&
		ip address add 10.9.0.1/24 dev sv0 &&
		ip address add fd00:9::1/64 dev sv0 nodad &&
		ip -n c address add 10.9.0.2/24 dev cl0 &&
		ip -n c address add fd00:9::2/64 dev cl0 nodad &&
		ip link set sv0 up &&
		ip -n c link set cl0 up &&
		ip -n c link set lo up &&
		reachable
}

# Until both ways of the link work (IPv6 takes a moment), ten seconds at most.
reachable() {
	local try
	for try in {1..50}; do
		if ip netns exec c ping -c 1 -W 1 10.9.0.1 >/dev/null &&
			ip netns exec c ping -6 -c 1 -W 1 fd00:9::1 >/dev/null; then
			return 0
		fi
		sleep 0.2
	done
	echo "no ping after $try tries"
	return 1
}

client() { ip netns exec c "$@"; }

# ask ADDRESS TEXT…: from the client's namespace.
ask() {
	local address=$1
	shift
	client blackbox ask --addr "$address" "$@"
}

# no_answer ADDRESS TEXT…: silence is what is wanted.
no_answer() {
	local address=$1
	shift
	fails client blackbox ask --addr "$address" --timeout-ms 500 "$@"
}

# value ADDRESS KEY COUNT: store that many times the letter KEY and read them
# back (what repeats is shown as "<k*5000>").
value() {
	local said
	said=$(ask "$1" "set $2 7 0 $3\\r\\n<$2*$3>\\r\\n" "get $2\\r\\n")
	echo "$said"
	grep -qx '< STORED' <<<"$said" && grep -qx "< VALUE $2 7 $3" <<<"$said" &&
		[[ $(grep -cxF -e "< <$2*$3>" -e "< $2$2$2$2$2" <<<"$said") -eq 1 ]]
}

# counter NAME: what stats says, over loopback.
counter() {
	blackbox ask --addr 127.0.0.1:11211 'stats\r\n' |
		sed -n "s/^< STAT $1 //p"
}

# grew NAME BY COMMAND…: the counter is larger by exactly BY afterwards.
grew() {
	local name=$1 by=$2 before after
	shift 2
	before=$(counter "$name")
	"$@" || return
	after=$(counter "$name")
	echo "$name: $before, then $after, wanted $by more"
	[[ -n $before && -n $after && $((after - before)) -eq $by ]]
}

# A kernel log line since the last call.
log_mark() { dmesg | wc -l >/run/log-mark; }
log_says() { dmesg | tail -n "+$(($(cat /run/log-mark) + 1))" | grep -F -- "$1"; }

# server NAME PID: a process that a test started is still there.
alive() { kill -0 "$1"; }

# --- what one worker does, which is on CPU 1 (cpus=1 fifo=1)

WORKER=/sys/module/unbuckle/workers/0

# replies COUNT: waits until it has sent so many datagrams since the last mark.
sent=0
mark() { sent=$(cat $WORKER/replies); }
replies() {
	local try
	for try in {1..100}; do
		[[ $(($(cat $WORKER/replies) - sent)) -lt $1 ]] || break
		sleep 0.1
	done
	echo "replies: $(($(cat $WORKER/replies) - sent)), wanted $1"
	[[ $(($(cat $WORKER/replies) - sent)) -eq $1 ]]
}
# sends COUNT TEXT: so many datagrams of it, from one socket.
sends() {
	# shellcheck disable=SC2016 # the client sends
	client taskset 1 "$BASH" -c 'exec 3>/dev/udp/10.9.0.1/11211
		for ((i = 0; i < $1; i++)); do printf "\0\1\0\0\0\1\0\0$2\r\n" >&3; done' bash "$@"
}
# at_once COUNT TEXT: it finds so many requests at a time, because something
# that goes before it has its CPU until all of them wait.
at_once() {
	local hog
	mark
	chrt -f 50 taskset 2 "$BASH" -c 'while :; do :; done' &
	hog=$!
	sleep 0.2
	sends "$@"
	local waiting
	waiting=$(cat $WORKER/queued)
	echo "waiting: $waiting"
	kill "$hog"
	wait "$hog" 2>/dev/null
	replies "$1" && [[ $waiting -eq $1 ]]
}
