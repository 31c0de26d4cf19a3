"""Case, escapes and quotation marks in filters: the same on every store, and in the text search of the cockpit."""

from __future__ import annotations

import json

import pytest
from tests.core.helpers import Bench, new

from jobdeck import InvalidFilter, Pattern, find_all, fold_case, parse_filter, quote_filter_value
from jobdeck.model.case_folding import _CASED


def found(bench: Bench, text: str) -> list[int]:
    condition = parse_filter(text)
    ids = list(bench.store.queries.list_ids(condition, descending=False))
    assert bench.store.queries.count(condition) == len(ids)
    return ids


SAME = [
    ("ошибка", "Ошибка сети"),
    ("ОШИБКА", "ошибка сети"),
    ("über", "ÜBER"),
    ("strasse", "Hauptstraße 3"),
    ("STRASSE", "Hauptstraße 3"),
    ("straße", "HAUPTSTRASSE"),
    ("straße", "HAUPTSTRAẞE"),
    ("istanbul", "İSTANBUL"),
    ("İstanbul", "istanbul"),
    ("istanbul", "İSTANBUL".lower()),
    ("ısparta", "ISPARTA"),
    ("isparta", "ısparta"),
    ("ΟΔΟΣ", "οδος"),
    ("οδος", "ΟΔΟΣ"),
    ("office", "the o\N{LATIN SMALL LIGATURE FFI}ce"),
    ("5k", "5\N{KELVIN SIGN}"),
    ("ёлка*снег", "ЁЛКА и СНЕГ"),
    ("ё?ка", "ЁЛКА"),
]
DIFFERENT = [("ошибка", "Ошивка"), ("uber", "ÜBER"), ("strase", "straße"), ("ё?ка", "ЁКА"), ("100%", "100x ü"), ("a_b", "aüb")]


@pytest.mark.parametrize(("filter", "text"), SAME)
def test_text_is_found_in_any_case_in_every_script(bench: Bench, filter: str, text: str) -> None:
    in_args, in_tag, _, in_error = bench.enqueue(
        new(args_json=json.dumps({"to": text}, ensure_ascii=False)), new(tags=(text,)), new(), new()
    )
    bench.change("UPDATE jobdeck_jobs SET error = ? WHERE id = ?", text, in_error.id)
    assert found(bench, f'"{filter}"') == [in_args.id, in_tag.id, in_error.id]
    assert found(bench, f'error:"{filter}"') == [in_error.id]
    assert found(bench, f'-error:"{filter}" id<=4') == [1, 2, 3]


@pytest.mark.parametrize(("filter", "text"), DIFFERENT)
def test_folding_the_case_makes_no_other_letters_equal(bench: Bench, filter: str, text: str) -> None:
    (job,) = bench.enqueue(new(args_json=json.dumps({"to": text}, ensure_ascii=False), tags=(text,)))
    bench.change("UPDATE jobdeck_jobs SET error = ? WHERE id = ?", text, job.id)
    assert found(bench, f'"{filter}"') == found(bench, f'error:"{filter}"') == []


@pytest.mark.parametrize(("part", "text"), [each for each in SAME if not set(each[0]) & set("*?")])
def test_a_search_in_a_text_finds_what_a_filter_finds(part: str, text: str) -> None:
    assert fold_case(part) in fold_case(text)
    ((start, end),) = find_all(f"… {text} …", part)
    assert fold_case(part) in fold_case(f"… {text} …"[start:end])


def test_a_match_that_ends_inside_of_a_letter_covers_the_letter() -> None:
    assert [*find_all("Straße, İki, i\N{COMBINING DOT ABOVE}ki", "s")] == [(0, 1), (4, 5)]
    assert [*find_all("İki i\N{COMBINING DOT ABOVE}ki", "iki")] == [(0, 3), (4, 8)]
    assert [*find_all("aXax", "x")] == [(1, 2), (3, 4)]
    assert [*find_all("text", "")] == []


def test_every_letter_with_a_case_is_known() -> None:
    known = {each for part in _CASED for each in part}
    assert [chr(code) for code in range(0x110000) if code not in known and chr(code).casefold() != chr(code)] == []


def test_what_a_letter_is_folded_to_is_not_folded_again() -> None:
    """So letters can be replaced one after the other, in any order."""
    folded = {character: fold_case(character) for part in _CASED for character in map(chr, part)}
    assert [character for character, once in folded.items() if fold_case(once) != once] == []


NAMES = ["a*", "ab", "a?", 'a"b', "a,b", "a b", "a\\b", "a\\", "a\\*b", "[a]", "a%", "a_", "ü*", '"', "\\", "C:\\x y\\"]


def test_names_with_signs_of_the_language_are_found_by_quoting_them(bench: Bench) -> None:
    jobs = bench.enqueue(*(new(kind=name, args_json=json.dumps({"to": name}), tags=(name,)) for name in NAMES))
    for job, name in zip(jobs, NAMES, strict=True):
        value = quote_filter_value(name)
        for field in ("kind", "tag", "args.to"):
            assert found(bench, f"{field}:{value}") == [job.id], (field, value)
            assert found(bench, f"{field}:none,{value} id>0") == [job.id], (field, value)
        assert job.id in found(bench, value if value.startswith('"') else f'"{value}"'), value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r"kind:a\*", "a*"),
        (r"kind:a\?b", "a?b"),
        (r"kind:a\"b", 'a"b'),
        (r"kind:a\,b", "a,b"),
        (r"kind:a\ b", "a b"),
        (r"kind:a\\b", r"a\b"),
        (r"kind:C:\temp", r"C:\temp"),
        (r'kind:"a \"b\", \*"', 'a "b", *'),
        ("kind:a\\", "a\\"),
        (r"what\?", "what?"),
        (r"\*", "*"),
        (r"\"", '"'),
        (r"-\*", "*"),
    ],
)
def test_a_backslash_makes_a_sign_literal(text: str, value: str) -> None:
    (term,) = parse_filter(text).terms
    assert term.values == (value,)


def test_wildcards_and_escapes_mix() -> None:
    (term,) = parse_filter(r'kind:"a\** b?\?"').terms
    (pattern,) = term.values
    assert isinstance(pattern, Pattern)
    assert pattern.write("<any>", "<one>", str) == "a*<any> b<one>?"
    assert parse_filter(f"kind:{pattern}").terms == (term,)


def test_an_escaped_quotation_mark_does_not_close_and_the_message_says_so() -> None:
    with pytest.raises(InvalidFilter, match=r'not closed; \\" is the character itself') as failed:
        parse_filter('kind:x args.dir:"C:\\"')
    assert failed.value.column == 16


def test_free_text_with_quotation_marks_and_line_ends_is_found_in_arguments(bench: Bench) -> None:
    said, _ = bench.enqueue(new(args_json=json.dumps({"text": 'say "Hi"\nthere\\'})), new())
    for text in (r'"say \"hi\""', r"\"hi\"*there", '"hi\\"\nthere"', r'"there\\"', r'"\"text\":"'):
        assert found(bench, text) == [said.id], text
