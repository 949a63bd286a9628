#!/usr/bin/env python3
"""The released programs hold no trace of the weakened ones' switches: no_switches.py BUILD. The weakened ones do, or this would show nothing."""
import os
import subprocess
import sys

TRACES = (b"SLIPWAY_WEAKEN", b"weakened_build")


def traces_in(path):
    with open(path, "rb") as file:
        content = file.read()
    return [trace.decode() for trace in TRACES if trace in content]


def main():
    build = sys.argv[1]
    programs = sorted(os.listdir(build + "/bin"))
    weakened = sorted(os.listdir(build + "/weakened/bin"))
    wrong = [f"{name}: holds {', '.join(found)}" for name in programs if (found := traces_in(f"{build}/bin/{name}"))]
    wrong += [f"weakened/{name}: has no switches" for name in weakened if not traces_in(f"{build}/weakened/bin/{name}")]
    wrong += [f"{name}: is not among the released programs" for name in weakened if name not in programs]
    archives = subprocess.run(["find", build, "-name", "libslipway_*.a"], capture_output=True, text=True, check=True).stdout.split()
    wrong += [f"{path}: holds {', '.join(found)}" for path in archives if (found := traces_in(path))]
    for line in wrong:
        print(line)
    print(f"{len(programs)} programs, {len(archives)} libraries, {len(weakened)} weakened programs")
    sys.exit(1 if wrong or not weakened or len(archives) < 10 else 0)


main()
