"""Write a branch's results for a review, as Markdown: python -m tools.write_report BASE HEAD FILE.

It holds the output of `redacoes compare` for two git revisions, or its error, and the rows of `dvc metrics diff`.
"""

import os
import subprocess
import sys
from pathlib import Path

LONGEST = 60_000  # characters of the list; GitHub allows 65,536 in a comment


def printed(name: str, *command: str) -> str:
    """Return the output of a command of this environment's Python, or the last line of its error if it fails."""
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return done.stdout.strip()
    complaint = done.stderr.strip().splitlines() or [f"it exited with {done.returncode}"]
    return f"`{name}` compared nothing: {complaint[-1]}"


def commit(revision: str) -> str:
    """Return the abbreviated hash of a revision, a form that both commands accept."""
    command = ["git", "rev-parse", "--quiet", "--short=10", "--verify", f"{revision}^{{commit}}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(
            f"error: {revision!r} is not a revision of this clone: fetch it, or name another (make report BASE=main)"
        )
    return done.stdout.strip()


def main(base: str, head: str, file: Path) -> None:
    """Write the report on `head` against `base` to `file`."""
    revisions = commit(base), commit(head)
    compared = printed("redacoes compare", "redacoes.cli", "compare", *revisions, "--markdown")
    listed = printed("dvc metrics diff", "dvc", "metrics", "diff", "--md", *revisions)
    if listed.startswith("|") and listed.count("\n") < 2:  # a heading without rows
        listed = "No metric differs."
    elif len(listed) > LONGEST:
        listed = listed[:LONGEST].rpartition("\n")[0] + "\n\nThe rest does not fit into a comment."
    report = (
        f"## Results of {revisions[1]} against {revisions[0]}\n\n{compared}\n\n"
        f"<details><summary>dvc metrics diff</summary>\n\n{listed}\n\n</details>\n"
    )
    file.write_text(report, encoding="utf-8")
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):  # the page of the run, where the token may not comment
        with Path(summary).open("a", encoding="utf-8") as page:
            page.write(report)
    print(f"written: {file}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
