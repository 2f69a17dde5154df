#!/bin/bash
# Workers and their CPU: what they cost when there is nothing to do, and that others
# get on while there is too much. On a clock that counts instructions: these checks
# measure shares and times.
# takes: 90
# guest: --timeout 900 --clock counted

source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

PARAMETERS=/sys/module/unbuckle/parameters
worker() { pidof unbuckle/0; }
# CPU time of a thread, in microseconds.
used() { awk '{ print int($1 / 1000) }' "/proc/$1/schedstat"; }
set_to() { echo "$2" >$PARAMETERS/"$1" && [[ $(cat $PARAMETERS/"$1") == "$2" ]]; }
refuses() {
	log_mark
	! echo "$2" >$PARAMETERS/"$1" && log_says "$3"
}
class() { chrt -p "$(worker)" | grep -q "policy: $1\$"; }

# idle US LEAST MOST: a request makes the worker run for so many microseconds (one
# of five requests), and then for none at all. Nobody else wants its CPU: this check's
# shell, and what it starts, stay on the other.
idle() {
	local try
	set_to busy_poll_us "$1" || return
	taskset -p 1 "$BASHPID" || return
	for try in {1..5}; do
		! idle_after_a_request "$2" "$3" || return 0
	done
	return 1
}
idle_after_a_request() {
	local before after later
	# The change itself, and what it woke, is over.
	sleep 1
	before=$(used "$(worker)")
	client blackbox ask --addr $SERVER4 'version\r\n' || return
	sleep 1
	after=$(used "$(worker)")
	sleep 2
	later=$(used "$(worker)")
	echo "with the request: $((after - before)) us, wanted $1 to $2; afterwards: $((later - after)) us"
	[[ $((after - before)) -ge $1 && $((after - before)) -le $2 && $later -eq $after ]]
}

# How often a shell on the worker's CPU gets round its loop in a second.
# shellcheck disable=SC2016 # the shell on that CPU counts
rounds() {
	taskset 2 bash -c 'i=0 end=$((${EPOCHREALTIME/./} + 1000000))
		until [[ ${EPOCHREALTIME/./} -ge $end ]]; do i=$((i + 1)); done
		echo $i'
}

# Milliseconds of the slowest of ten commands typed there, with pauses between.
slowest() {
	# shellcheck disable=SC2016 # the shell on that CPU measures
	taskset 2 bash -c 'for i in {1..10}; do
			sleep 0.05
			begin=${EPOCHREALTIME/./}
			bash -c :
			echo $(((${EPOCHREALTIME/./} - begin) / 1000))
		done' | sort -n | tail -n 1
}

# More than can be answered at once, and no more than can be worked off soon.
queue_is_empty() {
	local try
	for try in {1..100}; do
		[[ $(cat $WORKER/queued) -ne 0 ]] || return 0
		sleep 0.1
	done
	return 1
}
flood() {
	while :; do
		if [[ $(cat $WORKER/queued) -gt 20 ]]; then
			sleep 0.02
			continue
		fi
		printf '\0\1\0\0\0\1\0\0get%s\r\n' "$(printf ' b%.0s' {1..16})" >/dev/udp/10.9.0.1/11211
	done 2>/dev/null
}
# others_get_on FIFO POLL: while more is asked than the worker can answer, a shell on
# its CPU gets something done, soon after it is asked to, and so do requests.
others_get_on() {
	local pid alone beside began busy quick slow
	set_to fifo "$1" && set_to busy_poll_us "$2" || return
	pid=$(worker)
	alone=$(rounds)
	quick=$(slowest)
	ip netns exec c taskset 1 "$BASH" "$0" flood &
	local load=$!
	sleep 0.5
	began=$(used "$pid")
	beside=$(rounds)
	busy=$((($(used "$pid") - began) / 10000))
	slow=$(slowest)
	kill "$load"
	wait "$load" 2>/dev/null
	queue_is_empty || return
	echo "rounds of a shell: alone $alone, beside a flood $beside: $((beside * 100 / alone)) %; the worker had some $busy % of its CPU"
	echo "the slowest command: alone $quick ms, beside a flood $slow ms"
	[[ $busy -ge 30 && $((beside * 100)) -ge $((alone * 10)) && $slow -le $((quick * 10 + 20)) ]] &&
		blackbox ask --addr 127.0.0.1:11211 --timeout-ms 10000 'version\r\n'
}

