#!/usr/bin/env python3
"""docs/attacks.md against ctest: every entry has its row, every test a row names is there, every attack test is named: table.py BUILD."""
import json
import os
import re
import subprocess
import sys

TABLE = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../docs/attacks.md")
ENTRIES = 44
ROW = re.compile(r"^\| (\d+) \| ([^|]*) \| ([^|]*) \| ([^|]*) \|$", re.M)
TEST = re.compile(r"`((?:attack|vm|unit_|root_)[\w.-]*)`")
OWN = {"attack.table", "attack.no-switches"}


def main():
    listed = subprocess.run(["ctest", "--test-dir", sys.argv[1], "--show-only=json-v1"], capture_output=True, text=True, check=True)
    there = {test["name"] for test in json.loads(listed.stdout)["tests"]}
    with open(TABLE, encoding="utf-8") as file:
        rows = {int(number): (attack, defence, tests) for number, attack, defence, tests in ROW.findall(file.read())}
    wrong = [f"entry {number} has no row" for number in range(1, ENTRIES + 1) if number not in rows]
    named = set()
    for number, (_, defence, tests) in rows.items():
        mine = set(TEST.findall(tests))
        named |= mine
        if not mine and not defence.startswith("does not concern us"):
            wrong.append(f"entry {number}: names no test and no reason why it does not concern us")
        wrong += [f"entry {number}: ctest has no test '{name}'" for name in sorted(mine - there)]
        wrong += [f"entry {number}: '{name}' is another entry's" for name in mine if name.startswith("attack.") and int(name.split(".")[1]) != number]
    wrong += [f"test '{name}' has no row" for name in sorted(there - named - OWN) if name.startswith("attack.")]
    for line in wrong:
        print(line)
    print(f"{len(rows)} entries, {len(named)} tests named")
    sys.exit(1 if wrong else 0)


main()
