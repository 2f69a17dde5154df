#!/bin/bash
# The data path: every way a packet comes in and goes out, the host's firewall,
# and the traffic that is not ours.
# takes: 120
# needs: half

source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

check 'topology' topology
check 'load' load memory=64

check 'loopback, IPv4' blackbox ask --addr 127.0.0.1:11211 'version\r\n'
check 'loopback, IPv6' blackbox ask --addr '[::1]:11211' 'version\r\n'
check 'veth, IPv4' value $SERVER4 a 5
check 'veth, IPv6' value "$SERVER6" b 5
check 'own address, over loopback' blackbox ask --addr $SERVER4 'version\r\n'
link_local() {
	local address
	address=$(ip -6 -o address show dev sv0 scope link | sed 's/.*inet6 \([^/]*\).*/\1/')
	ask "[$address%$(client cat /sys/class/net/cl0/ifindex)]:11211" 'version\r\n'
}
check 'veth, IPv6 link-local' link_local
check 'a reply of several datagrams' value $SERVER4 c 5000
check 'a request in IPv4 fragments' value $SERVER4 d 60000
check 'a request in IPv6 fragments' value "$SERVER6" e 60000

tiny_mtu() {
	ip link set sv0 mtu "$1" && client ip link set cl0 mtu "$1"
}
check 'an MTU of 1280' tiny_mtu 1280
check 'replies larger than the MTU, IPv4' value $SERVER4 f 5000
check 'replies larger than the MTU, IPv6' value "$SERVER6" g 5000
check 'an MTU of 600' tiny_mtu 600
check 'replies larger than that, IPv4' value $SERVER4 h 5000
check 'back to 1500' tiny_mtu 1500
check 'IPv6 is back' client ip address replace fd00:9::2/64 dev cl0 nodad
check 'IPv6 is back on the server' ip address replace fd00:9::1/64 dev sv0 nodad
check 'the link works' reachable

# --- what must not be answered -------------------------------------------------

own_port() { client blackbox cases --target module --addr $SERVER4 --cases tests/cases --filter 'same number as the server'; }
multicast() {
	client ip route add 224.0.0.0/4 dev cl0
	no_answer 224.0.0.1:11211 'version\r\n'
}
multicast6() { no_answer "[ff02::1%$(client cat /sys/class/net/cl0/ifindex)]:11211" 'version\r\n'; }
check 'our own port as the source: no answer' grew drop_source_port 1 own_port
check 'IPv4 multicast: no answer' grew drop_not_unicast 1 multicast
check 'IPv6 multicast: no answer' grew drop_not_unicast 1 multicast6

# --- the whole table, over the link ---------------------------------------------

table() { client blackbox cases --target module --cases tests/cases --timeout-ms 3000 --addr "$1"; }
check 'every case of the table, IPv4' table $SERVER4
check 'every case of the table, IPv6' table "$SERVER6"

# --- the host's firewall ----------------------------------------------------------

# behind HOOK-PRIORITY RULE…: with that rule nothing is answered, nor does
# anything reach the module; without it, both.
behind() {
	local priority=$1 address
	shift
	nft add table inet wall
	nft add chain inet wall input "{ type filter hook input priority $priority; }"
	nft add rule inet wall input "$@" || return
	for address in $SERVER4 "$SERVER6"; do
		# One datagram in all: the question for the counter itself.
		grew udp_datagrams_in 1 no_answer "$address" 'version\r\n' || return
	done
	nft delete table inet wall
	for address in $SERVER4 "$SERVER6"; do
		ask "$address" 'version\r\n' || return
	done
}

check 'nftables drop' behind filter iifname sv0 udp dport 11211 drop
check 'nftables drop, in a late chain' behind 2000000000 iifname sv0 udp dport 11211 drop
check 'nftables reject' behind filter iifname sv0 udp dport 11211 reject
nft delete table inet wall 2>/dev/null

# --- traffic that is not ours, while there is load ---------------------------------

memcached -u root -l 10.9.0.1 -p 11211 -U 0 -m 64 -t 1 &
tcp=$!
unbuckle-twin --port 11212 --memory 16 >/dev/null &
other=$!
printf '%s\n' key '16 64 1' value '32 1024 1' cmd '0 0.1' '1 0.9' >/run/load
client memcaslap -s $SERVER4 -U -T 1 -c 8 -w 1k -t 600s -F /run/load >/run/load.out 2>&1 &
load=$!
tcp_unharmed() {
	client memcaslap -s $SERVER4 -T 1 -c 2 -w 1k -x "$operations" -v 1 -F /run/load >/run/tcp.out
	cat /run/tcp.out
	grep -q '^verify_failed: 0' /run/tcp.out && grep -q '^get_misses: 0' /run/tcp.out &&
		grep -q "^Run time:.* Ops: $operations " /run/tcp.out
}
# Within ten seconds, a second with more than 100 datagrams of it.
under_load() {
	local try before after
	for try in {1..10}; do
		before=$(counter udp_datagrams_in)
		sleep 1
		after=$(counter udp_datagrams_in)
		[[ $((after - before)) -le 100 ]] || return 0
	done
	echo "datagrams of the load in a second: $((after - before))"
	tail -n 5 /run/load.out
	return 1
}
check 'there is load' under_load
seconds=5 operations=5000
! debug_kernel || seconds=30 operations=500
check 'a UDP server on another port loses nothing' client blackbox checks --addr 10.9.0.1:11212 --duration "$seconds" --timeout-ms 5000
check 'TCP on our own port' tcp_unharmed
check 'ICMP' sh -c "ip netns exec c ping -q -c 100 -i 0.02 10.9.0.1 | grep -w '0% packet loss'"
check 'ICMPv6' sh -c "ip netns exec c ping -6 -q -c 100 -i 0.02 fd00:9::1 | grep -w '0% packet loss'"
check 'there is still load' under_load
kill "$load" "$tcp" "$other"
wait "$load" "$tcp" "$other" 2>/dev/null

# --- the end -----------------------------------------------------------------------

check 'unload' unload
check 'the device goes away at once' timeout 10 ip link delete sv0
finish
