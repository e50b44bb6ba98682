#!/usr/bin/env python3
"""skinlink on the bench for gateways.

    benches/peers/run.py TEST[,TEST...] [--reps N] [--tag WORD] [--keep] [--bench FOLDER]

Plays the bench's own tests (start idle latency max outage kill outage_kill unplug, or "all"; "limits": what the disk and the broker take by themselves; "drain": a backlog) with its own device, and
counts differently from its other peers: what counts is a row committed in headquarters' database, known by the device's own
counter, not a publish seen at the broker. Broker with TLS and client certificates, skinlink-hq and gateway are the release
programs (SKINLINK_BIN, default target/release). The bench's folder is --bench, default ../shared/bench-peers beside the
checkout. One line of JSON a run goes to target/bench/results.jsonl.
"""
import argparse, array, contextlib, ctypes, json, os, select, shutil, sqlite3, subprocess, sys, threading, time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("SKINLINK_BIN", PROJECT / "target/release"))
COUNTERS = """SELECT n, CAST(substr(body, instr(body, '"counter":') + 10, 20) AS INTEGER) FROM events
              WHERE n > ? AND kind = 'com.skinlink.measurement.v1' ORDER BY n"""

args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
args.add_argument("tests")
args.add_argument("--reps", type=int, default=1)
args.add_argument("--tag", default="", help="a word stored with each result")
args.add_argument("--keep", action="store_true", help="keep the run folder (logs, state)")
args.add_argument("--bench", type=Path, default=PROJECT.parent / "shared/bench-peers")
o = args.parse_args()
if not (o.bench / "lab/scenarios.py").exists():
    sys.exit(f"{o.bench} holds no bench for gateways; name its folder with --bench")
sys.path.insert(0, str(o.bench.resolve()))
from lab import parts, scenarios                                                # noqa: E402

RESULTS = PROJECT / "target/bench"
RESULTS.mkdir(parents=True, exist_ok=True)
os.environ.setdefault("LAB_RUNS", str(RESULTS / "runs"))
CERTIFICATES = RESULTS / f"certificates-{os.getpid()}"


class Broker(parts.Broker):
    """The bench's broker, with TLS and the access list of the installation guide's shape."""

    def start(self):
        if "cafile" not in self.conf.read_text():
            c = CERTIFICATES
            lanes = ["events", "hello", "status", "about", "blobs/#"]
            acl = [f"pattern write skinlink/1/+/%u/{lane}" for lane in lanes] + ["pattern read skinlink/1/+/%u/ack"]
            acl += ["user hq-1"] + [f"topic read skinlink/1/+/+/{lane}" for lane in lanes]
            (self.run / "acl").write_text("\n".join(acl + ["topic write skinlink/1/+/+/ack"]) + "\n")
            text = self.conf.read_text().replace("allow_anonymous true", f"allow_anonymous false\nacl_file {self.run}/acl")
            text = text.replace("max_queued_messages 0", "max_queued_messages 1000000\nset_tcp_nodelay true")
            self.conf.write_text(text + f"cafile {c}/ca.pem\ncertfile {c}/broker.pem\nkeyfile {c}/broker.key\n"
                                 "require_certificate true\nuse_identity_as_username true\nuse_username_as_clientid true\n")
        super().start()


class Writes:
    """Wakes when a file is written (inotify)."""

    def __init__(self, path):
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(os.O_NONBLOCK)
        if self.fd < 0 or libc.inotify_add_watch(self.fd, os.fsencode(path), 0x2) < 0:
            raise OSError(ctypes.get_errno(), f"cannot watch {path}")

    def wait(self, seconds):
        """Whether it was written since the last call or `forget`, waiting so long for it."""
        return bool(select.select([self.fd], [], [], seconds)[0])

    def forget(self):
        with contextlib.suppress(BlockingIOError):
            os.read(self.fd, 1 << 16)


