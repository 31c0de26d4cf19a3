"""The kinds of `jobdeck demo`: simulated work with realistic durations and failures.

Handlers sleep instead of talking to servers. The job's id and the attempt's number seed the random choice of failures, so
the same job always ends the same way.
"""

from __future__ import annotations

import asyncio
import time
from datetime import date
from random import Random
from typing import Annotated, Any, Literal, NoReturn

from jobdeck import GiveUp, Registry, Snooze, context, job

from .outage import is_down


class SMTPServerDisconnected(OSError):
    """The mail server closed the connection during the session."""


class PaymentGatewayError(Exception):
    """The payment provider did not answer."""


class ImageError(ValueError):
    """The file is not a readable image."""


class EncoderError(RuntimeError):
    """The video encoder crashed."""


PAYMENTS = "payments.example.com"
"""The payment provider, which *break something* takes down for a while."""


def _seeded_random() -> Random:
    now = context()
    return Random(f"{now.kind} {now.job_id} {now.attempt}")


def _work(low: float, high: float, luck: Random) -> None:
    """Simulate work of `low` to `high` seconds, mostly closer to `low`."""
    context().sleep(low + (high - low) * luck.betavariate(2, 4))


class _MailServer:
    """A simulated session with a mail server."""

    def __init__(self, host: str, luck: Random, *, failures: float) -> None:
        self.host = host
        self._luck = luck
        self._fails_at = luck.choice(("MAIL FROM", "DATA")) if luck.random() < failures else ""

    def send(self, to: str, subject: str) -> str:
        """Send a mail; return the id that the server assigned."""
        context().log.debug("%s: sending %r to %s", self.host, subject, to)
        self._command("MAIL FROM")
        self._command("RCPT TO")
        if to.endswith(".invalid"):
            raise GiveUp(f"550 5.1.1 <{to}>: recipient address rejected: domain not found")
        self._command("DATA")
        return f"{self._luck.getrandbits(40):010X}"

    def _command(self, verb: str) -> None:
        _work(0.004, 0.026, self._luck)
        self._read_reply(verb)

    def _read_reply(self, verb: str) -> None:
        if verb == self._fails_at:
            lose_connection(verb)


def _post(url: str, body: bytes, luck: Random) -> int:
    """Send a request; return the status of the response."""
    host = url.split("/")[2]
    _connect(host, luck)
    if luck.random() < 0.008:
        context().log.warning("%s accepted %d bytes but does not respond", host, len(body))
        context().sleep(30)  # the kind's timeout ends this
    _work(0.012, 0.13, luck)
    return _read_status(host, luck)


def refuse_connection(host: str) -> NoReturn:
    """Fail as a host without a server does."""
    raise ConnectionRefusedError(111, f"Connection refused by {host}:443")


def time_out(host: str) -> NoReturn:
    """Fail as a server that does not answer does."""
    raise TimeoutError(f"The read from {host}:443 timed out")


def reset_connection(address: str) -> NoReturn:
    """Fail as a server that goes away does."""
    raise ConnectionResetError(104, f"Connection reset by peer {address}")


def lose_connection(verb: str) -> NoReturn:
    """Fail as a mail server that closes the session does."""
    raise SMTPServerDisconnected(f"Connection lost while waiting for the reply to {verb}")


def reject_image(image: str) -> NoReturn:
    """Fail as a file that was not uploaded to its end does."""
    raise ImageError(f"image file {image!r} is truncated (42 bytes not processed)")


def fail_payment(cause: BaseException | None = None) -> NoReturn:
    """Fail as the payment provider does."""
    raise PaymentGatewayError(f"503 from {PAYMENTS}: try again later") from cause


def _connect(host: str, luck: Random) -> None:
    _work(0.002, 0.012, luck)
    if host.startswith("legacy."):
        refuse_connection(host)


def _read_status(host: str, luck: Random) -> int:
    chance = luck.random()
    if chance < 0.03:
        time_out(host)
    if chance < 0.055:
        reset_connection(f"{host}:443")
    return 410 if host.startswith("closed.") else 200


def send_receipt(
    order_id: Annotated[int, "the order"],
    to: Annotated[str, "the customer's address"],
    language: Annotated[Literal["en", "de", "fr", "es", "pt"], "language of the mail"] = "en",
    attach_pdf: Annotated[bool, "attach the receipt as a PDF"] = False,
) -> dict[str, Any]:
    """Send the receipt of an order to a customer."""
    luck = _seeded_random()
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
    variant: Annotated[Literal["a", "b"], "variant of the subject line"] = "a",
) -> dict[str, Any]:
    """Send the newsletter to one subscriber."""
    luck = _seeded_random()
    queued = _MailServer("bulk.example.org", luck, failures=0.02).send(to, f"{campaign} ({variant})")
    return {"queued_as": queued}


def resize(
    image: Annotated[str, "the image's path"],
    width: Annotated[Literal[64, 320, 640, 1280, 2560], "in pixels"] = 640,
    format: Annotated[Literal["webp", "avif", "jpeg"], "output format"] = "webp",
    quality: Annotated[int, "from 1 to 100"] = 82,
) -> dict[str, Any]:
    """Create a smaller copy of an image."""
    luck = _seeded_random()
    height = _decode(image, width, luck)
    _work(0.015, 0.06 + width / 15_000 + (0.06 if format == "avif" else 0.0), luck)
    size = int(width * height * quality / 900)
    context().log.info("%s → %d×%d %s, %d bytes", image, width, height, format, size)
    return {"width": width, "height": height, "bytes": size}


def _decode(image: str, width: int, luck: Random) -> int:
    _work(0.005, 0.02, luck)
    if "truncated" in image:
        reject_image(image)
    return width * 2 // 3


