#!/bin/bash
# In the guest: measures the rows of the file `rows` beside it, each a server, a
# workload and a window, a line of JSON for each: guest.sh --rows REQUESTS
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

# No queue between client and server overflows, however large the window.
wide_queues() {
	local name
	for name in rmem_max wmem_max rmem_default wmem_default; do
		echo $((16 << 20)) >/proc/sys/net/core/$name
	done
	echo 20000 >/proc/sys/net/core/netdev_max_backlog
}

# workload NAME: sets arguments, what it is to loadgen; requests, how many there
# are, and mtu, the link's, at which no request is in fragments. piece is how much text a datagram of the reply has.
workload() {
	local name=${1#tcp-}
	requests=$REQUESTS mtu=1500 piece=1392
	arguments=()
	case $name in
	# For servers that know of nothing: what is sent is a get.
	echo) arguments=(--expect echo) ;;
	get-65000) arguments=(--value-size 65000 --keys 500) requests=$((REQUESTS / 10)) ;;
	get-4096) arguments=(--value-size 4096 --keys 5000) requests=$((REQUESTS / 2)) ;;
	get-*) arguments=(--value-size "${name#get-}") ;;
	set-*) arguments=(--mix set --value-size "${name#set-}") ;;
	miss) arguments=(--mix miss) ;;
	mget10) arguments=(--keys-per-get 10) requests=$((REQUESTS / 2)) ;;
	mget100) arguments=(--keys-per-get 100) requests=$((REQUESTS / 5)) mtu=2000 ;;
	# As split by memcached: a value to a datagram, of some 66 bytes.
	mget10/split) workload mget10 && piece=67 ;;
	mget100/split) workload mget100 && piece=66 ;;
	mix-*) arguments=(--mix "get=${name#mix-},set=$((100 - ${name#mix-}))") ;;
	uniform-*) arguments=(--keys "${name#uniform-}") ;;
	zipf-*) arguments=(--keys "${name#zipf-}" --popularity zipf --exponent 0.99) ;;
	pool-etc) arguments=(--mix 'get=97,set=3' --value-size etc) mtu=9000 ;;
	pool-*) arguments=(--mix 'get=97,set=3' --value-size "${name#pool-}") ;;
	*) echo "no such workload: $1" >&2; return 1 ;;
	esac
	[[ $1 != tcp-* ]] || arguments+=(--transport tcp)
}

clone_requests() {
	ip link add sink0 type dummy
	ip link set sink0 up
	# Which keeps what it gets for as long as any measurement takes.
	tc qdisc add dev sink0 root netem delay 1000s limit 1000000
	tc qdisc add dev sv0 clsact
	tc filter add dev sv0 ingress matchall action mirred egress mirror dev sink0
}
unclone_requests() {
	tc qdisc delete dev sv0 clsact
	ip link delete sink0
}

# An empty and idle server; sets stop, the command that ends it.
start() {
	case $1 in
	client) stop=true ;;
	reflect-*)
		insmod $FILES/reflect.ko hook="${1#reflect-}"
		stop='rmmod reflect'
		;;
	answer-*)
		local kept=0
		[[ $1 != answer-kept ]] || kept=1
		insmod $FILES/answer.ko kept=$kept size="${2##*-}"
		stop='rmmod answer'
		;;
	unbuckle-*)
		# unbuckle-ROUTING, at LOCAL_IN, or unbuckle-ROUTING-HOOK; fifo is rr with a
		# worker that goes before the client, who is on the same CPU; cloned is no
		# hook: every request is somebody else's too, and cannot become its reply.
		local routing hook where=(fifo=0)
		IFS=- read -r _ routing hook <<<"$1"
		stop='rmmod unbuckle'
		if [[ $hook == cloned ]]; then
			hook=''
			clone_requests
			stop='unclone_requests && rmmod unbuckle'
		fi
		[[ $routing != fifo ]] || routing=rr where=(fifo=1)
		[[ -z $hook ]] || where+=("hook=$hook")
		[[ $hook != ingress ]] || where+=(dev=sv0)
		insmod /unbuckle/unbuckle.ko workers=1 cpus=0 routing="$routing" "${where[@]}"
		;;
	*)
		case $1 in
		echo-*) loadgen echo --addr 10.9.0.1:$PORT --batch "${1#echo-}" & ;;
		memcached-*) memcached -u root -t "${1#memcached-}" -m 64 -l 10.9.0.1 -p $PORT -U $PORT & ;;
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
	local label=$1 expect=()
	shift
	[[ ${arguments[0]-} == --expect ]] || expect=(--expect mirror)
	echo "$piece" >$MIRROR/piece
	echo 0 >$MIRROR/spent
	echo 0 >$MIRROR/packets
	load --label "$label" --addr 10.9.1.1:$PORT "$@" "${expect[@]}"
	echo "{\"label\":\"mirror ${label#* }\",\"spent\":$(cat $MIRROR/spent),\"packets\":$(cat $MIRROR/packets)}"
}

measure() {
	local server=$1 label="$1 $2 $3" result
	local options=(--window "$3" --batch "$3" --warmup $((requests / 5)) --requests "$requests")
	case $server in
	client) result=$(measure_client "$label" "${options[@]}") ;;
	answer-*) result=$(load --label "$label" --addr 10.9.0.1:$PORT "${options[@]}" --expect mirror) ;;
	memcached-*) result=$(load --label "$label" --addr 10.9.0.1:$PORT "${options[@]}" --split) ;;
	*) result=$(load --label "$label" --addr 10.9.0.1:$PORT "${options[@]}") ;;
	esac
	echo "$result"
	# Until the line has left the guest.
	sleep 0.5
}

# Every key is there beforehand.
preload() {
	case $1 in
	client | reflect-* | echo-* | answer-*) ;;
	*) load --addr 10.9.0.1:$PORT --preload --requests 1 --split >/dev/null ;;
	esac
}

# prepare SERVER WORKLOAD: a server, with all that the workload asks for.
prepare() {
	workload "$2"
	ip link set sv0 mtu "$mtu"
	client ip link set cl0 mtu "$mtu"
	client ip link set mirror0 mtu "$mtu"
	start "$1" "$2"
	preload "$1"
}

REQUESTS=10000
stop=true
topology
wide_queues
# The kernel's own late work, at no cost to anybody: time leaps when all sleep.
sleep 30

if [[ $1 == --profile ]]; then
	prepare "$2" "$3"
	grep -i ' [tw] ' /proc/kallsyms
	load --addr 10.9.0.1:$PORT --window "$4" --batch "$4" --requests 100000000 &
	# Its start is over by then.
	sleep 0.5
	echo 'profile: running'
	wait
	exit
fi

REQUESTS=$2
last=''
while read -r server name window; do
	# The same server goes on with another window.
	if [[ "$server $name" != "$last" ]]; then
		eval "$stop"
		wait || true
		prepare "$server" "$name"
		last="$server $name"
	fi
	measure "$server" "$name" "$window"
done <$FILES/rows
eval "$stop"