class Committed:
    """skinlink-hq, and a watcher that notes when each of the device's counters is in its database.

    It looks every 10 ms, which is enough for a rate and takes little of the processor. For a latency it is woken by the
    first write to the log and then looks every 0.1 ms until the commit shows, so it adds at most that. (It must sleep
    between two looks: else it takes the processor from the very commit it waits for.)
    """

    closely = False

    def __init__(self, run, port, qos=1, topics=()):
        self.data, self.seqs, self.times = run / "hq", array.array("q"), array.array("q")
        self.messages, self.stopped = 0, False
        c, log = CERTIFICATES, open(run / "hq.log", "ab")
        self.p = subprocess.Popen([BIN / "skinlink-hq", "run", "--broker", f"127.0.0.1:{port}", "--name", "hq-1",
                                   "--ca", c / "ca.pem", "--certificate", c / "hq-1.pem", "--key", c / "hq-1.key",
                                   "--data", self.data], stdout=log, stderr=subprocess.STDOUT)
        end = time.monotonic() + 10
        while b"connected to the broker" not in (run / "hq.log").read_bytes():
            if time.monotonic() > end:
                raise TimeoutError(f"skinlink-hq does not connect; see {run}/hq.log")
            time.sleep(0.02)
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        db = sqlite3.connect(f"file:{self.data}/hq.sqlite?mode=ro", uri=True, isolation_level=None)
        log = Writes(f"{self.data}/hq.sqlite-wal") if self.closely else None
        seen, version = 0, None
        while not self.stopped:
            if log is None:
                time.sleep(0.01)
            elif log.wait(0.001):
                self.look_closely(db, version)
                log.forget()
            # One snapshot: what is read below was committed before the time was taken.
            db.execute("BEGIN")
            now = db.execute("PRAGMA data_version").fetchone()[0]
            if now != version:
                at, version = time.time_ns(), now
                rows = db.execute(COUNTERS, (seen,)).fetchall()
                self.seqs.extend(counter for _, counter in rows)
                self.times.extend([at] * len(rows))
                seen = rows[-1][0] if rows else seen
                self.messages += 1
            db.execute("COMMIT")

    def look_closely(self, db, version, longest=0.02):
        """Until the commit under way shows."""
        end = time.monotonic() + longest
        while db.execute("PRAGMA data_version").fetchone()[0] == version and time.monotonic() < end:
            time.sleep(0.00005)

    def poll(self):
        return min(len(self.seqs), len(self.times))

    wait_first = parts.Subscriber.wait_first
    quiet = parts.Subscriber.quiet
    wait_count = parts.Subscriber.wait_count

    def close(self):
        self.stopped = True
        self.thread.join(2)
        parts.terminate(self.p)


class Gateway(parts.Gateway):
    def __init__(self, name, run, tty, port):
        self.dir, self.run, self.tty, self.state, self.hq = PROJECT / "benches/peers", run, tty, run / "state", None
        (self.state / "no-models").mkdir(parents=True, exist_ok=True)
        self.vars = dict(tty=str(tty), port=str(port), state=str(self.state), aux_port=str(parts.free_port()),
                         certificates=str(CERTIFICATES), project=str(PROJECT))
        (self.state / "gateway.toml").write_text(self.fill((self.dir / "gateway.toml.in").read_text()))
        self.spec = dict(cmd=[str(BIN / "skinlink"), "run", "--config", "@state@/gateway.toml"], env={})
        self.p, self.pgid = None, None


