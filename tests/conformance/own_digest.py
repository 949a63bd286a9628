#!/usr/bin/env python3
"""Copies a critest so that the one digest that is fixed in it names our image of that repository: own_digest.py CRITEST COPY REGISTRY-STORAGE

Its spec "public image with digest" pulls one image of gcr.io by digest. Our images have other bytes, hence another digest; as both are 64 digits,
the digits are exchanged. Nothing else is: prints what was found and what was put there.
"""
import os
import re
import shutil
import sys

REPOSITORY = "k8s-staging-cri-tools/test-image-digest"
FIXED = re.compile(rb"(gcr\.io/" + REPOSITORY.encode() + rb"@sha256:)([0-9a-f]{64})")


def main():
    critest, copy, storage = sys.argv[1:]
    with open(f"{storage}/docker/registry/v2/repositories/{REPOSITORY}/_manifests/tags/latest/current/link", encoding="ascii") as file:
        ours = file.read().strip().removeprefix("sha256:").encode()
    with open(critest, "rb") as file:
        program = file.read()
    found = set(digest for _, digest in FIXED.findall(program))
    if len(found) != 1 or len(ours) != 64:
        sys.exit(f"own_digest: {critest} names {len(found)} digests of {REPOSITORY}, one is expected")
    program = FIXED.sub(rb"\g<1>" + ours, program)
    os.makedirs(os.path.dirname(copy), exist_ok=True)
    with open(copy + ".new", "wb") as file:
        file.write(program)
    shutil.copymode(critest, copy + ".new")
    os.replace(copy + ".new", copy)
    print(f"{found.pop().decode()} {ours.decode()}")


main()
