#!/bin/bash
# Who answers: the policies of routing=, and changes of policy, workers, CPUs and
# budget while there is load: no request is lost by one.
# takes: 100
# needs: half

source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

PARAMETERS=/sys/module/unbuckle/parameters
echo 20000 >/proc/sys/net/core/netdev_max_backlog

# set_to NAME VALUE [SHOWN]
set_to() {
	echo "$2" >$PARAMETERS/"$1" && [[ $(cat $PARAMETERS/"$1") == "${3-$2}" ]]
}

# refuses NAME VALUE LINE: it fails, the log says why, the old value stays.
refuses() {
	local before
	before=$(cat $PARAMETERS/"$1")
	log_mark
	! echo "$2" >$PARAMETERS/"$1" && log_says "$3" && [[ $(cat $PARAMETERS/"$1") == "$before" ]]
}

table() { client blackbox cases --target module --cases tests/cases --timeout-ms 3000 --addr "$1"; }

changes() {
	local turn
	for turn in {1..40}; do
		case $((turn % 8)) in
		0) echo rr >$PARAMETERS/routing ;;
		1) echo 1 >$PARAMETERS/workers ;;
		2) echo key >$PARAMETERS/routing ;;
		3) echo 0 >$PARAMETERS/workers ;;
		4) echo inline >$PARAMETERS/routing ;;
		5) echo 0 >$PARAMETERS/cpus ;;
		6) echo 1 >$PARAMETERS/budget ;;
		7)
			echo 0-1 >$PARAMETERS/cpus
			echo 64 >$PARAMETERS/budget
			;;
		esac || return
		sleep 0.3
	done
}

changes_lose_nothing() {
	local checks status=0
	client blackbox checks --addr $SERVER4 --duration 21 --rate 400 --timeout-ms 5000 >/run/checks 2>&1 &
	checks=$!
	changes || status=1
	wait "$checks" || status=1
	cat /run/checks
	return "$status"
}

# Threads that have a name of ours.
threads() { cat /proc/[0-9]*/comm | grep -c '^unbuckle/'; }
has_threads() { [[ $(threads) -eq $1 ]]; }

check 'topology' topology
check 'an unknown policy is refused' fails load routing=random
check 'load, inline' load memory=64 routing=inline responders=4
check 'every case of the table, inline, IPv4' table $SERVER4
check 'every case of the table, inline, IPv6' table "$SERVER6"
check 'inline over loopback' blackbox ask --addr 127.0.0.1:11211 'version\r\n'
check 'a large value, inline' value $SERVER4 z 60000
check 'by key' set_to routing key
check 'every case of the table, by key' table $SERVER4
check 'a large value, by key' value $SERVER4 z 60000
check 'in turn' set_to routing rr
check 'two workers' set_to workers 2
check 'two threads' has_threads 2
check 'on both CPUs' sh -c "[ \$(cat $PARAMETERS/cpus) = 0,1 ]"
check 'one worker' set_to workers 1
check 'one thread' has_threads 1
check 'on the other CPU' set_to cpus 0
check 'it is there' sh -c "taskset -p \$(pidof unbuckle/0) | grep -q 'mask: 1\$'"
check 'refuses a policy' refuses routing some 'routing= is not one of rr, key, inline'
check 'refuses workers' refuses workers 65 'workers=65 is more than 64'
check 'refuses CPUs' refuses cpus 9 'cpus= is not a list of CPUs'
check 'refuses a budget' refuses budget 0 'budget=0 is out of range'
check 'still answers' blackbox ask --addr 127.0.0.1:11211 'version\r\n'
check 'as many workers as CPUs' set_to workers 0 1
check 'on two CPUs' set_to cpus 0-1 0,1
check 'two threads again' has_threads 2
check 'changes under load lose nothing' changes_lose_nothing
check 'no loss was counted' sh -c "blackbox ask --addr 127.0.0.1:11211 'stats\r\n' | grep '^< STAT drop_q' | grep -q ' 0\$'"
check 'unload' unload
check 'no thread is left' has_threads 0
finish
