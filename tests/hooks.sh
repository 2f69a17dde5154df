#!/bin/bash
# Where packets are taken, hook=pre_routing and hook=ingress: what is answered
# there, what is left to the stack, and what neither may touch.
# takes: 150
# needs: half
#
#   namespace c                       initial namespace                  namespace d
#   cl0 10.9.0.2  ---- veth ----  sv0 10.9.0.1   fw0 10.5.0.1  ---- veth ----  cl1 10.5.0.2
#                                                                   another memcached server

source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

sysctl_set() { echo "$2" >"/proc/sys/$1"; }

beyond() {
	ip link add fw0 type veth peer name cl1 netns d &&
		ip address add 10.5.0.1/24 dev fw0 && ip -n d address add 10.5.0.2/24 dev cl1 &&
		ip address add fd00:5::1/64 dev fw0 nodad && ip -n d address add fd00:5::2/64 dev cl1 nodad &&
		ip link set fw0 up && ip -n d link set cl1 up && ip -n d link set lo up &&
		ip -n d route add default via 10.5.0.1 && ip -n d route add default via fd00:5::1 &&
		ip -n c route add default via 10.9.0.1 && ip -n c route add default via fd00:9::1 &&
		sysctl_set net/ipv4/ip_forward 1 && sysctl_set net/ipv6/conf/all/forwarding 1 &&
		client blackbox wait --addr 10.5.0.2:11211 --timeout 10
}

# --- what may be between, and what it lets through -------------------------------

# walled HOOK [device NAME]: a chain there that drops what comes by the link for our
# port.
walled() {
	local family=inet from=(iifname sv0)
	[[ $1 != ingress ]] || family=netdev from=()
	nft add table $family wall && nft add chain $family wall first "{ type filter hook $* priority 0; }" &&
		nft add rule $family wall first "${from[@]}" udp dport 11211 counter drop
}
unwalled() {
	nft delete table inet wall 2>/dev/null
	nft delete table netdev wall 2>/dev/null
	true
}
# behind_a_wall COMMAND…: with our port closed in the host's INPUT chain.
behind_a_wall() {
	local status
	walled input && "$@"
	status=$?
	unwalled
	return "$status"
}
dropped() { nft list ruleset | sed -n 's/.*counter packets \([0-9]*\) .*/\1/p'; }

# Requests that come by the link and need nothing of the stack never get as far as
# the host's INPUT chain; whatever else does, and is dropped there.
past_input() {
	value $SERVER4 a 5000 && walled input && ask $SERVER4 'get a\r\n' && ask "$SERVER6" 'get a\r\n' || return
	[[ $(dropped) -eq 0 ]] || return
	no_answer $SERVER4 'set a 0 0 5000\r\n<a*5000>\r\n' && no_answer "$SERVER6" 'set a 0 0 5000\r\n<a*5000>\r\n' &&
		[[ $(dropped) -eq 2 ]]
}
# behind WHERE…: a chain before our hook has the say.
behind() {
	walled "$@" || return
	# One datagram in all: the question for the counter itself, over loopback.
	grew udp_datagrams_in 1 no_answer $SERVER4 'version\r\n' &&
		grew udp_datagrams_in 1 no_answer "$SERVER6" 'version\r\n' && [[ $(dropped) -eq 2 ]]
}

# --- what is not for this host ------------------------------------------------------

# The module sees nothing of it: its counter moves by the question for it alone.
untouched() { grew udp_datagrams_in 1 "$@"; }
forwarded() { value 10.5.0.2:11211 f 5 && value 10.5.0.2:11211 g 5000 && value '[fd00:5::2]:11211' f 5; }
# A source that looks wrong is for the stack to judge; what the stack lets through
# would come to the host's INPUT chain first, where it ends here.
left_to_the_stack() { behind_a_wall untouched "$@"; }
quiet() { no_answer "$1" 'version\r\n'; }
wrong_mac() {
	client ip neighbour replace 10.9.0.1 lladdr 02:00:00:00:00:99 dev cl0 nud permanent || return
	ip link set sv0 promisc on
	quiet "$SERVER4"
	local status=$?
	ip link set sv0 promisc off
	client ip neighbour delete 10.9.0.1 dev cl0
	reachable && return "$status"
}
other_address() {
	# An address of this host, but not of the device the request comes by.
	value 10.5.0.1:11211 a 5 && value 10.5.0.1:11211 a 5000
}

