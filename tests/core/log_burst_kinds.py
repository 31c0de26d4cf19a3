"""Kinds that print or log much at once; every process of their worker imports this file."""

from __future__ import annotations

from jobdeck import context, job


def _numbers(last: int) -> str:
    return "\n".join(map(str, range(1, last + 1)))


@job(name="bursts.prints")
def prints(lines: int) -> None:
    print(_numbers(lines))


@job(name="bursts.prints_apart", isolate=True)
def prints_apart(lines: int) -> None:
    print(_numbers(lines))


@job(name="bursts.logs")
def logs(lines: int) -> None:
    for n in range(lines):
        context().log.info("%08d %s", n, "." * 1000)


@job(name="bursts.logs_async")
async def logs_async(lines: int) -> None:
    for n in range(lines):
        context().log.info("%08d %s", n, "." * 1000)


@job(name="bursts.half_a_line", isolate=True)
def half_a_line(text: str) -> None:
    print(text, end="")
