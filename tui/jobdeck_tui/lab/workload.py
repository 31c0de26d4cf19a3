"""The lively workload of `jobdeck demo`: believable kinds, and a seeded producer that keeps them coming.

Nothing here is drawn on the screen only: every job is enqueued, claimed, run and retried by the engine. The
work itself is pretended: handlers sleep instead of talking to servers, and fail as such servers do.
"""

from __future__ import annotations

import logging
import math
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import IO, Annotated, Any, Literal

from jobdeck import GiveUp, JobdeckError, NewJob, Queue, Registry, Settings, Snooze, State, context, job

logger = logging.getLogger("jobdeck.demo")

STEP = 0.1
"""Seconds between two deliveries of the producer."""
MAX_PENDING = 1500
"""The producer pauses while more jobs than this are pending."""
MAX_PENDING_PAUSED = 80
"""The same for a queue that is paused: enough to be seen, not so much that it hides the others."""
MAX_LATER = 400
"""The producer makes no further scheduled jobs while there are more than this."""
BURST_EVERY = 20.0
"""Seconds from burst to burst."""
KEPT = 1800.0
"""Seconds a finished job of the demo is kept: a demo that runs all day must not fill the disk."""
PAUSED = "search"
"""The queue that is paused when the demo opens, so that there is one to resume."""
ACTOR = "demo"
"""Who cancels and pauses here, so that the person at the screen undoes only what they did."""


# -- the kinds ------------------------------------------------------------------------------------------
#
# Which attempt fails is drawn from the job's id and the attempt's number: the same job always has the same fate.


class SMTPServerDisconnected(OSError):
    """The mail server hung up in mid-conversation."""


class PaymentGatewayError(Exception):
    """The payment provider could not answer."""


class ImageError(ValueError):
    """The file is not an image that can be read."""


class EncoderError(RuntimeError):
    """The video encoder died."""


def _luck() -> Random:
    now = context()
    return Random(f"{now.kind} {now.job_id} {now.attempt}")


def _work(low: float, high: float, luck: Random) -> None:
    """Pretend to work for `low` to `high` seconds, mostly nearer to `low`."""
    context().sleep(low + (high - low) * luck.betavariate(2, 4))


class _MailServer:
    """A conversation with a mail server."""

    def __init__(self, host: str, luck: Random, *, failures: float) -> None:
        self.host = host
        self._luck = luck
        self._fails_at = luck.choice(("MAIL FROM", "DATA")) if luck.random() < failures else ""

    def send(self, to: str, subject: str) -> str:
        """Returns the name the server gave to the mail."""
        context().log.debug("%s: sending %r to %s", self.host, subject, to)
        self._command("MAIL FROM")
        self._command("RCPT TO")
        if to.endswith(".invalid"):
            raise GiveUp(f"550 5.1.1 <{to}>: the recipient's address was rejected: no such domain")
        self._command("DATA")
        return f"{self._luck.getrandbits(40):010X}"

    def _command(self, verb: str) -> None:
        _work(0.004, 0.026, self._luck)
        self._read_reply(verb)

    def _read_reply(self, verb: str) -> None:
        if verb == self._fails_at:
            raise SMTPServerDisconnected(f"Connection lost while waiting for the reply to {verb}")


def _post(url: str, body: bytes, luck: Random) -> int:
    """Send a request; returns the status of the answer."""
    host = url.split("/")[2]
    _connect(host, luck)
    if luck.random() < 0.008:
        context().log.warning("%s accepted %d bytes and says nothing", host, len(body))
        context().sleep(30)  # the kind's timeout ends this
    _work(0.012, 0.13, luck)
    return _read_status(host, luck)


def _connect(host: str, luck: Random) -> None:
    _work(0.002, 0.012, luck)
    if host.startswith("legacy."):
        raise ConnectionRefusedError(111, f"Connection refused by {host}:443")


def _read_status(host: str, luck: Random) -> int:
    fate = luck.random()
    if fate < 0.03:
        raise TimeoutError(f"The read from {host}:443 timed out")
    if fate < 0.055:
        raise ConnectionResetError(104, f"Connection reset by peer {host}:443")
    return 410 if host.startswith("closed.") else 200


