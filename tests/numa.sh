#!/bin/bash
# guest: --nodes 2
# Two NUMA nodes with a CPU each: a request is answered by a worker of the node
# that it came in on.

source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

requests() { cat "/sys/module/unbuckle/workers/$1/requests"; }
# from_cpu MASK: a hundred requests from that CPU; how many each worker answered.
from_cpu() {
	local first second texts
	first=$(requests 0) second=$(requests 1)
	mapfile -t texts < <(printf 'version\\r\\n\n%.0s' {1..100})
	client taskset "$1" blackbox ask --addr $SERVER4 "${texts[@]}" >/run/said || return
	[[ $(grep -c '^< VERSION' /run/said) -eq 100 ]] || return
	echo "$(($(requests 0) - first)) $(($(requests 1) - second))"
}
answers() { [[ $(from_cpu "$1") == "$2" ]] || { from_cpu "$1"; return 1; }; }

a_worker_each() { cd /sys/module/unbuckle/workers && [[ $(cat 0/node 1/node) == $'0\n1' ]]; }

check 'there are two nodes' test -e /sys/devices/system/node/node1/cpu1
check 'topology' topology
check 'load' load memory=64 cpus=0-1
check 'a worker on each node' a_worker_each
check 'from node 0' answers 1 '100 0'
check 'from node 1' answers 2 '0 100'
check 'one worker, on node 0' sh -c 'echo 0 >/sys/module/unbuckle/parameters/cpus'
check 'from node 1, where nobody serves' ask $SERVER4 'version\r\n'
check 'unload' unload
finish
