# shellcheck shell=bash
# What is measured. Sourced by bench/run, never run.
#
# Not every server under every workload in every window: what tells something.

HOOKS='local_in pre_routing ingress'
OURS='unbuckle-inline unbuckle-rr'
OTHERS='twin memcached-1 memcached-2'

# row "SERVER…" "WORKLOAD…" "WINDOW…": each with each, where that makes sense.
row() {
	local server workload window
	for server in $1; do
		for workload in $2; do
			for window in $3; do
				case "$server $workload" in
				client\ tcp-* | unbuckle-*\ tcp-* | *\ echo) continue ;;
				esac
				echo "$server $workload $window"
			done
		done
	done
}

# The least that can be: what knows of no memcached sends the request back.
limits() {
	local server window
	for server in $1; do
		for window in $2; do echo "$server echo $window"; done
	done
}

all_rows() {
	limits "reflect-local_in reflect-pre_routing reflect-ingress echo-1 echo-32" '1 32 128'
	row "$OURS $OURS_ELSEWHERE $OTHERS" get-32 '1 32 128'
	row "$OURS $OURS_ELSEWHERE" 'get-1024 set-32 miss' 32
	row unbuckle-fifo 'get-32' '1 32 128'
	row "$OURS $OTHERS" 'get-64 get-320 get-1024 get-4096 miss mget10 mget100 set-32 mix-90 mix-97' 32
	row "$OURS $OTHERS" get-65000 4
	row "unbuckle-inline $OTHERS" 'set-1024 zipf-10000 uniform-100000 zipf-100000' 32
	row 'unbuckle-inline twin memcached-1' 'pool-usr pool-var pool-app pool-sys pool-etc' 32
	row 'twin memcached-1' tcp-get-32 '1 32 128'
	row 'twin memcached-1' 'tcp-get-1024 tcp-get-65000 tcp-miss tcp-mget10 tcp-mget100 tcp-set-32 tcp-mix-90' 32
}

# What three minutes are enough for: our own rows, and what they are held against.
subset_rows() {
	limits 'reflect-local_in reflect-ingress echo-32' 32
	row "$OURS" 'get-32' '1 32'
	row "$OURS_ELSEWHERE" 'get-32' 32
	row unbuckle-inline 'get-1024 get-4096 set-32 miss mget10 mget100 mix-90' 32
	row twin 'get-32 set-32' 32
}

# At LOCAL_IN a server's name says no hook.
OURS_ELSEWHERE=''
for hook in $HOOKS; do
	[[ $hook != local_in ]] || continue
	for server in $OURS; do OURS_ELSEWHERE+=" $server-$hook"; done
done

# with_clients: the rows of standard input, one after the other by server and
# workload, each once; before them the client's share of each.
with_clients() {
	local rows server workload window
	rows=$(sort --stable --key=1,2 --unique --key=1,3)
	while read -r server workload window; do
		case "$server $workload" in
		*\ tcp-*) continue ;;
		memcached-*\ mget*) workload+=/split ;;
		esac
		echo "client $workload $window"
	done <<<"$rows" | sort --unique
	echo "$rows"
}
