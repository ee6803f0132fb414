#!/usr/bin/env bash
# cluster.sh DIR SIZE MODE runs SIZE ZooKeepers, bookies and brokers in the best
# order and prints a word for each stage reached. DIR has conf/<role>-<n>.conf,
# <role>.env and init.args. When standard input ends, so does the cluster: at
# once in MODE run; one role after the other in MODE archive, in which the JVMs
# write class archives at their ends. It is the first process of a process
# namespace, so that nothing survives it.
set -uo pipefail
dir=$1 size=$2 mode=$3
declare -A pids=()

fail() {
	echo "$*" >&2
	exit 1
}

# loopback brings lo up, which is down in a new network namespace. Perl is what
# is left on systems with neither ip nor ifconfig.
loopback() {
	ip link set lo up || ifconfig lo up ||
		perl -e 'socket(S, 2, 2, 0) && ioctl(S, 0x8914, $r = pack("a16s", "lo", 0x41)) or die $!'
} 2>/dev/null

# start ROLE NAME COMMAND... runs in the role's environment.
start() {
	local role=$1 name=$2
	shift 2
	(
		. "$dir/$role.env"
		export PULSAR_LOG_DIR=$dir/log
		if [[ $mode == archive ]]; then
			export OPTS="${OPTS-} -XX:ArchiveClassesAtExit=/pulsar/cds/$role.jsa"
		fi
		exec "$@"
	) </dev/null >"$dir/log/$name.log" 2>&1 &
	pids[$name]=$!
}

# answers HOST PORT REQUEST PATTERN: the first line of the answer fits.
answers() {
	local line=''
	{ exec 9<>"/dev/tcp/$1/$2"; } 2>/dev/null || return 1
	printf '%b' "$3" >&9 2>/dev/null
	read -r -t 20 line <&9
	exec 9>&-
	[[ $line == $4 ]]
}

# await ROLE CHECK waits until a check of each daemon of a role succeeds, or one
# is dead.
await() {
	local n waits=()
	for ((n = 1; n <= size; n++)); do
		until "$2" "$n"; do
			kill -0 "${pids[$1-$n]}" 2>/dev/null ||
				fail "$1-$n ended: $(grep -a -m 3 -E 'ERROR|Exception|Error' "$dir/log/$1-$n.log" || tail -n 3 "$dir/log/$1-$n.log")"
			sleep 0.1
		done &
		waits+=($!)
	done
	for n in "${waits[@]}"; do wait "$n" || exit 1; done
}

serves() { answers "127.10.0.1$1" 2181 'srvr\n' 'Zookeeper version*'; }
ready() { answers "127.10.1.1$1" 8000 'GET /api/v1/bookie/is_ready HTTP/1.0\r\n\r\n' '* 200 *'; }
healthy() { answers "127.10.2.1$1" 8080 "GET /admin/v2/brokers/health HTTP/1.1\r\nHost: 127.10.2.1$1\r\nConnection: close\r\n\r\n" '* 200 *'; }

# end ROLE stops a role and waits for its archives.
end() {
	local n
	for ((n = 1; n <= size; n++)); do kill -TERM "${pids[$1-$n]}" 2>/dev/null; done
	for ((n = 1; n <= size; n++)); do wait "${pids[$1-$n]}"; done
}

mkdir -p "$dir/log"
if [[ $mode == archive ]]; then
	loopback || fail "cannot bring the loopback interface up: install iproute2"
fi

echo start
for ((n = 1; n <= size; n++)); do PULSAR_ZK_CONF=$dir/conf/zookeeper-$n.conf start zookeeper "zookeeper-$n" /pulsar/bin/pulsar zookeeper; done
await zookeeper serves
echo quorum

mapfile -t arguments <"$dir/init.args"
start init init /pulsar/bin/pulsar initialize-cluster-metadata "${arguments[@]}"
wait "${pids[init]}" || fail "cannot initialise the metadata: $(tail -n 5 "$dir/log/init.log")"
echo metadata

for ((n = 1; n <= size; n++)); do PULSAR_BOOKKEEPER_CONF=$dir/conf/bookie-$n.conf start bookie "bookie-$n" /pulsar/bin/pulsar bookie; done
for ((n = 1; n <= size; n++)); do PULSAR_BROKER_CONF=$dir/conf/broker-$n.conf start broker "broker-$n" /pulsar/bin/pulsar broker; done
await bookie ready
echo bookies
await broker healthy
echo brokers

read -r _
if [[ $mode == archive ]]; then
	end broker
	end bookie
	end zookeeper
	for role in zookeeper init bookie broker; do
		[[ -s /pulsar/cds/$role.jsa ]] || fail "$role wrote no archive: $(grep -a -m 3 -i -E 'cds|archive' "$dir/log/"$role*.log)"
	done
fi
echo end