# Which addresses are right is remembered for each CPU: what is asked here is asked
# on the first one, where it was just answered.
first_cpu() { client taskset 1 blackbox ask --addr "$1" --timeout-ms 500 'version\r\n'; }
deaf_at_first() { fails first_cpu "$1"; }
# own_address_changes PREFIX SERVER [nodad]: an address of the device, which goes and comes back.
own_address_changes() {
	local turn
	for turn in 1 2 3; do
		echo "turn $turn"
		ip address add "$1" dev sv0 "${@:3}" && behind_a_wall first_cpu "$2" || return
		ip address delete "$1" dev sv0 && untouched deaf_at_first "$2" || return
	done
}
# The client's address becomes one of ours, and is given up again.
source_address_changes() {
	behind_a_wall first_cpu "$2" && ip address add "$1" dev fw0 "${@:3}" || return
	left_to_the_stack deaf_at_first "$2"
	local status=$?
	ip address delete "$1" dev fw0 && behind_a_wall first_cpu "$2" && return "$status"
}

# --- what a header may say -------------------------------------------------------

# mangled ip|ip6 RULE… -- COMMAND…: the client's packets for our port are changed
# on their way out.
mangled() {
	local family=$1 rule=() status
	shift
	while [[ $1 != -- ]]; do
		rule+=("$1")
		shift
	done
	shift
	client nft add table "$family" mangle && client nft add chain "$family" mangle out '{ type filter hook output priority 0; }' &&
		client nft add rule "$family" mangle out udp dport 11211 "${rule[@]}" || return
	"$@"
	status=$?
	client nft delete table "$family" mangle
	return "$status"
}
# The packet is longer than its IP and UDP headers say, by a request.
padding() {
	local said status
	client tc qdisc add dev cl0 clsact &&
		client tc filter add dev cl0 egress protocol ip u32 match ip dport 11211 0xffff \
			action pedit munge offset 2 u16 set 45 pipe action csum ip4h || return
	said=$(mangled ip udp length set 25 -- ask $SERVER4 'version\r\nversion\r\n')
	client tc qdisc delete dev cl0 clsact
	echo "$said"
	[[ $(grep -c '^< VERSION' <<<"$said") -eq 1 ]]
}
extension_headers() {
	sysctl_set net/ipv6/conf/all/seg6_enabled 1 && sysctl_set net/ipv6/conf/sv0/seg6_enabled 1 &&
		ip address replace fd00:9::11/64 dev sv0 nodad &&
		client ip -6 route add fd00:9::11/128 encap seg6 mode inline segs fd00:9::1 dev cl0 || return
	value '[fd00:9::11]:11211' b 5 && value '[fd00:9::11]:11211' b 800
	local status=$?
	client ip -6 route delete fd00:9::11/128
	return "$status"
}

# --- links -----------------------------------------------------------------------

vlan() {
	ip link add link sv0 name vlan type vlan id 7 && ip -n c link add link cl0 name c-vlan type vlan id 7 &&
		ip address add 10.8.0.1/24 dev vlan && ip -n c address add 10.8.0.2/24 dev c-vlan &&
		ip link set vlan up && ip -n c link set c-vlan up || return
	value 10.8.0.1:11211 a 5 && value 10.8.0.1:11211 a 5000
	local status=$?
	ip link delete vlan && ip -n c link delete c-vlan
	return "$status"
}
# Somebody else has every packet too.
mirrored() {
	ip link add sink type dummy && ip link set sink up && tc qdisc add dev sv0 clsact &&
		tc filter add dev sv0 ingress matchall action mirred egress mirror dev sink || return
	value $SERVER4 a 5 && value $SERVER4 a 5000 && value "$SERVER6" a 5
	local status=$?
	tc qdisc delete dev sv0 clsact && ip link delete sink
	return "$status"
}

table() { client blackbox cases --target module --cases tests/cases --timeout-ms 3000 --addr "$1"; }

