#!/bin/bash
# Several datagrams of a reply go to the device as one packet, or as one list, of which
# each but the last comes with "more is to come" (xmit_more): counted where the stack
# calls the driver.
# takes: 30

source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

TRACING=/sys/kernel/tracing
PARAMETERS=/sys/module/unbuckle/parameters

# Each call with a list of packets for sv0, and each packet that the driver gets.
watch_sv0() {
	echo 'p:burst dev_hard_start_xmit dev=dev->name:string' >$TRACING/kprobe_events &&
		echo 'dev == "sv0"' >$TRACING/events/kprobes/burst/filter &&
		echo 'name == "sv0" && len > 200' >$TRACING/events/net/net_dev_start_xmit/filter
}
unwatch() { echo >$TRACING/kprobe_events; }
# What went to the driver during COMMAND…: calls and packets of more than 200 bytes,
# those packets that came with a promise of more, and datagrams in all of them.
seen() {
	echo >$TRACING/trace
	echo 1 >$TRACING/events/kprobes/burst/enable
	echo 1 >$TRACING/events/net/net_dev_start_xmit/enable
	"$@"
	local status=$?
	echo 0 >$TRACING/events/kprobes/burst/enable
	echo 0 >$TRACING/events/net/net_dev_start_xmit/enable
	# Several packets of one list are one after the other on one CPU.
	sed -n 's/^ *[^ ]* *\[\([0-9]*\)\].* \(burst\|net_dev_start_xmit\): \(.*\)/\1 \2 \3/p' $TRACING/trace | awk '
		$2 == "burst" { first[$1] = 1; next }
		{ packets++; if (first[$1]) bursts++; else more++; first[$1] = 0
		  segments = 0; if (match($0, /gso_segs=[0-9]+/)) segments = substr($0, RSTART + 9, RLENGTH - 9) + 0
		  datagrams += segments ? segments : 1 }
		END { print bursts + 0, packets + 0, more + 0, datagrams + 0 }' >/run/seen
	return "$status"
}
# goes CALLS PACKETS MORE DATAGRAMS COMMAND…
goes() {
	local wanted="$1 $2 $3 $4"
	shift 4
	seen "$@" || return
	echo "calls, packets, with more to come, datagrams: $(cat /run/seen), wanted $wanted"
	[[ $(cat /run/seen) == "$wanted" ]]
}

# The same of a long reply, which takes a packet for each sheet that it is written to:
# in two, or three. In lists, if it must be, each packet but the last of one with more to
# come.
long_goes() {
	local form=$1 calls packets more datagrams
	shift
	seen "$@" || return
	read -r calls packets more datagrams </run/seen
	echo "calls: $calls, packets: $packets, with more to come: $more, datagrams: $datagrams"
	[[ $datagrams -eq 44 && $calls -ge 2 && $calls -le 3 ]] || return
	case $form in
	packets) [[ $packets -eq $calls && $more -eq 0 ]] ;;
	lists) [[ $packets -eq 44 && $more -eq $((44 - calls)) ]] ;;
	esac
}
get() { ask "$1" "get $2\\r\\n" >/dev/null; }

# reply_goes NAME ADDRESS: for each of three lengths, as a packet that the device takes
# apart, and as a list of packets when it can't.
reply_goes() {
	local name=$1 address=$2
	check "$name: one datagram" goes 1 1 0 1 get "$address" s
	check "$name: 4 datagrams, one packet" goes 1 1 0 4 get "$address" m
	check "$name: 44 datagrams" long_goes packets get "$address" l
	check "$name: a device that takes one datagram at a time" ip link set sv0 gso_max_segs 1
	check "$name: one datagram for it" goes 1 1 0 1 get "$address" s
	check "$name: 4 datagrams for it, one list" goes 1 4 3 4 get "$address" m
	check "$name: 44 datagrams for it, in lists" long_goes lists get "$address" l
	check "$name: a device that takes many" ip link set sv0 gso_max_segs 65535
}

check 'topology' topology
check 'load' load memory=32 cpus=1 fifo=1 routing=inline
check 'a small value' value $SERVER4 s 1000
check 'a larger one' value $SERVER4 m 5000
check 'a large one' value $SERVER4 l 60000
check 'watch the driver' watch_sv0
reply_goes 'in the hook' $SERVER4
reply_goes 'in the hook, IPv6' "$SERVER6"
check 'by a worker' sh -c "echo rr >$PARAMETERS/routing"
reply_goes 'by a worker' $SERVER4
# Each reply is given to the stack by itself, and thus to a device that has no queue.
check 'by a worker: replies to 20 requests that waited' goes 20 20 0 20 at_once 20 'get s'
check 'unwatch it' unwatch
check 'unload' unload
finish
