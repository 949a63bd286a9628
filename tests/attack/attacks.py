#!/usr/bin/env python3
"""Runs attacks in both polarities: attacks.py BUILD MODULE.CLASS…, as root, on a host (or view) with cgroup v2."""
import os
import sys
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))


def main():
    if len(sys.argv) < 3:
        sys.exit("usage: attacks.py BUILD MODULE.CLASS…")
    if os.geteuid() != 0:
        sys.exit("attacks: needs root")
    os.environ["SLIPWAY_BUILD"] = os.path.realpath(sys.argv[1])
    sys.path[:0] = [HERE, HERE + "/../root", HERE + "/../images", HERE + "/../integration"]
    result = unittest.TextTestRunner(verbosity=2).run(unittest.defaultTestLoader.loadTestsFromNames(sys.argv[2:]))
    sys.exit(0 if result.wasSuccessful() and result.testsRun > 1 else 1)


main()
