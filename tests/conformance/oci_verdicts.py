#!/usr/bin/env python3
"""What the OCI validation programs said of each runtime, as verdicts.

oci_verdicts.py FOLDER              prints the table of a run of oci-run
oci_verdicts.py --again FOLDER      RUNTIME PROGRAM, a line for each that fails and passes with another runtime

A program passes if it ends with status 0 in its time, prints no `not ok` but a `# TODO`, and
- has an `ok` that is no `# SKIP`, or
- asserts nothing at all and prints no diagnostic: such programs tell a failure by a YAML block or by their status alone.
It is skipped if all it asserts is skipped."""
import os
import re
import sys


def text(path):
    with open(path, encoding="utf-8", errors="replace") as stream:
        return stream.read()


def fails(line):
    return line.startswith("not ok") and "# TODO" not in line


def reason_of(lines, errors, status):
    """The first word of a failure, for people."""
    for line in lines:
        if fails(line):
            return line
    for line in lines:
        if line.strip().startswith('"error":'):
            return line.strip()
    said = [line for line in errors.splitlines() if line.strip()]
    return f"status {status}" + (f": {said[0]}" if said else "")


def verdict(tap, errors, status):
    """pass, skip or fail; and why."""
    lines = tap.splitlines()
    good = [line for line in lines if re.match(r"ok\b", line)]
    if status != 0 or any(fails(line) for line in lines):
        return "fail", reason_of(lines, errors, status)
    if not good:
        # A YAML diagnostic begins with '---'; the version and the plan are no diagnostics.
        silent = not any(line.strip() == "---" for line in lines)
        return ("pass", "") if silent else ("fail", reason_of(lines, errors, status))
    if all("# SKIP" in line for line in good):
        return "skip", good[0]
    return "pass", ""


def verdict_of(path):
    return verdict(text(path + ".tap"), text(path + ".err"), int(text(path + ".status")))


def read(folder):
    """{runtime: {program: (verdict, why, tries)}} in the order of the versions' file."""
    found = {}
    for line in text(os.path.join(folder, "versions")).splitlines():
        runtime = line.split("\t")[0]
        at = os.path.join(folder, runtime)
        names = sorted(name[:-len(".tries")] for name in os.listdir(at) if name.endswith(".tries"))
        found[runtime] = {name: verdict_of(os.path.join(at, name)) + (int(text(os.path.join(at, name + ".tries"))),) for name in names}
    return found


def print_table(found):
    runtimes = list(found)
    print(f"{'program':32}", *(f"{r:12}" for r in runtimes))
    for program in sorted(set().union(*found.values())):
        cells = [found[r].get(program, ("-", "", 1)) for r in runtimes]
        words = [verdict + (f" ({tries})" if verdict == "pass" and tries > 1 else "") for verdict, _, tries in cells]
        print(f"{program:32}", *(f"{word:12}" for word in words))
        for runtime, (verdict, why, _) in zip(runtimes, cells):
            if verdict == "fail":
                print(f"    {runtime}: {why[:200]}")
    print(f"{'pass':32}", *(f"{sum(c[0] == 'pass' for c in found[r].values()):<12}" for r in runtimes))


def print_differing(found):
    for runtime, cells in found.items():
        for program, cell in cells.items():
            if cell[0] == "fail" and any(others[program][0] == "pass" for others in found.values()):
                print(runtime, program)


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "--again":
        return print_differing(read(sys.argv[2]))
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    return print_table(read(sys.argv[1]))


if __name__ == "__main__":
    main()
