"""The CRI bench's JSON as a table and ratios; with --assert, the bounds that must hold in every run."""
import argparse
import json
import sys

import report

CALLS = ["PullImage", "RunPodSandbox", "CreateContainer", "StartContainer", "create + start", "pod start", "ExecSync", "Version", "ContainerStatus", "PodSandboxStatus", "ListPodSandbox", "ListContainers",
         "StopContainer", "RemoveContainer", "StopPodSandbox", "RemovePodSandbox"]

# What, where in the result, at least, at most. A pod of no process, or of no memory, was not measured.
BOUNDS = [
    ("pod start, slipway/containerd", lambda r: r["ratios"]["pod start"], 0.001, 0.5),
    ("processor time of an exec probe, slipway/containerd", lambda r: r["ratios"].get("exec probe, CPU", 0.001), 0.001, 0.25),
    ("processes per pod without containers", lambda r: r["memory"]["slipway"]["per_pod"]["processes"], 1, 1),
    ("threads per pod without containers", lambda r: r["memory"]["slipway"]["per_pod"]["threads"], 1, 1),
    ("monitor's Pss, KiB", lambda r: r["memory"]["slipway"]["per_pod"]["pss_kib"], 1, 400),
    ("monitor's private anonymous memory, KiB", lambda r: r["memory"]["slipway"]["per_pod"]["private_kib"], 1, 200),
]


def called(result):
    """The calls of a pod's life in its order, then the crowds."""
    return CALLS + [what for what in next(iter(result["calls"].values())) if what.endswith(" at once")]


def broken(result):
    return [f"{what}: {value(result):.3f} is not from {least} to {most}" for what, value, least, most in BOUNDS
            if not least <= value(result) <= most]


def add_ratios(result):
    calls = result["calls"]
    if {"slipway", "containerd"} <= calls.keys():
        plugins = calls["slipway"]["CNI ADD"]["median"]
        result["ratios"] = {call: round(calls["slipway"][call]["median"] / calls["containerd"][call]["median"], 3) for call in called(result)}
        result["beyond_plugins"] = round((calls["slipway"]["RunPodSandbox"]["median"] - plugins) / (calls["containerd"]["RunPodSandbox"]["median"] - plugins), 3)
    node = result.get("node", {})
    if {"slipway", "containerd"} <= node.keys():
        result["node_ratios"] = {call: round(one["cpu_ms"] / node["containerd"]["calls"][call]["cpu_ms"], 3) for call, one in node["slipway"]["calls"].items()}
    probes = result.get("probes", {})
    if {"slipway", "containerd"} <= probes.keys():
        result["ratios"]["exec probe, CPU"] = round(probes["slipway"]["cpu_ms"] / probes["containerd"]["cpu_ms"], 3)


def times(result):
    names = list(result["calls"])
    rows = [["ms, median of %d" % result["rounds"]] + names + (["ratio"] if "ratios" in result else [])]
    for call in called(result):
        row = [call] + [f"{result['calls'][name][call]['median']:.1f}" for name in names]
        rows.append(row + ([f"{result['ratios'][call]:.3f}"] if "ratios" in result else []))
    return report.format_table(rows)


def memory(result):
    names = list(result.get("memory", {}))
    if not names:
        return ""
    rows = [["memory"] + names, ["daemon idle, Pss KiB"] + [f"{result['idle'][name]['pss_kib']:.1f}" for name in names]]
    for title, part, key in (("daemon before pods, Pss KiB", "daemon_without_pods", "pss_kib"), ("daemon with pods, Pss KiB", "daemon_with_pods", "pss_kib"),
                             ("daemon with pods, threads", "daemon_with_pods", "threads"), ("per pod: processes", "per_pod", "processes"),
                             ("per pod: threads", "per_pod", "threads"), ("per pod: Pss KiB", "per_pod", "pss_kib"),
                             ("per pod: private anonymous KiB", "per_pod", "private_kib"), ("per pod: MemAvailable KiB", "per_pod", "available_memory_kib")):
        rows.append([title] + [f"{result['memory'][name][part][key]:.1f}" for name in names])
    return report.format_table(rows)


def probes_table(result):
    names = list(result.get("probes", {}))
    if not names:
        return ""
    rows = [["exec probes"] + names]
    for title, key in (("containers", "containers"), ("processor time of a probe, ms", "cpu_ms"), ("probes a second", "per_second")):
        rows.append([title] + [f"{result['probes'][name][key]:.1f}" for name in names])
    return report.format_table(rows)


def node_table(result):
    names = list(result.get("node", {}))
    if not names:
        return ""
    first = result["node"][names[0]]
    rows = [[f"ms, {first['pods']} pods of {first['containers']} containers"] + [head for name in names for head in (name, "its processor time")]]
    for call in first["calls"]:
        rows.append([call] + [f"{result['node'][name]['calls'][call][key]:.2f}" for name in names for key in ("median", "cpu_ms")])
    return report.format_table(rows)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--assert", dest="check", action="store_true")
    parser.add_argument("json")
    options = parser.parse_args()
    with open(options.json, encoding="utf-8") as file:
        result = json.load(file)
    add_ratios(result)
    result |= {"environment": report.environment()}
    with open(options.json, "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1)
    print(times(result))
    if "beyond_plugins" in result:
        print(f"RunPodSandbox beyond the CNI plugins' own {result['calls']['slipway']['CNI ADD']['median']:.0f} ms: {result['beyond_plugins']:.3f} × containerd's")
    print("pods that failed among many and were made again: " + ", ".join(f"{name} {count}" for name, count in result["failures"].items()))
    print(memory(result))
    print(probes_table(result))
    print(node_table(result))
    if not options.check:
        return
    if failed := broken(result):
        sys.exit("bench: " + "\nbench: ".join(failed))
    print(f"all {len(BOUNDS)} bounds hold")


main()
