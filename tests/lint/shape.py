#!/usr/bin/env python3
"""The shape of files: a first line that says why the file exists, at most 500 lines, functions of at most 60."""
import re
import sys

import tree

MAX_FILE, MAX_FUNCTION = 500, 60
COMMENT = {"code": re.compile(r"^(//|/\*) \S"), "hash": re.compile(r"^# \S"), "python": re.compile(r'^(""".|# \S)')}
SCRIPT_SHEBANG = re.compile(r"^#!")
# In clang-format's layout a function's head ends with `{` and its end is a `}` at the head's own indentation.
HEAD = re.compile(r"^(?P<indent>\s*)(?!(if|for|while|switch|else|do|try|catch|namespace|return|case|class|struct|union|enum|extern|default)\b|[{}#])\S.*[)\w]\s*\{\s*$")
NOT_HEAD = re.compile(r"^\s*(class|struct|union|enum|namespace|extern|using|typedef|template\s*<[^>]*>\s*(class|struct))\b|=\s*\{(?!\})|^[^(]*$")


def first_line(path, lines):
    python = path.endswith(".py") or "python" in lines[0]
    kind = "code" if path.endswith(tree.CODE) else "python" if python else "hash"
    first = lines[1] if SCRIPT_SHEBANG.match(lines[0]) and len(lines) > 1 else lines[0]
    if not COMMENT[kind].match(first):
        return f"{path}:1: the first line does not say why the file exists"
    return None


def head_above(lines, index):
    """A head may be broken over lines, among its parameters and its initialisers: the text from its first line to the brace."""
    text = lines[index]
    while index > 0 and (text.count(")") > text.count("(") or text.lstrip().startswith(":") or lines[index - 1].rstrip().endswith(",")):
        index -= 1
        text = lines[index] + "\n" + text
    return index, text


def functions(code):
    """(first line, length) of every function body's owner, numbered from 1. Lambdas count in the function around them."""
    lines = code.split("\n")
    last_end = -1
    for index, line in enumerate(lines):
        if index <= last_end or not line.rstrip().endswith("{") or ")" not in line and not re.search(r"\b(const|noexcept|override|final)\s*\{$", line.rstrip()):
            continue
        start, text = head_above(lines, index)
        head = text.replace("\n", " ")
        if not HEAD.match(head) or NOT_HEAD.search(head):
            continue
        indent = re.match(r"\s*", head).group(0)
        for end in range(index + 1, len(lines)):
            if lines[end].startswith(indent + "}"):
                yield start + 1, end - start + 1
                last_end = end
                break


def main():
    found, seen = [], 0
    named = tree.files(*tree.CODE, ".py", ".sh", "CMakeLists.txt", ".cmake")
    for path in sorted(set(named) | set(tree.scripts(["sh", "python"]))):
        text = tree.read(path)
        lines = text.split("\n")
        complaint = first_line(path, lines)
        if complaint:
            found.append(complaint)
        if len(lines) - 1 > MAX_FILE:
            found.append(f"{path}: {len(lines) - 1} lines, more than {MAX_FILE}")
        if path.endswith(tree.CODE):
            for number, length in functions(tree.code_only(text)):
                seen += 1
                if length > MAX_FUNCTION:
                    found.append(f"{path}:{number}: a function of {length} lines, more than {MAX_FUNCTION}")
    if seen == 0:
        found.append("no function was seen: the lint sees no sources")
    return tree.finish(f"shape ({seen} functions)", found)


sys.exit(main())
