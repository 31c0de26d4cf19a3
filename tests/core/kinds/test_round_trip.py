"""A handler gets exactly the arguments that were enqueued, or the enqueue is refused."""

from __future__ import annotations

import math
import sys
import uuid
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NewType
from zoneinfo import ZoneInfo

import pytest
from pydantic import (  # fmt: skip
    AfterValidator,
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    HttpUrl,
    Json,
    PlainSerializer,
    RootModel,
    SecretBytes,
    SecretStr,
    computed_field,
)
from tests.core.helpers import open_queue
from typing_extensions import TypedDict

from jobdeck import InvalidArguments, Queue, Registry, State, StoredSecretBytes, StoredSecretStr, job
from jobdeck.testing import drain

BERLIN = ZoneInfo("Europe/Berlin")


class Base(BaseModel):
    x: int


class Sub(Base):
    y: int = 2


class Cat(BaseModel):
    sort: Literal["cat"] = "cat"
    lives: int = 9


class Dog(BaseModel):
    sort: Literal["dog"] = "dog"
    name: str


class Renamed(BaseModel):
    user_id: int = Field(alias="userId")


class OneWay(BaseModel):
    user_id: int = Field(validation_alias="userId")


class Excluded(BaseModel):
    x: int = Field(default=1, exclude=True)


class Computed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    x: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def twice(self) -> int:
        return 2 * self.x


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    x: int


class Password(BaseModel):
    password: SecretStr


class StoredPassword(BaseModel):
    password: StoredSecretStr


class NotANumber(BaseModel):
    ratio: float


class NumberAsText(BaseModel):
    model_config = ConfigDict(ser_json_inf_nan="strings")
    ratio: float


class NumberAsConstant(BaseModel):
    model_config = ConfigDict(ser_json_inf_nan="constants")
    ratio: float


Names = RootModel[list[str]]


@dataclass
class Point:
    x: int
    tags: list[str] = field(default_factory=list)


@dataclass
class Place(Point):
    name: str = ""


class Options(TypedDict):
    x: int


class Pair(NamedTuple):
    a: int
    b: str


class Color(Enum):
    RED = "red"
    MIXED = (1, 2)


class Size(StrEnum):
    SMALL = "small"


class Level(IntEnum):
    LOW = 1


class Own:
    """A type with a schema of its own and without equality."""

    def __init__(self, text: str) -> None:
        self.text = text

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, Own) else Own(value),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda value: value.text),
        )


UserId = NewType("UserId", int)


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Queue]:
    with open_queue(tmp_path_factory.mktemp("queue") / "jobs.db") as opened:
        yield opened


def arrives(queue: Queue, annotation: Any, value: Any) -> Any:
    """Enqueue a job with this argument, run it, and return what its handler got."""
    got: list[Any] = []

    def handler(value):  # type: ignore[no-untyped-def]
        got.append(value)

    handler.__annotations__ = {"value": annotation}
    kind = f"kind{uuid.uuid4()}"
    job(name=kind, registry=queue.registry)(handler)
    queue.enqueue(kind, {"value": value})
    (ran,) = drain(queue)
    assert ran.state is State.COMPLETED
    return got[0]


