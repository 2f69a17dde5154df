#!/bin/bash
# memcaslap over UDP from another network namespace, 90 % get and 10 % set,
# every value verified: against the module, then against the twin.
# tests/memcaslap.sh [OPERATIONS]
# takes: 75

source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
operations=${1:-100000}

printf '%s\n' key '16 64 1' value '32 1024 1' cmd '0 0.1' '1 0.9' >/run/mix

# zero NAME…: each of memcaslap's totals is there, and is 0.
zero() {
	local name
	for name in "$@"; do
		grep -qx "$name: 0" /run/report || return
	done
}

verified() {
	client timeout 200 memcaslap -s $SERVER4 -U -T 1 -c 8 -w 1k -x "$operations" -v 1 -b -F /run/mix \
		>/run/report 2>&1
	local status=$?
	sed 's/^/     /' /run/report | tail -n 20 >&3
	cat /run/report
	[[ $status -eq 0 ]] && zero get_misses verify_misses verify_failed packet_disorder \
		packet_drop udp_timeout && ! grep -qE 'ERROR|error' /run/report &&
		grep -qx "cmd_get: $((operations * 9 / 10))" /run/report &&
		grep -qx "cmd_set: $((operations / 10))" /run/report
}

exec 3>&1
check 'topology' topology
check 'load' load memory=64
check "module: $operations operations" verified
check 'unload' unload
unbuckle-twin --port 11211 --memory 64 >/dev/null &
twin=$!
check 'the twin answers' client blackbox wait --addr $SERVER4 --timeout 10
check "twin: $operations operations" verified
kill "$twin"
finish
