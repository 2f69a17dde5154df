#!/bin/bash
# Parameters: good ones are shown in sysfs, bad ones make insmod fail with one
# line that says why; the port is really taken.
# takes: 30

source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

shows() { [[ $(cat "/sys/module/unbuckle/parameters/$1") == "$2" ]]; }

# refused LINE ARGUMENT…: insmod fails, and the kernel's log has that one line.
refused() {
	local line=$1
	shift
	log_mark
	if load "$@"; then
		unload
		return 1
	fi
	log_says "$line" && [[ $(log_says "unbuckle" | grep -vcE 'tainting|taints') -eq 1 ]]
}

port_is_taken() {
	local output
	output=$(timeout 5 unbuckle-twin --port 11211 2>&1) && return 1
	echo "$output"
	grep -q EADDRINUSE <<<"$output"
}

insmod_finds_port_taken() {
	local twin status
	unbuckle-twin --port 11211 >/dev/null 2>&1 &
	twin=$!
	blackbox wait --addr 127.0.0.1:11211 --timeout 10
	refused 'port=11211 is taken by another UDP socket'
	status=$?
	kill "$twin"
	wait "$twin" 2>/dev/null
	return "$status"
}

check 'loads without a parameter' load
check 'port is 11211' shows port 11211
check 'memory is 64' shows memory 64
check 'workers is the online CPUs but one' shows workers 1
check 'cpus is all but the first' shows cpus 1
check 'a second binder gets EADDRINUSE' port_is_taken
check 'hook is local_in' shows hook local_in
check 'unloads' unload
check 'the port is free again' timeout 5 sh -c 'unbuckle-twin --port 11211 & sleep 1; kill $!'

check 'takes good parameters' load port=4000 memory=8 workers=2
check 'shows port' shows port 4000
check 'shows memory' shows memory 8
check 'shows workers' shows workers 2
check 'shows the CPUs of both' shows cpus 0,1
check 'serves that port' blackbox ask --addr 127.0.0.1:4000 'version\r\n'
check 'and not 11211' no_answer 127.0.0.1:11211 'version\r\n'
check 'unloads again' unload

# setting NAME VALUE: what the server says of itself.
setting() {
	blackbox ask --addr 127.0.0.1:11211 'stats settings\r\n' |
		grep -x "< STAT $1 $2"
}

# store_says LEN LINE: what a set of so many bytes is answered.
store_says() {
	blackbox ask --addr 127.0.0.1:11211 "set k 0 0 $1\\r\\n<v*$1>\\r\\n" | grep -x "< $2"
}

check 'takes the defaults of the store' load
check 'min_chunk is 32' shows min_chunk 32
check 'growth is 1.25' shows growth 1.25
check 'item_max is 1048576' shows item_max 1048576
check 'stripes is 256' shows stripes 256
check 'serves with them' setting growth_factor 1.25
check 'unloads with the defaults' unload

check 'takes a store of another shape' load min_chunk=100 growth=1.5 item_max=2000 stripes=1
check 'min_chunk is in use' setting chunk_size 100
check 'growth is in use' setting growth_factor 1.50
check 'item_max is in use' setting item_size_max 2000
check 'one lock is in use' setting hash_stripes 1
check 'an item of that size' store_says 1900 STORED
check 'and no larger one' store_says 2000 'SERVER_ERROR object too large for cache'
check 'unloads with that shape' unload

check 'cpus chooses the CPU' load cpus=0
check 'one worker for one CPU' shows workers 1
check 'on that CPU' shows cpus 0
check 'a worker runs there, and only there' \
	sh -c "taskset -p \$(pidof unbuckle/0) | grep -q 'mask: 1\$'"
check 'unloads with cpus' unload

check 'port=0' refused 'port=0 is not a port: give 1 to 65535' port=0
check 'port=65536' refused 'port=65536 is not a port: give 1 to 65535' port=65536
check 'port=-1' refused 'invalid for parameter' port=-1
check 'port=abc' refused 'invalid for parameter' port=abc
check 'min_chunk=15' refused 'min_chunk=15 is out of range: give 16 to 4096 (bytes)' min_chunk=15
check 'min_chunk=4097' refused 'min_chunk=4097 is out of range' min_chunk=4097
check 'growth=1.09' refused 'growth=1.09 is out of range: give 1.10 to 4.00' growth=1.09
check 'growth=4.01' refused 'growth=4.01 is out of range' growth=4.01
check 'growth=fast' refused 'growth= is not a factor' growth=fast
check 'growth=1.255' refused 'growth= is not a factor' growth=1.255
check 'item_max=1023' refused 'item_max=1023 is out of range: give 1024 to 1048576 (bytes)' item_max=1023
check 'item_max=1048577' refused 'item_max=1048577 is out of range' item_max=1048577
check 'stripes=0' refused 'stripes=0 is not a power of two from 1 to 4096' stripes=0
check 'stripes=100' refused 'stripes=100 is not a power of two' stripes=100
check 'stripes=8192' refused 'stripes=8192 is not a power of two' stripes=8192
check 'memory=0' refused 'memory=0 is out of range' memory=0
check 'memory=40000' refused 'memory=40000 is out of range' memory=40000
check 'memory beyond this host' refused 'is more than this host can give now' memory=4000
check 'workers=65' refused 'workers=65 is more than 64' workers=65
check 'workers=3 on two CPUs' refused 'is more than the 2 CPUs' workers=3
check 'cpus that are not there' refused 'cpus= is not a list of CPUs of this host' cpus=63
check 'cpus that are no list' refused 'cpus= is not a list of CPUs of this host' cpus=x
check 'fewer cpus than workers' refused 'is more than the 1 CPUs' cpus=1 workers=2
check 'hook that is none' refused 'hook= is not one of local_in, pre_routing, ingress' hook=output
check 'ingress without a device' refused 'hook=ingress needs dev=' hook=ingress
check 'a device without ingress' refused 'dev= is for hook=ingress alone' dev=lo
check 'a device that is not there' refused 'dev= names eth9, which is no device of this host' hook=ingress dev=lo,eth9
check 'a device named twice' refused 'dev= is not a list of different devices' hook=ingress dev=lo,lo
check 'a name too long' refused 'dev= is not a list of different devices' hook=ingress dev=sixteen-letters1
check 'insmod gets EADDRINUSE' insmod_finds_port_taken
finish