UNCHANGED: list[tuple[Any, Any]] = [
    (int, 3), (int, 10**40), (int, -(10**40)), (float, 0.1), (float, 1e308), (float, 5e-324), (bool, True), (str, ""),
    (str, "Zoë \0 \u2028 \U0001f600 \\ud800"), (None, None), (int | None, None), (int | bool, True), (int | bool, 1),
    (float | int, 1), (float | int, 1.0), (bytes, b"abc"), (Path, Path("/a/b")), (uuid.UUID, uuid.UUID(int=7)),
    (Decimal, Decimal("1.10")), (Decimal, Decimal("-0.0")), (set[int], {1, 2}), (frozenset[str], frozenset({"a"})),
    (tuple[int, str], (1, "a")), (tuple[int, ...], (1, 2)), (tuple, (1, "a")), (deque[int], deque([1])),
    (dict[int, str], {1: "a"}), (dict[str, Any], {"a": [1, {"b": None}], "c": 1.5}), (OrderedDict[str, int], OrderedDict(a=1)),
    (defaultdict[str, int], defaultdict(int, a=1)), (Sequence[int], [1]), (Mapping[str, int], {"a": 1}), (Any, [True, 1, 1.0]),
    (object, {"a": []}), (datetime, datetime(2026, 1, 2, 3, 4, 5, 6, UTC)), (datetime, datetime(2026, 1, 2, 3, 4, 5)),
    (datetime, datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=5, minutes=30)))), (date, date(2026, 1, 2)),
    (datetime, datetime(2026, 1, 2, tzinfo=ZoneInfo("UTC"))), (time, time(1, 2)), (timedelta, timedelta(days=-3)),
    (timedelta, timedelta(days=-3, microseconds=7)),
    (Color, Color.RED), (Size, Size.SMALL), (Level, Level.LOW), (Base, Base(x=1)), (Base | Sub, Sub(x=1, y=3)),
    (Annotated[Cat | Dog, Field(discriminator="sort")], Dog(name="rex")), (list[Cat | Dog], [Cat(lives=3), Dog(name="a")]),
    (Renamed, Renamed(userId=7)), (Computed, Computed(x=4)), (Open, Open(x=1, more=[1])), (Names, Names(["a"])),
    (Point, Point(1, ["a"])), (Place, Place(1, ["a"], "b")), (Options, {"x": 1}), (Pair, Pair(1, "b")), (UserId, UserId(3)),
    (complex, 1 + 2j), (Own, Own("a")), (NumberAsText, NumberAsText(ratio=math.inf)), (Literal[1, "a"], 1),
    (Annotated[int, Field(alias="other")], 3),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "value"), UNCHANGED, ids=range(len(UNCHANGED)))
def test_a_handler_gets_what_was_enqueued(queue: Queue, annotation: Any, value: Any) -> None:
    got = arrives(queue, annotation, value)
    assert type(got) is type(value)
    assert (vars(got) if isinstance(value, Own) else got) == (vars(value) if isinstance(value, Own) else value)
    assert repr(got) == repr(value) or isinstance(value, Own | datetime)
    if isinstance(value, datetime):
        assert got.utcoffset() == value.utcoffset()


