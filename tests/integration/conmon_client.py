#!/usr/bin/env python3
"""conmon's caller, as podman and CRI-O are it.

conmon_client.py tell N COMMAND…       starts conmon, lets it begin, prints the first N lines of JSON that it tells its caller (fewer once
                                       one tells an error); conmon itself lives on
conmon_client.py attach SOCKET TEXT    sends TEXT (\\n is a new line) and prints what the container says until its end, a line "stdout" or
                                       "stderr" before each piece of the other stream
"""
import json
import os
import socket
import subprocess
import sys

STREAMS = {2: "stdout", 3: "stderr"}


def tell(most, command):
    told, tells = os.pipe()
    waits, begin = os.pipe()
    environment = dict(os.environ, _OCI_SYNCPIPE=str(tells), _OCI_STARTPIPE=str(waits))
    with subprocess.Popen(command, env=environment, pass_fds=(tells, waits)) as conmon:
        os.close(tells)
        os.close(waits)
        os.write(begin, b"x")
        with os.fdopen(told, encoding="utf-8") as lines:
            for _ in range(most):
                line = lines.readline()
                print(line, end="", flush=True)
                if not line or json.loads(line).get("data", 0) < 0:
                    break
    sys.exit(conmon.returncode)


def attach(path, text):
    last = None
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.settimeout(60)
        connection.connect(path)
        connection.send(text.encode().decode("unicode_escape").encode())
        while packet := connection.recv(8193):
            if packet[0] != last:
                print(STREAMS[packet[0]], flush=True)
                last = packet[0]
            print(packet[1:].decode().replace("\r", ""), end="", flush=True)


if sys.argv[1] == "tell":
    tell(int(sys.argv[2]), sys.argv[3:])
else:
    attach(*sys.argv[2:])
