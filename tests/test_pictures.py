"""The README's animated picture, and the encoder that makes it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.pictures import animate, glyphs, stills
from tests.pictures.frames import Caption, Cell, Frame, Recording, line_of, load, save
from tests.pictures.recorder import lines_of, without_glimpses
from tests.pictures.svg import changes, draw, encode

SVG = "{http://www.w3.org/2000/svg}"
PICTURE = animate.PICTURE


def elements(picture: str, name: str) -> list[ET.Element]:
    return [*ET.fromstring(picture).iter(SVG + name)]


def shown(picture: str, at: float) -> list[str]:
    """The lines of text in view at a time, as a browser would show them: by following each animation."""
    root = ET.fromstring(picture)
    known = {each.get("id"): each for each in root.iter(SVG + "g") if each.get("id")}
    cells: dict[int, dict[int, str]] = defaultdict(dict)

    def walk(element: ET.Element, x: float, y: float) -> None:
        if element.get("class") == "still" or element.tag in (SVG + "defs", SVG + "title"):
            return
        moved = next((each for each in element if each.tag == SVG + "animateTransform"), None)
        if moved is not None:
            x += value(moved, at)
        elif found := re.match(r"translate\((\S+?)(?: (\S+))?\)", element.get("transform", "")):
            x, y = x + float(found[1]), y + float(found[2] or 0)
        if element.tag == SVG + "use":
            walk(known[element.get("href", "")[1:]], x + float(element.get("x", 0)), y + float(element.get("y", 0)))
        if element.tag == SVG + "text":
            middle = "m" in (element.get("class") or "").split()
            column = (x + float(element.get("x", 0)) - 5 * middle) / glyphs.WIDTH
            if 0 <= column < 100:
                for n, sign in enumerate(element.text or ""):
                    cells[round((y + glyphs.TOP) / glyphs.HEIGHT)][round(column) + n] = sign
        for child in element:
            walk(child, x, y)

    terminal, _ = root.findall(SVG + "svg")
    walk(terminal[0], 0, 0)
    lines = [cells[y] for y in range(max(cells, default=-1) + 1)]
    return ["".join(line.get(x, " ") for x in range(max(line, default=-1) + 1)) for line in lines]


def value(animation: ET.Element, at: float) -> float:
    share = at / float(animation.attrib["dur"][:-1])
    times = [float(each) for each in animation.attrib["keyTimes"].split(";")]
    values = [float(each) for each in animation.attrib["values"].split(";")]
    assert animation.get("calcMode") == "discrete"
    assert animation.get("repeatCount") == "indefinite"
    assert times == sorted(times)
    assert times[0] == 0
    assert len(times) == len(values)
    return next(number for time, number in reversed([*zip(times, values, strict=True)]) if time <= share)


def screens(*texts: str, seconds: float = 1.0, width: int = 24) -> Recording:
    """A recording of a tiny screen, each text of it for the same time."""
    frames = [
        Frame(n * seconds, tuple(line_of(line, width=width) for line in text.split("\n")), Caption("x", f"step {n}"))
        for n, text in enumerate(texts)
    ]
    return Recording(tuple(frames), seconds * len(frames), still=0)


class TestThePictureOfTheRepository:
    def test_it_is_there_and_small_enough_for_a_readme(self) -> None:
        assert 50_000 < PICTURE.stat().st_size < animate.LIMIT

    def test_it_loops_within_the_time_that_somebody_looks_at_it(self) -> None:
        lengths = {each.attrib["dur"] for each in elements(PICTURE.read_text(), "animateTransform")}
        assert len(lengths) == 1, "its parts would drift apart"
        assert 15 <= float(lengths.pop()[:-1]) <= animate.LONGEST

    def test_it_runs_and_loads_nothing(self) -> None:
        picture = PICTURE.read_text()
        names = {each.tag.removeprefix(SVG) for each in ET.fromstring(picture).iter()}
        assert names <= {
            "svg", "title", "style", "defs", "g", "use", "path", "rect", "circle", "text", "animateTransform"
        }  # fmt: skip
        for element in ET.fromstring(picture).iter():
            for name, said in element.attrib.items():
                assert not name.lower().startswith("on"), name
                assert "href" not in name or said.startswith("#"), said
        assert "url(" not in picture
        assert "@import" not in picture
        assert set(re.findall(r"https?://[^\s\"<>]+", elements(picture, "style")[0].text or "")) == set()

    def test_every_reference_is_to_something_in_it(self) -> None:
        ids = [each.get("id") for each in elements(PICTURE.read_text(), "g") if each.get("id")]
        assert len(ids) == len(set(ids))
        assert {each.attrib["href"][1:] for each in elements(PICTURE.read_text(), "use")} == set(ids)

    def test_it_names_no_folder_of_the_machine_that_made_it(self) -> None:
        assert set(re.findall(r"(?<![\w.:/])/(?:home|root|tmp|work|Users|opt)/[\w.-]*", PICTURE.read_text())) <= {
            "/tmp/jobdeck"
        }

    def test_it_tells_the_whole_story(self) -> None:
        told = {each.text for each in elements(PICTURE.read_text(), "text")}
        for word in ("Filter as you type", "Why is it not running?", "Retry it", "Add worker threads", "… and undo that"):
            assert word in told

    def test_it_shows_the_real_program_at_work(self) -> None:
        picture = PICTURE.read_text()
        seconds = float(elements(picture, "animateTransform")[0].attrib["dur"][:-1])
        first, last = shown(picture, 0), shown(picture, seconds - 0.1)
        assert first[0].startswith("$")
        assert "LIVE" in last[0]
        assert any("16 threads" in line or "/16 busy" in line for line in last), "those of the second worker, too"

    def test_it_stands_still_for_who_wants_less_motion(self) -> None:
        style = elements(PICTURE.read_text(), "style")[0].text or ""
        assert "@media(prefers-reduced-motion:reduce){.play{display:none}.still{display:inline}}" in style
        [still, _] = [each for each in elements(PICTURE.read_text(), "g") if each.get("class") == "still"]
        assert len([*still]) >= animate.SIZE[1]


@pytest.mark.parametrize("name", stills.STILLS)
class TestTheStills:
    def test_it_is_there_small_and_shown_in_the_readme(self, name: str) -> None:
        picture = stills.FOLDER / name
        assert 4_000 < picture.stat().st_size < stills.LIMIT
        assert f"(tests/pictures/{name})" in (stills.FOLDER.parent.parent / "README.md").read_text()

    def test_it_runs_and_loads_nothing_and_names_no_folder_of_a_machine(self, name: str) -> None:
        picture = (stills.FOLDER / name).read_text()
        assert {each.tag.removeprefix(SVG) for each in ET.fromstring(picture).iter()} <= {
            "svg", "title", "style", "defs", "g", "use", "path", "rect", "circle", "text"
        }  # fmt: skip
        assert not re.findall(r"(?<![\w.:/])/(?:home|root|tmp|work|Users|opt)/[\w.-]*", picture)

    def test_it_shows_what_the_readme_says(self, name: str) -> None:
        picture = ET.fromstring((stills.FOLDER / name).read_text())
        words = " ".join(each.text or "" for each in picture.iter(SVG + "text"))
        for word in {"tour.svg": ("12 of 20 orders", "again", "trade-off"), "timeline.svg": ("timeline", "crashed")}[name]:
            assert word in words


class TestTheEncoder:
    def test_each_frame_is_in_view_in_its_time(self) -> None:
        texts = ["one\nsame", "two\nsame", "one\nother"]
        picture = encode(screens(*texts))
        for n, text in enumerate(texts):
            assert shown(picture, n + 0.01) == text.split("\n")
            assert shown(picture, n + 0.99) == text.split("\n")

    def test_a_line_that_comes_back_is_stored_once(self) -> None:
        picture = encode(screens("something", "else", "something", "else"))
        assert picture.count(">else</text>") == 1
        [strip] = [each for each in elements(picture, "animateTransform") if each.attrib["values"].count(";") == 3][:1]
        first, second, third, fourth = strip.attrib["values"].split(";")
        assert (first, second) == (third, fourth)
        assert first != second

    def test_a_line_that_scrolls_is_stored_once_for_all_rows(self) -> None:
        picture = encode(screens("the line that scrolls\n\n", "\nthe line that scrolls\n", "\n\nthe line that scrolls"))
        assert picture.count("the line that scrolls</text>") == 1
        assert [shown(picture, n + 0.5).index("the line that scrolls") for n in range(3)] == [0, 1, 2]

    def test_a_line_that_never_changes_is_not_animated(self) -> None:
        recording = Recording(tuple(Frame(n, (line_of("still"),)) for n in range(3)), 3.0)
        assert not elements(encode(recording), "animateTransform")

    def test_words_are_cut_where_only_one_part_changes(self) -> None:
        texts = [f"{'x' * 40}{n:03}" for n in range(10)]
        picture = encode(screens(*texts, width=60))
        assert picture.count("x" * 40) == 1
        assert [shown(picture, n + 0.5)[0] for n in range(10)] == texts

    def test_where_nothing_plays_the_still_frame_is_in_view(self) -> None:
        recording = screens("first", "second", "third")
        picture = encode(Recording(recording.frames, recording.seconds, still=1))
        without = re.sub(r"<animateTransform[^>]*>", "", picture)
        assert shown(without, 0) == ["second"]

    def test_markup_on_the_screen_is_text_in_the_picture(self) -> None:
        hostile = "<script>&amp;</script>"
        picture = encode(screens(hostile, "calm"))
        assert not elements(picture, "script")
        assert shown(picture, 0) == [hostile]

    def test_colors_and_styles_are_classes(self) -> None:
        line = (Cell("a", "#ff0000", bold=True), Cell("b", "#00ff00", "#0000ff"))
        picture = draw(Frame(0, (line,)))
        style = elements(picture, "style")[0].text or ""
        names = {each.text: (each.get("class") or "").split() for each in elements(picture, "text")}
        assert "b" in names["a"]
        assert f".{names['a'][0]}{{color:#ff0000}}" in style
        assert f".{names['b'][0]}{{color:#00ff00}}" in style
        grounds = [each.get("class") for each in elements(picture, "path") if each.get("class")]
        assert any(f".{name}{{color:#0000ff}}" in style for name in grounds)

    def test_the_caption_goes_with_the_frames(self) -> None:
        picture = encode(screens("a", "b"))
        _, below = ET.fromstring(picture).findall(SVG + "svg")
        [strip] = below.iter(SVG + "animateTransform")
        assert strip.attrib["keyTimes"] == "0;.5"
        assert [each.text for each in below[0].iter(SVG + "text") if "say" in each.attrib["class"]] == ["step 0", "step 1"]

    def test_changes_name_each_content_once(self) -> None:
        assert changes("aabca", [0, 0.1, 0.2, 0.3, 0.4]) == (["a", "b", "c"], [(0, 0), (0.2, 1), (0.3, 2), (0.4, 0)])


class TestTheShapes:
    def test_a_rule_is_one_stroke(self) -> None:
        assert glyphs.strokes("───", 2) == "M20 -5h30"

    @pytest.mark.parametrize("sign", "│╭╮╰╯├┤┬┴┼╴╵╶╷")
    def test_box_characters_are_strokes(self, sign: str) -> None:
        assert (glyphs.strokes(sign, 0) or "").startswith("M")

    def test_a_block_is_as_high_as_its_eighths(self) -> None:
        assert glyphs.blocks("▄", 0) == "M0 -5h10v10h-10z"
        assert glyphs.blocks("██", 1) == "M10 -15h20v20h-20z"

    def test_braille_is_its_dots(self) -> None:
        assert (glyphs.dots("⣿", 0) or "").count("h0") == 8
        assert glyphs.dots("⠁", 1) == "M12.5 -12.5h0"

    @pytest.mark.parametrize("shape", [glyphs.strokes, glyphs.blocks, glyphs.dots])
    def test_letters_are_none(self, shape: object) -> None:
        assert shape("a", 0) is None  # type: ignore[operator]


class TestTheRecorder:
    def test_a_screen_of_the_emulator_becomes_cells(self) -> None:
        def char(text: str, fg: str = "default", bg: str = "default", reverse: bool = False) -> SimpleNamespace:
            marks = dict.fromkeys(("bold", "italics", "underscore", "strikethrough"), False)
            return SimpleNamespace(data=text, fg=fg, bg=bg, reverse=reverse, **marks)

        row = [char("a", "ff0000"), char("b", "c8ccd8", "0d0f14"), char(" ", "123456"), char("c", reverse=True), char("d")]
        cursor = SimpleNamespace(x=4, y=0, hidden=False)
        screen = SimpleNamespace(lines=1, columns=5, buffer=[row], cursor=cursor)
        [line] = lines_of(screen, "#0d0f14", "#c8ccd8")
        assert line == (
            Cell("a", "#ff0000"), Cell("b"), Cell(" "), Cell("c", "#0d0f14", "#c8ccd8"), Cell("d", "#0d0f14", "#c8ccd8")
        )  # fmt: skip

    def test_what_nobody_can_see_is_left_out(self) -> None:
        def frames() -> Iterator[Frame]:
            for at in (0.0, 0.01, 0.02, 1.0, 1.02, 2.0):
                yield Frame(at, (line_of(f"{at}"),))

        thin = without_glimpses(Recording(tuple(frames()), 3.0, still=3))
        assert [frame.at for frame in thin.frames] == [0.0, 0.02, 1.0, 1.02, 2.0]
        assert thin.frames[thin.still].at == 1.0

    def test_a_recording_can_be_kept(self, tmp_path: Path) -> None:
        line = (Cell("a", "#ff0000", "", True), Cell("b"), Cell(""), Cell("é", underline=True))
        recording = Recording((Frame(0.0, (line,)), Frame(0.5, (line_of("x", width=4),), Caption("j", "down"))), 1.5, still=1)
        save(recording, tmp_path / "kept.json")
        assert load(tmp_path / "kept.json") == recording
