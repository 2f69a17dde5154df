#!/bin/bash
# Requests that come over every kind of link: what is stored is read back, in
# one datagram and in many, and the counters know of no loss.
#
#      namespace c                                initial namespace
#   cl0 10.9.0.2  ------------ veth ------------  sv0 10.9.0.1
#   on top of it, in turn: VLAN, macvlan, ipvlan, bridge, VRF, tunnels (10.8.0.x)
# takes: 75
# needs: half

source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

small_and_large() { value "$1" s 5 && value "$1" m 5000 && value "$1" l 20000; }

losses() { blackbox ask --addr 127.0.0.1:11211 'stats\r\n' | grep -E '^< STAT drop_' | grep -v ' 0$'; }

# over NAME [4|6]: both families, or that one, over the link that the server has
# as NAME, the client as c-NAME; then both ends go away.
over() {
	local device=$1 family=${2-46} status=0
	ip address add 10.8.0.1/24 dev "$device" && ip -n c address add 10.8.0.2/24 dev "c-$device" &&
		ip address add fd00:8::1/64 dev "$device" nodad &&
		ip -n c address add fd00:8::2/64 dev "c-$device" nodad &&
		ip link set "$device" up && ip -n c link set "c-$device" up || return
	if [[ $family == *4* ]]; then
		waits_for 10.8.0.1 && small_and_large 10.8.0.1:11211 || status=1
	fi
	if [[ $family == *6* ]]; then
		waits_for fd00:8::1 && small_and_large '[fd00:8::1]:11211' || status=1
	fi
	ip link delete "$device"
	ip -n c link delete "c-$device" 2>/dev/null
	return "$status"
}

waits_for() {
	local try
	for try in {1..50}; do
		client ping -c 1 -W 1 "$1" >/dev/null 2>&1 && return
		sleep 0.2
	done
	echo "no ping to $1 after $try tries"
	return 1
}

vlan() {
	ip link add link sv0 name vlan type vlan id 7 && ip -n c link add link cl0 name c-vlan type vlan id 7 && over vlan
}
qinq() {
	ip link add link sv0 name outer type vlan id 8 protocol 802.1ad && ip link set outer up &&
		ip -n c link add link cl0 name outer type vlan id 8 protocol 802.1ad && ip -n c link set outer up &&
		ip link add link outer name qinq type vlan id 9 && ip -n c link add link outer name c-qinq type vlan id 9 &&
		over qinq && ip link delete outer && ip -n c link delete outer
}
macvlan() {
	ip link add link sv0 name macvlan type macvlan mode bridge &&
		ip -n c link add link cl0 name c-macvlan type macvlan mode bridge && over macvlan
}
ipvlan() {
	ip link add link sv0 name ipvlan type ipvlan mode "$1" &&
		ip -n c link add link cl0 name c-ipvlan type ipvlan mode "$1" && over ipvlan
}
bridge() {
	ip link add bridge type bridge && ip link add port type veth peer name c-bridge netns c &&
		ip link set port master bridge up && over bridge
}
vrf() {
	ip link add red type vrf table 10 && ip link set red up &&
		ip link add slave type veth peer name c-slave netns c && ip link set slave master red up &&
		ip -n c link set c-slave up && ip address add 10.7.0.1/24 dev slave &&
		ip -n c address add 10.7.0.2/24 dev c-slave && waits_for 10.7.0.1 || return
	# As for any socket that is not bound to the VRF, the host decides.
	sysctl_set net/ipv4/udp_l3mdev_accept 1
	small_and_large 10.7.0.1:11211
	local status=$?
	ip link delete red && ip link delete slave
	return "$status"
}
# tunnel KIND [4|6]: over the veth link.
tunnel() {
	ip link add tunnel type "$1" local 10.9.0.1 remote 10.9.0.2 &&
		ip -n c link add c-tunnel type "$1" local 10.9.0.2 remote 10.9.0.1 && over tunnel "${2-46}"
}
vxlan() {
	ip link add vxlan type vxlan id 5 local 10.9.0.1 remote 10.9.0.2 dstport 4789 &&
		ip -n c link add c-vxlan type vxlan id 5 local 10.9.0.2 remote 10.9.0.1 dstport 4789 && over vxlan
}
sysctl_set() { echo "$2" >"/proc/sys/$1"; }