# hooked_at NAME ARGUMENT…: everything above, with the module's packets taken there.
hooked_at() {
	local name=$1
	shift
	check "$name: load" load memory=64 "$@"
	check "$name: loopback" blackbox ask --addr 127.0.0.1:11211 'version\r\n'
	check "$name: loopback, IPv6" blackbox ask --addr '[::1]:11211' 'version\r\n'
	check "$name: IPv4" value $SERVER4 a 5
	check "$name: IPv6" value "$SERVER6" a 5
	check "$name: every request is counted once" grew udp_datagrams_in 3 value $SERVER4 a 5
	check "$name: requests in IPv4 fragments" value $SERVER4 a 60000
	check "$name: requests in IPv6 fragments" value "$SERVER6" a 60000
	check "$name: IPv6 with a routing header" extension_headers
	check "$name: VLAN" vlan
	check "$name: packets that are clones" mirrored
	check "$name: an address of another device" other_address
	check "$name: an address that goes, and comes back" own_address_changes 10.9.0.7/24 10.9.0.7:11211
	check "$name: an IPv6 address that does" own_address_changes fd00:9::7/64 '[fd00:9::7]:11211' nodad
	check "$name: the client's address becomes ours" source_address_changes 10.9.0.2/32 $SERVER4
	check "$name: the client's IPv6 address does" source_address_changes fd00:9::2/128 "$SERVER6" nodad
	check "$name: past the INPUT chain" past_input
	unwalled
	check "$name: forwarded traffic" untouched forwarded
	check "$name: a frame for another host" untouched wrong_mac
	for source in 10.9.0.255 255.255.255.255 224.0.0.5 127.0.0.5 0.0.0.0 10.9.0.1 10.5.0.1; do
		check "$name: the source $source" left_to_the_stack mangled ip ip saddr set $source -- quiet "$SERVER4"
	done
	for source in ff02::5 ::1 :: ::ffff:10.9.0.2 fd00:9::1 fd00:5::1; do
		check "$name: the source $source" left_to_the_stack mangled ip6 ip6 saddr set $source -- quiet "$SERVER6"
	done
	check "$name: a wrong IP checksum" untouched mangled ip @nh,64,8 set 7 -- quiet "$SERVER4"
	check "$name: padding behind the packet" padding
	check "$name: a UDP length beyond the packet" grew drop_length 1 mangled ip udp length set 60 -- quiet "$SERVER4"
	check "$name: every case of the table, IPv4" table $SERVER4
	check "$name: every case of the table, IPv6" table "$SERVER6"
}

# --- devices that come and go ------------------------------------------------------

link() {
	ip link add sv0 type veth peer name cl0 netns c && ip address add 10.9.0.1/24 dev sv0 &&
		ip -n c address add 10.9.0.2/24 dev cl0 && ip address add fd00:9::1/64 dev sv0 nodad &&
		ip -n c address add fd00:9::2/64 dev cl0 nodad && ip link set sv0 up && ip -n c link set cl0 up && reachable
}
# Only what is taken at the device passes this wall.
taken_at_the_device() { behind_a_wall ask "$@" 'version\r\n'; }
vanishes() {
	timeout 10 ip link delete sv0 && ip netns exec d blackbox ask --addr 10.5.0.1:11211 'version\r\n'
}
comes_back() { link && taken_at_the_device $SERVER4; }
# Somebody else's device now, under the same name.
moves() {
	ip netns add other && ip link set sv0 netns other && timeout 10 ip netns delete other
}

check 'topology' topology
ip netns add d
ip netns exec d unbuckle-twin --port 11211 --memory 16 >/dev/null &
twin=$!
check 'another server beyond' beyond

hooked_at pre_routing hook=pre_routing
check 'pre_routing: behind a PREROUTING chain' behind prerouting
unwalled
check 'pre_routing: unload' unload

hooked_at ingress hook=ingress dev=sv0
check 'ingress: behind a chain at the device' behind ingress device sv0
unwalled
check 'ingress: inline, load' sh -c 'rmmod unbuckle && insmod ./unbuckle.ko hook=ingress dev=fw0,sv0 routing=inline'
check 'ingress: inline, IPv4' value $SERVER4 a 5
check 'ingress: inline, both devices' ip netns exec d blackbox ask --addr 10.5.0.1:11211 'version\r\n'
check 'ingress: inline, every case of the table' table $SERVER4
check 'ingress: a device that goes' vanishes
check 'ingress: and comes back' comes_back
check 'ingress: a device that moves to another namespace' moves
check 'ingress: what comes by other devices' blackbox ask --addr 127.0.0.1:11211 'version\r\n'
check 'ingress: unload' unload
check 'the other device goes at once' timeout 10 ip link delete fw0
kill "$twin"
wait "$twin" 2>/dev/null
finish
