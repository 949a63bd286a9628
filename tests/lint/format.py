#!/usr/bin/env python3
"""C++ is laid out as .clang-format says (./dev fmt does it); shell scripts have no finding of shellcheck."""
import os
import subprocess
import sys

import tree

# Functions with default arguments look to shellcheck as if they forgot ours; '$x' within '' is for the shell inside.
NOT_ASKED = "SC2016,SC2119,SC2120"


def call(command, names):
    """The lines that a checker prints about the files, or one line that it is not there."""
    try:
        done = subprocess.run(command + names, cwd=tree.ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return [f"{command[0]} is not installed: ./dev setup"]
    said = [line for line in (done.stdout + done.stderr).splitlines() if ": error:" in line or ": warning:" in line or ": note:" in line]
    return said or ([f"{command[0]}: exit {done.returncode}"] if done.returncode else [])


def layout():
    places = {}
    for line in call(["clang-format-14", "--dry-run", "-Werror"], tree.files(*tree.CODE)):
        where = line.split(": error:")[0]
        places.setdefault(where.split(":")[0], []).append(where)
    return [f"{at[0]}: not laid out as .clang-format says ({len(at)} places)" for at in places.values()]


def shell():
    names = sorted(set(tree.scripts(["bash", "/sh"])) | set(tree.files(".sh")))
    return call(["shellcheck", "-f", "gcc", "-x", "-e", NOT_ASKED, "--source-path=SCRIPTDIR"], names) if names else []


def main():
    what = sys.argv[1] if len(sys.argv) > 1 else ""
    if what not in ("layout", "shell"):
        sys.exit(f"usage: {os.path.basename(sys.argv[0])} layout|shell")
    return tree.finish(what, layout() if what == "layout" else shell())


sys.exit(main())