# Every packet is a clone: somebody else looks at it too.
mirrored() {
	ip link add sink type dummy && ip link set sink up && tc qdisc add dev sv0 clsact &&
		tc filter add dev sv0 ingress matchall action mirred egress mirror dev sink || return
	small_and_large $SERVER4 && small_and_large "$SERVER6"
	local status=$?
	tc qdisc delete dev sv0 clsact && ip link delete sink
	return "$status"
}
tracked() {
	nft add table inet track && nft add chain inet track input '{ type filter hook input priority 0; }' &&
		nft add rule inet track input ct state invalid drop &&
		nft add chain inet track output '{ type filter hook output priority 0; }' &&
		nft add rule inet track output ct state invalid drop || return
	small_and_large $SERVER4 && small_and_large "$SERVER6" && blackbox ask --addr 127.0.0.1:11211 'version\r\n'
	local status=$?
	nft delete table inet track
	return "$status"
}
translated() {
	nft add table ip nat && nft add chain ip nat pre '{ type nat hook prerouting priority -100; }' &&
		nft add rule ip nat pre udp dport 5000 redirect to :11211 || return
	value 10.9.0.1:11211 n 5
	local status=$?
	nft delete table ip nat
	return "$status"
}
queued() {
	tc qdisc replace dev sv0 root netem delay 20ms || return
	small_and_large $SERVER4 && small_and_large "$SERVER6"
	local status=$?
	tc qdisc delete dev sv0 root
	return "$status"
}

# refused: a qdisc that takes nothing: counted, and nothing else happens.
refusing() {
	tc qdisc replace dev sv0 root pfifo limit 1 && tc qdisc replace dev sv0 root tbf rate 8bit burst 1 limit 1 || return
	local before after
	before=$(counter drop_transmit)
	no_answer $SERVER4 'version\r\n'
	after=$(counter drop_transmit)
	tc qdisc delete dev sv0 root
	echo "drop_transmit: $before, then $after"
	[[ $((after - before)) -eq 1 ]]
}

# The link goes down, and away, while there is load on it.
vanishing() {
	local turn load
	for turn in {1..5}; do
		ip link add gone type veth peer name c-gone netns c && ip address add 10.6.0.1/24 dev gone &&
			ip -n c address add 10.6.0.2/24 dev c-gone && ip link set gone up && ip -n c link set c-gone up &&
			waits_for 10.6.0.1 || return
		client blackbox checks --addr 10.6.0.1:11211 --duration 7 --rate 500 >/dev/null 2>&1 &
		load=$!
		sleep 1
		[[ $turn -lt 3 ]] || ip link set gone down
		timeout 10 ip link delete gone || return
		kill "$load"
		wait "$load" 2>/dev/null
	done
	small_and_large $SERVER4
}

check 'topology' topology
check 'load' load memory=32 workers=2
check 'veth' small_and_large $SERVER4
check 'VLAN' vlan
check 'VLAN in a VLAN' qinq
check 'macvlan' macvlan
check 'ipvlan, layer 2' ipvlan l2
check 'bridge' bridge
check 'VRF' vrf
check 'IPv4 in IPv4' tunnel ipip 4
check 'IPv6 in IPv4' tunnel sit 6
check 'GRE' tunnel gre
check 'VXLAN' vxlan
check 'packets that are clones' mirrored
check 'connection tracking' tracked
check 'address translation' translated
check 'a qdisc that delays' queued
check 'no loss so far' fails losses
check 'a qdisc that refuses' refusing
check 'a link that vanishes under load' vanishing
check 'unload' unload
check 'the device goes away at once' timeout 10 ip link delete sv0
finish
