"""docs/conformance.md as parts, each written by the publisher of one suite and kept by the others'."""
import os
import re

PROJECT = os.path.realpath(os.path.join(os.path.dirname(os.path.realpath(__file__)), "../.."))
PAGE = os.path.join(PROJECT, "docs/conformance.md")
HEADINGS = {"critest": "# Conformance", "oci": "# OCI validation suite"}


def text(path):
    with open(path, encoding="utf-8", errors="replace") as stream:
        return stream.read()


def parts():
    found = {}
    for part in re.split(r"^(?=# )", text(PAGE), flags=re.M):
        for name, heading in HEADINGS.items():
            if part.startswith(heading + "\n"):
                found[name] = part
    return found


def write_part(name, lines):
    """The lines follow the part's heading."""
    found = parts()
    found[name] = "\n".join([HEADINGS[name], ""] + lines) + "\n"
    with open(PAGE, "w", encoding="utf-8") as out:
        out.write("\n".join(found[key].rstrip("\n") + "\n" for key in HEADINGS if key in found))
