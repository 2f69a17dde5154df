# shellcheck shell=bash
# Common ground of vm/: judging a guest by its console. Sourced after
# scripts/lib.sh, never run.

VM=$BUILD/vm

# What no healthy run has in its kernel log.
TROUBLE='Kernel panic|Oops|BUG:|BUG |WARNING:|Call Trace:|general protection|unregister_netdevice: waiting|refcount_t:|soft lockup|hard LOCKUP|blocked for more than|detected stalls|self-detected stall|UBSAN|KASAN|KCSAN|kmemleak: [0-9]|invoked oom-killer|segfault at|scheduling while atomic|sleeping function called|suspicious RCU|possible circular locking|inconsistent lock state|Modules linked in:'

# verdict CONSOLE STATUS: prints what went wrong, if anything, and returns the
# guest's exit status, or 1 where only the log or silence speaks against it.
verdict() {
	local console=$1 status=$2 said
	if ! grep -q 'unbuckle: guest is up' "$console" 2>/dev/null; then
		echo "unbuckle: the guest never came up; its console: ${console#"$TREE"/}" >&2
		tail -n 15 "$console" >&2 || true
		return 1
	fi
	if grep -aqE "$TROUBLE" "$console"; then
		echo "unbuckle: the guest's kernel complained; its console: ${console#"$TREE"/}" >&2
		grep -aE -m 1 -A 25 "$TROUBLE" "$console" >&2
		return 1
	fi
	said=$(tr -d '\r' <"$status" | tail -n 1)
	if [[ ! $said =~ ^exit\ [0-9]+$ ]]; then
		echo "unbuckle: the guest fell silent before it gave an exit status; its console: ${console#"$TREE"/}" >&2
		tail -n 5 "$console" >&2
		return 1
	fi
	return "${said#exit }"
}
