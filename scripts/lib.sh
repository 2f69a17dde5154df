# shellcheck shell=bash
# Common ground of the scripts: where things are, how a slow step is shown.
# Sourced, never run.

set -euo pipefail

# A surrounding make must not leak its job server into the builds we start.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES

TREE=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")/..")
CACHE=${UNBUCKLE_CACHE:-/var/cache/unbuckle}
ROOT=$CACHE/root-trixie
BUILD=$TREE/build
LOGS=$BUILD/log
export UNBUCKLE_CACHE=$CACHE

die() {
	printf 'unbuckle: %s\n' "$*" >&2
	exit 1
}

need_root() {
	[[ $(id -u) -eq 0 ]] || die "this needs root (it mounts and changes root directories): try again with sudo"
}

# step TITLE LOG COMMAND…: runs COMMAND with its output in build/log/LOG.log and
# shows one progress line. When COMMAND fails, so does the whole script (after
# calling $STEP_FAILED, if set), with the log's tail. Not for conditions: in
# them a function of several commands would run on after one has failed.
step() {
	local title=$1 log=$LOGS/$2.log start=$SECONDS status
	shift 2
	mkdir -p "$LOGS"
	printf '  %-54s ' "$title"
	set +e
	(set -e; "$@") >"$log" 2>&1 </dev/null
	status=$?
	set -e
	if [[ $status -eq 0 ]]; then
		printf '%3d s\n' $((SECONDS - start))
		return
	fi
	printf 'FAILED after %d s\n' $((SECONDS - start))
	printf '%s\n' "--- last lines of ${log#"$TREE"/}:" "$(tail -n 30 "$log")" "---" >&2
	${STEP_FAILED:-:}
	exit "$status"
}

# The kernel that the build root holds, complete with its Rust metadata.
kernel_version() {
	cat "$ROOT/.unbuckle-kernel" 2>/dev/null || die "no build root yet: make bootstrap"
}

# install_in_root TITLE PACKAGE…: Debian packages that only some commands want. apt
# in the root belongs to whoever holds bootstrap's lock; its lists may be old.
install_in_root() {
	local title=$1 lock install
	shift
	install=("$TREE/scripts/in-root" apt-get install -y -q --no-install-recommends -o Dpkg::Options::=--force-confold "$@")
	# shellcheck disable=SC2317 # step calls it
	again() { "${install[@]}" || { "$TREE/scripts/in-root" apt-get update && "${install[@]}"; }; }
	exec {lock}>"$CACHE/lock"
	flock "$lock"
	step "installing $title in the build root" "install-$1" again
	exec {lock}>&-
}

# Prints the command, a word a line, that is cargo: this machine's when it is
# at least the oldest we support and can link, else the build root's.
cargo_command() {
	local version
	version=$(cargo --version 2>/dev/null | sed -n 's/^cargo 1\.\([0-9]*\)\..*/\1/p') || version='' # there is none
	if [[ ${version:-0} -ge 85 ]] && command -v cc >/dev/null; then
		echo cargo
	else
		printf '%s\n' "$TREE/scripts/in-root" cargo
	fi
}
