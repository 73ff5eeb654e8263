"""The commands of docs/cluster.md, run as they stand there, with the real binaries."""
import os
import re
import shutil
import subprocess

from members import ROOT, Failed, binary_of

PATIENCE = 90
BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = "=== next block"


def blocks(page):
    """Each block of commands with what it prints; what no text block follows prints nothing."""
    found = []
    for language, content in BLOCK.findall(page):
        if language == "sh":
            found.append([content, ""])
        else:
            found[-1][1] = content
    return found


def run_page(page, folder):
    """All blocks in one shell, as somebody would who goes through the page. Raises Failed at the first that does not do as it says."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder + "/bin")
    for name, binary in {"regent": binary_of("regent"), "etcdctl": os.path.join(ROOT, "out/tools/etcdctl")}.items():
        os.symlink(binary, f"{folder}/bin/{name}")
    commands = blocks(page)
    script = "set -eu\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + f"echo '{MARK}'\n".join(block for block, _ in commands)
    with open(folder + "/output", "w+", encoding="utf-8") as output, open(folder + "/errors", "w+", encoding="utf-8") as errors:
        try:
            status = subprocess.run(["bash", "-c", script], cwd=folder, stdout=output, stderr=errors, timeout=PATIENCE, check=False,
                                    env={**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}"}).returncode
        except subprocess.TimeoutExpired:
            status = f"no end within {PATIENCE} s"
        output.seek(0)
        errors.seek(0)
        printed, said = output.read().split(MARK + "\n"), errors.read()
    for (block, expected), actual in zip(commands, printed):
        if sorted(actual.split("\n")) != sorted(expected.split("\n")):  # members are listed by their ids
            raise Failed(f"a block prints\n{actual}instead of\n{expected}{block}{said[-800:]}")
    if status != 0 or len(printed) != len(commands):
        raise Failed(f"block {len(printed)} of {len(commands)} fails ({status}):\n{commands[len(printed) - 1][0]}{said[-800:]}")
    return len(commands)


PLANTED = {
    "another output": "```sh\necho blue\n```\n\n```text\ngreen\n```\n",
    "an output that is not told": "```sh\necho blue\n```\n",
    "a command that fails": "```sh\nfalse\n```\n",
    "a flag that does not exist": "```sh\nregent --no-such-flag\n```\n",
}


def documentation(options):
    folder = os.path.join(ROOT, "out/cluster/documentation")
    for name, page in PLANTED.items():
        try:
            run_page(page, folder)
        except Failed:
            continue
        raise Failed(f"{name} on a page is not found")
    with open(os.path.join(ROOT, "docs/cluster.md"), encoding="utf-8") as page:
        count = run_page(page.read(), folder)
    return f"{count} blocks of docs/cluster.md, {len(PLANTED)} planted mistakes found"