CONVERTED: list[tuple[Any, Any, Any]] = [
    (int, "3", 3), (int, 3.0, 3), (int, True, 1), (float, 3, 3.0), (Path, "a", Path("a")), (set[int], [1, 1], {1}),
    (Decimal, "1.10", Decimal("1.10")), (Color, "red", Color.RED), (Json[list[int]], "[1]", [1]),
    (ByteSize, "1kb", ByteSize(1000)),
    (HttpUrl, "http://a.b", HttpUrl("http://a.b/")), (Base, {"x": "1"}, Base(x=1)), (str, Size.SMALL, "small"),
    (datetime, "2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "value", "expected"), CONVERTED, ids=range(len(CONVERTED)))
def test_a_value_of_another_type_is_converted_to_the_annotation_when_it_is_enqueued(
    queue: Queue, annotation: Any, value: Any, expected: Any
) -> None:
    got = arrives(queue, annotation, value)
    assert (type(got), got) == (type(expected), expected)


def _cycle() -> list[Any]:
    items: list[Any] = []
    items.append(items)
    return items


class Text(str):
    pass


REFUSED: list[tuple[Any, Any, str, str]] = [
    (Any, math.nan, "value", "is nan, which JSON cannot represent"),
    (Any, [{"a": -math.inf}], "value.0.a", "is -inf, which JSON cannot represent"),
    (dict, {"a": (math.inf, 1)}, "value.a", "has the type tuple, and the handler would get list"),
    (object, {"a": [math.nan]}, "value.a.0", "is nan"),
    (NotANumber, NotANumber(ratio=math.nan), "value.ratio", "cannot be loaded again"),
    (NumberAsConstant, NumberAsConstant(ratio=math.nan), "value", "cannot be stored as JSON"),
    (Base, Sub(x=1), "value", "has the type Sub, and the handler would get Base; annotate it as Sub"),
    (list[Base], [Base(x=1), Sub(x=1)], "value.1", "has the type Sub"),
    (Point, Place(1), "value", "has the type Place"),
    (Options, {"x": 1, "typo": 2}, "value.typo", "is unknown"),
    (Iterable[int], [1, 2], "value", "can be read only once; annotate it as a list"),
    (Generator[int, None, None], (n for n in [1]), "value", "can be read only once"),
    (dict[str, Iterable[int]], {"a": [1]}, "value.a", "can be read only once"),
    (Any, (n for n in [1]), "value", "can be read only once"),
    (Sequence[int], (1, 2), "value", "has the type tuple, and the handler would get list"),
    (Any, (1, 2), "value", "annotate it as tuple, or pass it as list"),
    (Any, {1, 2}, "value", "has the type set"),
    (Any, datetime(2026, 1, 2, tzinfo=UTC), "value", "has the type datetime, and the handler would get str"),
    (Any, Path("a"), "value", "has the type PosixPath"),
    (Any, Decimal("1.1"), "value", "has the type Decimal"),
    (Any, b"abc", "value", "has the type bytes"),
    (Any, Color.RED, "value", "has the type Color"),
    (Any, Level.LOW, "value", "has the type Level, and the handler would get int"),
    (Any, Base(x=1), "value", "has the type Base"),
    (Any, Text("a"), "value", "has the type Text"),
    (Any, {1: "a"}, "value", "has the key 1, which JSON can store as text only"),
    (Any, {True: "a"}, "value", "has the key True"),
    (Any, 10**5000, "value", "cannot be loaded again"),
    (Any, ["\ud800"], "value", "cannot be stored as JSON"),
    (Any, _cycle(), "value", "cannot be stored as JSON"),
    (Any, object(), "value", "cannot be stored as JSON"),
    (Callable[[], int], len, "value", "cannot be stored as JSON"),
    (bytes, b"\xff", "value", "cannot be stored as JSON"),
    (Color, Color.MIXED, "value", "cannot be loaded again"),
    (str | datetime, datetime(2026, 1, 2), "value", "has the type datetime, and the handler would get str"),
    (str | Path, Path("a"), "value", "the handler would get str"),
    (datetime, datetime(2026, 1, 2, tzinfo=BERLIN), "value", "has the time zone Europe/Berlin"),
    (datetime, datetime(2026, 1, 2, fold=1), "value", r"fold=1"),
    (time, time(1, tzinfo=BERLIN), "value", "has the time zone Europe/Berlin"),
    (deque[int], deque([1], maxlen=3), "value", "the handler would get deque"),
    (OneWay, OneWay(userId=1), "value.userId", "cannot be loaded again from the JSON that would be stored: it is missing"),
    (Excluded, Excluded(x=5), "value.x", "is 5, and the handler would get 1"),
    (Annotated[int, AfterValidator(lambda n: n + 1)], 3, "value", "is 4, and the handler would get 5"),
    (Annotated[int, PlainSerializer(lambda n: str(n) + "0")], 3, "value", "is 3, and the handler would get 30"),
    (Annotated[int, PlainSerializer(lambda n: 1 // 0)], 3, "value", "cannot be stored as JSON"),
    (Annotated[Decimal, PlainSerializer(float)], Decimal("1.10"), "value", "would get Decimal"),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "value", "place", "problem"), REFUSED, ids=range(len(REFUSED)))
def test_what_would_arrive_as_something_else_is_refused_with_its_place(
    queue: Queue, annotation: Any, value: Any, place: str, problem: str
) -> None:
    before = queue.count()
    with pytest.raises(InvalidArguments, match=problem) as refused:
        arrives(queue, annotation, value)
    assert refused.value.field == place
    assert queue.count() == before
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("annotation", "value", "place"),
    [
        (SecretStr, "hunter2", "value"),
        (SecretStr, SecretStr("hunter2"), "value"),
        (SecretBytes, b"hunter2", "value"),
        (list[SecretStr | None], [None, "hunter2"], "value.1"),
        (Password, {"password": "hunter2"}, "value.password"),
    ],
)
def test_a_secret_is_refused_unless_it_is_to_be_stored(queue: Queue, annotation: Any, value: Any, place: str) -> None:
    with pytest.raises(InvalidArguments, match="is a secret, and the handler would get asterisks") as refused:
        arrives(queue, annotation, value)
    assert refused.value.field == place
    assert "jobdeck.StoredSecret" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_secret_that_is_to_be_stored_reaches_the_handler(queue: Queue) -> None:
    assert arrives(queue, StoredSecretStr, "hunter2") == SecretStr("hunter2")
    assert arrives(queue, StoredSecretBytes, b"hunter2") == SecretBytes(b"hunter2")
    assert arrives(queue, list[StoredPassword], [{"password": "a"}])[0].password == SecretStr("a")


@pytest.mark.parametrize(
    ("annotation", "value"),
    [(Annotated[StoredSecretStr, Field(min_length=20)], "hunter2"), (StoredPassword, {"password": 2, "hunter2": 1}),
     (StoredPassword, "hunter2")],
)  # fmt: skip
def test_a_refusal_does_not_show_a_secret(queue: Queue, annotation: Any, value: Any) -> None:
    with pytest.raises(InvalidArguments) as refused:
        arrives(queue, annotation, value)
    assert "hunter2" not in str(refused.value)


def test_one_bad_item_of_a_bulk_enqueues_none(queue: Queue) -> None:
    def handler(value: Any, other: str = "") -> None: ...

    job(name="bulk", registry=queue.registry)(handler)
    before = queue.count()
    with pytest.raises(InvalidArguments, match="JSON cannot represent"):
        queue.enqueue_bulk("bulk", [{"value": 1}, {"value": math.nan}])
    assert queue.count() == before


def test_a_bulk_stores_each_argument_as_a_single_enqueue_does(queue: Queue) -> None:
    def handler(at: Annotated[datetime, Field(strict=True)]) -> None: ...

    job(name="strict", registry=queue.registry)(handler)
    now = datetime(2026, 1, 2, tzinfo=UTC)
    (job_id,) = queue.enqueue_bulk("strict", [{"at": now}])
    assert queue.get(job_id).args == queue.enqueue("strict", {"at": now}).args
    assert [each.state for each in drain(queue)] == [State.COMPLETED] * 2


# -- defaults ------------------------------------------------------------------------------------------


def test_only_the_given_arguments_are_stored_and_the_handler_adds_its_own_defaults(queue: Queue) -> None:
    got: list[Any] = []

    def plain(a: int, b: str = "x", c: int | None = None) -> None:
        got.append((a, b, c))

    def rich(a: datetime, b: Path = Path("x"), c: int = None) -> None:  # type: ignore[assignment]  # noqa: RUF013
        got.append((a, b, c))

    for handler in (plain, rich):
        job(name=handler.__name__, registry=queue.registry)(handler)
    assert queue.enqueue("plain", {"a": 1, "b": "x"}).args == {"a": 1, "b": "x"}
    assert queue.enqueue("plain", {"a": 1}).args == {"a": 1}
    assert queue.enqueue("rich", {"a": datetime(2026, 1, 2)}).args == {"a": "2026-01-02T00:00:00"}
    assert [each.state for each in drain(queue)] == [State.COMPLETED] * 3
    assert got == [(1, "x", None), (1, "x", None), (datetime(2026, 1, 2), Path("x"), None)]
    with pytest.raises(InvalidArguments, match="'c' is invalid"):
        queue.enqueue("rich", {"a": datetime(2026, 1, 2), "c": None})


def test_a_default_that_a_handler_changes_is_fresh_for_each_job(queue: Queue) -> None:
    got: list[Any] = []

    def collect(n: int, seen: list[int] = []) -> None:  # noqa: B006
        seen.append(n)
        got.append(seen)

    job(name="collect", registry=queue.registry)(collect)
    for n in range(2):
        queue.enqueue("collect", {"n": n})
    drain(queue)
    assert got == [[0], [1]]


def test_the_stored_arguments_of_a_job_can_be_enqueued_again(queue: Queue) -> None:
    for annotation, value in UNCHANGED:
        arrives(queue, annotation, value)
        (last,) = queue.list(limit=1)
        assert queue.enqueue(last.kind, last.args).args_json == last.args_json
        drain(queue)


def test_plain_arguments_need_no_validation_library() -> None:
    import subprocess

    code = (
        "import sys; from jobdeck import Registry, job; r = Registry();\n"
        "def f(a: int, b: str = 'x'): ...\n"
        "job(name='k', registry=r)(f); e = r.get('k'); assert e.load(e.check({'a': 1}, 99)) == {'a': 1}\n"
        "sys.exit('pydantic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_default_made_with_field_is_refused_with_the_way_to_write_it(queue: Queue) -> None:
    from jobdeck import InvalidHandler

    def handler(n: int = Field(default=3, gt=0)) -> None: ...

    with pytest.raises(InvalidHandler, match=r"write n: Annotated\[.*, Field\(…\)\] instead"):
        job(name="field", registry=Registry())(handler)
