#!/usr/bin/env python3
"""What a run of tests/conformance/run came to: verdict.py FOLDER prints what is wrong with it and exits 1, or 0.

FOLDER holds a boot's results in each of BOOTS. Everything must have passed but for the specs of allowed-skips, of which each must have been
skipped: who mends one takes it off the list.
"""
import json
import os
import sys

from page import text

LIST = os.path.join(os.path.dirname(os.path.realpath(__file__)), "allowed-skips")
# What counts of a boot: of the second one the specs that the first cannot run.
BOOTS = {"apparmor": lambda name: True, "selinux": lambda name: name.startswith("[k8s.io] SELinux ")}


def allowed():
    """The skips by boot, and how many specs there are at least."""
    skips, counts = {boot: set() for boot in BOOTS}, {}
    for line in text(LIST).splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        boot, rest = line.split(" ", 1)
        if rest.isdigit():
            counts[boot] = int(rest)
        else:
            skips[boot].add(rest)
    return skips, counts


def report_of(folder, boot):
    return json.loads(text(os.path.join(folder, boot, "critest.json")))[0]


def specs(report, boot):
    """Name, state and message of each spec that counts."""
    for spec in report["SpecReports"]:
        if spec["LeafNodeType"] != "It":
            if spec["State"] not in ("passed", "skipped"):  # what runs before and after the specs
                yield spec["LeafNodeType"], spec["State"], (spec.get("Failure") or {}).get("Message", "")
            continue
        name = " ".join((spec.get("ContainerHierarchyTexts") or []) + [spec["LeafNodeText"]])
        if BOOTS[boot](name):
            yield name, spec["State"], (spec.get("Failure") or {}).get("Message", "")


def problems(folder):
    skips, counts = allowed()
    for boot in BOOTS:
        if not os.path.exists(os.path.join(folder, boot, "critest.json")):
            yield f"{boot}: no report: critest did not come to its end"
            continue
        found = list(specs(report_of(folder, boot), boot))
        if len(found) < counts[boot]:
            yield f"{boot}: {len(found)} specs instead of {counts[boot]}"
        for name, state, message in found:
            why = message.splitlines()[0][:300] if message else ""
            if state == "skipped" and name not in skips[boot]:
                yield f"{boot}: skipped, and not on the list: {name}: {why}"
            elif state == "passed" and name in skips[boot]:
                yield f"{boot}: passed although the list has it as skipped: {name}"
            elif state not in ("passed", "skipped"):
                yield f"{boot}: {state}: {name}: {why}"
        for name in sorted(skips[boot] - {entry[0] for entry in found}):
            yield f"{boot}: on the list of skips, and no spec: {name}"


def main():
    found = list(problems(sys.argv[1]))
    for line in found:
        print(f"conformance: {line}")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
