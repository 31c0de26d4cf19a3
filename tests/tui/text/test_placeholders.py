"""The placeholders of `jobdeck run --each` are those of GNU parallel."""

from __future__ import annotations

import pytest

from jobdeck_tui.text.placeholders import fill, fill_command


@pytest.mark.parametrize(
    ("line", "bare", "base", "folder", "both"),
    [
        ("logs/a.tar.gz", "logs/a.tar", "a.tar.gz", "logs", "a.tar"),
        ("a.log", "a", "a.log", ".", "a"),
        ("a", "a", "a", ".", "a"),
        ("/a.b/c", "/a.b/c", "c", "/a.b", "c"),
        ("/a", "/a", "a", "/", "a"),
        ("/", "/", "", "/", ""),
        ("a/b/", "a/b/", "", "a", ""),
        ("a b/c d.e", "a b/c d", "c d.e", "a b", "c d"),
        ("x.", "x.", "x.", ".", "x."),
        ("ü/é.ñ", "ü/é", "é.ñ", "ü", "é"),
    ],
)
def test_a_placeholder_stands_for_a_part_of_the_line(line: str, bare: str, base: str, folder: str, both: str) -> None:
    assert fill("{}|{.}|{/}|{//}|{/.}|{#}", line, 7) == f"{line}|{bare}|{base}|{folder}|{both}|7"


def test_other_braces_stay_and_a_value_is_not_filled_again() -> None:
    assert fill("{x} {{}} {} ${v}", "{.}", 1) == "{x} {{.}} {.} ${v}"


def test_a_command_without_placeholders_gets_the_line_at_its_end() -> None:
    assert fill_command(["gzip", "-9"], "a b", 1, shell=False) == ["gzip", "-9", "a b"]
    assert fill_command(["gzip -9"], "a b", 1, shell=True) == ["gzip -9 'a b'"]
    assert fill_command(["mv", "{}", "x{.}"], "a.b", 1, shell=False) == ["mv", "a.b", "xa"]


def test_a_shell_gets_values_that_it_cannot_run() -> None:
    assert fill_command(["echo {} > {.}.out"], "$(rm x);'`.log", 1, shell=True) == [
        "echo '$(rm x);'\"'\"'`.log' > '$(rm x);'\"'\"'`'.out"
    ]