def limits(peer, keep, rate=100, seconds=10):
    """fdatasync of 64 appended bytes, and the broker alone: published with QoS 1 to seen by a subscriber, TLS on both sides."""
    pct = scenarios.pct
    with contextlib.ExitStack() as lab:
        run = Path(os.environ["LAB_RUNS"]) / f"limits-{time.time_ns()}"
        run.mkdir(parents=True)
        lab.callback(shutil.rmtree, run, ignore_errors=True)
        syncs = []
        with open(run / "sync", "wb", buffering=0) as file:
            for _ in range(1000):
                file.write(b"x" * 64)
                t = time.perf_counter()
                os.fdatasync(file.fileno())
                syncs.append((time.perf_counter() - t) * 1e3)
        broker = Broker(run)
        lab.callback(broker.close)
        c = CERTIFICATES
        tls = ["-h", "127.0.0.1", "-p", str(broker.port), "-q", "1", "--cafile", c / "ca.pem"]
        sub = subprocess.Popen(["mosquitto_sub", *tls, "--cert", c / "hq-1.pem", "--key", c / "hq-1.key", "-F", "%U %p",
                                "-t", "skinlink/1/+/+/events"], stdout=subprocess.PIPE, text=True)
        pub = subprocess.Popen(["mosquitto_pub", *tls, "--cert", c / "bench-g1.pem", "--key", c / "bench-g1.key", "-l",
                                "-t", "skinlink/1/bench/bench-g1/events"], stdin=subprocess.PIPE, text=True)
        time.sleep(0.5)
        for _ in range(rate * seconds):
            pub.stdin.write(f"{time.time_ns()}\n")
            pub.stdin.flush()
            time.sleep(1 / rate)
        took = []
        for _ in range(rate * seconds):
            at, sent = sub.stdout.readline().split()
            sec, _, frac = at.partition(".")
            took.append((int(sec) * 10**9 + int(frac) - int(sent)) / 1e6)
        pub.terminate(), sub.terminate()
        return dict(fdatasync_p50_ms=pct(syncs, .5), fdatasync_p99_ms=pct(syncs, .99), broker_p50_ms=pct(took, .5),
                    broker_p99_ms=pct(took, .99))


def drain(peer, keep, rate=15000, seconds=10):
    """A backlog recorded while the broker is away: from the first to the last row committed at headquarters."""
    with scenarios.Lab(peer, "drain", keep, sub_qos=0) as lab:
        lab.start(20)
        lab.dev.rate(0)
        time.sleep(1)
        lab.broker.stop()
        lo = lab.dev.sync()
        lab.dev.rate(rate)
        time.sleep(seconds)
        hi = lab.dev.rate(0)
        time.sleep(2)
        lab.broker.start()
        lab.sub.wait_count(lo, hi, 40)
        out, first = scenarios.tally(lab, lo, hi)
        span = (max(first.values()) - min(first.values())) / 1e9
        return dict(backlog=hi - lo, lost=out["lost"], overflow=out["overflow"], dup=out["dup"], drain_s=span, drain_rate=len(first) / span)


scenarios.Broker, scenarios.Subscriber, scenarios.Gateway = Broker, Committed, Gateway

TESTS = dict(limits=limits, **scenarios.TESTS, drain=drain)

if __name__ == "__main__":
    maker = BIN / "examples/certificates"
    subprocess.run([maker, CERTIFICATES], check=True)
    tests = list(TESTS) if o.tests == "all" else o.tests.split(",")
    try:
        for _ in range(o.reps):
            for test in tests:
                at = time.strftime("%Y-%m-%dT%H:%M:%S")
                # A latency needs a close look, and a rate needs the processor.
                Committed.closely = test in ("latency", "start")
                try:
                    result = TESTS[test]("skinlink", o.keep)
                except Exception as fault:                       # a run that fails is a result too
                    result = dict(error=f"{type(fault).__name__}: {fault}")
                row = dict(peer="skinlink", test=test, at=at, tag=o.tag, load1=os.getloadavg()[0], **result)
                with open(RESULTS / "results.jsonl", "a") as out:
                    out.write(json.dumps(row) + "\n")
                short = lambda d: {k: (round(v, 2) if isinstance(v, float) else v) for k, v in d.items() if k != "steps"}
                print(at, test, short(result), flush=True)
                for step in result.get("steps", []):
                    print("    ", short(step), flush=True)
    finally:
        shutil.rmtree(CERTIFICATES, ignore_errors=True)
