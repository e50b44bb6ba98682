# skinlink. Two commands matter: `make demo` and `make test`. Both set everything up by themselves (`make setup`).

# Development builds use the system's OpenSSL; only releases for stores vendor it (`make release`).
export OPENSSL_NO_VENDOR ?= 1

.PHONY: rollout colour-repeatability help ble-lab gates hq fleet demo test setup check-format lint tests docs pages release kills power-cuts fuzz pairs repeatability hostile guesses papers bench taps bench-hq bench-peers outages screens renderer models models-table
.DEFAULT_GOAL := help

help:
	@echo 'make demo      a whole visit through real parts; pages stay open until Ctrl-C'
	@echo 'make test      format, lints, all tests, documentation'
	@echo 'make hq        a headquarters on this machine: PostgreSQL, mosquitto, the receiver; prints addresses, until Ctrl-C'
	@echo 'make setup     what both need: system packages, ONNX Runtime, rendered photographs'
	@echo 'make pages     docs/protocols/ and the JSON Schema again, after a protocol file or the language has changed'
	@echo 'make outages   30 days offline with 250,000 events, in full (make test runs a short form)'
	@echo 'make fleet     200 stores for five minutes, everything away at times (make test runs a short form)'
	@echo 'make rollout   the rollout drill with 200 stores on both databases (make test runs a short form)'
	@echo 'make gates     the quality gates on ten drawn people and every planted fault (make test runs a short form)'
	@echo 'make kills     every point, hundreds of moments, combinations (make test runs a short form)'
	@echo 'make ble-lab   the gateway on a real Bluetooth stack in an emulated machine, in full (make test runs a short form)'
	@echo 'make power-cuts  the long power-cut campaign: a million cuts; may be ended and goes on'
	@echo 'make pairs     comparison of photographs on pairs whose truth is known, in full (make test runs a short form)'
	@echo 'make repeatability  how far the pore model repeats itself, from retaken photographs, into its manifest'
	@echo 'make colour-repeatability  how far tone, redness and pigment repeat themselves beside a grey card, for config/quality-gates.toml'
	@echo 'make models    the default models again from their seeds: renders, trains on the CPU, builds, measures; may be ended and goes on'
	@echo 'make models-table  measures the skin network and writes the table of models/README.md (ANNOTATED=DIR adds the real face)'
	@echo 'make fuzz MINUTES=10  hostile bytes for the protocol language, each target so long'
	@echo 'make hostile   hostile model files, and 150 copies of our own with a byte flipped (make test runs a short form)'
	@echo 'make guesses   a million guesses at a report (make test runs a short form)'
	@echo 'make papers    200 reports on paper, 200 visits held against one another (make test runs a short form)'
	@echo 'make bench     how near we are to what the libraries can do, as ratios (docs/benchmarks.md)'
	@echo 'make taps      how soon a tap is answered with 100,000 visits in the store; weight and first paint of the pages'
	@echo 'make bench-hq  what headquarters takes in a second, on SQLite and PostgreSQL, beside a bare loader and a script'
	@echo 'make bench-peers  outage, kill, unplug, latency and rate beside other gateways'
	@echo 'make screens   the browser tests, keeping pictures of the pages in docs/screens'
	@echo 'make release   the programs for stores, in target/shipped, with their own OpenSSL and D-Bus'

setup:
	@scripts/setup.sh

# Both programs first: the demo starts headquarters' receiver, which lies beside it.
demo: setup
	cargo build --release --bins
	cargo run --release --bin skinlink -- demo $(DEMO)

# Everything lies under target/hq (as root the database under /var/tmp, where its user can reach it); the system's own services are
# left alone.
hq: setup
	cargo build --release --bin skinlink-hq --example certificates
	@exec scripts/hq.sh

test: setup check-format renderer lint tests docs

check-format:
	cargo fmt --check

lint:
	cargo clippy --all-targets -- -D warnings
	cargo check -q --manifest-path fuzz/Cargo.toml --target-dir $(or $(CARGO_TARGET_DIR),target)/fuzz

tests:
	cargo test --no-fail-fast

docs:
	RUSTDOCFLAGS='-D warnings' cargo doc --no-deps --lib

pages:
	cargo run -q --bin skinlink -- protocol docs
	cargo run -q --bin skinlink -- protocol schema --into docs/contracts/protocol-file.schema.json

# Nine more people, one of them with a grey card; then every gate in full.
gates: setup
	for seed in 11 12 13 14 15 16 17 18 19; do \
	  target/venv/bin/python models/build/render_demo.py --out target/gate-faces/$$seed --seed $$seed --no-change || exit 1; \
	done
	target/venv/bin/python models/build/render_demo.py --out target/gate-card --seed 21 --no-change --card
	SKINLINK_GATES=long cargo test --release --test gates -- --nocapture

kills:
	SKINLINK_KILLS=long cargo test --test kills -- --nocapture

fleet:
	SKINLINK_FLEET=long cargo test --release --test fleet -- --nocapture

