#!/usr/bin/env python3
"""Runs slipwayd's refusals and what a pod shows of its monitor: slipwayd_test.py BUILD [CASE…], as root, on a host (or view) with cgroup v2."""
import os
import sys
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: slipwayd_test.py BUILD [CASE…]")
    if os.geteuid() != 0:
        sys.exit("slipwayd_test: needs root")
    os.environ["SLIPWAY_BUILD"] = os.path.realpath(sys.argv[1])
    sys.path[:0] = [HERE, HERE + "/../images"]
    names = sys.argv[2:] or ["slipwayd_annotations", "slipwayd_bad_input", "slipwayd_cdi", "slipwayd_image_volumes", "slipwayd_monitor", "slipwayd_runtimes",
                              "slipwayd_signatures"]
    result = unittest.TextTestRunner(verbosity=2).run(unittest.defaultTestLoader.loadTestsFromNames(names))
    sys.exit(0 if result.wasSuccessful() and result.testsRun > 0 else 1)


main()
