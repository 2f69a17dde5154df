#!/bin/bash
# In the guest: measures every server that is asked for under each workload, a
# line of JSON each: guest.sh "SERVER…" "WORKLOAD…" "WINDOW…" REQUESTS
# Or has one serve for bench/profile: guest.sh --profile SERVER WORKLOAD WINDOW
# The clock here counts instructions (bench/boot), so a reply's nanoseconds are
# the instructions of its whole exchange, the client's included.
#
#        network namespace c                    initial namespace
#     client, cl0 10.9.0.2  ----- (veth) -----  sv0 10.9.0.1, the server
#        mirror0 10.9.1.2   (10.9.1.1 and all else is the device itself)

set -euo pipefail

PORT=11211
FILES=/unbuckle/bench
MIRROR=/sys/module/mirror/parameters

client() { ip netns exec c "$@"; }

# Neighbours are known, so that no resolution falls into a measurement.
topology() {
	ip netns add c
	ip link add sv0 address 02:00:00:00:00:01 type veth peer name cl0 address 02:00:00:00:00:02 netns c
	ip address add 10.9.0.1/24 dev sv0
	ip link set sv0 up
	client ip address add 10.9.0.2/24 dev cl0
	client ip link set cl0 up
	client ip link set lo up
	ip neighbour add 10.9.0.2 lladdr 02:00:00:00:00:02 dev sv0 nud permanent
	client ip neighbour add 10.9.0.1 lladdr 02:00:00:00:00:01 dev cl0 nud permanent

	insmod $FILES/mirror.ko
	ip link set mirror0 address 02:00:00:00:00:03 netns c
	client ip address add 10.9.1.2/24 dev mirror0
	client ip link set mirror0 up
	client ip neighbour add 10.9.1.1 lladdr 02:00:00:00:00:04 dev mirror0 nud permanent
}

# workload NAME: sets arguments, what it is to loadgen, and reply, the usual
# length of a reply's datagram, 0 for as long as the request.
workload() {
	case $1 in
	# For servers that know of nothing: what is sent is a get.
	echo) arguments=(--expect echo) reply=0 ;;
	get-32) arguments=(--value-size 32) reply=79 ;;
	get-1024) arguments=(--value-size 1024) reply=1073 ;;
	miss) arguments=(--mix miss) reply=13 ;;
	set-32) arguments=(--value-size 32 --mix set) reply=16 ;;
	mget10-32) arguments=(--value-size 32 --keys-per-get 10) reply=671 ;;
	*) echo "no such workload: $1" >&2; return 1 ;;
	esac
}

# Whether a server takes part in a workload.
takes_part() {
	case $1 in
	client) true ;;
	reflect-* | echo-*) [[ $2 == echo ]] ;;
	# Over UDP memcached 1.6 cuts such a reply into datagrams of one value that
	# all call themselves the first of one.
	memcached) [[ $2 != echo && $2 != mget* ]] ;;
	*) [[ $2 != echo ]] ;;
	esac
}

# An empty and idle server; sets stop, the command that ends it.
start() {
	case $1 in
	client) stop=true ;;
	reflect-*)
		insmod $FILES/reflect.ko hook="${1#reflect-}"
		stop='rmmod reflect'
		;;
	unbuckle-*)
		insmod /unbuckle/unbuckle.ko workers=1 cpus=0 routing="${1#unbuckle-}"
		stop='rmmod unbuckle'
		;;
	*)
		case $1 in
		echo-*) loadgen echo --addr 10.9.0.1:$PORT --batch "${1#echo-}" & ;;
		memcached) memcached -u root -t 1 -m 64 -l 10.9.0.1 -p $PORT -U $PORT & ;;
		twin) unbuckle-twin --threads 1 --memory 64 --listen 10.9.0.1 >/dev/null & ;;
		*) echo "no such server: $1" >&2; return 1 ;;
		esac
		stop="kill $!"
		;;
	esac
	sleep 1
}

# The client gives way to the server: woken by the server it would otherwise
# take the CPU from it, and the server would sleep more often.
load() { client nice -n 19 loadgen run --rounds "$@" "${arguments[@]}"; }

# The client's own share, and of that what the mirror spent.
measure_client() {
	local label=$1 more=()
	shift
	[[ $reply -eq 0 ]] || more=(--expect any)
	echo "$reply" >$MIRROR/reply
	echo 0 >$MIRROR/spent
	echo 0 >$MIRROR/packets
	load --label "$label" --addr 10.9.1.1:$PORT "$@" "${more[@]}"
	echo "{\"label\":\"mirror ${label#* }\",\"spent\":$(cat $MIRROR/spent),\"packets\":$(cat $MIRROR/packets)}"
}

measure() {
	local server=$1 label="$1 $2 $3" result
	local options=(--window "$3" --batch "$3" --warmup 2000 --requests "$requests")
	if [[ $server == client ]]; then
		result=$(measure_client "$label" "${options[@]}")
	else
		result=$(load --label "$label" --addr 10.9.0.1:$PORT "${options[@]}")
	fi
	echo "$result"
	# Until the line has left the guest.
	sleep 0.5
}

# Every key is there beforehand.
preload() {
	case $1 in
	client | reflect-* | echo-*) ;;
	*) load --addr 10.9.0.1:$PORT --preload --requests 1 >/dev/null ;;
	esac
}

topology
# The kernel's own late work, at no cost to anybody: time leaps when all sleep.
sleep 30

if [[ $1 == --profile ]]; then
	server=$2 window=$4
	workload "$3"
	start "$server"
	preload "$server"
	grep -i ' [tw] ' /proc/kallsyms
	load --addr 10.9.0.1:$PORT --window "$window" --batch "$window" --requests 100000000 &
	# Its start is over by then.
	sleep 0.5
	echo 'profile: running'
	wait
	exit
fi

servers=$1 workloads=$2 windows=$3 requests=$4
for server in $servers; do
	for name in $workloads; do
		takes_part "$server" "$name" || continue
		workload "$name"
		start "$server"
		preload "$server"
		for window in $windows; do
			measure "$server" "$name" "$window"
		done
		$stop
		wait || true
	done
done
