"""One image layer: a tar written entry by entry, with everything that layers may hold."""
import gzip
import hashlib
import io
import os
import stat
import tarfile

TIME = 1700000000  # every entry's mtime: the same packages give the same digests


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Layer:
    def __init__(self):
        self._buffer = io.BytesIO()
        self._tar = tarfile.open(fileobj=self._buffer, mode="w", format=tarfile.PAX_FORMAT)
        self._made = {}  # path -> mode and owner
        self._blob = None

    def _add(self, path, kind, mode, owner, data=None, target="", xattrs=None, device=(0, 0)):
        info = tarfile.TarInfo(path.strip("/"))
        info.type, info.mode, info.mtime, info.linkname = kind, mode, TIME, target
        info.uid, info.gid = owner
        info.devmajor, info.devminor = device
        if data is not None:
            info.size = len(data)
        for name, value in (xattrs or {}).items():
            info.pax_headers["SCHILY.xattr." + name] = value
        self._tar.addfile(info, io.BytesIO(data) if data is not None else None)
        self._made[info.name] = (mode, owner)
        return self

    def parents(self, path):
        parts = path.strip("/").split("/")[:-1]
        for count in range(1, len(parts) + 1):
            name = "/".join(parts[:count])
            if name not in self._made:
                self.dir(name)

    def dir(self, path, mode=0o755, owner=(0, 0), xattrs=None):
        return self._add(path, tarfile.DIRTYPE, mode, owner, xattrs=xattrs)

    def file(self, path, data, mode=0o644, owner=(0, 0), xattrs=None):
        data = data.encode() if isinstance(data, str) else data
        return self._add(path, tarfile.REGTYPE, mode, owner, data, xattrs=xattrs)

    def program(self, path, source):
        """A file of this machine, executable."""
        with open(source, "rb") as stream:
            self.parents(path)
            return self.file(path, stream.read(), 0o755)

    def symlink(self, path, target):
        return self._add(path, tarfile.SYMTYPE, 0o777, (0, 0), target=target)

    def hardlink(self, path, target):
        target = target.strip("/")
        mode, owner = self._made[target]  # unpackers apply a link's own mode and owner to what it links to
        return self._add(path, tarfile.LNKTYPE, mode, owner, target=target)

    def fifo(self, path, mode=0o644):
        return self._add(path, tarfile.FIFOTYPE, mode, (0, 0))

    def device(self, path, major, minor, mode=0o666):
        return self._add(path, tarfile.CHRTYPE, mode, (0, 0), device=(major, minor))

    def whiteout(self, path):
        parent, name = os.path.split(path.strip("/"))
        return self.file(os.path.join(parent, ".wh." + name), b"", 0)

    def opaque(self, path):
        return self.file(path.strip("/") + "/.wh..wh..opq", b"", 0)

    def tree(self, root, skip=()):
        """Everything beneath root, as it is there; skip names paths that are left out with what is below them."""
        inodes = {}
        for folder, names, files in os.walk(root):
            here = os.path.relpath(folder, root)
            names[:] = sorted(n for n in names if os.path.normpath(os.path.join(here, n)) not in skip)
            for name in names + sorted(files):
                path = os.path.normpath(os.path.join(here, name))
                if path not in skip:
                    self._copy(os.path.join(root, path), path, inodes)
        return self

    def _copy(self, source, path, inodes):
        status = os.lstat(source)
        mode, owner = stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid)
        if stat.S_ISDIR(status.st_mode):
            self.dir(path, mode, owner)
        elif stat.S_ISLNK(status.st_mode):
            self.symlink(path, os.readlink(source))
        elif stat.S_ISREG(status.st_mode):
            if status.st_nlink > 1 and status.st_ino in inodes:
                self.hardlink(path, inodes[status.st_ino])
                return
            inodes[status.st_ino] = path
            with open(source, "rb") as stream:
                self.file(path, stream.read(), mode, owner)

    def blob(self):
        """The finished layer: gzip bytes, their digest and the digest of the tar inside."""
        if self._blob is None:
            self._tar.close()
            tar = self._buffer.getvalue()
            packed = gzip.compress(tar, 6, mtime=0)
            self._blob = {"tar": tar, "data": packed, "digest": digest(packed), "diff_id": digest(tar)}
        return self._blob