def send_receipt(
    order_id: Annotated[int, "the order"],
    to: Annotated[str, "the customer's address"],
    language: Annotated[Literal["en", "de", "fr", "es", "pt"], "of the text"] = "en",
    attach_pdf: Annotated[bool, "attach the receipt as a PDF"] = False,
) -> dict[str, Any]:
    """Mail a customer the receipt of an order."""
    luck = _luck()
    if attach_pdf:
        context().log.debug("rendering receipt-%d.pdf", order_id)
        _work(0.01, 0.07, luck)
    server = _MailServer(f"smtp-{luck.randint(1, 3)}.example.org", luck, failures=0.05)
    queued = server.send(to, f"[{language}] Your order {order_id}")
    context().log.info("250 2.0.0 Ok: queued as %s", queued)
    return {"queued_as": queued, "server": server.host}


def newsletter(
    campaign: Annotated[str, "the campaign's name"],
    to: Annotated[str, "the subscriber's address"],
    variant: Annotated[Literal["a", "b"], "of the subject line under test"] = "a",
) -> dict[str, Any]:
    """Mail one subscriber the newsletter."""
    luck = _luck()
    queued = _MailServer("bulk.example.org", luck, failures=0.02).send(to, f"{campaign} ({variant})")
    return {"queued_as": queued}


def resize(
    image: Annotated[str, "the image's path"],
    width: Annotated[Literal[64, 320, 640, 1280, 2560], "in pixels"] = 640,
    format: Annotated[Literal["webp", "avif", "jpeg"], "of the result"] = "webp",
    quality: Annotated[int, "from 1 to 100"] = 82,
) -> dict[str, Any]:
    """Make a smaller copy of an image."""
    luck = _luck()
    height = _decode(image, width, luck)
    _work(0.015, 0.06 + width / 15_000 + (0.06 if format == "avif" else 0.0), luck)
    size = int(width * height * quality / 900)
    context().log.info("%s → %d×%d %s, %d bytes", image, width, height, format, size)
    return {"width": width, "height": height, "bytes": size}


def _decode(image: str, width: int, luck: Random) -> int:
    _work(0.005, 0.02, luck)
    if "truncated" in image:
        raise ImageError(f"image file {image!r} is truncated (42 bytes not processed)")
    return width * 2 // 3


