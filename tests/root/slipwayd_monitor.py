"""A pod's monitor as its containers could see it."""
import ctypes
import errno
import os
import struct
import unittest

from daemon import Daemon

BUILD = os.environ.get("SLIPWAY_BUILD", "")


class Monitor(unittest.TestCase):
    def monitors(self):
        """This build's, so that another test's host-wide neighbours are none."""
        file = os.stat(f"{BUILD}/bin/slipway-monitor")
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.path.samestat(os.stat(f"/proc/{name}/exe"), file):
                    yield int(name)
            except OSError:
                pass

    def test_its_file_stays_read_only(self):
        """Each process on its way into a container has the monitor's /proc/PID/exe. A detached mount is the root of a namespace while it is open, and
        who has CAP_SYS_ADMIN may change that."""
        daemon = Daemon(BUILD, f"{BUILD}/bin")
        self.addCleanup(daemon.close)
        daemon.load()
        self.addCleanup(daemon.remove_pod, daemon.run_pod())
        program = os.open(f"/proc/{next(self.monitors())}/exe", os.O_PATH)
        self.addCleanup(os.close, program)
        self.assertTrue(os.fstatvfs(program).f_flag & os.ST_RDONLY)
        libc = ctypes.CDLL(None, use_errno=True)
        writable = struct.pack("=QQQQ", 0, 1, 0, 0)  # struct mount_attr: MOUNT_ATTR_RDONLY is cleared
        done = libc.syscall(442, program, b"", 0x1000, writable, len(writable))  # mount_setattr(2), AT_EMPTY_PATH
        self.assertEqual((done, ctypes.get_errno()), (-1, errno.EINVAL))
