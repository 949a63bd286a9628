#!/usr/bin/env python3
"""Each lint must find what it is there for: they are run over a small tree of sins, and over one without."""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
TABLE = """# doc
## Rooms, and who may include whom
| `base/` | x | — |
| `sys/` | x | base |
| `runtime/init` | x | libc and its own headers |
| `engine/` | x | base, sys, proto (monitor) |
| `slipwayd/` | x | every room |
## End
"""
CLEAN = {
    "base/result.h": "// Results.\n#pragma once\n#include <string>\n",
    "sys/file.cc": '// Files.\n#include "base/result.h"\nint f() {\n  return ::open("x", O_RDONLY | O_CLOEXEC);\n}\n',
    "runtime/init/run.cc": '// The child.\n#include <unistd.h>\n#include "runtime/init/plan.h"\n',
    "engine/engine.cc": '// Engine.\n#include "slipway/monitor.pb.h"\n#include "sys/file.h"\n// system("in a comment") and\nconst char* s = "fork() in a string";\n'
                        "Result<void> kill() {\n  return cgroup.kill();\n}\n",
    # Short functions, however long what follows their initialisers or the table that their lambdas are in.
    "base/parts.cc": "// Parts.\nParts::Parts(int a)\n    : a_(a) {\n  f();\n}\nconst Part kAll[] = {\n" + '    {"a",\n     [](int a) { f(a); }},\n' * 80
                     + "};\nvoid g() {\n  if (a) {\n    f();\n    }\n}\n",
    "slipwayd/main.cc": '// Main.\n#include "engine/engine.h"\n#include "cri/v1/api.pb.h"\n',
}
LONG = "void f() {\n" + "  g();\n" * 70 + "}\n"
BROKEN = "void f(int a,\n       int b) {\n" + "  g();\n" * 70 + "}\n"

# file, its text, the lint, words of the finding
SINS = [
    ("base/a.cc", '// A.\n#include "engine/engine.h"\n', "includes.py", "base may not include engine"),
    ("sys/a.cc", '// A.\n#include "nowhere/x.h"\n', "includes.py", "in no room"),
    ("sys/b.cc", "// B.\n#include <thread>\n", "includes.py", "may not include <thread>"),
    ("runtime/init/a.cc", "// A.\n#include <string>\n", "includes.py", "between clone and exec"),
    ("runtime/init/b.cc", '// B.\n#include "base/result.h"\n', "includes.py", "runtime/init may not include base"),
    ("engine/a.cc", '// A.\n#include "cri/v1/api.pb.h"\n', "includes.py", "engine may not include proto/cri"),
    ("base/b.cc", '// B.\nvoid f() { ::system("ls"); }\n', "calls.py", "system: a shell"),
    ("engine/b.cc", "// B.\nvoid f() { fork(); }\n", "calls.py", "fork: slipwayd"),
    ("engine/c.cc", "// C.\nvoid f() { kill(pid, 9); }\n", "calls.py", "kill: a number"),
    ("sys/c.cc", '// C.\nvoid f() { ::open("x",\n  O_RDONLY); }\n', "calls.py", "open: without O_CLOEXEC"),
    ("sys/d.cc", "// D.\nvoid f() { std::thread t; }\n", "calls.py", "thread: only"),
    ("base/c.cc", "int f();\n", "shape.py", "does not say why"),
    ("base/d.cc", "// D.\n" + LONG, "shape.py", "a function of 72 lines"),
    ("base/g.cc", "// G.\n" + BROKEN, "shape.py", "a function of 73 lines"),
    ("base/e.cc", "// E.\n" + "int x;\n" * 501, "shape.py", "more than 500"),
    ("base/f.cc", "// F.\nint   f( );\n", "format.py layout", "not laid out"),
    ("tool.sh", "#!/bin/bash\n# Tool.\necho $1\n", "format.py shell", "SC2086"),
]


def run(lint, tree):
    words = lint.split()
    done = subprocess.run([sys.executable, "-B", os.path.join(HERE, words[0])] + words[1:], env={**os.environ, "SLIPWAY_LINT_ROOT": tree},
                          capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def make(folder, files):
    for name, text in {"docs/architecture.md": TABLE, ".clang-format": "BasedOnStyle: Google\n", **files}.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


def main():
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        make(folder, CLEAN)
        for lint in ("includes.py", "calls.py", "shape.py"):
            status, said = run(lint, folder)
            if status != 0:
                failed.append(f"{lint} finds something in clean files: {said}")
    for name, text, lint, words in SINS:
        with tempfile.TemporaryDirectory() as folder:
            make(folder, {**CLEAN, name: text})
            status, said = run(lint, folder)
            if status == 0 or words not in said or name not in said:
                failed.append(f"{lint} does not find '{words}' in {name}: {said}")
    print("\n".join(failed) or f"selftest: {len(SINS)} sins found, clean files passed")
    return 1 if failed else 0


sys.exit(main())
