#!/usr/bin/env python3
"""What runs with the host's privileges beside or inside a container's root loads nothing from it: programs.py BUILD (attack 44).

slipway and slipway-monitor are static and name no loader and no name service; slipwayd, which never enters a container's root, is
the control: the same look finds its loader.
"""
import subprocess
import sys

FORBIDDEN = ("dlopen", "dlmopen", "getpwnam", "getgrnam", "getaddrinfo", "__nss")


def interpreter(path):
    headers = subprocess.run(["readelf", "-lW", path], capture_output=True, text=True, check=True).stdout
    return "INTERP" in headers or "DYNAMIC" in headers


def calls(archive):
    done = subprocess.run(["nm", "--format=posix", "--undefined-only", archive], capture_output=True, text=True, check=True)
    return {line.split()[0] for line in done.stdout.splitlines() if line and not line.endswith(":")}


def main():
    build, wrong = sys.argv[1], []
    for name in ("slipway", "slipway-monitor"):
        if interpreter(f"{build}/bin/{name}"):
            wrong.append(f"{name} has a loader: it would take libraries from wherever it looks")
    if not interpreter(f"{build}/bin/slipwayd"):
        wrong.append("slipwayd has no loader: this test would find none anywhere")
    for room in ("runtime/libslipway_runtime.a", "runtime/init/libslipway_init.a", "runtime/libslipway_command.a", "monitor/libslipway_monitor.a"):
        wrong += [f"{room} calls {name}" for name in sorted(calls(f"{build}/{room}")) if name.startswith(FORBIDDEN)]
    for line in wrong:
        print(line)
    sys.exit(1 if wrong else 0)


main()
