#!/usr/bin/env python3
"""Runs the runner's tests: runner_test.py SLIPWAY [CASE…], as root, on a host (or view) with cgroup v2."""
import os
import sys
import unittest


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: runner_test.py SLIPWAY [CASE…]")
    if os.geteuid() != 0:
        sys.exit("runner_test: needs root")
    os.environ["SLIPWAY"] = os.path.realpath(sys.argv[1])
    here = os.path.dirname(os.path.realpath(__file__))
    sys.path.insert(0, here)
    names = sys.argv[2:] or sorted(file[:-3] for file in os.listdir(here) if file.endswith("_cases.py"))
    result = unittest.TextTestRunner(verbosity=2).run(unittest.defaultTestLoader.loadTestsFromNames(names))
    sys.exit(0 if result.wasSuccessful() and result.testsRun > 0 else 1)


main()
