#!/usr/bin/env python3
"""A person at a terminal: pty_client.py ROWSxCOLS [STEP…] -- COMMAND…

Steps, in their order: expect=TEXT (in what came since the last), send=TEXT, resize=ROWSxCOLS, raw=yes|no (what the terminal is), signal=NAME (to
COMMAND), run=SHELL COMMAND. All that COMMAND says goes to our stdout, its exit status is ours (128 + N for a signal N); 98: what a step waits for
did not come, 97: COMMAND left the terminal other than it was.
"""
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

PATIENCE = 60


class Terminal:
    def __init__(self, size):
        self.master, self.slave = pty.openpty()
        self.resize(size)
        self.before = termios.tcgetattr(self.slave)
        self.seen, self.child = b"", None

    def resize(self, size):
        rows, columns = (int(number) for number in size.split("x"))
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def run(self, command):
        def own_terminal():
            os.setsid()
            fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)

        self.child = subprocess.Popen(command, stdin=self.slave, stdout=self.slave, stderr=self.slave, preexec_fn=own_terminal)

    def read(self, wait):
        """False: nothing came."""
        if not select.select([self.master], [], [], wait)[0]:
            return False
        piece = os.read(self.master, 65536)
        os.write(1, piece)
        self.seen += piece
        return True

    def wait_for(self, what, condition):
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end or (self.child.poll() is not None and not self.read(0.2)):
                print(f"\npty_client: no {what}", flush=True)
                self.child.kill()
                sys.exit(98)
            self.read(0.05)

    def expect(self, text):
        self.wait_for(f"'{text}'", lambda: text.encode() in self.seen)
        self.seen = self.seen.split(text.encode(), 1)[1]

    def is_raw(self):
        return not termios.tcgetattr(self.slave)[3] & termios.ICANON

    def step(self, name, value):
        if name == "expect":
            self.expect(value)
        elif name == "send":
            os.write(self.master, value.encode().decode("unicode_escape").encode())
        elif name == "raw":
            self.wait_for(f"raw={value}", lambda: self.is_raw() == (value == "yes"))
        elif name == "resize":
            self.resize(value)
        elif name == "signal":
            self.child.send_signal(getattr(signal, "SIG" + value))
        else:
            subprocess.run(["sh", "-c", value], check=True)

    def end(self):
        end = time.monotonic() + PATIENCE
        while self.child.poll() is None and time.monotonic() < end:
            self.read(0.05)
        while self.read(0):
            pass
        if self.child.poll() is None:
            self.child.kill()
            sys.exit(98)
        if termios.tcgetattr(self.slave) != self.before:
            sys.exit(97)
        return self.child.returncode if self.child.returncode >= 0 else 128 - self.child.returncode


def main():
    split = sys.argv.index("--")
    terminal = Terminal(sys.argv[1])
    steps = [step.split("=", 1) for step in sys.argv[2:split]]
    terminal.run(sys.argv[split + 1:])
    for name, value in steps:
        terminal.step(name, value)
    sys.exit(terminal.end())


main()
