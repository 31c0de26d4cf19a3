"""The default name of a command: the base name of the program that does its work.

    gzip -9 a.log                     gzip
    /usr/bin/env LANG=C ./pack.sh     pack.sh
    nice -n 5 python -u train.py 3    train.py
    python -m pytest tests            pytest
    bash -c 'cd /srv && tar cz . > x' tar
    pg_dump shop | gzip > shop.gz     pg_dump

Programs that only prepare or supervise another one (`env`, `nice`, `timeout`) are skipped, and so is an interpreter if it runs
a file. A line for a shell is named by its first program. Nothing is executed or looked up.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from ..model.kind_names import name_in_kind
from ..model.lazy_pattern import lazy_pattern

_DEFAULT_LENGTH = 40
_UNNAMED = "sh"
"""The name of a line that runs no program."""
_DEPTH = 8
"""The number of programs inside each other that are followed."""

_SHELLS = frozenset(("sh", "bash", "dash", "zsh", "ksh", "mksh", "fish", "ash", "busybox"))
_ASSIGNMENT = lazy_pattern(r"[A-Za-z_]\w*\+?=", re.ASCII)
_VERSIONED = lazy_pattern(r"(python|pypy|ruby|perl|php|lua|node)(w|js)?[\d.]*t?(\.exe)?")

# Wrapper → its options that take a value as the next word, and the number of words before the program that it starts.
_WRAPPERS: dict[str, tuple[frozenset[str], int]] = {
    "env": (frozenset(("-u", "--unset", "-C", "--chdir", "-a", "--argv0")), 0),
    "nice": (frozenset(("-n", "--adjustment")), 0),
    "nohup": (frozenset(), 0),
    "setsid": (frozenset(), 0),
    "time": (frozenset(("-f", "--format", "-o", "--output")), 0),
    "timeout": (frozenset(("-s", "--signal", "-k", "--kill-after")), 1),
    "ionice": (frozenset(("-c", "--class", "-n", "--classdata")), 0),
    "chrt": (frozenset(("-T", "-P", "-D")), 1),
    "taskset": (frozenset(), 1),
    "stdbuf": (frozenset(("-i", "--input", "-o", "--output", "-e", "--error")), 0),
    "sudo": (frozenset(("-u", "--user", "-g", "--group", "-h", "--host", "-p", "--prompt", "-C", "-D", "--chdir", "-T")), 0),
    "doas": (frozenset(("-u", "-C")), 0),
    "exec": (frozenset(("-a",)), 0),
    "command": (frozenset(), 0),
    "builtin": (frozenset(), 0),
    "chronic": (frozenset(), 0),
    "unbuffer": (frozenset(), 0),
    "systemd-run": (frozenset(("-p", "--property", "-u", "--unit", "--slice", "-E", "--setenv")), 0),
    "xvfb-run": (frozenset(("-n", "--server-num", "-s", "--server-args", "-e", "--error-file", "-f", "--auth-file")), 0),
}
# Interpreter → its options that take a value as the next word, those that are followed by code, and by the name of a module.
_INTERPRETERS: dict[str, tuple[frozenset[str], frozenset[str], frozenset[str]]] = {
    "python": (frozenset(("-W", "-X", "--check-hash-based-pycs")), frozenset(("-c",)), frozenset(("-m",))),
    "pypy": (frozenset(("-W", "-X")), frozenset(("-c",)), frozenset(("-m",))),
    "ruby": (frozenset(("-I", "-r", "-C", "-E")), frozenset(("-e",)), frozenset()),
    "perl": (frozenset(("-I",)), frozenset(("-e", "-E")), frozenset()),
    "php": (frozenset(("-d", "-c")), frozenset(("-r",)), frozenset()),
    "lua": (frozenset(("-l",)), frozenset(("-e",)), frozenset()),
    "node": (frozenset(("-r", "--require", "--import", "--loader")), frozenset(("-e", "--eval", "-p", "--print")), frozenset()),
    "Rscript": (frozenset(), frozenset(("-e",)), frozenset()),
    "java": (frozenset(("-cp", "-classpath", "--class-path", "-p", "--module-path")), frozenset(), frozenset(("-jar", "-m"))),
}
_KEYWORDS = frozenset(
    ("if", "then", "elif", "else", "while", "until", "do", "!", "{", "(", "}", ")", "time", "fi", "done", "esac")
)
_LOOPS = frozenset(("for", "case", "select", "function"))
"""Words whose own line names no program."""
_SETUP = frozenset(
    ("cd", "set", "export", "umask", "ulimit", "unset", "shift", "trap", ".", "source", "local", "readonly", ":")
)
_SETUP |= {"test", "[", "[["}
"""Commands of a shell that prepare for the next one; they give the name only if no other command does."""
_SEPARATORS = frozenset((";", "&&", "||", "|", "&", "|&", ";;", "\n"))
_REDIRECTION = r"\d*(<|>|>>|<>|>\||<<|<<-|<<<|>&|<&|&>|&>>)"


def default_name(command: Sequence[str], *, shell: bool = False) -> str:
    """Return the name of a command: the program's base name; at most 40 printable characters, never empty.

    Args:
        command: the program and its arguments; with `shell`, a line for a shell, in parts.
        shell: whether a shell interprets the line.
    """
    name = _name_of_line(" ".join(command), _DEPTH) if shell else _name_of_words(command, _DEPTH)
    text = "".join(sign if sign.isprintable() else "?" for sign in name).strip()
    return text[:_DEFAULT_LENGTH] or _UNNAMED


def name_of_arguments(args: object) -> str | None:
    """Return the default name of a command with these arguments of `shell`; `None` if they hold no command."""
    command = args.get("command") if isinstance(args, Mapping) else None
    if not isinstance(command, list | tuple) or not command or not all(isinstance(part, str) for part in command):
        return None
    return default_name(command, shell=args.get("shell") is True)  # type: ignore[union-attr,attr-defined,unused-ignore]


def given_name(kind: str, args: object) -> str | None:
    """Return the name of a command if a person gave it; `None` if it is that of its program, or the kind has none.

    Args:
        kind: the kind, such as `shell:gzip`.
        args: the arguments of a job of this kind.
    """
    name = name_in_kind(kind)
    return None if name is None or name == name_of_arguments(args) else name


def _base(word: str) -> str:
    return word.rstrip("/").rpartition("/")[2] or word


def _name_of_words(words: Sequence[str], depth: int) -> str:
    """Return the name of a program with its arguments."""
    if not words:
        return ""
    program = _base(words[0])
    if not depth:
        return program
    if program in _WRAPPERS:
        return _name_of_words(_wrapped(words, *_WRAPPERS[program]), depth - 1) or program
    if program in _SHELLS:
        return _name_in_shell(program, words[1:], depth)
    versioned = _VERSIONED.fullmatch(program)
    interpreter = versioned[1] if versioned else program
    if interpreter in _INTERPRETERS:
        return _name_in_interpreter(program, words[1:], *_INTERPRETERS[interpreter])
    return program


def _wrapped(words: Sequence[str], valued: frozenset[str], operands: int) -> Sequence[str]:
    """Return the program, with its arguments, that a wrapper starts."""
    at = 1
    while at < len(words):
        word = words[at]
        if word == "--":
            at += 1
            break
        if word in ("-S", "--split-string") and _base(words[0]) == "env":
            return [*_split(" ".join(words[at + 1 : at + 2])), *words[at + 2 :]]
        if word.startswith("-") and word != "-":
            at += 2 if word in valued else 1
        elif _ASSIGNMENT.match(word) or word == "-":
            at += 1
        else:
            break
    at += operands
    while at < len(words) and _ASSIGNMENT.match(words[at]):  # env -- A=1 program
        at += 1
    return words[at:]


def _name_in_shell(program: str, words: Sequence[str], depth: int) -> str:
    """Return the name of what `sh -c LINE` or `sh FILE` runs."""
    at = 0
    while at < len(words):
        word = words[at]
        if word.startswith(("-", "+")) and len(word) > 1 and word != "--":
            if not word.startswith("--") and "c" in word[1:]:  # -c, -lc, -ec
                line = next((each for each in words[at + 1 :] if not each.startswith("-")), "")
                return _name_of_line(line, depth - 1) or program
            at += 2 if word in ("-o", "+o", "-O", "+O", "--rcfile", "--init-file") else 1
        else:
            at += word == "--"
            break
    return _base(words[at]) if at < len(words) else program


def _name_in_interpreter(
    program: str, words: Sequence[str], valued: frozenset[str], code: frozenset[str], module: frozenset[str]
) -> str:
    """Return the name of the file or module that an interpreter runs; its own name for code in an argument."""
    at = 0
    while at < len(words):
        word = words[at]
        if word in code or word == "-":
            return program
        if word in module:
            return _base(words[at + 1]) if at + 1 < len(words) else program
        if not word.startswith("-"):
            return _base(word)
        at += 2 if word in valued else 1
    return program


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()


def _tokens(line: str) -> list[str]:
    """Return the words and operators of a line of a shell."""
    lexer = shlex.shlex(line.replace("\\\n", " ").replace("\n", " ; "), posix=True, punctuation_chars=True)
    lexer.commenters, lexer.whitespace_split = "", True
    try:
        return list(lexer)
    except ValueError:  # a quotation mark is not closed
        return line.split()


def _name_of_line(line: str, depth: int) -> str:
    """Return the name of the first program that a line of a shell runs."""
    fallback = ""
    command: list[str] = []
    for token in [*_tokens(line[:10_000]), ";"]:
        if token not in _SEPARATORS:
            command.append(token)
            continue
        words = _program_words(command)
        command = []
        if not words:
            continue
        if words[0] in _SETUP:
            fallback = fallback or words[0]
            continue
        if name := _name_of_words(words, depth):
            return name
    return fallback


def _program_words(words: Sequence[str]) -> Sequence[str]:
    """Return the program and its arguments in a simple command, without keywords, assignments and redirections before them."""
    at = 0
    while at < len(words):
        word = words[at]
        if word in _LOOPS:
            return ()
        if word in _KEYWORDS or _ASSIGNMENT.match(word):
            at += 1
        elif re.fullmatch(_REDIRECTION, word):
            at += 2
        elif word.isdecimal() and at + 1 < len(words) and re.fullmatch(_REDIRECTION, words[at + 1]):
            at += 3
        else:
            return words[at:]
    return ()
