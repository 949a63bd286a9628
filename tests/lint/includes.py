#!/usr/bin/env python3
"""Who may include whom: reads every #include against the table of docs/architecture.md."""
import re
import sys

import tree

# The table is the document's: `room/` | what | may include.
TABLE = "docs/architecture.md"
SECTION = re.compile(r"^## Rooms, and who may include whom\n(.*?)^## ", re.M | re.S)
ROW = re.compile(r"^\| `([a-z/]+?)/?` \|[^|]*\| ([^|]*) \|$", re.M)
WORDS = {"proto (lite)": ["proto/monitor"], "proto (monitor)": ["proto/monitor"], "proto": ["proto/cri", "proto/admin", "proto/containerd"],
         "engine/ports.h": ["engine/ports.h", "engine/types.h"], "gRPC": [], "—": [], "libc and its own headers": []}


def read_table():
    """Room -> rooms and headers that it may include beside its own."""
    rooms = {}
    for room, text in ROW.findall(SECTION.search(tree.read(TABLE)).group(1)):
        rooms[room] = [target for word in text.split(", ") for target in WORDS.get(word.strip(), [word.strip()])]
    everything = list(rooms) + ["proto/cri", "proto/admin", "proto/monitor", "proto/containerd"]
    return {room: everything if allowed == ["every room"] else allowed for room, allowed in rooms.items()}


ROOMS = read_table()
# Headers that protoc makes.
GENERATED = {"cri/v1/api.": "proto/cri", "slipway/admin.": "proto/admin", "slipway/monitor.": "proto/monitor", "containerd/": "proto/containerd"}

# A library's headers, who may see them, and why only they.
LIBRARIES = [
    (r"grpc(pp)?/", ["cri", "cli", "slipwayd"], "gRPC ends at the border"),
    (r"google/protobuf/", ["cri", "cli", "slipwayd", "monitor", "engine"], "messages end at the border"),
    (r"nlohmann/", ["oci", "network", "image", "engine", "streaming", "cri", "cli", "slipwayd"], "it throws, and the forked programs are to stay small"),
    (r"sqlite3\.h", ["engine", "image"], "records are the engine's and the image store's"),
    (r"curl/|archive\.h|archive_entry\.h|igzip|zstd\.h", ["image"], "slipwayd parses no registry's or archive's bytes"),
    (r"zlib\.h", ["image", "streaming"], "layers are the worker's; SPDY compresses its headers"),
    (r"boost/", ["streaming", "cli"], "connections of clients are streaming's; Boost is slow to compile and throws"),
    (r"seccomp\.h", ["runtime"], "filters are the runner's"),
    (r"(toml|toml\+\+/toml)\.(h|hpp)", ["slipwayd"], "configuration is the main's"),
    (r"(iostream|regex|thread|future|pthread\.h)$", ["engine", "image", "network", "streaming", "cri", "cli", "slipwayd", "telemetry"],
     "what forks and clones has one thread, no iostreams and no regular expressions"),
]
# runtime/init runs between clone and exec: the C library, and of C++ what is only types and numbers.
INIT_CPP = re.compile(r"^(c[a-z]+|array|bit|limits|span|string_view|type_traits|utility)$")
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.M)


def room_of(path):
    """Of a file or an include; None for files that belong to no room (tests, tools)."""
    for prefix, room in GENERATED.items():
        if path.startswith(prefix):
            return room
    for room in sorted(ROOMS, key=len, reverse=True):
        if path.startswith(room + "/"):
            return room
    return None


def quoted(room, target):
    allowed = ROOMS[room]
    other = room_of(target)
    if other is None:
        return f"'{target}' is in no room: includes start at the project's root"
    if other == room or other in allowed or target in allowed:
        return None
    return f"{room} may not include {other} ({target})"


def angled(room, target):
    if room == "runtime/init" and not target.endswith(".h") and not INIT_CPP.match(target):
        return f"runtime/init may not include <{target}>: it lives between clone and exec"
    for pattern, rooms, reason in LIBRARIES:
        if re.match(pattern, target) and room not in rooms:
            return f"{room} may not include <{target}>: {reason}"
    return None


def main():
    found, seen, rooms_seen = [], 0, set()
    for name in tree.files(*tree.CODE):
        room = room_of(name)
        if room is None or room.startswith("proto/"):
            continue
        rooms_seen.add(room)
        text = tree.read(name)
        for match in INCLUDE.finditer(text):
            seen += 1
            kind, target = match.groups()
            complaint = quoted(room, target) if kind == '"' else angled(room, target)
            if complaint:
                found.append(f"{name}:{text.count(chr(10), 0, match.start(2)) + 1}: {complaint}")
    for room in sorted(set(ROOMS) - rooms_seen):
        found.append(f"{TABLE}: there is no source of the room {room}")
    if seen == 0:
        found.append("no #include was read: the lint sees no sources")
    return tree.finish("includes", found)


sys.exit(main())
