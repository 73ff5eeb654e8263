#!/usr/bin/env python3
"""The rules of this code base that a machine can check: arrows, lengths, banned words, registered tests, format.

    tests/tidy/tidy.py [ROOT]      prints each violation as path:line: rule: what; the last line counts

Before it judges the tree it judges itself: every rule has a planted violation that it must find.
"""
import os
import re
import shutil
import subprocess
import sys

FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70

# Folder → folders that its files may include, besides itself. The arrows point one way.
ARROWS = {
    "api/contract": [],
    "api/service": ["api/contract"],
    "raft": [],
    "storage": ["api/contract", "raft"],
    "server/runtime": [],
    "server/node": ["server/runtime", "raft", "storage", "api/contract", "api/service"],
    "server/rpc": ["server/runtime", "api/contract", "api/service"],
    "server/peer": ["server/runtime", "server/node", "raft", "storage", "api/contract"],
    "server/config": ["api/contract"],
    "server/cli": ["server/runtime", "server/config", "raft", "storage", "api/contract"],
    "server": ["server/runtime", "server/node", "server/rpc", "server/peer", "server/config", "server/cli", "raft", "storage", "api/contract",
               "api/service"],
}

# Word → where it may stand. Time, scheduling and chance enter at their seams alone.
BANNED = {
    r"system_clock": ["server/runtime/", "tests/"],
    r"steady_clock::now": ["server/runtime/", "tests/"],
    r"\bsleep_for\b|\bsleep_until\b|\busleep\b|\bnanosleep\b": ["tests/"],
    r"random_device": ["server/server.cc", "tests/"],
    r"\brocksdb/": ["storage/rocks_", "tests/support/rocks_disk.cc"],
    r"\bgrpcpp/": ["server/rpc/grpc_", "tests/"],
    r"\bthrow\b": ["tests/"],
    r"\bTODO\b|\bFIXME\b|\bXXX\b": [],
}

CODE = (".h", ".cc")
GROUPS = ("raft", "api", "storage", "server", "tests")
SELF = "tests/tidy/tidy.py"


class Tree:
    """The files of the project; a planted violation adds one that does not exist."""

    def __init__(self, root):
        self.root = root
        listed = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard"], capture_output=True,
                                text=True, check=True).stdout.split("\n")
        self.files = {path: None for path in listed if path and os.path.isfile(os.path.join(root, path))}

    def with_file(self, path, text):
        other = object.__new__(Tree)
        other.root = self.root
        other.files = {path: text}
        return other

    def read(self, path):
        if self.files[path] is None:
            with open(os.path.join(self.root, path), encoding="utf-8", errors="replace") as file:
                self.files[path] = file.read()
        return self.files[path]

    def code(self):
        return [path for path in self.files if path.endswith(CODE) and path.startswith(GROUPS)]


def folder_of(path):
    folder = os.path.dirname(path)
    while folder and folder not in ARROWS:
        folder = os.path.dirname(folder)
    return folder


def check_arrows(tree):
    for path in tree.code():
        own = folder_of(path)
        if path.startswith("tests/") or not own:
            continue
        for number, line in enumerate(tree.read(path).split("\n"), 1):
            match = re.match(r'#include "([^"]+)"', line)
            target = folder_of(match.group(1)) if match else ""
            if target and target != own and target not in ARROWS[own]:
                yield path, number, "arrows", f"{own} must not include {target}"


def check_file_length(tree):
    for path in tree.code():
        lines = tree.read(path).count("\n")
        if lines > FILE_LINES_MAX:
            yield path, lines, "length", f"the file has {lines} lines, more than {FILE_LINES_MAX}"


FUNCTION_START = re.compile(r"^( {0,4})(?!namespace|class|struct|enum|union|extern|using|switch|if|for|while|else|do)[\w:<>~&*\[\]].*[)\w] \{$")


def check_function_length(tree):
    """A body opens with a line that ends in '{' and closes with '}' in the same column: the format guarantees it."""
    for path in tree.code():
        lines = tree.read(path).split("\n")
        for number, line in enumerate(lines):
            match = FUNCTION_START.match(line)
            if not match or "(" not in "".join(lines[max(0, number - 5):number + 1]):
                continue
            if re.match(r"\s*(class|struct|enum|namespace|union)\b", line):
                continue
            close = match.group(1) + "}"
            for end in range(number + 1, len(lines)):
                if lines[end].startswith(close):
                    if end - number > FUNCTION_LINES_MAX:
                        yield path, number + 1, "length", f"the function has {end - number} lines, more than {FUNCTION_LINES_MAX}"
                    break


