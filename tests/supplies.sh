#!/bin/bash
# What replies are made of: packets from a worker's stock, sheets for texts; and what
# is done when those do not last, counted to the piece. And long buffers, which all share.
# takes: 40

source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

SUPPLIES=/sys/module/unbuckle/supplies
PARAMETERS=/sys/module/unbuckle/parameters
# Packets of a full stock (src/sys/stock.rs), and the sheets of a worker.
STOCK=64 SHEETS=4

# Somebody else has every packet that comes by the link, for longer than this takes:
# none can become its own reply.
shared_requests() {
	ip link add sink type dummy && ip link set sink up && tc qdisc add dev sink root netem delay 1000s limit 100000 &&
		tc qdisc add dev sv0 clsact && tc filter add dev sv0 ingress matchall action mirred egress mirror dev sink
}
no_longer_shared() { tc qdisc delete dev sv0 clsact && ip link delete sink; }

# takes FILE COUNT COMMAND…: so many were taken from the system meanwhile, and no other
# supply ran out.
takes() {
	local file=$1 count=$2 packets pages
	shift 2
	packets=$(cat $SUPPLIES/packets_taken) pages=$(cat $SUPPLIES/pages_missing)
	"$@" || return
	packets=$(($(cat $SUPPLIES/packets_taken) - packets)) pages=$(($(cat $SUPPLIES/pages_missing) - pages))
	echo "$packets packets were taken, $pages pages missed; wanted: $count of $file"
	case $file in
	packets_taken) [[ $packets -eq $count && $pages -eq 0 ]] ;;
	# Each reply without a page is copied into a packet of its own.
	pages_missing) [[ $packets -eq $count && $pages -eq $count ]] ;;
	esac
}
takes_nothing() { takes packets_taken 0 "$@"; }

# In the hook, with a pause for the workqueue after every so many.
a_little_at_a_time() {
	local turn before after
	before=$(counter udp_datagrams_out)
	for turn in {1..6}; do
		echo "turn $turn"
		sends $((STOCK / 2)) version
		sleep 0.2
	done
	after=$(counter udp_datagrams_out)
	echo "replies: $((after - before)), the question for them included"
	[[ $((after - before)) -gt $((STOCK * 3)) ]]
}
in_stats() {
	local name
	for name in packets_taken pages_missing buffers_waited buffers_missing; do
		[[ $(counter "reply_$name") -eq $(cat "$SUPPLIES/$name") ]] || return
	done
}
# A reader that reads nothing has the sheets that its replies are on.
unread() {
	# shellcheck disable=SC2016 # the client sends
	ip netns exec c "$BASH" -c 'exec 3<>/dev/udp/10.9.0.1/11211
		for ((i = 0; i < $1; i++)); do printf "\0\1\0\0\0\1\0\0get k\r\n" >&3; done
		exec sleep 60' bash "$1" >/run/reader 2>&1 &
	echo $! >/run/reader.pid
}

# Sheets: one has room for 12 such replies, and the next one has its turn then. The reply to
# the first `value` is on one as well.
sheets_lent() {
	mark
	unread "$1"
	replies "$1"
}
# By the death of the reader.
given_back() {
	local try
	kill "$(cat /run/reader.pid)" || return
	for try in {1..50}; do
		kill -0 "$(cat /run/reader.pid)" 2>/dev/null || break
		sleep 0.1
	done
	# Every ninth reply without a page looks for one that has come back.
	for try in {1..9}; do ask $SERVER4 'version\r\n' || return; done
	takes_nothing value $SERVER4 k 1000
}

# Long buffers: there is one for requests and one for replies. Two clients on two CPUs want
# them all the time, and each waits for the other's; none waits in vain.
long_buffers() {
	local waited first status=0
	waited=$(cat $SUPPLIES/buffers_waited)
	long_values 0 &
	first=$!
	long_values 1 || status=1
	wait "$first" || status=1
	echo "long buffers were waited for $(($(cat $SUPPLIES/buffers_waited) - waited)) times, $(cat $SUPPLIES/buffers_missing) times in vain"
	[[ $status -eq 0 && $(cat $SUPPLIES/buffers_waited) -gt $waited && $(cat $SUPPLIES/buffers_missing) -eq 0 ]]
}
long_values() {
	taskset -c "$1" loadgen run --addr 127.0.0.1:11211 --mix get=70,set=30 --keys 20 --value-size 60000 \
		--preload --window 2 --requests 1500 --timeout-ms 10000 --seed "$1"
}

check 'topology' topology
check 'more memory for those who do not read' sh -c 'echo 8000000 >/proc/sys/net/core/rmem_default'
check 'load' load memory=32 cpus=1 fifo=1 routing=rr responders=3
check 'nothing was taken so far' sh -c "[ \$(cat $SUPPLIES/packets_taken) -eq 0 ] && [ \$(cat $SUPPLIES/pages_missing) -eq 0 ]"

# --- packets ---------------------------------------------------------------------
check 'a small value takes nothing' takes_nothing value $SERVER4 a 5
check 'nor does one of several datagrams' takes_nothing value $SERVER4 a 5000
check 'nor one of 60,000 bytes' takes_nothing value $SERVER4 a 60000
check 'requests that wait take nothing' takes_nothing at_once 300 version

check 'somebody else has every packet' shared_requests
check 'a request that is shared takes from the stock' takes_nothing value $SERVER4 a 5
check 'with a reply that is attached' takes_nothing value $SERVER4 a 1000
check 'with one of several datagrams' takes_nothing value "$SERVER6" a 5000
check 'as many as the stock has' takes_nothing at_once $STOCK version
check 'the same again: it is full again' takes_nothing at_once $STOCK version
check 'and 72 more' takes packets_taken 72 at_once $((STOCK + 72)) version
check 'stats says the same' in_stats
check 'by the hook' sh -c "echo inline >$PARAMETERS/routing"
check 'the stock of the hook is filled up meanwhile' takes_nothing a_little_at_a_time
check 'by a worker' sh -c "echo rr >$PARAMETERS/routing"
check 'a worker more, and one less' sh -c "for i in \$(seq 20); do echo 0-1 >$PARAMETERS/cpus && echo 1 >$PARAMETERS/cpus || exit; done"
check 'its stock is full' takes_nothing at_once $STOCK version
check 'nobody else has any packet' no_longer_shared

# --- sheets ----------------------------------------------------------------------
check 'unload' unload
check 'load again' load memory=32 cpus=1 routing=rr
check 'a value' takes_nothing value $SERVER4 k 1000
check 'replies that nobody reads keep the sheets that they are on' takes pages_missing 45 sheets_lent $((12 * SHEETS - 1 + 45))
check 'until they are gone' given_back
check 'then the sheets are there again' takes_nothing sheets_lent 40
check 'they go once more' given_back
check 'stats says the same' in_stats
check 'unload again' unload

# --- long buffers ----------------------------------------------------------------
check 'load, for two CPUs' load routing=inline
check 'long values, by two hooks' long_buffers
check 'by two workers' sh -c "echo rr >$PARAMETERS/routing && echo 0-1 >$PARAMETERS/cpus"
check 'long values, by two workers' long_buffers
check 'stats says the same' in_stats
check 'unload, a last time' unload
finish
