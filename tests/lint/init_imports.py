#!/usr/bin/env python3
"""What runtime/init calls, read from its objects: only the C library's names on init-imports.allow, for it lives between clone and exec."""
import os
import subprocess
import sys

import tree

ALLOW = "tests/lint/init-imports.allow"


def symbols(archive, option):
    done = subprocess.run(["nm", "--format=posix", option, archive], capture_output=True, text=True, check=True)
    return {line.split()[0] for line in done.stdout.splitlines() if line and not line.endswith(":")}


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: init_imports.py BUILD_DIR")
    archive = os.path.join(sys.argv[1], "runtime/init/libslipway_init.a")
    if not os.path.exists(archive):
        return tree.finish("init-imports", [f"{archive} is not there: build it first"])
    allowed = {line.split("#")[0].strip() for line in tree.read(ALLOW).splitlines()} - {""}
    wanted = symbols(archive, "--undefined-only") - symbols(archive, "--defined-only")
    found = [f"runtime/init calls {name}, which is not on {ALLOW}" for name in sorted(wanted - allowed)]
    return tree.finish("init-imports", found)


sys.exit(main())
