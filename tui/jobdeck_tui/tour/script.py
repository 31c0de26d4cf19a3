"""The texts of the tour: chapters and steps, in the order in which they are presented."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from jobdeck import record


@record(kw_only=True)
class TourStep:
    """One step: a question to the audience, something real that answers it, and what to say about it."""

    name: str
    chapter: str
    """One of the six talking points."""
    title: str
    question: str
    choices: tuple[str, ...]
    answer: int | None
    """The index of the right choice; `None` if the machine decides."""
    act: str
    """The name of what runs; see `acts`."""
    runs: str
    """The act in words."""
    takes: int
    """Seconds that the act takes, about."""
    problem: str
    solution: str
    why: str
    trade_off: str
    notes: tuple[str, ...]
    """Points that the speaker may add, and answers to questions that are often asked."""
    seconds: int = 26
    """The planned time of the step."""
    is_short: bool = False
    """`True` if it belongs to the short tour, too."""

    @property
    def points(self) -> Sequence[tuple[str, str]]:
        """Return what is to be said: label and text."""
        return (
            ("problem", self.problem),
            ("solution", self.solution),
            ("why", self.why),
            ("trade-off", self.trade_off),
        )


CHAPTERS = ("concurrency", "error handling", "testing", "separation", "scalability", "trade-offs")
"""The six talking points, one chapter each."""

_BEFORE = "shared-commits"
"""The step that names the trade-off between SQLite and PostgreSQL."""
_HINT = " --db postgresql://… shows it."
"""The end of that trade-off without a server; with one, the next step shows it."""
_NEXT = " The next step shows it."

STEPS = (
    TourStep(
        name="two-workers",
        chapter="concurrency",
        title="Two workers, one job",
        question="Two workers each SELECT the next job, UPDATE it, and run it. Their six statements can interleave in 20"
        " orders. How many of these run the job twice?",
        choices=("none of them", "1 of 20", "12 of 20"),
        answer=2,
        act="naive-orders",
        runs="all 20 orders on a real SQLite database; then the shortest bad one, step by step",
        takes=4,
        problem="Two workers can pick the same job: between SELECT and UPDATE, the other one selects it too.",
        solution="Make the claim one step that nothing can come between. The next step shows it.",
        why="A double run is a customer who is charged twice, and no log shows it as an error.",
        trade_off="A global lock would be safe too, and would let one worker work at a time.",
        notes=(
            "Let them guess before you press space. Most say 'none' or 'one'.",
            "Point at lines 1 and 2 of the ladder: both SELECT before either UPDATEs. The red line is the second run.",
            "Asked 'how likely is it?': it depends on the machine; the next-but-one step counts it. So does the lab (L, race).",
        ),
        is_short=True,
        seconds=24,
    ),
    TourStep(
        name="one-statement",
        chapter="concurrency",
        title="One statement, no gap",
        question="Now the claim is one UPDATE … RETURNING, or BEGIN IMMEDIATE around both statements. How many orders run the"
        " job twice?",
        choices=("still a few", "none", "none, but workers block each other for long"),
        answer=1,
        act="atomic-orders",
        runs="every order of both variants on a real SQLite database",
        takes=1,
        problem="Code that checks and then acts is wrong as soon as somebody else acts in between.",
        solution="jobdeck claims with one UPDATE … RETURNING; on PostgreSQL with FOR UPDATE SKIP LOCKED.",
        why="Correct by construction: no lock server, no leader, and no timing that has to be lucky.",
        trade_off="SQLite lets one writer in at a time, so claims are short and come in batches.",
        notes=(
            "The database decides, not the code around it: that is the whole idea.",
            "Asked 'why not a mutex?': it ends with its process. Workers are several processes, and several machines.",
        ),
    ),
    TourStep(
        name="race",
        chapter="concurrency",
        title="Six processes, three hundred jobs",
        question="Six real processes race for 300 jobs. How many does the naive queue run twice, and how many does jobdeck?",
        choices=("none, and none", "some, and none", "many, and a few"),
        answer=None,
        act="race",
        runs="six naive worker processes, then six of jobdeck",
        takes=4,
        problem="What can happen once in a million times happens every day in a busy queue.",
        solution="The same atomic claim, now under real load, with one lease for each attempt.",
        why="The count comes from a ledger that the jobs themselves write, not from the queue's own word.",
        trade_off="Each claim is a durable write. That costs a disk sync, which many claims share.",
        notes=(
            "Both lanes run the same work with the same number of processes, one after the other.",
            "If the naive lane got lucky, the verdict says so. Press b, then space: it runs again.",
        ),
    ),
    TourStep(
        name="crash",
        chapter="error handling",
        title="kill -9 in the middle of a job",
        question="A worker is killed with -9 while it runs a job. What becomes of the job?",
        choices=("it is lost", "it runs again at once", "it runs again when its lease ends"),
        answer=2,
        act="crash",
        runs="real worker processes, killed in mid-job; first the naive queue, then jobdeck",
        takes=4,
        problem="A worker that dies cannot say so. Its row says 'running' for ever.",
        solution="A claim is a lease that heartbeats renew. When it ends, any process takes the job back.",
        why="Deploys, the out-of-memory killer and power cuts happen. Nobody has to repair rows at night.",
        trade_off="A short lease recovers soon and costs heartbeats. The default is 30 s; here it is 1 s.",
        notes=(
            "max_attempts counts starts, not failures: a job that kills its workers ends as failed, not as an endless loop.",
            "Asked 'who takes it back?': any worker process, every few seconds. There is no special process.",
        ),
        is_short=True,
        seconds=22,
    ),
    TourStep(
        name="zombie",
        chapter="error handling",
        title="The worker that comes back",
        question="A worker stands still past its lease, and another one finishes its job. Then the first one writes its result."
        " Which result stays?",
        choices=("the late one: it wrote last", "the one that finished in time", "both"),
        answer=1,
        act="zombie",
        runs="a worker process stopped with SIGSTOP, and continued after its lease has ended",
        takes=4,
        problem="A lease alone is not enough: the old holder does not know that it has lost it.",
        solution="The lease is a fencing token: each write requires state = 'running' AND lease = its own.",
        why="0 rows change, the late result is recorded once, and nothing is overwritten.",
        trade_off="The work of the late worker is wasted. It was going to be done twice in any case.",
        notes=(
            "SIGSTOP stands for a laptop's lid, a long garbage collection, or a virtual machine that is moved.",
            "This is the fencing token of Kleppmann's article on distributed locks, in one WHERE clause.",
        ),
    ),
    TourStep(
        name="outage",
        chapter="error handling",
        title="A dependency goes down",
        question="The payment provider of this demo is down for four seconds. 24 charges are due. How many fail for good?",
        choices=("all 24", "about half", "none"),
        answer=2,
        act="outage",
        runs="24 charges in this demo's own queue, while their provider is down",
        takes=12,
        problem="Retries that come at once and together are the next outage.",
        solution="Errors have names. What may pass is retried with exponential backoff and full jitter.",
        why="Refused arguments and GiveUp are never retried; a timeout is. The handler decides, not the queue.",
        trade_off="Jitter lets some jobs wait longer than they had to. In the end a person may retry.",
        notes=(
            "Watch the cells: ↻ is a retry that waits. They come back one by one, not all together.",
            "After the tour, press 6: the timeline shows the retries. The lab's retry-storm compares fixed delays.",
        ),
        seconds=30,
    ),
    TourStep(
        name="every-order",
        chapter="testing",
        title="Test a race without luck",
        question="A race shows up once in a million runs. How do you test that it is gone?",
        choices=("run it a million times", "sleep between the statements", "run every order"),
        answer=2,
        act="jobdeck-orders",
        runs="jobdeck's real claim, run and complete: two workers in every order on a real queue",
        takes=1,
        problem="A test that sleeps and hopes is green while the bug is there, and red when the machine is busy.",
        solution="Every order of the real statements is run. Time and randomness are passed in, so tests set both.",
        why="Each promise of the guide has a test that tries to refute it: crashes, clock jumps, hostile text.",
        trade_off="All orders are feasible for small cases only. Soak tests with kill -9 cover the rest.",
        notes=(
            "One conformance suite runs on SQLite and on PostgreSQL: the same tests for both stores.",
            "Your own tests need no worker: jobdeck.testing runs a job inline, under a clock that you move.",
        ),
        seconds=25,
    ),
    TourStep(
        name="engine",
        chapter="separation",
        title="The engine knows no screen",
        question="Another program opens this demo's queue through the engine and counts its jobs. How many modules of the"
        " terminal front does it load?",
        choices=("none", "a few dozen", "several hundred"),
        answer=0,
        act="engine",
        runs="a new Python process that opens this very queue, and counts what it has imported",
        takes=1,
        problem="A worker that imports its user interface starts slowly, and breaks with it.",
        solution="Separation of concerns: the engine exports a Queue; cockpit, commands, HTTP call nothing else.",
        why="One retry is a key, a command, an HTTP request or a line of Python. Each is tested alone.",
        trade_off="The screen never touches SQL: a feed thread brings it snapshots, a moment old.",
        notes=(
            "import-linter fails the build if the front reaches behind the engine's exports.",
            "The experiments that you have just seen run headless too: jobdeck lab crash --json.",
        ),
        seconds=25,
    ),
    TourStep(
        name="shared-commits",
        chapter="scalability",
        title="Eight threads, one file",
        question="SQLite has one writer at a time. Eight threads enqueue durably: each in a transaction of its own, or sharing"
        " their commits. What is gained?",
        choices=("nothing: the disk is the limit", "twice as many a second", "several times as many"),
        answer=2,
        act="contention",
        runs="eight threads that enqueue: a busy timeout beside shared commits",
        takes=2,
        problem="A durable commit waits for the disk, and writers with a busy timeout wait for each other.",
        solution="Threads that enqueue at the same time share a commit. Workers claim and complete in batches.",
        why="One file with no server to run carries more than most services need.",
        trade_off="SQLite or PostgreSQL: a file is simple on one machine; several machines need the server." + _HINT,
        notes=(
            "The database URL chooses, nothing else: the same code and the same tests run on both.",
            "jobdeck --db postgresql://USER@HOST/DATABASE demo --tour has a step on that server (needs jobdeck[postgres]).",
            "Every one of these enqueues is on the disk when it returns (synchronous=FULL).",
        ),
        is_short=True,
        seconds=22,
    ),
    TourStep(
        name="wake-up",
        chapter="scalability",
        title="Polling or events",
        question="An idle worker polls twice a second. A new job comes. When does it start: with polling, and with events?",
        choices=("10 ms and 10 ms", "about 250 ms and 10 ms", "500 ms and 100 ms"),
        answer=1,
        act="wake-up",
        runs="jobs at random moments for an idle worker process, in both ways",
        takes=5,
        problem="Polling slowly is late, and polling fast costs CPU while nothing happens.",
        solution="After its commit the writer wakes the workers: a socket message, or NOTIFY on PostgreSQL.",
        why="Milliseconds instead of a quarter of a second, and an idle worker costs nothing.",
        trade_off="Polling or events: signals can get lost, polls cannot. So events, and a slow poll behind them.",
        notes=(
            "The signal comes after the commit: a worker that wakes too early would find nothing.",
            "The numbers are medians of what the ledger shows, from the enqueue to the handler's first line.",
        ),
    ),
    TourStep(
        name="cores",
        chapter="scalability",
        title="Threads or processes",
        question="Jobs that only compute, on four threads or in four processes. What do the processes gain on this machine?",
        choices=("nothing", "about as much as it has cores", "four times in any case"),
        answer=None,
        act="cores",
        runs="the same jobs twice in a real worker: --threads 4, then --processes 4",
        takes=7,
        problem="Python runs one thread at a time: four threads that compute are as fast as one.",
        solution="--processes 4: child processes run the jobs; one process claims for all of them.",
        why="More cores are used, and more claimers never fight for the database.",
        trade_off="Threads or processes: threads start at once and share memory; processes need both again.",
        notes=(
            "On a machine that is busy with something else the gain is small; the load in the picture says so.",
            "Jobs that wait (mail, HTTP) are well off on threads, or as coroutines: a hundred on one loop.",
            "isolate=True gives each job a process of its own: a timeout can then kill it for certain.",
        ),
    ),
    TourStep(
        name="at-least-once",
        chapter="trade-offs",
        title="Charged twice",
        question="A handler charges a card. Then its worker dies before the commit. How often is the card charged?",
        choices=("once", "twice", "never"),
        answer=1,
        act="side-effects",
        runs="workers that die between the charge and the commit: without an idempotency key, then with one",
        takes=4,
        problem="No queue can commit your side effect and its own row together.",
        solution="The handler gets its job's id: used as an idempotency key, the card is charged once.",
        why="Exactly once is a promise of the whole system, never of the queue alone.",
        trade_off="At least once or at most once: run again, perhaps twice; or never again, perhaps not at all.",
        notes=(
            "jobdeck chooses at least once, and says so in its README.",
            "Closing: claims are atomic, leases fence, errors are named, tests run every order, one file goes far.",
        ),
        is_short=True,
        seconds=22,
    ),
)

ON_POSTGRES = TourStep(
    name="row-locks",
    chapter="scalability",
    title="PostgreSQL: lock, or skip",
    question="Two workers claim at the same moment on PostgreSQL, with SELECT … FOR UPDATE, and then with SKIP LOCKED. What"
    " does the second worker do?",
    choices=("takes the same job, both times", "waits; with SKIP LOCKED takes another", "fails, both times"),
    answer=1,
    act="row-locks",
    runs="both claims on your PostgreSQL server, step by step and in every order, in a scratch schema",
    takes=5,
    problem="Many workers on several machines want the same first row. With one lock they queue for it.",
    solution="jobdeck claims there with FOR UPDATE SKIP LOCKED: each worker locks other rows.",
    why="No claim waits for another one, however many workers there are.",
    trade_off="A server is one more thing to run and back up, and each claim is a round trip to it.",
    notes=(
        "The server is that of --db or JOBDECK_DATABASE. The scratch schema is dropped at the end; no other table is touched.",
        "Point at line 2: on the left worker 2 waits for the row, on the right it goes on to job 2.",
        "Asked 'and the order?': rows that others are taking are skipped. First come, first served holds at each claim.",
        "After the tour: L, enter, and l opens these lanes on the board, where each statement is a key.",
    ),
)
"""The step on a PostgreSQL server, after the trade-off between it and SQLite."""
PLANS = {"5m": "five minutes", "90s": "ninety seconds"}
"""The tours: their length, as it is given to `--tour`, and in words."""
LONG, SHORT = PLANS


def steps_of(plan: str, *, has_server: bool = False) -> Sequence[TourStep]:
    """Return the steps of a tour.

    Args:
        plan: its name.
        has_server: whether a PostgreSQL server is configured: the long tour then has a step on it.

    Raises:
        KeyError: no tour has this name.
    """
    steps = {LONG: _with_server(STEPS) if has_server else STEPS, SHORT: tuple(step for step in STEPS if step.is_short)}
    return steps[plan]


def _with_server(steps: Sequence[TourStep]) -> Sequence[TourStep]:
    found: list[TourStep] = []
    for step in steps:
        if step.name == _BEFORE:
            found += [replace(step, trade_off=step.trade_off.replace(_HINT, _NEXT)), ON_POSTGRES]
        else:
            found.append(step)
    return tuple(found)


def planned_seconds(steps: Sequence[TourStep]) -> int:
    """Return the planned time of the steps together."""
    return sum(step.seconds for step in steps)
