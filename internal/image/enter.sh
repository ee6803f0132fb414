#!/usr/bin/env bash
# enter.sh TREE ROOT COMMAND... runs a command that sees the tree's pulsar as
# /pulsar and otherwise the host's files. It needs a mount namespace of its own;
# ROOT is an empty directory.
set -euo pipefail
tree=$1 root=$2
shift 2

mount --make-rprivate /
mount -t tmpfs -o mode=755 image "$root"
shopt -s dotglob nullglob
for entry in /*; do
	target=$root/${entry##*/}
	case $entry in
	/pulsar | /proc) ;;
	*)
		if [[ -L $entry ]]; then
			cp -P -- "$entry" "$target"
		elif [[ -d $entry ]]; then
			mkdir -- "$target"
			mount --rbind -- "$entry" "$target"
		elif [[ -f $entry ]]; then
			: >"$target"
			mount --bind -- "$entry" "$target"
		fi
		;;
	esac
done
mkdir -- "$root/pulsar" "$root/proc"
mount --bind -- "$tree/pulsar" "$root/pulsar"
# Where a container hides parts of /proc, only the host's can be had.
mount -t proc proc "$root/proc" 2>/dev/null || mount --rbind /proc "$root/proc"
exec chroot "$root" "$@"