def strip_comment(line):
    return re.sub(r"//.*|\"(\\.|[^\"\\])*\"", "", line) if "#include" not in line else line


def check_banned_words(tree):
    for path in tree.code():
        for number, line in enumerate(tree.read(path).split("\n"), 1):
            for word, places in BANNED.items():
                text = line if word.startswith(r"\bTODO") else strip_comment(line)
                if re.search(word, text) and not any(path.startswith(place) for place in places):
                    yield path, number, "banned", f"'{re.search(word, text).group(0)}' may stand only in {places or 'no file'}"


def check_pure_raft(tree):
    for path in tree.code():
        if not path.startswith("raft/"):
            continue
        for number, line in enumerate(tree.read(path).split("\n"), 1):
            if re.search(r"#include <(chrono|thread|mutex|atomic|fstream|iostream|glog|random|ctime)", line):
                yield path, number, "pure", f"raft is a function of its inputs: {line}"


def check_tests_registered(tree):
    lists = "".join(tree.read(path) for path in tree.files if path.endswith("CMakeLists.txt"))
    for path in tree.files:
        if not path.startswith("tests/") or not path.endswith("_test.cc"):
            continue
        # A fuzz target's replay comes with its regent_fuzz(<name>).
        replayed = re.match(r"tests/fuzz/(\w+)_replay_test\.cc$", path)
        if os.path.basename(path) not in lists and not (replayed and f"regent_fuzz({replayed.group(1)} " in lists):
            yield path, 1, "registered", "no CMakeLists.txt names this test"


def check_headers(tree):
    for path in tree.code():
        text = tree.read(path)
        if path.endswith(".h") and "#pragma once" not in text:
            yield path, 1, "header", "#pragma once is missing"
        if path.endswith(".h") and not text.startswith("//"):
            yield path, 1, "header", "a header begins with the comment that is its manual"


def check_standing_alone(tree):
    words = re.compile(r"/work/|\.\./shared|\bproxy\.golang\.org|deb\.debian\.org|pypi\.org|registry\.npmjs")
    for path in tree.files:
        if path == SELF or path.endswith((".sum", ".png", ".svg")):
            continue
        for number, line in enumerate(tree.read(path).split("\n"), 1):
            if words.search(line):
                yield path, number, "alone", f"the project stands alone: {words.search(line).group(0)}"


def check_format(tree):
    paths = [path for path in tree.code()]
    if not shutil.which("clang-format"):
        yield "clang-format", 1, "format", "is missing; deploy/install-dependencies installs it"
        return
    for path in paths:
        text = tree.read(path)
        formatted = subprocess.run(["clang-format", f"--assume-filename={os.path.join(tree.root, path)}"], input=text,
                                   capture_output=True, text=True, check=True).stdout
        if formatted != text:
            before, after = text.split("\n"), formatted.split("\n")
            line = next((i for i, (a, b) in enumerate(zip(before, after), 1) if a != b), len(before))
            yield path, line, "format", "clang-format -i would change this file"


RULES = {
    check_arrows: ("raft/planted.h", '// x\n#pragma once\n#include "storage/keys.h"\n'),
    check_file_length: ("raft/planted.cc", "\n" * (FILE_LINES_MAX + 1)),
    check_function_length: ("raft/planted.cc", "void F() {\n" + "  ++x;\n" * (FUNCTION_LINES_MAX + 1) + "}\n"),
    check_banned_words: ("storage/planted.cc", "auto now = std::chrono::system_clock::now();\n"),
    check_pure_raft: ("raft/planted.cc", "#include <mutex>\n"),
    check_tests_registered: ("tests/raft/planted_test.cc", "\n"),
    check_headers: ("raft/planted.h", "#pragma once\n"),
    check_standing_alone: ("docs/planted.md", "see ../shared/x\n"),
    check_format: ("raft/planted.cc", "int  x ;\n"),
}


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    tree = Tree(os.path.abspath(root))
    passed = failed = 0
    for rule, (path, text) in RULES.items():
        if not list(rule(tree.with_file(path, text))):
            print(f"{SELF}:1: canary: {rule.__name__} does not find its planted violation")
            failed += 1
        else:
            passed += 1
        violations = list(rule(tree))
        for where, line, name, what in violations:
            print(f"{where}:{line}: {name}: {what}")
        if violations:
            failed += 1
        else:
            passed += 1
    print(f"tidy: {len(tree.files)} files read, {len(tree.code())} of code")
    print(f"tidy: {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
