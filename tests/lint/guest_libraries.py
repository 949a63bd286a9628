#!/usr/bin/env python3
"""What the built programs load, read from their dynamic sections: each library's package must be on the test VM's list, or they do not start there."""
import os
import re
import subprocess
import sys

import tree

PACKAGES = "tests/vm/packages"
PROGRAMS = ("slipctl", "slipway", "slipway-image", "slipway-monitor", "slipwayd")


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def libraries(program):
    return re.findall(r"\(NEEDED\).*\[(.*)\]", output("readelf", "--dynamic", "--wide", program))


def package_of(library):
    """Debian's package of a library that the loader finds; /lib is a link to /usr/lib, and dpkg knows each file by one of the two names."""
    found = re.search(rf"^\s*{re.escape(library)} \(.* => (\S+)$", output("/sbin/ldconfig", "-p"), re.MULTILINE)
    if not found:
        return None
    path = os.path.realpath(found[1])
    for name in (path, path.removeprefix("/usr")):
        done = subprocess.run(["dpkg-query", "--search", name], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout.split(":")[0]
    return None


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: guest_libraries.py BUILD_DIR")
    listed = {line.split("#")[0].strip() for line in tree.read(PACKAGES).splitlines()} - {""}
    essential = {"libc6", "libgcc-s1"}  # libstdc++6 brings both
    found = []
    for program in PROGRAMS:
        path = os.path.join(sys.argv[1], "bin", program)
        if not os.path.exists(path):
            found.append(f"{path} is not there: build it first")
            continue
        for library in libraries(path):
            package = package_of(library)
            if package not in listed | essential:
                found.append(f"{program} loads {library} of package {package}, which is not on {PACKAGES}")
    return tree.finish("guest-libraries", found)


sys.exit(main())
