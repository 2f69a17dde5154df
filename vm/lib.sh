# shellcheck shell=bash
# Common ground of vm/: a guest's kernel, and judging a guest by its console.
# Sourced after scripts/lib.sh, never run.

VM=$BUILD/vm

# choose_kernel stock|debug: sets what a guest of that kernel is made of.
choose_kernel() {
	case $1 in
	stock)
		KERNEL=$(kernel_version)
		KERNEL_IMAGE=/boot/vmlinuz-$KERNEL
		[[ -e $ROOT$KERNEL_IMAGE ]] || KERNEL_IMAGE=/usr/lib/modules/$KERNEL/vmlinuz
		# where its lib/modules is, and what of the host's that needs in the root
		KERNEL_PREFIX=''
		KERNEL_DIRECTORY=$TREE
		MODULE=$TREE/unbuckle.ko
		;;
	debug)
		KERNEL_DIRECTORY=$("$TREE/scripts/debug-kernel" --path)
		KERNEL=$(cat "$KERNEL_DIRECTORY/release") || die "no debug kernel yet: scripts/debug-kernel"
		KERNEL_IMAGE=$KERNEL_DIRECTORY/vmlinuz
		KERNEL_PREFIX=$KERNEL_DIRECTORY/modules
		MODULE=$BUILD/module-debug/unbuckle.ko
		;;
	*) die "no kernel is called '$1': stock or debug" ;;
	esac
}

# What no healthy run has in its kernel log.
TROUBLE='Kernel panic|Oops|BUG:|BUG |WARNING:|Call Trace:|general protection|unregister_netdevice: waiting|refcount_t:|soft lockup|hard LOCKUP|blocked for more than|detected stalls|self-detected stall|UBSAN|KASAN|KCSAN|kmemleak: [0-9]|invoked oom-killer|segfault at|scheduling while atomic|sleeping function called|suspicious RCU|possible circular locking|inconsistent lock state|Modules linked in:|INFO: trying to register non-static key|lockdep is turned off|ref_tracker: '

# Prints what a guest that is up has said on its console, if it has.
came_up_line() { grep -a -m 1 'unbuckle: guest is up' "$1" 2>/dev/null || true; }

# verdict CONSOLE STATUS: prints what went wrong, if anything, and returns the
# guest's exit status, or 1 where only the log or silence speaks against it.
verdict() {
	local console=$1 status=$2 said
	if [[ -z $(came_up_line "$console") ]]; then
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
