"""Random traffic for the demo, reproducible from its seed: the initial backlog and the stream of jobs that follows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from datetime import date, timedelta
from random import Random
from typing import Any

from jobdeck import record

STEP = 0.1
"""Seconds between two batches of the stream."""
BURST_EVERY = 20.0
"""Seconds between two bursts."""


@record
class JobSpec:
    """A job to enqueue, not validated yet: the arguments of `Queue.new_job`."""

    kind: str
    args: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)


_PEOPLE = ("ada", "grace", "linus", "edsger", "barbara", "alan", "margaret", "dennis", "radia", "ken", "frances", "donald")
_PLACES = ("Lisbon", "Oslo", "Kyoto", "Quito", "Tartu", "Accra")
_HOSTS = ("hooks.acme.example", "api.globex.example", "in.initech.example", "events.umbrella.example")
_PAGES = ("handbook", "pricing", "faq", "careers", "changelog", "guides/start", "guides/export", "legal/terms")


def _address(random: Random) -> str:
    return f"{random.choice(_PEOPLE)}.{random.randint(1, 9999)}@example.{random.choice(('com', 'net', 'org'))}"


def random_job(kind: str, random: Random) -> JobSpec:
    """Return a random job of the kind."""
    order_id = random.randint(100_000, 999_999)
    args: dict[str, Any]
    options: dict[str, Any] = {}
    match kind:
        case "mail.send_receipt":
            invalid = random.random() < 0.012
            to = f"{random.choice(_PEOPLE)}@typo.invalid" if invalid else _address(random)
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
            chance = random.random()
            host = (
                "legacy.hooli.example"
                if chance < 0.008
                else "closed.vandelay.example"
                if chance < 0.016
                else random.choice(_HOSTS)
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
        case "price.fetch":
            args = {"symbol": random.choice(("EURUSD", "EURGBP", "EURJPY", "XAUEUR"))}
        case _:
            raise ValueError(f"the demo has no kind {kind!r}")
    return JobSpec(kind, args, options)


_MIX = {
    "mail.send_receipt": 30,
    "webhook.post": 24,
    "img.resize": 16,
    "search.index": 12,
    "billing.charge": 10,
    "mail.newsletter": 8,
    "price.fetch": 3,
}
"""The weights of the kinds in the steady stream. The slow kinds come at fixed intervals instead."""


def stream(seed: int) -> Iterator[list[JobSpec]]:
    """Yield the jobs to enqueue at each step, without end. The same seed gives the same jobs."""
    random = Random(f"stream {seed}")
    kinds, weights = list(_MIX), list(_MIX.values())
    next_burst, next_video, next_report = 6.0, 7.0, 4.0
    burst: list[JobSpec] = []
    owed = 0.0
    step = 0
    while True:
        now = step * STEP
        owed += STEP * _rate(now) * random.uniform(0.7, 1.3)
        orders = [random_job(kind, random) for kind in random.choices(kinds, weights, k=int(owed))]
        owed -= int(owed)
        # Schedule a few for later.
        orders = [
            replace(order, options={**order.options, "delay": round(random.uniform(5, 90), 1)})
            if random.random() < 0.02
            else order
            for order in orders
        ]
        if now >= next_video:
            orders.append(random_job("video.transcode", random))
            next_video = now + random.uniform(6, 12)
        if now >= next_report:
            orders.append(random_job("report.daily", random))
            next_report = now + random.uniform(12, 25)
        if now >= next_burst:
            kind = random.choice(("mail.newsletter", "img.resize", "webhook.post", "mail.newsletter"))
            burst = [random_job(kind, random) for _ in range(random.randint(250, 500))]
            next_burst = now + BURST_EVERY * random.uniform(0.8, 1.2)
        orders += burst[:20]  # a burst is spread over about two seconds
        del burst[:20]
        yield orders
        step += 1


def _rate(now: float) -> float:
    """Return the jobs per second of the steady stream, `now` seconds after its start: two gentle waves."""
    return 56 + 17 * math.sin(now * math.tau / 40) + 9 * math.sin(now * math.tau / 13)


def initial_backlog(seed: int) -> list[JobSpec]:
    """Return the initial backlog of the demo: every kind, with every outcome."""
    random = Random(f"opening {seed}")
    chosen = [
        # Their first attempts fail within a second: some permanently, some to be retried.
        JobSpec("mail.send_receipt", {"order_id": 424_242, "to": "ada@typo.invalid"}, {"priority": 9}),
        JobSpec("mail.send_receipt", {"order_id": 424_243, "to": "ken@typo.invalid"}, {"priority": 8, "tags": ["vip"]}),
        JobSpec("billing.charge", {"order_id": 424_244, "amount_cents": 12_990, "card": "card_declined"}),
        JobSpec("img.resize", {"image": "uploads/7/IMG_1042-truncated.jpg"}, {"priority": 6}),
        JobSpec("img.resize", {"image": "uploads/9/IMG_2001-truncated.jpg", "width": 1280}, {"priority": 6}),
        *(
            JobSpec(
                "webhook.post",
                {"url": "https://legacy.hooli.example/hooks/orders", "event": "order.paid", "order_id": 424_250 + n},
                {"priority": 7},
            )
            for n in range(6)
        ),
        # Some that run visibly from the first second.
        JobSpec("video.transcode", {"source": "uploads/3/keynote.mov", "seconds": 12.0}, {"priority": 8}),
        JobSpec("video.transcode", {"source": "uploads/5/interview.mov", "preset": "720p", "seconds": 6.0}, {"priority": 8}),
        JobSpec("report.daily", {"day": "2025-09-30"}, {"priority": 8, "tags": ["finance"]}),
    ]
    for kind, number in (
        ("billing.charge", 10),
        ("mail.send_receipt", 90),
        ("webhook.post", 60),
        ("img.resize", 90),
        ("search.index", 45),
        ("mail.newsletter", 120),
        ("price.fetch", 4),
    ):
        chosen += [random_job(kind, random) for _ in range(number)]
    for _ in range(40):
        order = random_job(random.choice(("mail.send_receipt", "webhook.post", "report.daily", "mail.newsletter")), random)
        chosen.append(replace(order, options={**order.options, "delay": round(random.triangular(4, 240, 40), 1)}))
    return chosen