def transcode(
    source: Annotated[str, "the video's path"],
    preset: Annotated[Literal["480p", "720p", "1080p", "2160p"], "output resolution"] = "1080p",
    seconds: Annotated[float, "approximate run time"] = 8.0,
) -> dict[str, Any]:
    """Convert a video for the web; runs for several seconds and reports its progress."""
    luck = _seeded_random()
    frames = int(seconds * 250)
    dies_at = luck.uniform(0.3, 0.9) if luck.random() < 0.12 else 2.0
    context().log.info("%s: %d frames to %s", source, frames, preset)
    steps = max(1, round(seconds / 0.5))
    for step in range(steps):
        _encode(step / steps, dies_at, preset)
        context().sleep(seconds / steps)
        context().progress((step + 1) / steps, f"frame {frames * (step + 1) // steps:,} of {frames:,}")
        if step % 4 == 3:
            context().log.debug("frame %d, %.1f fps", frames * (step + 1) // steps, 250 * luck.uniform(0.9, 1.1))
    return {"frames": frames, "file": source.rpartition(".")[0] + f".{preset}.mp4"}


def _encode(done: float, dies_at: float, preset: str) -> None:
    if done >= dies_at:
        raise EncoderError(f"the {preset} encoder was killed by signal 9 at {done:.0%} (out of memory?)")


def post_webhook(
    url: Annotated[str, "the URL to post to"],
    event: Annotated[Literal["order.created", "order.paid", "order.shipped", "user.deleted"], "the event"],
    order_id: Annotated[int, "the order"],
) -> dict[str, Any]:
    """Notify a customer's server of an event."""
    luck = _seeded_random()
    body = f'{{"event":"{event}","order_id":{order_id}}}'.encode()
    status = _post(url, body, luck)
    context().log.info("POST %s: %d", url, status)
    if status == 410:
        raise GiveUp(f"410 Gone: {url} was removed by its owner")
    return {"status": status, "bytes": len(body)}


def daily_report(
    day: Annotated[date, "the day of the report"],
    sections: Annotated[list[str], "the sections"] = ["sales", "refunds", "stock"],  # noqa: B006  (never changed)
    recipient: Annotated[str, "the recipient's address"] = "board@example.org",
) -> dict[str, Any]:
    """Summarize a day's business and mail the report."""
    luck = _seeded_random()
    now = context()
    if Random(f"{now.job_id} {time.time():.0f}").random() < 0.2:
        now.log.info("the ledger of %s is not closed yet", day)
        raise Snooze(8)
    steps = 4 * max(1, len(sections))
    for step in range(steps):
        if step % 4 == 0 and sections:
            now.log.info("section %s", sections[step // 4])
        _query_ledger(luck)
        now.progress((step + 1) / steps, f"section {sections[step // 4]}" if sections else None)
    return {"day": day.isoformat(), "rows": luck.randint(4_000, 90_000), "to": recipient}


def _query_ledger(luck: Random) -> None:
    _work(0.3, 0.9, luck)
    if luck.random() < 0.01:
        raise TimeoutError("canceling statement due to statement timeout")


def index_document(
    document: Annotated[str, "the document's path"],
    action: Annotated[Literal["upsert", "remove"], "the action"] = "upsert",
) -> dict[str, Any]:
    """Update one document in the search index."""
    luck = _seeded_random()
    _work(0.01, 0.05, luck)
    if luck.random() < 0.03:
        reset_connection("search-2.example.org:9200")
    return {"document": document, "action": action, "terms": luck.randint(40, 900)}


def charge(
    order_id: Annotated[int, "the order"],
    amount_cents: Annotated[int, "in the currency's smallest unit"],
    currency: Annotated[Literal["EUR", "USD", "GBP", "JPY"], "currency of the amount"] = "EUR",
    card: Annotated[str, "the stored card's token"] = "card_visa",
) -> dict[str, Any]:
    """Charge a customer's card. The job's id is the idempotency key, so that a second attempt does not charge twice."""
    luck = _seeded_random()
    now = context()
    now.log.info("charging %.2f %s, idempotency key job-%d", amount_cents / 100, currency, now.job_id)
    if is_down(PAYMENTS):
        _work(0.03, 0.1, luck)
        fail_payment()
    try:
        _authorize(card, luck)
    except ConnectionResetError as error:
        fail_payment(error)
    return {"charge": f"ch_{luck.getrandbits(48):012x}", "order_id": order_id}


def _authorize(card: str, luck: Random) -> None:
    _work(0.03, 0.15, luck)
    if card == "card_declined":
        raise GiveUp("card_declined: the bank refused the charge (insufficient funds)")
    if luck.random() < 0.05:
        raise ConnectionResetError(104, "Connection reset by peer")


async def fetch_price(
    symbol: Annotated[Literal["EURUSD", "EURGBP", "EURJPY", "XAUEUR"], "the pair"],
    provider: Annotated[str, "the host that is asked"] = "quotes.example.net",
) -> dict[str, Any]:
    """Fetch a price. A coroutine: a hundred of them wait for an answer without a thread each."""
    luck = _seeded_random()
    for step in range(3):
        await asyncio.sleep(0.1 + 0.3 * luck.random())
        context().progress((step + 1) / 3)
    if luck.random() < 0.02:
        time_out(provider)
    return {"symbol": symbol, "price": round(luck.uniform(0.8, 1.9), 4)}


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
    add("billing.charge", charge, queue="default", priority=10, max_attempts=7)
    add("price.fetch", fetch_price, queue="default", max_attempts=4)


def demo_registry() -> Registry:
    """Return a registry with the kinds of the demo."""
    registry = Registry()
    register(registry)
    return registry