rollout:
	SKINLINK_ROLLOUT=long cargo test --test rollout -- --nocapture --test-threads=1

ble-lab: setup
	SKINLINK_BLE_LAB=long cargo test --test ble-lab -- --nocapture
	cargo test -p skinlink-fake-bluez --test air ladder -- --ignored

power-cuts:
	SKINLINK_POWER_CUTS=$(or $(CUTS),1000000) cargo test --release --test power-cut -- --nocapture

hostile: setup
	SKINLINK_HOSTILE=long cargo test --test hostile_models -- --nocapture

guesses:
	SKINLINK_GUESSES=1000000 cargo test --test hq_reports guesses -- --nocapture

papers: setup
	SKINLINK_PAPERS=200 cargo test --release --test paper -- --nocapture

pairs: setup
	SKINLINK_PAIRS=long cargo test --test pairs -- --nocapture

# Other people than the campaign's: what sets the limits must not be what they are judged on.
repeatability: setup
	target/venv/bin/python models/build/render_scenes.py --out target/repeat-scenes --first 700 --people 4
	cargo run --bin skinlink -- model eval pores-dog --repeatability --photos target/repeat-scenes --write

# Tone, redness and pigment come from no model: what is printed at the end goes into config/quality-gates.toml by hand.
colour-repeatability: setup
	for seed in 31 32 33 34; do \
	  target/venv/bin/python models/build/render_demo.py --out target/colour-scenes/$$seed --seed $$seed --no-change --card || exit 1; \
	done
	SKINLINK_COLOURS=long cargo test --release --test gates colours_beside_a_card_repeat_themselves -- --nocapture

# Of the patches of skin and of how they are judged; a few seconds, without any training library.
renderer: setup
	target/venv/bin/python -m unittest discover -q -s models/build

# About an hour on two idle cores. The training library lives in an environment of its own, which nothing else needs.
PATCHES ?= 8000
STEPS ?= 14000
models: setup
	[ -x target/train-venv/bin/python ] || { python3 -m venv target/train-venv && target/train-venv/bin/pip install -q -r models/build/requirements-train.txt; }
	target/venv/bin/python models/build/build_pores.py
	target/venv/bin/python models/build/build_golden.py
	target/venv/bin/python models/build/build_ridge.py
	target/venv/bin/python models/build/render_patches.py --out target/patches --count $(PATCHES)
	target/train-venv/bin/python models/build/train.py --patches target/patches --run target/skin-net-run --count $(PATCHES) --steps $(STEPS)
	target/venv/bin/python models/build/build_skin_net.py --run target/skin-net-run
	target/venv/bin/python models/build/build_skin_golden.py
	$(MAKE) models-table

models-table: setup
	target/venv/bin/python models/build/evaluate_skin_net.py $(if $(ANNOTATED),--annotated $(ANNOTATED))

# Stable toolchain, so without a sanitizer. What it finds beyond the committed corpus lies in fuzz/found.
fuzz:
	@command -v cargo-fuzz >/dev/null || cargo install cargo-fuzz --locked
	for target in frames session advertisements protocol_file vector_file picture; do \
	  mkdir -p fuzz/found/$$target; \
	  cargo fuzz run --fuzz-dir fuzz -s none $$target fuzz/found/$$target fuzz/corpus/$$target -- \
	    -max_total_time=$$(( $(or $(MINUTES),10) * 60 )) -timeout=10 -rss_limit_mb=1024 -max_len=4096 || exit 1; \
	done

bench: setup
	cargo bench --bench limits --bench decode --bench pictures --bench papers
	cargo bench -p skinlink-fake-bluez --bench streams

# The first paint is what the browser of the tests says; page weight is held by the tests themselves.
taps: setup
	cargo bench --bench taps
	cargo test --release --test web browser::weight -- --nocapture

# The script beside it needs two packages of the distribution.
bench-hq: setup
	@/usr/bin/python3 -c 'import paho.mqtt, psycopg2' 2>/dev/null || $(if $(filter 0,$(shell id -u)),,sudo) apt-get install -y -qq --no-install-recommends python3-paho-mqtt python3-psycopg2
	cargo bench --bench hq

# BENCH=FOLDER TESTS=start,max REPS=3 make bench-peers; the bench of the other gateways is no part of this repository
bench-peers: setup
	cargo build --release --bins --example certificates
	SKINLINK_BIN=$(or $(CARGO_TARGET_DIR),target)/release benches/peers/run.py $(or $(TESTS),all) --reps $(or $(REPS),1) $(if $(BENCH),--bench $(BENCH))

# Optimised: what is promised there is a speed.
outages:
	SKINLINK_OUTAGES=long cargo test --release --test outages -- --nocapture

# Pictures of the pages into docs/screens, as the browser tests see them.
screens: setup
	SKINLINK_SCREENS=keep cargo test --test web browser
	SKINLINK_SCREENS=keep cargo test --test office window

release:
	env -u OPENSSL_NO_VENDOR cargo build --profile shipped --features own-dbus --bins
