"""All pictures of the README, from the real program.

pip install -e '.[pictures]'
python -m tests.pictures.make               all of them; about two minutes
python -m tests.pictures.make tour.svg      this one
"""

from __future__ import annotations

import sys

from tests.pictures import animate, stills
from tests.pictures.svg import encode

NAMES = (animate.PICTURE.name, *stills.STILLS)


def make(name: str) -> bool:
    """Make one picture; return `False` if it is too large or too long, and leave the old one."""
    is_moving = name == animate.PICTURE.name
    if is_moving:
        recording = animate.record()
        if recording.seconds > animate.LONGEST:
            print(f"{name}: {recording.seconds:.1f} s; {animate.LONGEST} s are allowed. Is the machine busy?", file=sys.stderr)
            return False
        picture = encode(recording, animate.TITLE)
    else:
        picture = stills.take(name)
    size, limit = len(picture.encode()), animate.LIMIT if is_moving else stills.LIMIT
    if size > limit:
        print(f"{name}: {size:,} bytes; {limit:,} are allowed", file=sys.stderr)
        return False
    (animate.PICTURE.parent / name).write_text(picture)
    print(f"{name}: {size:,} bytes")
    return True


def main() -> int:
    names = sys.argv[1:] or NAMES
    if unknown := [name for name in names if name not in NAMES]:
        print(f"unknown: {', '.join(unknown)}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    failed = [name for name in names if not make(name)]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
