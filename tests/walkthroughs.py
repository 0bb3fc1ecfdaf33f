"""Plays docs/TUTORIAL.md, which changes the project, in a copy of it, and docs/ANY_HUB.md, which does not, in the project
itself: each command ends as the page says and tells what the page shows.

usage: walkthroughs.py [PAGE]...

A line of an `sh` block is a command; `# ends with N` after it is its exit code. The `text` block that follows has
what the commands of the block print; `...` stands for whatever is left out, a line, lines or a part of one.
"""

import filecmp
import os
import pathlib
import re
import shutil
import subprocess
import sys

root = pathlib.Path(__file__).parents[1]
# Where `cargo sim mutants` builds: of the project's crates, what no mutant changes is built there already.
copy = root / "target/mutants/project"
CHANGING = "TUTORIAL.md"


def make_copy():
    """Makes it a clone, with what is not committed yet. What is the same already keeps its time, so that cargo sees it."""
    if not (copy.parent / ".cargo/config.toml").exists():
        sys.exit("`cargo sim mutants --quick` comes first: the tutorial is played where that has built")
    shutil.rmtree(copy / ".git", ignore_errors=True)
    listed = subprocess.check_output(["git", "ls-files", "-z"], cwd=root, text=True).split("\0")
    names = {name for name in listed if name and not name.startswith(".cargo/") and (root / name).is_file()}
    for file in [file for file in copy.rglob("*") if file.is_file() and str(file.relative_to(copy)) not in names]:
        file.unlink()
    for name in names:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        if not (copy / name).exists() or not filecmp.cmp(root / name, copy / name, shallow=False):
            shutil.copy(root / name, copy / name)
    git = ["git", "-c", "user.name=a reader", "-c", "user.email=reader@localhost"]
    for arguments in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "a clone"]):
        subprocess.run(git + arguments, cwd=copy, check=True)


def blocks(page):
    """Returns each block of commands, with the text that the page shows for it."""
    page = (root / "docs" / page).read_text()
    fenced = re.findall(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    for at, (kind, content) in enumerate(fenced):
        if kind == "sh":
            after = fenced[at + 1] if at + 1 < len(fenced) else ("", "")
            yield content.splitlines(), after[1] if after[0] == "text" else ""


def is_shown(shown, told):
    parts = (re.escape(part) for part in re.split(r"\.\.\.\n|\.\.\.", shown))
    return re.fullmatch(r"(?s:.*?)".join(parts) + r"\n*", told) is not None


def play(command, folder):
    """Returns what the command prints; ends if it does not end as it should."""
    expected = re.search(r"# ends with (\d+)", command)
    expected = int(expected[1]) if expected else 0
    print(f"$ {command}", flush=True)
    environment = os.environ | {"CARGO_TERM_QUIET": "true"}
    told = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, **told)
    if done.returncode != expected:
        sys.exit(f"it ends with {done.returncode}, not with {expected}:\n{done.stdout}")
    return done.stdout


for page in sys.argv[1:] or ["TUTORIAL.md", "ANY_HUB.md"]:
    folder = copy if page == CHANGING else root
    if folder == copy:
        make_copy()
    for commands, shown in blocks(page):
        told = "".join(play(command, folder) for command in commands)
        if not is_shown(shown or "...", told):
            sys.exit(f"it tells\n{told}\nand {page} shows\n{shown}")
    print(f"{page} does what it says")
