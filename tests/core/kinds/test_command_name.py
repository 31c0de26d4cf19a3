"""The default name of a command is the base name of the program that does its work."""

from __future__ import annotations

import pytest

from jobdeck.kinds.command_name import default_name


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["gzip", "-9", "a.log"], "gzip"),
        (["/usr/bin/gzip", "a.log"], "gzip"),
        (["./pack.sh"], "pack.sh"),
        (["../bin/pack"], "pack"),
        (["env", "X=1", "prog"], "prog"),
        (["/usr/bin/env", "-i", "-u", "HOME", "A=1", "B=2", "./prog", "C=3"], "prog"),
        (["env", "-S", "python3 -u train.py", "x"], "train.py"),
        (["env"], "env"),
        (["nice", "gzip"], "gzip"),
        (["nice", "-n", "19", "ionice", "-c", "3", "-n7", "tar", "cz"], "tar"),
        (["nohup", "setsid", "./serve"], "serve"),
        (["timeout", "-s", "KILL", "10s", "curl", "x"], "curl"),
        (["timeout", "--foreground", "5", "curl"], "curl"),
        (["sudo", "-u", "www", "-E", "A=1", "php", "-d", "x=1", "cron.php"], "cron.php"),
        (["time", "-f", "%e", "make"], "make"),
        (["taskset", "0x3", "ffmpeg"], "ffmpeg"),
        (["stdbuf", "-oL", "grep", "x"], "grep"),
        (["python", "script.py", "-c"], "script.py"),
        (["/opt/venv/bin/python3.12", "-u", "-X", "dev", "jobs/train.py"], "train.py"),
        (["python", "-m", "pytest", "tests"], "pytest"),
        (["python3", "-c", "import os"], "python3"),
        (["python", "-"], "python"),
        (["python"], "python"),
        (["node", "--require", "x", "app.js"], "app.js"),
        (["perl", "-e", "1"], "perl"),
        (["java", "-Xmx1g", "-jar", "lib/app.jar"], "app.jar"),
        (["Rscript", "plot.R"], "plot.R"),
        (["bash", "-c", "exit 3"], "exit"),
        (["bash", "-lc", "cd /srv && ./pack.sh | gzip"], "pack.sh"),
        (["bash", "-e", "-o", "pipefail", "deploy.sh", "-c"], "deploy.sh"),
        (["sh", "-c", ""], "sh"),
        (["sh"], "sh"),
        (["a b/c d"], "c d"),
        (["/"], "/"),
        (["x\n\x1b[2J"], "x??[2J"),
        (["n" * 300], "n" * 40),
        (["nice"] * 50 + ["gzip"], "nice"),
    ],
)
def test_a_program_is_named_by_its_base_name_behind_its_wrappers(words: list[str], name: str) -> None:
    assert default_name(words) == name


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("pg_dump shop | gzip > shop.gz", "pg_dump"),
        ("exit 3", "exit"),
        ("cd /srv/app && LANG=C ./pack.sh", "pack.sh"),
        ("cd /srv", "cd"),
        ("A=1 B='x y' env C=2 prog", "prog"),
        ("set -e; export A=1; python3 train.py", "train.py"),
        ("set -euo pipefail\numask 077\ntar cz . > x", "tar"),
        ('for f in *.log; do gzip "$f"; done', "gzip"),
        ("while ! test -e go; do sleep 1; done", "sleep"),
        ("if [ -e x ]; then rm x; fi", "rm"),
        ("[ -e x ]", "["),
        ("(cd /srv; make)", "make"),
        ("! grep -q x y", "grep"),
        ("> out 2>&1 sort x", "sort"),
        ("< in wc -l", "wc"),
        ("nice -n 5 gzip x", "gzip"),
        ("it's broken", "it's"),
        ("$HOME/bin/tool x", "tool"),
        ("A=1", "sh"),
        ("", "sh"),
        ("echo a \\\n b", "echo"),
    ],
)
def test_a_line_of_a_shell_is_named_by_its_first_program(line: str, name: str) -> None:
    assert default_name([line], shell=True) == name
