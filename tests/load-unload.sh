#!/bin/bash
# Loading and unloading twenty times under traffic leaves nothing behind: no
# memory, no thread, no packet lost that was not for us. What the kernel says
# of it in its log is judged by whoever started the guest.
# tests/load-unload.sh [TIMES]
# takes: 90

source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
times=${1:-20}

# The kernel's memory in KiB that could leak, page cache and free lists aside. Of
# what vmalloc gave, not what execmem_alloc() took: the kernel keeps the text of its
# modules in areas of 2 MiB, one more of which it may need when a module comes while
# another's text is still being given back, and which then stay for the next.
kernel_memory() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	sleep 1
	awk '
		/^(SUnreclaim|Percpu|KernelStack|PageTables):/ { sum += $2 }
		match($0, / pages=[0-9]+/) && !/ execmem_alloc\+/ { sum += 4 * substr($0, RSTART + 7, RLENGTH - 7) }
		END { print sum }
	' /proc/meminfo /proc/vmallocinfo
}

# A load that goes on while nobody answers: what is sent is not waited for.
start_load() {
	(while :; do printf '\0\1\0\0\0\1\0\0get nothing\r\n' >/dev/udp/10.9.0.1/11211; done) 2>/dev/null &
	local_load=$!
	(while :; do client timeout 5 memcaslap -s $SERVER4 -U -T 1 -c 8 -w 1k -t 5s -F /run/load; done) >/dev/null 2>&1 &
	load=$!
}

stop_load() {
	kill "$load" "$local_load"
	wait "$load" "$local_load" 2>/dev/null
	# The last memcaslap ends by itself.
	sleep 5
}

# A server that has nothing to do with the module.
start_server() {
	unbuckle-twin --port 11212 --memory 16 >/dev/null &
	server=$!
}

stop_server() {
	kill "$server"
	wait "$server" 2>/dev/null
}

cycle() {
	load memory=16 || return
	blackbox wait --addr 127.0.0.1:11211 --timeout 10 >/dev/null || return
	sleep "0.$((RANDOM % 5))"
	unload
}

cycles() {
	local turn
	for ((turn = 1; turn <= $1; turn++)); do
		cycle || {
			echo "turn $turn"
			return 1
		}
	done
}

no_thread() { fails grep -l "^unbuckle/" /proc/[0-9]*/comm; }

no_memory_lost() {
	local after
	# What is freed there is set aside for a while; kmemleak looks instead.
	! debug_kernel || return 0
	# What the load has left is freed bit by bit; what is lost does not come back.
	for _ in {1..10}; do
		after=$(kernel_memory)
		echo "KiB before: $before, after: $after"
		[[ $((after - before)) -ge 1024 ]] || return 0
	done
	return 1
}

nothing_lost() {
	cat /run/ping
	grep -qw '0% packet loss' /run/ping
}

twin_lost_nothing() {
	tail -n 12 /run/checks
	grep '^Udp:' /proc/net/snmp
	client grep '^Udp:' /proc/net/snmp
	cat /proc/net/softnet_stat
	return "$checks_status"
}

check 'topology' topology
printf '%s\n' key '16 64 1' value '32 1024 1' cmd '0 0.1' '1 0.9' >/run/load
# What the link itself drops when the machine is slow is not what is looked for.
echo 20000 >/proc/sys/net/core/netdev_max_backlog

# The load, and the server beside it, fill caches of the kernel's that nobody empties.
start_load
start_server
check 'a server on another port' blackbox wait --addr 127.0.0.1:11212 --timeout 10
client blackbox checks --addr 10.9.0.1:11212 --duration 7 --timeout-ms 5000 >/dev/null 2>&1 &
checks=$!
check 'two turns to warm up' cycles 2
wait "$checks"
stop_server
stop_load
before=$(kernel_memory)

start_load
start_server
check 'the server once more' blackbox wait --addr 127.0.0.1:11212 --timeout 10
client ping -q -i 0.05 -w 40 10.9.0.1 >/run/ping &
ping=$!
client blackbox checks --addr 10.9.0.1:11212 --duration 30 --timeout-ms 5000 >/run/checks 2>&1 &
checks=$!

check "$times times" cycles "$times"
# Here, and not in a check: that is a shell of its own, with no children to wait for.
wait "$checks"
checks_status=$?
wait "$ping"
check 'a server on another port lost nothing meanwhile' twin_lost_nothing
check 'nor did ping' nothing_lost
stop_load
stop_server

check 'no thread is left' no_thread
check 'no memory is lost' no_memory_lost
check 'no socket is left' sh -c '! ss -lun | grep -q 11211'
check 'the device goes away at once' timeout 10 ip link delete sv0
finish
