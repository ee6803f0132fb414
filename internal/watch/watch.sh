#!/bin/bash
# watch.sh NAME PORT PROBE... : looks at a daemon on this host and tells the
# charm, by a Pebble notice, whenever what it sees is not what the charm last
# saw. A probe is "srvr" (ZooKeeper's command; the state is its mode) or a
# path that must answer 200, with "@text" if the answer must contain the text;
# "a|b" holds if either does. The state is "up" if all probes hold, or "down".
# Only builtins run between notices: a poll costs no process.

name=$1 port=$2
shift 2
seen_file=${WATCH_SEEN:?} key=${WATCH_KEY:?} timeout=${WATCH_TIMEOUT:?}
pebble=${PEBBLE_BIN:-/charm/bin/pebble}
host=${WATCH_HOST:-127.0.0.1}
export PEBBLE_SOCKET=${PEBBLE_SOCKET:-/charm/container/pebble.socket}

# A pipe that nobody writes to: reading it with a timeout is a sleep.
exec {idle}<> <(:)

# ask REQUEST: sends the request; the answer is in $reply. One that has not
# ended in time is none.
ask() {
	local code
	reply=
	{ exec {conn}<>"/dev/tcp/$host/$port"; } 2>/dev/null || return 1
	printf '%b' "$1" >&"$conn"
	IFS= read -r -d '' -t "$timeout" -u "$conn" reply
	code=$?
	exec {conn}>&-
	((code <= 128)) && [[ -n $reply ]] # above 128: timeout
}

get() {
	ask "GET $1 HTTP/1.0\r\nHost: $host:$port\r\nAccept: */*\r\nConnection: close\r\n\r\n" 2>/dev/null &&
		[[ $reply == HTTP/1.?' 200 '* ]]
}

# holds PROBE: sets $mode for srvr.
holds() {
	local probe path text
	if [[ $1 == srvr ]]; then
		ask srvr 2>/dev/null || return 1
		[[ $reply =~ Mode:\ ([a-z-]+) ]] || return 1
		mode=${BASH_REMATCH[1]}
		return 0
	fi
	local IFS='|'
	for probe in $1; do
		path=${probe%%@*}
		text=${probe#"$path"}
		text=${text#@}
		get "$path" && [[ $reply == *"$text"* ]] && return 0
	done
	return 1
}

state=unknown told= told_at=0 polls=0
while :; do
	mode=up
	now=down
	# While all is well only the first probe, the cheap one, is asked often.
	if holds "$1"; then
		now=$mode
		if [[ $state == down || $state == unknown ]] || ((polls % 10 == 0)); then
			for probe in "${@:2}"; do
				holds "$probe" || { now=down; break; }
			done
		fi
	fi
	state=$now
	((polls++))

	seen=
	[[ -r $seen_file ]] && IFS= read -r seen <"$seen_file"
	pause=1
	if [[ $state != "$seen" ]]; then
		# The charm may be busy: say it again, but not in a rush.
		if [[ $state != "$told" ]] || ((SECONDS - told_at >= 5)); then
			"$pebble" notify "$key" "state=$state" "watch=$name" >/dev/null && told=$state told_at=$SECONDS
		fi
		pause=0.5
	else
		told=
	fi
	[[ $state == down ]] && pause=0.5
	IFS= read -r -t "$pause" -u "$idle"
done
