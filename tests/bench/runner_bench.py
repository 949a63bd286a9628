"""The runner bench: `run` of one Kubernetes-like container by slipway, Debian's crun and the floor program, interleaved."""
import argparse
import contextlib
import json
import os
import re
import resource
import subprocess
import sys
import tempfile

import bundle
import report

CONTAINER = "slipway-bench"
HERE = os.path.dirname(os.path.realpath(__file__))
RULES = os.path.join(HERE, "../../oci/seccomp-default.tsv")
BESIDE = "run beside the floor"


class Bench:
    def __init__(self, options, work):
        self.options = options
        self.work = work
        self.bundle = f"{work}/bundle"
        self.table = options.profile
        bundle.make(self.bundle, options.busybox, f"{options.programs}/probe", self.table)
        self.call([f"{options.programs}/compile_filter", f"{self.bundle}/rules", f"{self.bundle}/filter.bpf"])

    def call(self, command):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            sys.exit(f"bench: {' '.join(command)}: exit {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def runtime(self, name):
        program = {"slipway": self.options.slipway, "crun": self.options.crun}[name]
        return [program, "--root", f"{self.work}/memory/state-{name}"]

    def run_command(self, name, program):
        if name == "floor":
            return [f"{self.options.programs}/floor", self.bundle, "/sys/fs/cgroup" + bundle.CGROUP, program]
        return self.runtime(name) + ["run", "-b", self.bundle, CONTAINER]

    def lifecycle_command(self, name):
        runtime = " ".join(self.runtime(name))
        return ["sh", "-c", f"{runtime} create -b {self.bundle} {CONTAINER} && {runtime} start {CONTAINER} && {runtime} delete -f {CONTAINER}"]

    def probe(self, names, limited=False):
        """How each runtime's container is confined; the bench compares only equals."""
        bundle.select(self.bundle, self.table, ["/bin/probe"], limited=limited)
        seen = {name: normalise(self.call(self.run_command(name, "/bin/probe"))) for name in names}
        if "crun" in seen and not bundle.can_ask_for_device_rules():
            # Unasked, crun forbids no device; slipway and the floor program do, and so do more than it.
            rules = [line for line in seen[names[0]] if line.startswith("device-rule")]
            seen["crun"] = [line for line in seen["crun"] if not line.startswith("device-rule")] + rules
        first = names[0]
        differences = []
        for name in names[1:]:
            for line in sorted(set(seen[first]) ^ set(seen[name])):
                differences.append(f"  only in {first if line in seen[first] else name}: {line}")
        if differences:
            sys.exit("bench: the containers are not the same, so their times say nothing:\n" + "\n".join(differences))
        bad = [line for line in seen[first] if re.search(r"VISIBLE|WRITABLE|namespace .* host", line) and not re.search("namespace (user|time)", line)]
        if bad:
            sys.exit("bench: the containers are not confined:\n" + "\n".join(bad))
        return seen[first]

    def race(self, commands, times_rounds=1):
        times, peaks = self.laps(commands, times_rounds * self.options.rounds)
        return {name: report.summary(times[name]) | {"max_rss_kib": report.median(peaks[name])} for name in commands}

    def race_unseen(self, commands):
        """Every round with a seccomp profile that nobody has compiled before; `more`: than the same once more, right after."""
        times, more = {name: [] for name in commands}, {name: [] for name in commands}
        for variant in range(max(10, self.options.rounds // 3)):
            bundle.select(self.bundle, self.table, ["/bin/true"], variant + 37 * os.getpid())
            first, _ = self.laps(commands, 1)
            again, _ = self.laps(commands, 1)
            for name in commands:
                times[name] += first[name]
                more[name].append(first[name][0] - again[name][0])
        return {name: report.summary(times[name]) | {"more": round(report.median(more[name]), 2)} for name in commands}

    def race_exec(self, names):
        """`true` into a container that runs already, one for each runtime."""
        commands, started = {}, []
        try:
            for name in names:
                container = f"{CONTAINER}-{name}"
                bundle.select(self.bundle, self.table, ["/bin/busybox", "sleep", "100000"], cgroup=f"{bundle.CGROUP}-{name}")
                started.append(self.runtime(name) + ["delete", "--force", container])
                self.start(self.runtime(name) + ["run", "--detach", "-b", self.bundle, container])
                commands[name] = self.runtime(name) + ["exec", container, "/bin/true"]
            return self.race(commands)
        finally:
            for command in started:
                subprocess.run(command, capture_output=True, timeout=120, check=False)

    @staticmethod
    def start(command):
        """The container keeps what it is given: no pipes of ours."""
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120, check=False)
        if done.returncode != 0:
            sys.exit(f"bench: {' '.join(command)}: exit {done.returncode}")

    def smallest_limit(self, name):
        """KiB of memory.max under which `true` runs three of three times; None where no limit can be set."""
        with open("/sys/fs/cgroup/cgroup.controllers", encoding="utf-8") as file:
            if "memory" not in file.read().split():
                return None
        for kib in (256, 384, 512, 768, 1024, 1536, 2048, 4096, 8192, 12288, 16384, 32768):
            bundle.select(self.bundle, self.table, ["/bin/true"], memory=kib << 10)
            runs = [subprocess.run(self.run_command(name, "/bin/true"), capture_output=True, timeout=120, check=False) for _ in range(3)]
            if all(run.returncode == 0 for run in runs):
                return kib
            subprocess.run(self.runtime(name) + ["delete", "--force", CONTAINER], capture_output=True, timeout=120, check=False)
        sys.exit(f"bench: {name} runs nothing under 32 MiB")

    def laps(self, commands, rounds):
        argv = [f"{self.options.programs}/race", str(rounds)]
        for i, (name, command) in enumerate(commands.items()):
            argv += (["--"] if i else []) + [name] + command
        times, peaks = {name: [] for name in commands}, {name: [] for name in commands}
        for line in self.call_long(argv).splitlines():
            name, _, nanoseconds, peak, _ = line.split()
            times[name].append(int(nanoseconds) / 1e6)
            peaks[name].append(int(peak))
        return times, peaks

    def call_long(self, argv):
        done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=1800, check=False)
        if done.returncode != 0:
            sys.exit(f"bench: a run failed: {done.stdout.splitlines()[-1:]}")
        return done.stdout

    def system_calls(self, name):
        out = f"{self.work}/strace"
        self.call(["strace", "-f", "-c", "-o", out] + self.run_command(name, "/bin/true"))
        with open(out, encoding="utf-8") as file:
            return int(file.read().splitlines()[-1].split()[3])


def normalise(text):
    """Namespaces become `new` or `host`: their numbers differ from run to run."""
    lines = []
    for line in text.splitlines():
        if line.startswith("namespace "):
            _, kind, link = line.split()
            line = f"namespace {kind} {'host' if os.readlink(f'/proc/self/ns/{kind}') == link else 'new'}"
        lines.append(line)
    return lines


def measure(options, work):
    bench = Bench(options, work)
    names = [name for name in options.runtimes.split(",") if name]
    confined = bench.probe(names)
    # The floor program makes what is timed, and that has no limits; where there are some, the runtimes have to be equal too.
    limited = bench.probe([name for name in names if name != "floor"], limited=True)
    unheeded = set(limited) & {line for line in confined if line.startswith(f"rlimit {resource.RLIMIT_NOFILE} ") or "/pids.max " in line}
    if unheeded:
        sys.exit(f"bench: limits that were asked for and are not in force: {unheeded}")
    bundle.select(bench.bundle, bench.table, ["/bin/true"])
    for name in names:  # caches warm: everybody's pages are in memory
        for _ in range(3):
            bench.call(bench.run_command(name, "/bin/true"))
    runtimes = [name for name in names if name != "floor"]
    # In pairs: of three, whoever comes after crun finds cold caches, and who is not the floor program has more of them to warm.
    out = {"run": bench.race({name: bench.run_command(name, "/bin/true") for name in runtimes})}
    # The two are close: of fewer rounds the ratio is a throw of dice.
    out[BESIDE] = bench.race({name: bench.run_command(name, "/bin/true") for name in ("slipway", "floor") if name in names}, times_rounds=5)
    out["create+start+delete"] = bench.race({name: bench.lifecycle_command(name) for name in runtimes})
    out["run, unseen profile"] = bench.race_unseen({name: bench.run_command(name, "/bin/true") for name in runtimes})
    out["exec"] = bench.race_exec(runtimes)
    out["new_profile_ms"] = {name: value["more"] for name, value in out["run, unseen profile"].items()}
    out["smallest_limit_kib"] = {name: bench.smallest_limit(name) for name in runtimes}
    bundle.select(bench.bundle, bench.table, ["/bin/true"])
    for name in names:
        out["run" if name in out["run"] else BESIDE][name]["system_calls"] = bench.system_calls(name)
    return out | {"rounds": options.rounds, "confinement": confined}


@contextlib.contextmanager
def in_memory(path):
    """Runtimes keep their state in /run, which is in memory."""
    os.mkdir(path)
    subprocess.run(["mount", "-t", "tmpfs", "slipway-bench", path], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", path], check=True)


VERBS = ("run", BESIDE, "create+start+delete", "run, unseen profile", "exec")


def table(result):
    rows = [["", "median ms", "p10", "p90", "peak KiB", "system calls"]]
    for verb in VERBS:
        for name, value in result[verb].items():
            rows.append([f"{verb}: {name}", f"{value['median']:.2f}", f"{value['p10']:.2f}", f"{value['p90']:.2f}", str(value.get("max_rss_kib", "")),
                         str(value.get("system_calls", ""))])
    return report.format_table(rows)


def ratios(result):
    out = {}
    for verb in VERBS:
        times = result[verb]
        if "slipway" in times:
            for name in times:
                if name != "slipway":
                    out[f"{verb}: slipway/{name}"] = round(times["slipway"]["median"] / times[name]["median"], 3)
    return out


EMULATED = os.environ.get("SLIPWAY_VM") == "1"
# The targets, one for each thing measured; looser where one is not reached (docs/performance.md says so), so that it at least does not get worse.
# Milliseconds and counts of the host say nothing about an emulated machine with another kernel.
BOUNDS = [
    ("run, of crun's", 0.5, lambda r: r["ratios"]["run: slipway/crun"]),
    ("run, of the floor's", 1.2, lambda r: None if EMULATED else r["ratios"][BESIDE + ": slipway/floor"]),  # target: 1.15, and seven runs were 1.12 to 1.15
    ("create+start+delete, of crun's", 0.5, lambda r: r["ratios"]["create+start+delete: slipway/crun"]),
    ("run of an unseen profile, of crun's", 0.5, lambda r: r["ratios"]["run, unseen profile: slipway/crun"]),
    ("exec, of crun's", 0.5, lambda r: r["ratios"]["exec: slipway/crun"] if EMULATED else None),  # the target is the VM's
    ("a new profile, ms", 1.0, lambda r: None if EMULATED else r["new_profile_ms"]["slipway"]),
    ("peak memory, KiB", 2048, lambda r: r["run"]["slipway"]["max_rss_kib"]),
    ("system calls of run", 320, lambda r: None if EMULATED else r["run"]["slipway"]["system_calls"]),
    ("smallest memory limit, KiB", 256, lambda r: r["smallest_limit_kib"]["slipway"]),  # None where no limit can be set
]


def beyond_bounds(result):
    out = []
    for name, bound, value_of in BOUNDS:
        value = value_of(result)
        print(f"bound: {name} = {'not measured here' if value is None else value} (≤ {bound})")
        if value is not None and value > bound:
            out.append(f"{name} = {value} (≤ {bound})")
    return out


def parse_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", required=True, help="folder of floor, probe, race, compile_filter")
    parser.add_argument("--slipway", required=True)
    parser.add_argument("--crun", default="/usr/bin/crun")
    parser.add_argument("--busybox", default="/bin/busybox")
    parser.add_argument("--profile", default=RULES)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--runtimes", default="slipway,crun,floor")
    parser.add_argument("--json", required=True)
    parser.add_argument("--assert", dest="check", action="store_true", help="fail where a bound does not hold")
    return parser.parse_args()


def main():
    options = parse_options()
    # Not in a tmpfs /tmp: runtimes differ in what they keep of its nosuid and nodev.
    with tempfile.TemporaryDirectory(prefix="slipway-bench-", dir="/var/tmp") as work, in_memory(work + "/memory"):
        result = measure(options, work)
    result["ratios"] = ratios(result)
    result["environment"] = report.environment(options.slipway)
    with open(options.json, "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1)
    print(table(result))
    for name, value in result["ratios"].items():
        print(f"{name} = {value}")
    for what in ("new_profile_ms", "smallest_limit_kib"):
        print(f"{what}: {result[what]}")
    broken = beyond_bounds(result) if options.check else []
    if broken:
        sys.exit("bench: beyond its bound: " + ", ".join(broken))


main()
