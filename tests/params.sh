#!/bin/bash
# Parameters: good ones are shown in sysfs, bad ones make insmod fail with one
# line that says why; the port is really taken.

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
check 'memory=0' refused 'memory=0 is out of range' memory=0
check 'memory=40000' refused 'memory=40000 is out of range' memory=40000
check 'memory beyond this host' refused 'is more than this host can give now' memory=4000
check 'workers=65' refused 'workers=65 is more than 64' workers=65
check 'workers=3 on two CPUs' refused 'is more than the 2 CPUs' workers=3
check 'cpus that are not there' refused 'cpus= is not a list of CPUs of this host' cpus=63
check 'cpus that are no list' refused 'cpus= is not a list of CPUs of this host' cpus=x
check 'fewer cpus than workers' refused 'is more than the 1 CPUs' cpus=1 workers=2
check 'insmod gets EADDRINUSE' insmod_finds_port_taken
finish
