"""Suggestions while a filter is typed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tests.tui.frozen_queue import FrozenQueue

from jobdeck import Job, State, parse_filter
from jobdeck_tui.feed.filter_completion import Vocabulary, sample, suggest, vocabulary_of


def a_job(**more: object) -> Job:
    args = {"user": {"id": 42, "name": "Ann Lee"}, "dry": True, "sizes": [1, 2], "a b": 1, "quote": 'say "x"'}
    job = Job(
        id=1, kind="mail.send", args_json=json.dumps(args), queue="mail", priority=5, state=State.FAILED, attempt=1,
        max_attempts=1, created_at=0.0, scheduled_at=0.0, tags=("vip", "new, shiny"), worker="web-1:7:ab", error="OSError: no",
    )  # fmt: skip
    return replace(job, **more)  # type: ignore[arg-type]


WORDS = vocabulary_of([a_job(), a_job(queue="mail", kind="img.resize"), a_job(queue="images")])


def suggested(text: str, words: Vocabulary = WORDS) -> list[str]:
    return [offer.text for offer in suggest(text, len(text), words).items]


def completed(text: str, at: int = 0, words: Vocabulary = WORDS) -> str:
    return suggest(text, len(text), words).insert(text, at)[0]


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("qu", "queue:"),
        ("state:f", "state:failed"),
        ("state:failed,pe", "state:failed,pending"),
        ("queue:m", "queue:mail"),
        ("queue:mail -ki", "queue:mail -kind:"),
        ("-state:c", "-state:completed"),
        ("kind:resize", "kind:img.resize"),
        ("reason:time", "reason:timed-out"),
        ("tag:new", 'tag:"new, shiny"'),
        ('tag:"new', 'tag:"new, shiny"'),
        ("args.u", "args.user.id:"),
        ("args.user.id:", "args.user.id:42"),
        ("args.user.name:an", 'args.user.name:"Ann Lee"'),
        ("args.dry:", "args.dry:true"),
        ("worker:web", "worker:web-1:7:ab"),
        ("error:os", "error:OSError"),
        ("fai", "state:failed"),
        ("imag", "queue:images"),
        ('args.quote:"say \\"', r'args.quote:"say \"x\""'),
        ("priority>=", "priority>=5"),
        ("age>1", "age>1m"),
    ],
)
def test_the_first_suggestion_is_the_most_likely_and_parses(typed: str, first: str) -> None:
    assert completed(typed) == first
    if not first.endswith((":", ">=", ">")):
        assert parse_filter(first).terms


def test_operators_are_suggested_after_a_numeric_field() -> None:
    assert suggested("age") == ["age<", "age>", "age<=", "age>=", "age:"]


def test_a_complete_or_unknown_word_gets_no_suggestions() -> None:
    for text in ("", " ", "state:failed", "id:", "state:xyz", "state>f"):
        assert suggested(text) == [], text
    assert not suggest("state:failed", 3, WORDS).items  # in the middle of a word


def test_values_are_suggested_as_a_filter_writes_them_and_control_characters_not_at_all() -> None:
    assert suggested("args.quote:") == [r'"say \"x\""']
    assert not [path for path in WORDS.paths if " " in path or "sizes" in path]
    hostile = vocabulary_of([a_job(queue="a\x1b]0;x\x07b", kind="[red]k")])
    assert suggested("queue:", hostile) == []
    assert suggested("kind:", hostile) == ["[red]k"]


def test_values_are_suggested_in_any_case_of_any_script() -> None:
    words = vocabulary_of([a_job(queue="Ошибки", kind="Straße"), a_job(queue="a*b", kind="İş")])
    assert suggested("queue:ошиб", words) == ["Ошибки"]
    assert suggested("kind:STRASSE", words) == ["Straße"]
    assert suggested("kind:iş", words) == ["İş"]
    assert suggested("queue:a", words) == [r"a\*b"]
    assert suggested("queue:" + suggested("queue:a", words)[0], words) == []


def test_inserting_a_suggestion_keeps_the_rest_of_the_filter() -> None:
    text = "que state:failed"
    assert suggest(text, 3, WORDS).insert(text, 0) == ("queue: state:failed", 6)


def test_the_vocabulary_is_sampled_from_the_newest_jobs(still: FrozenQueue) -> None:
    still.queue.enqueue("img.resize", {"path": "a.jpg", "formats": ["png"]}, tags=["eu"])
    words = sample(still.queue)
    assert words.values["args.path"] == ("a.jpg",)
    assert words.values["tag"] == ("eu",)
    assert words.also(kind=["shell"]).values["kind"] == ("shell", "img.resize")


def test_large_or_broken_arguments_are_skipped() -> None:
    assert not vocabulary_of(
        [a_job(args_json=json.dumps({"x": "y" * 5000})), a_job(args_json="{"), a_job(args_json="[1]")]
    ).paths


def test_a_truncated_example_ends_with_an_ellipsis(still: FrozenQueue) -> None:
    still.queue.enqueue("webhook.post", {"url": "https://hooks.example.com/in/7", "event": "paid"})
    hints = {offer.text: offer.hint for offer in suggest("args", 4, sample(still.queue)).items}
    assert hints == {"args.url:": "such as https://hooks.examp…", "args.event:": "such as paid"}
