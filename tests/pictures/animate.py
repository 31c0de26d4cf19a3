"""The README's animated picture, from the real program: `jobdeck demo` runs in a terminal, and keys are typed.

    pip install -e '.[pictures]'
    python -m tests.pictures.make                                  this picture and the stills, the README's pictures
    python tests/pictures/animate.py                               writes tests/pictures/demo.svg; about a minute
    python tests/pictures/animate.py --recording /tmp/demo.json    the same, and keeps the recording, or draws it again
    python tests/pictures/animate.py --recording /tmp/demo.json --frame 40 --png /tmp/40.png     one frame, to look at

PNG files need rsvg-convert (librsvg2-bin).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from tests.pictures.frames import Recording, load, save  # noqa: E402
from tests.pictures.real_terminal import real_terminal  # noqa: E402
from tests.pictures.recorder import Recorder  # noqa: E402
from tests.pictures.svg import draw, encode  # noqa: E402

PICTURE = Path(__file__).parent / "demo.svg"
SIZE = (120, 34)
LIMIT = 600_000
"""Bytes that the picture may have: it is loaded with the README."""
LONGEST = 28
"""Seconds that it may take: as long as somebody looks at it."""
TITLE = "jobdeck demo"


def main() -> int:
    given = _parser().parse_args()
    kept = given.recording
    if kept is not None and kept.exists() and not given.again:
        recording = load(kept)
    else:
        recording = record()
        if kept is not None:
            save(recording, kept)
    if given.frame is not None:
        _still(recording, given.frame, given.png)
        return 0
    picture = encode(recording, TITLE)
    size = len(picture.encode())
    if size > LIMIT:
        print(f"The picture has {size:,} bytes; {LIMIT:,} are allowed. Record again, or shorten the script.", file=sys.stderr)
        return 1
    given.output.write_text(picture)
    print(f"{given.output}: {recording.seconds:.0f} s, {len(recording.frames)} frames, {size:,} bytes")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Record `jobdeck demo` as an animated SVG.")
    parser.add_argument("--output", type=Path, default=PICTURE, help="the picture (default: %(default)s)")
    parser.add_argument("--recording", type=Path, help="a JSON file; drawn if it exists, else recorded and kept there")
    parser.add_argument("--again", action="store_true", help="record again even if the file of --recording exists")
    parser.add_argument("--frame", type=int, help="draw this frame only, from 0; negative from the end")
    parser.add_argument("--png", type=Path, default=Path("frame.png"), help="where --frame draws to (default: %(default)s)")
    return parser


def _still(recording: Recording, number: int, png: Path) -> None:
    frame = recording.frames[number]
    subprocess.run(["rsvg-convert", "-o", str(png)], input=draw(frame, TITLE).encode(), check=True)
    print(f"{png}: frame {number % len(recording.frames)} of {len(recording.frames)}, at {frame.at:.1f} s")


def record() -> Recording:
    """Run the demo, type the keys of the story, and return what was seen."""
    with real_terminal(SIZE) as terminal:
        _story(terminal)
        return terminal.finish()


def _story(terminal: Recorder) -> None:
    """Type the keys. Pauses are as long as it takes to read what is new."""
    terminal.caption("One command: a queue, its workers, and everything that happens, live")
    terminal.start()
    terminal.pause(0.4)
    terminal.type("jobdeck demo", pace=0.06)
    terminal.press("enter")
    terminal.wait_for(lambda text: "LIVE" in text)
    terminal.pause(2.2)

    terminal.press("/", "Filter as you type")
    terminal.wait_for(lambda text: "jobs match" in text)
    terminal.pause(0.3)
    terminal.type("state:failed refused", pace=0.07)
    terminal.pause(0.4)
    terminal.press("enter")
    terminal.wait_for(lambda text: "/state:failed" in text)
    terminal.pause(0.2)
    _choose(terminal, "j", "Choose a job", "3/3")
    terminal.press("enter", "Open it: its life, its arguments, and the error of each attempt")
    terminal.wait_for(lambda text: "attempts exhausted" in text)
    terminal.pause(1.7)
    terminal.press("esc", "Back")
    terminal.wait_for(lambda text: "/state:failed" in text)
    terminal.pause(0.3)
    terminal.press("r", "Retry it")
    terminal.pause(1.0)

    terminal.press("/", "What waits in a queue?")
    terminal.wait_for(lambda text: "jobs match" in text)
    terminal.press("ctrl+u")
    terminal.type("queue:search", pace=0.07)
    terminal.pause(0.3)
    terminal.press("enter")
    terminal.wait_for(lambda text: "/queue:search" in text)
    _choose(terminal, "j", "Choose a job", "pending")
    terminal.mark_still()
    terminal.press("w", "Why is it not running?")
    terminal.wait_for(lambda text: "why ·" in text)
    terminal.pause(1.8)
    terminal.press("esc")
    terminal.wait_for(lambda text: "why ·" not in text)
    terminal.pause(0.3)
    terminal.press("x", "Cancel it …")
    terminal.pause(0.8)
    terminal.press("z", "… and undo that")
    terminal.pause(0.8)
    for _ in range(3):
        terminal.press("+", "Raise its priority")
        terminal.pause(0.1)
    terminal.pause(0.3)
    terminal.press("p", "Resume its queue")
    terminal.pause(1.5)
    for _ in range(4):
        terminal.press(">", "Add worker threads")
        terminal.pause(0.2)
    terminal.pause(1.4)


def _choose(terminal: Recorder, key: str, text: str, *words: str) -> None:
    """Move through the table until the chosen job shows all of the words."""
    before = _chosen(terminal)
    for _ in range(30):
        terminal.press(key, text)
        terminal.wait_for(lambda _, before=before: _chosen(terminal) != before)
        before = _chosen(terminal)
        if all(word in before for word in words):
            terminal.pause(0.4)
            return
    raise LookupError(f"no job in view shows {words}:\n{terminal.text}")


def _chosen(terminal: Recorder) -> str:
    """Return the line of the chosen job, without what changes by itself."""
    lines = [line for line in terminal.text.splitlines() if line.startswith("│❯")]
    return lines[0][:64] if lines else ""


if __name__ == "__main__":
    sys.exit(main())
