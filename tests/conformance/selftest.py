#!/usr/bin/env python3
"""Tests verdict.py on made-up reports: what is a failure, and what is none."""
import json
import os
import subprocess
import sys
import tempfile

from verdict import BOOTS, allowed

HERE = os.path.dirname(os.path.realpath(__file__))
SKIPS, COUNTS = allowed()
PREFIX = {"apparmor": "[k8s.io] Something ", "selinux": "[k8s.io] SELinux something "}


def good(boot):
    """A report with as many specs as there must be, the listed ones skipped."""
    specs = {name: "skipped" for name in SKIPS[boot]}
    for number in range(COUNTS[boot] - len(specs)):
        specs[PREFIX[boot] + str(number)] = "passed"
    return specs


def status_of(reports):
    """verdict.py's, of a folder with these reports by boot."""
    with tempfile.TemporaryDirectory() as folder:
        for boot, specs in reports.items():
            os.mkdir(os.path.join(folder, boot))
            entries = [{"LeafNodeType": "It", "ContainerHierarchyTexts": [name.split(" ", 1)[0]], "LeafNodeText": name.split(" ", 1)[1],
                        "State": state, "Failure": {"Message": "why"}} for name, state in specs.items()]
            with open(os.path.join(folder, boot, "critest.json"), "w", encoding="utf-8") as out:
                json.dump([{"SpecReports": entries}], out)
        return subprocess.run([sys.executable, "-B", os.path.join(HERE, "verdict.py"), folder], stdout=subprocess.DEVNULL, check=False).returncode


def changed(boot, name, state):
    reports = {each: good(each) for each in BOOTS}
    reports[boot][name] = state
    return reports


def main():
    wanted = [("all is well", {boot: good(boot) for boot in BOOTS}, 0), ("a boot is missing", {"apparmor": good("apparmor")}, 1)]
    for boot in BOOTS:
        first = PREFIX[boot] + "0"
        wanted += [(f"{boot}: {state}", changed(boot, first, state), 1) for state in ("failed", "skipped", "panicked", "pending", "timedout")]
        fewer = changed(boot, first, "passed")
        del fewer[boot][first]
        wanted.append((f"{boot}: a spec is missing", fewer, 1))
    listed = sorted(SKIPS["apparmor"])[0]
    wanted.append(("a listed spec passes", changed("apparmor", listed, "passed"), 1))
    wanted.append(("in the second boot others do not count", changed("selinux", "[k8s.io] Something else", "skipped"), 0))
    bad = [what for what, reports, status in wanted if status_of(reports) != status]
    for what in bad:
        print(f"conformance selftest: {what}: the verdict is wrong")
    sys.exit(1 if bad else 0)


main()