def transcode(
    source: Annotated[str, "the video's path"],
    preset: Annotated[Literal["480p", "720p", "1080p", "2160p"], "of the result"] = "1080p",
    seconds: Annotated[float, "about how long it takes"] = 8.0,
) -> dict[str, Any]:
    """Convert a video for the web; takes a while and tells how far it is."""
    luck = _luck()
    frames = int(seconds * 250)
    dies_at = luck.uniform(0.3, 0.9) if luck.random() < 0.12 else 2.0
    context().log.info("%s: %d frames to %s", source, frames, preset)
    steps = max(1, round(seconds / 0.5))
    for step in range(steps):
        _encode(step / steps, dies_at, preset)
        context().sleep(seconds / steps)
        context().progress((step + 1) / steps)
        if step % 4 == 3:
            context().log.debug("frame %d, %.1f fps", frames * (step + 1) // steps, 250 * luck.uniform(0.9, 1.1))
    return {"frames": frames, "file": source.rpartition(".")[0] + f".{preset}.mp4"}


def _encode(done: float, dies_at: float, preset: str) -> None:
    if done >= dies_at:
        raise EncoderError(f"the {preset} encoder died with signal 9 at {done:.0%} (out of memory?)")


def post_webhook(
    url: Annotated[str, "where to post it"],
    event: Annotated[Literal["order.created", "order.paid", "order.shipped", "user.deleted"], "what happened"],
    order_id: Annotated[int, "the order it happened to"],
) -> dict[str, Any]:
    """Tell a customer's server what happened."""
    luck = _luck()
    body = f'{{"event":"{event}","order_id":{order_id}}}'.encode()
    status = _post(url, body, luck)
    context().log.info("POST %s: %d", url, status)
    if status == 410:
        raise GiveUp(f"410 Gone: {url} was removed by its owner")
    return {"status": status, "bytes": len(body)}


def daily_report(
    day: Annotated[date, "the day reported"],
    sections: Annotated[list[str], "what it covers"] = ["sales", "refunds", "stock"],  # noqa: B006  (never changed)
    recipient: Annotated[str, "who gets it"] = "board@example.org",
) -> dict[str, Any]:
    """Add up a day's business and mail the result."""
    luck = _luck()
    now = context()
    if Random(f"{now.job_id} {time.time():.0f}").random() < 0.2:
        now.log.info("the ledger of %s is not closed yet", day)
        raise Snooze(8)
    steps = 4 * max(1, len(sections))
    for step in range(steps):
        if step % 4 == 0 and sections:
            now.log.info("section %s", sections[step // 4])
        _query_ledger(luck)
        now.progress((step + 1) / steps)
    return {"day": day.isoformat(), "rows": luck.randint(4_000, 90_000), "to": recipient}


def _query_ledger(luck: Random) -> None:
    _work(0.3, 0.9, luck)
    if luck.random() < 0.01:
        raise TimeoutError("canceling statement due to statement timeout")


def index_document(
    document: Annotated[str, "the document's path"],
    action: Annotated[Literal["upsert", "remove"], "what to do with it"] = "upsert",
) -> dict[str, Any]:
    """Bring the search index up to date with one document."""
    luck = _luck()
    _work(0.01, 0.05, luck)
    if luck.random() < 0.03:
        raise ConnectionResetError(104, "Connection reset by peer search-2.example.org:9200")
    return {"document": document, "action": action, "terms": luck.randint(40, 900)}


def charge(
    order_id: Annotated[int, "the order"],
    amount_cents: Annotated[int, "in the currency's smallest unit"],
    currency: Annotated[Literal["EUR", "USD", "GBP", "JPY"], "of the amount"] = "EUR",
    card: Annotated[str, "the stored card's token"] = "card_visa",
) -> dict[str, Any]:
    """Charge a customer's card. The job's id is the idempotency key, so that a second attempt charges nothing twice."""
    luck = _luck()
    now = context()
    now.log.info("charging %.2f %s, idempotency key job-%d", amount_cents / 100, currency, now.job_id)
    try:
        _authorise(card, luck)
    except ConnectionResetError as error:
        raise PaymentGatewayError("503 from payments.example.com: try again later") from error
    return {"charge": f"ch_{luck.getrandbits(48):012x}", "order_id": order_id}


def _authorise(card: str, luck: Random) -> None:
    _work(0.03, 0.15, luck)
    if card == "card_declined":
        raise GiveUp("card_declined: the bank refused the charge (insufficient funds)")
    if luck.random() < 0.05:
        raise ConnectionResetError(104, "Connection reset by peer")


def register(registry: Registry) -> None:
    """Add the demo's kinds to a registry."""

    def add(name: str, handler: Any, **policy: Any) -> None:
        job(name=name, registry=registry, **policy)(handler)

    add("mail.send_receipt", send_receipt, queue="mail", priority=5, max_attempts=5)
    add("mail.newsletter", newsletter, queue="mail", priority=-5, max_attempts=3)
    add("img.resize", resize, queue="media", max_attempts=2)
    add("video.transcode", transcode, queue="media", priority=1, max_attempts=3)
    add("webhook.post", post_webhook, queue="webhook", priority=3, max_attempts=3, timeout=2.0)
    add("report.daily", daily_report, queue="default", priority=2, max_attempts=3)
    add("search.index", index_document, queue="search", max_attempts=5)
    add("billing.charge", charge, queue="default", priority=10, max_attempts=4)


def demo_registry() -> Registry:
    """The kinds of the demo."""
    registry = Registry()
    register(registry)
    return registry


# -- what is enqueued -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Order:
    """A job to enqueue, not yet checked: the arguments of `Queue.draft`."""

    kind: str
    args: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)


_PEOPLE = ("ada", "grace", "linus", "edsger", "barbara", "alan", "margaret", "dennis", "radia", "ken", "frances", "donald")
_PLACES = ("Lisbon", "Oslo", "Kyoto", "Quito", "Tartu", "Accra")
_HOSTS = ("hooks.acme.example", "api.globex.example", "in.initech.example", "events.umbrella.example")
_PAGES = ("handbook", "pricing", "faq", "careers", "changelog", "guides/start", "guides/export", "legal/terms")


def _address(random: Random) -> str:
    return f"{random.choice(_PEOPLE)}.{random.randint(1, 9999)}@example.{random.choice(('com', 'net', 'org'))}"


def draw(kind: str, random: Random) -> Order:
    """One job of the kind, as a day's business would bring it."""
    order_id = random.randint(100_000, 999_999)
    args: dict[str, Any]
    options: dict[str, Any] = {}
    match kind:
        case "mail.send_receipt":
            doomed = random.random() < 0.012
            to = f"{random.choice(_PEOPLE)}@typo.invalid" if doomed else _address(random)
            args = {"order_id": order_id, "to": to, "attach_pdf": random.random() < 0.3}
            args["language"] = random.choice(("en", "en", "de", "fr", "es", "pt"))
            if random.random() < 0.06:
                options = {"priority": 9, "tags": ["vip"]}
        case "mail.newsletter":
            args = {"campaign": f"Autumn in {random.choice(_PLACES)}", "to": _address(random), "variant": random.choice("ab")}
            options = {"tags": ["campaign"]}
        case "img.resize":
            broken = "-truncated" if random.random() < 0.01 else ""
            args = {"image": f"uploads/{random.randint(1, 60)}/IMG_{random.randint(1000, 9999)}{broken}.jpg"}
            args |= {"width": random.choice((64, 320, 640, 1280, 2560)), "format": random.choice(("webp", "avif", "jpeg"))}
        case "video.transcode":
            args = {"source": f"uploads/{random.randint(1, 60)}/clip-{random.randint(1, 400)}.mov"}
            args |= {"preset": random.choice(("480p", "720p", "1080p", "2160p")), "seconds": round(random.uniform(5, 14), 1)}
        case "webhook.post":
            fate = random.random()
            host = (
                "legacy.hooli.example" if fate < 0.008 else "closed.vandelay.example" if fate < 0.016 else random.choice(_HOSTS)
            )
            args = {"url": f"https://{host}/hooks/orders", "order_id": order_id}
            args["event"] = random.choice(("order.created", "order.paid", "order.paid", "order.shipped", "user.deleted"))
        case "report.daily":
            args = {"day": (date(2025, 1, 1) + timedelta(days=random.randrange(365))).isoformat()}
            options = {"tags": ["finance"]}
        case "search.index":
            args = {"document": f"/{random.choice(_PAGES)}/{random.randint(1, 500)}"}
            args["action"] = "remove" if random.random() < 0.1 else "upsert"
        case "billing.charge":
            declined = random.random() < 0.02
            args = {"order_id": order_id, "amount_cents": random.randrange(490, 48_000, 10)}
            args |= {"currency": random.choice(("EUR", "EUR", "USD", "GBP"))}
            args |= {"card": "card_declined" if declined else random.choice(("card_visa", "card_mastercard", "card_amex"))}
        case _:
            raise ValueError(f"the demo has no kind {kind!r}")
    return Order(kind, args, options)


_MIX = {
    "mail.send_receipt": 30,
    "webhook.post": 24,
    "img.resize": 16,
    "search.index": 12,
    "billing.charge": 10,
    "mail.newsletter": 8,
}
"""The steady stream, in parts. The slow kinds come by the clock instead."""


def stream(seed: int) -> Iterator[list[Order]]:
    """What the producer enqueues at each step, for ever. The same for the same seed."""
    random = Random(f"stream {seed}")
    kinds, weights = list(_MIX), list(_MIX.values())
    next_burst, next_video, next_report = 6.0, 7.0, 4.0
    burst: list[Order] = []
    owed = 0.0
    step = 0
    while True:
        now = step * STEP
        owed += STEP * _rate(now) * random.uniform(0.7, 1.3)
        orders = [draw(kind, random) for kind in random.choices(kinds, weights, k=int(owed))]
        owed -= int(owed)
        # A few are wanted later only.
        orders = [
            replace(order, options={**order.options, "delay": round(random.uniform(5, 90), 1)})
            if random.random() < 0.02
            else order
            for order in orders
        ]
        if now >= next_video:
            orders.append(draw("video.transcode", random))
            next_video = now + random.uniform(6, 12)
        if now >= next_report:
            orders.append(draw("report.daily", random))
            next_report = now + random.uniform(12, 25)
        if now >= next_burst:
            kind = random.choice(("mail.newsletter", "img.resize", "webhook.post", "mail.newsletter"))
            burst = [draw(kind, random) for _ in range(random.randint(250, 500))]
            next_burst = now + BURST_EVERY * random.uniform(0.8, 1.2)
        orders += burst[:20]  # a burst takes some two seconds to arrive
        del burst[:20]
        yield orders
        step += 1


def _rate(now: float) -> float:
    """Jobs a second of the steady stream, `now` seconds after its begin: two gentle waves."""
    return 56 + 17 * math.sin(now * math.tau / 40) + 9 * math.sin(now * math.tau / 13)


def opening(seed: int) -> list[Order]:
    """The backlog that is there when the demo opens: every kind, and every fate."""
    random = Random(f"opening {seed}")
    chosen = [
        # Their first attempts fail within a second: some for good, some to be tried again.
        Order("mail.send_receipt", {"order_id": 424_242, "to": "ada@typo.invalid"}, {"priority": 9}),
        Order("mail.send_receipt", {"order_id": 424_243, "to": "ken@typo.invalid"}, {"priority": 8, "tags": ["vip"]}),
        Order("billing.charge", {"order_id": 424_244, "amount_cents": 12_990, "card": "card_declined"}),
        Order("img.resize", {"image": "uploads/7/IMG_1042-truncated.jpg"}, {"priority": 6}),
        Order("img.resize", {"image": "uploads/9/IMG_2001-truncated.jpg", "width": 1280}, {"priority": 6}),
        *(
            Order(
                "webhook.post",
                {"url": "https://legacy.hooli.example/hooks/orders", "event": "order.paid", "order_id": 424_250 + n},
                {"priority": 7},
            )
            for n in range(6)
        ),
        # Some that can be watched at work from the first second.
        Order("video.transcode", {"source": "uploads/3/keynote.mov", "seconds": 12.0}, {"priority": 8}),
        Order("video.transcode", {"source": "uploads/5/interview.mov", "preset": "720p", "seconds": 6.0}, {"priority": 8}),
        Order("report.daily", {"day": "2025-09-30"}, {"priority": 8, "tags": ["finance"]}),
    ]
    for kind, number in (
        ("billing.charge", 10),
        ("mail.send_receipt", 90),
        ("webhook.post", 60),
        ("img.resize", 90),
        ("search.index", 45),
        ("mail.newsletter", 120),
    ):
        chosen += [draw(kind, random) for _ in range(number)]
    for _ in range(40):
        order = draw(random.choice(("mail.send_receipt", "webhook.post", "report.daily", "mail.newsletter")), random)
        chosen.append(replace(order, options={**order.options, "delay": round(random.triangular(4, 240, 40), 1)}))
    return chosen


def prefill(queue: Queue, seed: int = 7) -> None:
    """Enqueue the opening backlog, cancel a few of it, pause one queue. Takes some ten milliseconds.

    With workers at it, every state and every chart has something to show within ten seconds.
    """
    queue.pause(PAUSED, who=ACTOR)
    jobs = queue.enqueue_many(_drafts(queue, opening(seed)))
    later = [each.id for each in jobs if each.state is State.SCHEDULED]
    letters = [each.id for each in jobs if each.kind == "mail.newsletter" and each.state is State.PENDING]
    queue.cancel_many([*later[::9], *letters[-4:]], who=ACTOR)


def _drafts(queue: Queue, orders: Sequence[Order]) -> list[NewJob]:
    return [queue.draft(order.kind, order.args, **order.options) for order in orders]


# -- the producer ---------------------------------------------------------------------------------------


class Workload:
    """Keeps a queue busy from a thread of its own: a backlog at once, then waves and bursts.

    The queue must know the kinds of `demo_registry`.

    Example:
        >>> workload = Workload(queue, seed=7)
        >>> workload.start()
        >>> workload.stop()
    """

    def __init__(self, queue: Queue, *, seed: int = 7) -> None:
        self._queue = queue
        self._seed = seed
        self._cancels = Random(f"cancels {seed}")
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, with `prefill`. Returns at once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._produce, name="jobdeck-demo", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Enqueue nothing more. Takes less than 0.3 s."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(timeout=0.25)

    def _produce(self) -> None:
        opened = False
        deliveries = stream(self._seed)
        due = time.monotonic()
        step = 0
        while not self._over.is_set():
            try:
                if not opened:
                    prefill(self._queue, self._seed)
                    opened = True
                self._deliver(next(deliveries), step)
            except JobdeckError as error:
                if not self._over.is_set():
                    logger.warning("The demo could not enqueue: %s", error)
                    self._over.wait(1.0)
            except Exception:
                if not self._over.is_set():  # otherwise the queue was closed in mid-step: that is the end of the demo
                    logger.exception("The demo's workload ended")
                return
            step += 1
            # After a machine has slept, nothing is caught up.
            due = max(due + STEP, time.monotonic() - STEP)
            self._over.wait(max(0.0, due - time.monotonic()))

    def _deliver(self, orders: list[Order], step: int) -> None:
        depths = {info.name: info for info in self._queue.queues()}
        room = MAX_PENDING - sum(info.pending for info in depths.values() if not info.paused)
        full = {name for name, info in depths.items() if info.paused and info.pending >= MAX_PENDING_PAUSED}
        later_full = sum(info.counts.get(State.SCHEDULED, 0) for info in depths.values()) >= MAX_LATER
        drafts = [
            draft
            for draft in _drafts(self._queue, orders)
            if draft.queue not in full and not (later_full and draft.scheduled_at is not None)
        ][: max(0, room)]
        if not drafts or self._over.is_set():
            return
        jobs = self._queue.enqueue_many(drafts)
        # Now and then somebody changes their mind.
        if step % 20 == 19:
            videos = self._queue.list("state:running kind:video.transcode", limit=1) if self._cancels.random() < 0.12 else ()
            self._queue.cancel_many([each.id for each in (*videos, self._cancels.choice(jobs))], who=ACTOR)


@contextmanager
def demo_queue(settings: Settings | None = None) -> Iterator[Queue]:
    """A queue with the demo's kinds in a temporary folder, removed at the end.

    A demo that was killed leaves its folder behind; the next one removes it. Stop the workers of the queue
    before leaving.
    """
    settings = settings or Settings.load()
    _sweep(Path(tempfile.gettempdir()))
    with (
        tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as folder,
        (Path(folder) / _LOCK).open("w") as lock,
    ):
        _lock(lock)
        database = str(Path(folder) / "demo.db")
        kept = min(settings.retention or KEPT, KEPT)
        # No child processes: they could not find kinds that are in no app.
        settings = replace(settings, database=database, retention=kept, queues=(), processes=0)
        with Queue(database, settings=settings, registry=demo_registry()) as queue:
            yield queue


_PREFIX = "jobdeck-demo-"
_LOCK = "lock"
"""A file in the folder, locked for as long as the demo lives."""


def _lock(file: IO[str]) -> bool:
    """Lock the file until it is closed or the process ends; `False` if another process has done so."""
    try:
        import fcntl
    except ImportError:  # no such locks on this system: nothing is swept there
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _sweep(base: Path) -> None:
    """Remove the folders of demos that were killed."""
    for folder in base.glob(f"{_PREFIX}*"):
        try:
            # A young folder may belong to a demo that has not come to lock it yet.
            if folder.is_symlink() or time.time() - folder.stat().st_mtime < 60:
                continue
            with (folder / _LOCK).open("r+") as lock:
                if _lock(lock):
                    shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue  # somebody else's, or just gone