# A thread that goes before the worker has its CPU while more requests come than the
# queue may hold. What has found no room is counted, and everything else is answered.
SENT=4000
fills_its_queue() {
	local hog full requests replies now try
	full=$(cat $WORKER/queue_full) requests=$(cat $WORKER/requests) replies=$(cat $WORKER/replies)
	set_to fifo Y && set_to busy_poll_us 0 || return
	chrt -f 50 taskset 2 "$BASH" -c 'while :; do :; done' &
	hog=$!
	# shellcheck disable=SC2016 # the client sends
	client taskset 1 "$BASH" -c '
		exec 3>/dev/udp/10.9.0.1/11211
		for ((i = 0; i < $1; i++)); do printf "\0\1\0\0\0\1\0\0get %01000d\r\n" "$i" >&3; done' bash $SENT
	echo "while none was answered: $(cat $WORKER/queued) wait, $(cat $WORKER/queued_bytes) bytes"
	[[ $(cat $WORKER/queued_bytes) -ge $((4 << 20)) ]] || return
	kill "$hog"
	wait "$hog" 2>/dev/null
	for try in {1..50}; do
		now=$(cat $WORKER/requests)
		sleep 0.2
		[[ $(cat $WORKER/requests) -ne $now ]] || break
	done
	full=$(($(cat $WORKER/queue_full) - full)) requests=$((now - requests))
	replies=$(($(cat $WORKER/replies) - replies))
	echo "$SENT sent: $requests answered with $replies datagrams, $full found the queue full"
	[[ $full -gt 0 && $((requests + full)) -eq $SENT && $replies -eq $requests ]] &&
		[[ $(cat $DROPS/queue_full) -eq $full && $(counter drop_queue_full) -eq $full && $(counter worker_0_queue_full) -eq $full ]]
}

# Of the worker's own directory in sysfs, and of that of drops.
WORKER=/sys/module/unbuckle/workers/0
DROPS=/sys/module/unbuckle/drops
if [[ ${1-} == flood ]]; then
	flood
	exit
fi

check 'topology' topology
check 'busy_poll_us out of range' fails load busy_poll_us=100001
check 'load' load memory=64 cpus=1 fifo=1 responders=2
check 'first come, first served' class SCHED_FIFO
check 'idle: sleeps at once' idle 0 0 20000
check 'idle: polls for 0.1 s, then sleeps' idle 100000 60000 140000
check 'refuses to poll for longer' refuses busy_poll_us 100001 'busy_poll_us=100001 is out of range: give 0 to 100000'
shows() { [[ $(cat "$1") == "$2" ]] || { cat "$1"; return 1; }; }
served() {
	local before after
	before=$(cat $WORKER/requests)
	value $SERVER4 a 5 && after=$(cat $WORKER/requests) && [[ $((after - before)) -eq 2 ]]
}
dropped_reason() {
	local before after
	before=$(cat $DROPS/source_port)
	client blackbox cases --target module --addr $SERVER4 --cases tests/cases --filter 'same number as the server' || return
	after=$(cat $DROPS/source_port)
	[[ $((after - before)) -eq 1 && $(counter drop_source_port) -eq $after ]]
}
check 'sysfs: its thread' shows $WORKER/pid "$(worker)"
check 'sysfs: its CPU' shows $WORKER/cpu 1
check 'sysfs: what it answered' served
check 'sysfs: nothing waits' shows $WORKER/queued 0
check 'sysfs: why packets were dropped' dropped_reason
check 'stats has what sysfs has' sh -c "[ \"\$(blackbox ask --addr 127.0.0.1:11211 'stats\r\n' | sed -n 's/^< STAT worker_0_requests //p')\" = \"\$(cat $WORKER/requests)\" ]"
check 'a value' value $SERVER4 b 60000
check 'a full queue' fills_its_queue
check 'a flood, SCHED_FIFO' others_get_on Y 0
check 'a flood, SCHED_FIFO and polling' others_get_on Y 100000
check 'like any other thread, polling: a flood' others_get_on N 100000
check 'it is' class SCHED_OTHER
check 'like any other thread: a flood' others_get_on N 0
check 'two workers' sh -c "echo 0-1 >$PARAMETERS/cpus && [ \$(cat /sys/module/unbuckle/workers/1/cpu) -eq 1 ] && [ \$(cat $WORKER/cpu) -eq 0 ]"
check 'one again' sh -c "echo 1 >$PARAMETERS/cpus && [ ! -e /sys/module/unbuckle/workers/1 ]"
check 'unload' unload
check 'load, not first' load memory=64 cpus=1
check 'it is not' class SCHED_OTHER
check 'unload again' unload
finish
