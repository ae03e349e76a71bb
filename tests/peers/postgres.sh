#!/usr/bin/env bash
# A throwaway PostgreSQL for the tests, on a free port of 127.0.0.1 and never as root.
#
#   postgres.sh start DIR    DIR must not exist and its parent must be reachable by the user `postgres`;
#                            prints the URL of a superuser
#   postgres.sh stop DIR     ends it at once, without a checkpoint, because nobody needs its data
#
# Its data are not safe against a crash (fsync=off). For a test of crashes:
#
#   postgres.sh durable DIR  the same with the settings of a server that is meant to keep its data
#   postgres.sh kill DIR     SIGKILL to it and all that it started; returns when they are gone
#   postgres.sh again DIR    starts what was killed, at the address that it had
#
# For a test of TLS:
#
#   postgres.sh tls DIR CERTIFICATE KEY   from now on it takes only TLS, with this certificate, and SCRAM
set -euo pipefail

bin=
for folder in /usr/lib/postgresql/*/bin; do # Debian keeps them off the PATH; the newest sorts last
  [ -x "$folder/initdb" ] && bin=$folder
done
[ -n "$bin" ] || bin=$(pg_config --bindir 2>/dev/null) || {
  echo "postgres.sh: no PostgreSQL server on this machine (Debian: apt-get install postgresql)" >&2
  exit 1
}

# initdb and the server refuse to run as root
as_server_user() {
  if [ "$(id -u)" = 0 ]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi
}

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

start() { # DIR [durable]
  local dir=$1 port password
  mkdir "$dir"
  dir=$(cd "$dir" && pwd)
  password=$(od -An -tx1 -N16 /dev/urandom | tr -d ' \n')
  printf '%s\n' "$password" >"$dir/password"
  [ "$(id -u)" != 0 ] || chown -R postgres "$dir"
  # the password goes in clear, over loopback: a hash would cost each of the many connections some milliseconds
  as_server_user "$bin/initdb" -D "$dir/data" -U postern --auth=password --pwfile="$dir/password" \
    -E UTF8 --locale=C.UTF-8 --no-sync >"$dir/initdb.log" 2>&1 || { cat "$dir/initdb.log" >&2; return 1; }
  cat >>"$dir/data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 300
shared_buffers = 128MB
log_min_messages = fatal
CONF
  [ "${2:-}" = durable ] || cat >>"$dir/data/postgresql.conf" <<CONF
fsync = off
synchronous_commit = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
CONF
  for _ in 1 2 3; do # someone else may take the port between the look and the start
    port=$(free_port)
    # its output goes to a file: with the caller's own, `url=$(postgres.sh start …)` would wait for the server to end
    if as_server_user "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -o "-p $port" -w -t 60 start >"$dir/pg_ctl.log" 2>&1; then
      echo "postgres://postern:$password@127.0.0.1:$port/postgres"
      return
    fi
  done
  cat "$dir/pg_ctl.log" "$dir/log" >&2
  return 1
}

# A new server must not start before the last process of the old one is gone, because they share the data.
kill_all() {
  local server pids pid
  server=$(head -1 "$1/data/postmaster.pid")
  sed -n 4p "$1/data/postmaster.pid" >"$1/port"
  # awk fails where any process ends while it looks, which does not matter here
  pids="$server $({ awk -v server="$server" '$4 == server { print $1 }' /proc/[0-9]*/stat 2>/dev/null || true; } | tr '\n' ' ')"
  # shellcheck disable=SC2086 # one word for each
  kill -KILL $pids 2>/dev/null || true
  for pid in $pids; do
    while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
  done
}

again() {
  as_server_user "$bin/pg_ctl" -D "$1/data" -l "$1/log" -o "-p $(cat "$1/port")" -w -t 60 start >"$1/pg_ctl.log" 2>&1 ||
    { cat "$1/pg_ctl.log" "$1/log" >&2; return 1; }
}

tls() {
  cp "$2" "$1/data/server.crt"
  cp "$3" "$1/data/server.key"
  chmod 600 "$1/data/server.key"
  [ "$(id -u)" != 0 ] || chown postgres "$1/data/server.crt" "$1/data/server.key"
  echo "ssl = on" >>"$1/data/postgresql.conf"
  echo "hostssl all all all scram-sha-256" >"$1/data/pg_hba.conf"
  as_server_user "$bin/pg_ctl" -D "$1/data" -l "$1/log" -w -t 60 restart >"$1/pg_ctl.log" 2>&1 ||
    { cat "$1/pg_ctl.log" "$1/log" >&2; return 1; }
}

stop() {
  [ ! -e "$1/data/postmaster.pid" ] || as_server_user "$bin/pg_ctl" -D "$1/data" -m immediate -w stop >/dev/null
}

case "${1:-} $#" in
"start 2") start "$2" ;;
"stop 2") stop "$2" ;;
"durable 2") start "$2" durable ;;
"kill 2") kill_all "$2" ;;
"again 2") again "$2" ;;
"tls 4") tls "$2" "$3" "$4" ;;
*)
  sed -n '2,18s/^# \{0,1\}//p' "$0" >&2
  exit 2
  ;;
esac
