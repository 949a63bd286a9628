#!/usr/bin/env python3
"""Calls that slipway does not make, each with its reason. A line that must: `// lint: allow NAME, because …` on it or above it."""
import re
import sys

import tree

PRODUCT = r"(?!tests/)"
DAEMON = r"(base|engine|image|network|streaming|cri|slipwayd|telemetry)/"
ONE_THREAD = r"(base|sys|oci|cgroups|runtime|monitor)/"

# A libc function by its name: not a member, not another scope's.
LIBC = r"(?:(?<![\w.>:~])|(?<![\w>])::|\bstd::)"
GLOBAL = r"(?:(?<![\w>])::)"  # for names that our own types have too: slipway writes system calls with ::

# name, pattern in code (comments and strings are blank), files that must not (by path), reason
BANNED = [
    ("system", LIBC + r"system\s*\(", r"", "a shell parses its text: sys::spawn takes an argument list"),
    ("popen", r"\bpopen\s*\(", r"", "a shell parses its text: sys::spawn takes an argument list"),
    ("strcpy", r"\b(strcpy|strcat|stpcpy|sprintf|vsprintf|gets)\s*\(", r"", "writes without a bound"),
    ("strtok", r"\bstrtok\s*\(", r"", "hidden state shared by threads"),
    ("atoi", r"\b(atoi|atol|atoll|atof)\s*\(", PRODUCT, "cannot say that the text is no number: to_number of base/text.h"),
    ("kill", GLOBAL + r"(kill|killpg|tgkill)\s*\(|(?<![\w.>:])(kill|killpg)\s*\([^;(){}]*,", PRODUCT, "a number may have been reused: sys::pidfd_send_signal"),
    ("wait", GLOBAL + r"wait\s*\(|\b(waitpid|wait3|wait4)\s*\(", r"(?!tests/|runtime/init/)", "takes any child, or a number: waitid on a pidfd"),
    ("fork", LIBC + r"(fork|vfork|_Fork)\s*\(", r"(?!tests/|monitor/|runtime/)", "slipwayd never forks: sys::spawn"),
    ("unshare", GLOBAL + r"(unshare|setns|clone)\s*\(", DAEMON, "slipwayd never changes its own namespaces: its monitors do"),
    ("exec", GLOBAL + r"(execv|execve|execvp|execl|execlp|execle|execvpe|fexecve)\s*\(", r"(?!tests/|monitor/|runtime/)", "programs are started by sys::spawn"),
    ("open", GLOBAL + r"(open|openat)\s*\((?![^;]*\bO_CLOEXEC\b)[^;]*\bO_\w+[^;]*;", r"", "without O_CLOEXEC every child inherits it"),
    ("creat", r"\bcreat\s*\(", r"", "not close-on-exec: open with O_CLOEXEC"),
    ("socket", GLOBAL + r"(socket|socketpair)\s*\((?![^;]*SOCK_CLOEXEC)[^;]*;", r"", "without SOCK_CLOEXEC every child inherits it"),
    ("pipe", GLOBAL + r"pipe\s*\(", r"", "not close-on-exec: pipe2 with O_CLOEXEC"),
    ("accept", GLOBAL + r"accept\s*\(", r"", "not close-on-exec: accept4 with SOCK_CLOEXEC"),
    ("dup", GLOBAL + r"dup\s*\(", r"", "not close-on-exec: fcntl F_DUPFD_CLOEXEC"),
    ("epoll", GLOBAL + r"(epoll_create|inotify_init)\s*\(", r"", "not close-on-exec: epoll_create1, inotify_init1"),
    ("eventfd", GLOBAL + r"(epoll_create1|inotify_init1|signalfd|eventfd|timerfd_create|memfd_create)\s*\((?![^;]*CLOEXEC)[^;]*;", r"", "without its CLOEXEC flag every child inherits it"),
    ("mktemp", r"\b(mktemp|tmpnam|tempnam|tmpfile)\s*\(", r"", "somebody else may take the name first"),
    ("nss", r"\b(getpwnam|getpwuid|getgrnam|getgrgid|getgrouplist|initgroups)(_r)?\s*\(", PRODUCT,
     "loads name service libraries, in a container's root its own (CVE-2019-14271)"),
    ("chdir", GLOBAL + r"(chdir|fchdir|chroot)\s*\(", DAEMON, "changes every thread's directory"),
    ("umask", GLOBAL + r"umask\s*\(", r"(base|engine|network|cri|telemetry)/", "changes every thread's mask: give the mode and fchmod"),
    ("setenv", r"\b(setenv|putenv|unsetenv|clearenv)\s*\(", PRODUCT, "races with getenv of other threads: pass values"),
    ("localtime", r"\b(localtime|gmtime|ctime|asctime)\s*\(", r"", "a static buffer: base/time.h"),
    ("strerror", r"\bstrerror\s*\(", PRODUCT, "a static buffer, a locale: fail_errno"),
    ("signal", r"(?:" + GLOBAL + r"|\bstd::)signal\s*\((?![^;]*SIG_(IGN|DFL))[^;]*;", PRODUCT, "with a handler its meaning differs by system: sigaction"),
    ("alloca", r"\balloca\s*\(", r"", "an unchecked stack"),
    ("thread", r"\bstd::(thread|jthread|async)\b|\bpthread_create\s*\(", ONE_THREAD, "only single-threaded programs clone"),
    ("throw", r"\bthrow\b", PRODUCT, "no exception of ours: Result"),
    ("regex", r"\bstd::regex\b", PRODUCT, "recursion as deep as its input is long"),
    ("iostream", r"\bstd::(cout|cerr|clog)\b", r"(?!tests/|cli/)", "diagnostics go through base/log.h"),
    ("using-std", r"\busing\s+namespace\s+std\s*;", r"", "every name of the library becomes ours"),
    ("sleep", r"\b(usleep|nanosleep|sleep_for|sleep_until)\s*\(|" + GLOBAL + r"sleep\s*\(", r"(?!tests/images/)", "time is an argument: poll with a deadline"),
]
ALLOW = re.compile(r"lint: allow ([\w-]+), because \S")


def allowed(lines, number, name):
    """The line, or a comment directly above it, says why."""
    for index in (number - 1, number - 2):
        match = ALLOW.search(lines[index]) if 0 <= index < len(lines) else None
        if match and match.group(1) == name:
            return True
    return False


def main():
    rules = [(name, re.compile(pattern), re.compile(where), reason) for name, pattern, where, reason in BANNED]
    found, seen = [], 0
    for path in tree.files(*tree.CODE):
        text = tree.read(path)
        code = tree.code_only(text)
        lines = text.split("\n")
        seen += 1
        for name, pattern, where, reason in rules:
            if not where.match(path):
                continue
            for match in pattern.finditer(code):
                number = code.count("\n", 0, match.start()) + 1
                if not allowed(lines, number, name):
                    found.append(f"{path}:{number}: {name}: {reason}")
    if seen == 0:
        found.append("the lint sees no sources")
    return tree.finish("calls", found)


sys.exit(main())
