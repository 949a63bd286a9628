"""The sources that the lints read: every tracked or new file of this tree, and C++ text with its comments and strings blanked."""
import os
import subprocess

ROOT = os.path.realpath(os.environ.get("SLIPWAY_LINT_ROOT") or os.path.join(os.path.dirname(__file__), "../.."))
CODE = (".h", ".cc", ".c")


def files(*endings):
    """Paths relative to the root. Without git (an unpacked archive) the folders are walked."""
    try:
        listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"], capture_output=True, text=True, check=True)
        names = listed.stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        names = [os.path.relpath(os.path.join(folder, name), ROOT) for folder, _, found in os.walk(ROOT) for name in found]
    return sorted(n for n in set(names) if n.endswith(endings) and not n.startswith("build/") and os.path.isfile(os.path.join(ROOT, n)))


def scripts(interpreters):
    """Files that begin with #! and name one of the interpreters, whatever they are called."""
    found = []
    for name in files(""):
        with open(os.path.join(ROOT, name), "rb") as file:
            first = file.readline(200)
        if first.startswith(b"#!") and any(word.encode() in first for word in interpreters):
            found.append(name)
    return found


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read()


def code_only(text):
    """The text with comments, string and character literals as blanks: offsets and lines stay."""
    out, i, size = list(text), 0, len(text)

    def blank(begin, end):
        for k in range(begin, min(end, size)):
            if out[k] != "\n":
                out[k] = " "

    while i < size:
        two = text[i:i + 2]
        if two == "//":
            end = text.find("\n", i)
        elif two == "/*":
            end = text.find("*/", i) + 2
        elif two == 'R"' and not (text[i - 1].isalnum() or text[i - 1] == "_"):
            fence = text[i + 2:text.index("(", i)]
            end = text.index(")" + fence + '"', i) + len(fence) + 2
        elif text[i] == '"' or (text[i] == "'" and not (i and text[i - 1].isalnum())):  # not the ' of 1'000
            end = i + 1
            while end < size and text[end] != text[i]:
                end += 2 if text[end] == "\\" else 1
            end += 1
        else:
            i += 1
            continue
        end = size if end <= i else end
        blank(i, end)
        i = end
    return "".join(out)


def finish(what, found):
    """Prints what was found; the exit status of a lint."""
    for line in found:
        print(line)
    print(f"{what}: {len(found)} findings" if found else f"{what}: clean")
    return 1 if found else 0
