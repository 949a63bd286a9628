"""The CRI bench's JSON as a table and ratios; with --assert, the bounds that must hold in every run."""
import argparse
import json
import sys

import report

CALLS = ["RunPodSandbox", "CreateContainer", "StartContainer", "create + start", "pod start", "ExecSync", "ContainerStatus", "PodSandboxStatus",
         "StopContainer", "RemoveContainer", "StopPodSandbox", "RemovePodSandbox"]

# What, where in the result, at least, at most. A pod of no process, or of no memory, was not measured.
BOUNDS = [
    ("pod start, slipway/containerd", lambda r: r["ratios"]["pod start"], 0.001, 0.5),
    ("processes per pod without containers", lambda r: r["memory"]["slipway"]["per_pod"]["processes"], 1, 1),
    ("threads per pod without containers", lambda r: r["memory"]["slipway"]["per_pod"]["threads"], 1, 1),
    ("monitor's Pss, KiB", lambda r: r["memory"]["slipway"]["per_pod"]["pss_kib"], 1, 400),
    ("monitor's private anonymous memory, KiB", lambda r: r["memory"]["slipway"]["per_pod"]["private_kib"], 1, 200),
]


def broken(result):
    return [f"{what}: {value(result):.3f} is not from {least} to {most}" for what, value, least, most in BOUNDS
            if not least <= value(result) <= most]


def add_ratios(result):
    calls = result["calls"]
    if {"slipway", "containerd"} <= calls.keys():
        result["ratios"] = {call: round(calls["slipway"][call]["median"] / calls["containerd"][call]["median"], 3) for call in CALLS}


def times(result):
    names = list(result["calls"])
    rows = [["ms, median of %d" % result["rounds"]] + names + (["ratio"] if "ratios" in result else [])]
    for call in CALLS:
        row = [call] + [f"{result['calls'][name][call]['median']:.1f}" for name in names]
        rows.append(row + ([f"{result['ratios'][call]:.3f}"] if "ratios" in result else []))
    return report.format_table(rows)


def memory(result):
    names = list(result.get("memory", {}))
    if not names:
        return ""
    rows = [["memory"] + names]
    for title, part, key in (("daemon before pods, Pss KiB", "daemon_without_pods", "pss_kib"), ("daemon with pods, Pss KiB", "daemon_with_pods", "pss_kib"),
                             ("daemon with pods, threads", "daemon_with_pods", "threads"), ("per pod: processes", "per_pod", "processes"),
                             ("per pod: threads", "per_pod", "threads"), ("per pod: Pss KiB", "per_pod", "pss_kib"),
                             ("per pod: private anonymous KiB", "per_pod", "private_kib"), ("per pod: MemAvailable KiB", "per_pod", "available_memory_kib")):
        rows.append([title] + [f"{result['memory'][name][part][key]:.1f}" for name in names])
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
    print(memory(result))
    if not options.check:
        return
    if failed := broken(result):
        sys.exit("bench: " + "\nbench: ".join(failed))
    print(f"all {len(BOUNDS)} bounds hold")


main()
