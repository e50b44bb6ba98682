#!/usr/bin/env bash
# `make hq`: a headquarters on this machine, to look at and to connect a gateway to. PostgreSQL and mosquitto from the
# distribution's packages, everything under target/hq (as root the database under /var/tmp: its user must reach it), nothing of the system's own services touched. Ctrl-C ends all of it;
# the data stays for the next start.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'hq: %s\n' "$*"; }
fail() { printf 'hq: %s\n' "$*" >&2; exit 1; }

home=${HQ_HOME:-$PWD/target/hq}
broker_port=${HQ_BROKER_PORT:-8883}
listen=${HQ_LISTEN:-127.0.0.1:8890}
bin=${HQ_BIN:-${CARGO_TARGET_DIR:-target}/release}
mkdir -p "$home/pki" "$home/broker"

# --- certificates: an authority, the broker, the receiver, one gateway to try with ------------------------------------
# They last 30 days: made anew where one of them, or the authority, has not a day left.
fresh() { for one in ca broker hq-1 sh-001-g1; do
    openssl x509 -checkend 86400 -noout -in "$home/pki/$one.pem" >/dev/null 2>&1 || return 1
done; }
if ! fresh; then
    [ ! -f "$home/pki/ca.pem" ] || say "the certificates are old and made anew: gateways need their new ones from $home/pki"
    "$bin/examples/certificates" "$home/pki" sh-001-g1 >/dev/null || fail "certificates cannot be made in $home/pki"
fi

# --- PostgreSQL, over a socket of its own -----------------------------------------------------------------------------
programs=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
[ -n "$programs" ] || fail "PostgreSQL is missing; run make setup"
database=${HQ_DATABASE_HOME:-$home/postgres}
as=()
if [ "$(id -u)" -eq 0 ]; then
    # The server refuses to run as root; its folder must then be one that its user can reach.
    database=${HQ_DATABASE_HOME:-/var/tmp/skinlink-hq-postgres}
    mkdir -p "$database" && chown postgres "$database"
    as=(runuser -u postgres --)
else
    mkdir -p "$database"
fi
chmod 711 "$database"
if [ ! -f "$database/data/PG_VERSION" ]; then
    "${as[@]}" "$programs/initdb" -D "$database/data" -U skinlink -A trust -E UTF8 --no-locale >"$home/postgres.log" 2>&1 \
        || fail "initdb: $(tail -n 1 "$home/postgres.log")"
fi
children=()
end() {
    trap - EXIT INT TERM
    for ((at = ${#children[@]} - 1; at >= 0; at--)); do
        kill -INT "${children[at]}" 2>/dev/null || true
        wait "${children[at]}" 2>/dev/null || true
    done
}
trap end EXIT
trap 'exit 0' INT TERM
"${as[@]}" "$programs/postgres" -D "$database/data" -k "$database" -c listen_addresses= >>"$home/postgres.log" 2>&1 &
children+=($!)
for _ in $(seq 200); do
    "$programs/pg_isready" -q -h "$database" -U skinlink && break
    kill -0 "${children[-1]}" 2>/dev/null || fail "PostgreSQL ended: $(tail -n 3 "$home/postgres.log")"
    sleep 0.1
done
"${as[@]}" "$programs/createdb" -h "$database" -U skinlink skinlink 2>/dev/null || true

# --- broker ------------------------------------------------------------------------------------------------------------
broker=$(command -v mosquitto || ls /usr/sbin/mosquitto 2>/dev/null) || fail "mosquitto is missing; run make setup"
cat >"$home/broker/acl" <<ACL
pattern write skinlink/1/+/%u/events
pattern write skinlink/1/+/%u/hello
pattern write skinlink/1/+/%u/status
pattern write skinlink/1/+/%u/about
pattern write skinlink/1/+/%u/blobs/#
pattern read skinlink/1/+/%u/ack
user hq-1
topic read skinlink/1/+/+/#
topic write skinlink/1/+/+/ack
ACL
cat >"$home/broker/mosquitto.conf" <<CONF
user root
persistence false
allow_anonymous false
acl_file $home/broker/acl
max_queued_messages 1000000
max_inflight_messages 1000
message_size_limit 65536
set_tcp_nodelay true
log_dest stderr
listener $broker_port
cafile $home/pki/ca.pem
certfile $home/pki/broker.pem
keyfile $home/pki/broker.key
require_certificate true
use_identity_as_username true
use_username_as_clientid true
CONF
"$broker" -c "$home/broker/mosquitto.conf" >>"$home/broker.log" 2>&1 &
children+=($!)

# --- receiver ------------------------------------------------------------------------------------------------------------
cat >"$home/hq.toml" <<CONF
broker = "127.0.0.1:$broker_port"
name = "hq-1"
ca = "pki/ca.pem"
certificate = "pki/hq-1.pem"
key = "pki/hq-1.key"
data = "data"
database = "postgres://skinlink@${database//\//%2F}/skinlink"
listen = "$listen"
CONF
heard=$(grep -c 'connected to the broker' "$home/receiver.log" 2>/dev/null || true)
"$bin/skinlink-hq" run --config "$home/hq.toml" 2>>"$home/receiver.log" &
children+=($!)
# Up is where its tables are, its pages answer, and the broker has let it in.
up=
for _ in $(seq 300); do
    kill -0 "${children[-1]}" 2>/dev/null || fail "the receiver ended: $(tail -n 3 "$home/receiver.log")"
    if "$bin/skinlink-hq" stores --config "$home/hq.toml" >/dev/null 2>&1 && (: >"/dev/tcp/${listen%:*}/${listen##*:}") 2>/dev/null \
        && [ "$(grep -c 'connected to the broker' "$home/receiver.log")" -gt "${heard:-0}" ]; then
        up=yes
        break
    fi
    sleep 0.1
done
[ -n "$up" ] || fail "the receiver does not come up: $(tail -n 3 "$home/receiver.log")"

cat <<TEXT
hq: headquarters is up; Ctrl-C ends it

  contract     http://$listen/
  broker       localhost:$broker_port (TLS, client certificates)
  database     psql -h $database -U skinlink skinlink
  what arrives $bin/skinlink-hq tail --config $home/hq.toml
  stores       $bin/skinlink-hq stores --config $home/hq.toml

  A gateway of store sh-001 connects with, in its gateway.toml:
    [store]  id = "sh-001", gateway = "sh-001-g1"
    [mqtt]   enabled = true, host = "localhost", port = $broker_port,
             ca, certificate, key = $home/pki/ca.pem, sh-001-g1.pem, sh-001-g1.key

  logs: $home/*.log
TEXT
wait -n "${children[@]}" || true
fail "something ended; look into $home/*.log"
