"""Numbers into words: medians, tables, and where they were measured."""
import os
import platform
import subprocess

PEERS = ("crun", "runc", "containerd")


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def summary(values):
    return {"median": median(values), "min": min(values), "p10": quantile(values, 0.1), "p90": quantile(values, 0.9), "count": len(values)}


def format_table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths))) for row in rows)


def first_line(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        return (done.stdout or done.stderr).splitlines()[0]
    except (OSError, IndexError):
        return "not there"


def environment(slipway="slipway"):
    commit = first_line(["git", "-C", os.path.dirname(os.path.realpath(__file__)), "describe", "--always", "--dirty"])
    return {"commit": commit, "kernel": platform.release(), "slipway": first_line([slipway, "--version"])} | {
        name: first_line([name, "--version"]) for name in PEERS}
