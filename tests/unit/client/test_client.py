"""The client against a server that misbehaves: what is repeated, what is not, and what is said."""

import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime

import httpx
import pytest

from app.client import (
    AnswerTimeoutError,
    AsyncDecisions,
    DecisionAlreadyResolvedError,
    DecisionIdTakenError,
    DecisionInvalidError,
    Decisions,
    DecisionsError,
    DecisionWithdrawnError,
    NotAllowedError,
    UnavailableError,
    UnknownDecisionError,
)
from app.client import flow as flows
from app.client.stream import EventReader

RESOLUTION = {
    "resolution_id": "r",
    "action": "modify",
    "changes": {"amount": 90},
    "decided_by": "human",
    "level": 4,
    "review_id": "finance.x",
    "reviewer": "ann",
    "agreed": False,
    "category": None,
    "reason_code": "",
    "reasoning": "the receipt says 90",
    "resolved_at": "2026-03-02T09:41:12Z",
    "from the future": True,
}


def state(status, resolution=None, **more):
    told = {"decision_id": "a", "status": status, "final": status in ("resolved", "withdrawn"), "level": 4}
    told |= {"deadline": None, "question": None, "withdrawn_by": None, "withdrawal_reason": None}
    return told | {"resolution": resolution} | more


def problem(kind, status, **more):
    told = {"type": f"http://x/problems#{kind}", "title": kind, "detail": f"it is {kind}", "hint": "try it"}
    return httpx.Response(status, json=told | more)


class Server:
    """Gives prepared answers, one for each request."""

    def __init__(self, *answers):
        self.answers, self.requests = list(answers), []

    def __call__(self, request):
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    async def at_once(_seconds):
        pass

    monkeypatch.setattr("app.client.synchronous.time.sleep", lambda _seconds: None)
    monkeypatch.setattr("app.client.asynchronous.asyncio.sleep", at_once)


class Waiting:
    """The asynchronous client as if it were the other one."""

    def __init__(self, *arguments, **named):
        self._loop = asyncio.new_event_loop()
        self._client = AsyncDecisions(*arguments, **named)

    def __getattr__(self, verb):
        def run(*arguments, **named):
            found = getattr(self._client, verb)(*arguments, **named)
            return self._loop.run_until_complete(self._listed(found) if verb == "follow" else found)

        return run

    async def _listed(self, states):
        return [one async for one in states]


@pytest.fixture(params=[Decisions, Waiting], ids=["sync", "async"])
def client(request):
    made = []

    def connect(server, patience=60.0):
        transport = httpx.MockTransport(server)
        made.append(request.param("http://x", "secret", patience=patience, transport=transport))
        return made[-1]

    yield connect
    for one in made:
        one.close()


ACCEPTED = {"id": "a", "at": "/v1/decisions/a"}


def test_an_outage_is_waited_out_with_the_same_key(client):
    server = Server(httpx.ConnectError("refused"), problem("unavailable", 503), httpx.Response(502), ACCEPTED)
    assert client(server).submit({"decision_id": "a"}) == "a"
    keys = {request.headers["Idempotency-Key"] for request in server.requests}
    assert len(server.requests) == 4 and len(keys) == 1
    assert server.requests[0].headers["Authorization"] == "Bearer secret"


def test_each_verb_has_a_key_of_its_own(client):
    server = Server(ACCEPTED, ACCEPTED)
    decisions = client(server)
    decisions.submit({"decision_id": "a"})
    decisions.submit({"decision_id": "a"})
    one, two = (request.headers["Idempotency-Key"] for request in server.requests)
    assert one != two


def test_patience_ends(client):
    server = Server(*[httpx.ConnectError("refused")] * 3)
    with pytest.raises(UnavailableError, match=r"refused.*hitl console"):
        client(server, patience=0).submit({"decision_id": "a"})
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("kind", "status", "error"),
    [
        ("invalid", 422, DecisionInvalidError),
        ("another-decision", 409, DecisionIdTakenError),
        ("not-signed-in", 401, NotAllowedError),
        ("not-found", 404, UnknownDecisionError),
        ("idempotency-key-reused", 422, DecisionsError),
    ],
)
def test_what_is_wrong_is_said_at_once(client, kind, status, error):
    server = Server(problem(kind, status, errors=[{"field": "facts", "message": "is missing"}]))
    with pytest.raises(error, match=r"facts: is missing.*try it") as raised:
        client(server).submit({"decision_id": "a"})
    assert (raised.value.kind, raised.value.status, len(server.requests)) == (kind, status, 1)


def test_the_answer_is_waited_for_through_an_outage(client):
    server = Server(state("open"), httpx.ReadTimeout("slow"), state("claimed"), state("resolved", RESOLUTION))
    answer = client(server).resolution("a")
    assert (answer.action, answer.changes, answer.reviewer) == ("modify", {"amount": 90}, "ann")
    assert answer.resolved_at == datetime(2026, 3, 2, 9, 41, 12, tzinfo=UTC)
    assert server.requests[0].url.query == f"wait={flows.LONGEST_WAIT:.0f}s".encode()


def test_no_answer_in_time_loses_nothing(client):
    with pytest.raises(AnswerTimeoutError, match="it is claimed") as raised:
        client(Server(state("claimed"))).resolution("a", timeout=0)
    assert raised.value.progress.status == "claimed"


def test_a_withdrawn_decision_has_no_answer(client):
    told = state("withdrawn", withdrawn_by="svc", withdrawal_reason="cancelled")
    with pytest.raises(DecisionWithdrawnError, match="withdrawn by svc: cancelled"):
        client(Server(told)).resolution("a")


def test_too_late_to_withdraw(client):
    with pytest.raises(DecisionAlreadyResolvedError) as raised:
        client(Server(problem("already-decided", 409, answer=RESOLUTION))).withdraw("a", "x")
    assert raised.value.resolution.action == "modify"


def test_whoever_may_only_read_is_told_so(client):
    with pytest.raises(DecisionsError, match="scope `submit`"):
        client(Server({"decision_id": "a", "reviews": []})).progress("a")


def test_handing_in_and_waiting_in_one(client):
    server = Server(ACCEPTED, state("open"), state("resolved", RESOLUTION))
    assert (
        client(server).decide({"decision_id": "a", "occurred_at": datetime(2026, 3, 2, tzinfo=UTC)}).level
        == 4
    )
    assert json.loads(server.requests[0].content)["occurred_at"] == "2026-03-02T00:00:00+00:00"


@pytest.mark.parametrize("value", [float("nan"), datetime(2026, 3, 2), object()])  # noqa: DTZ001
def test_what_is_no_json_is_refused_here(client, value):
    with pytest.raises(DecisionsError, match="JSON"):
        client(Server()).submit({"decision_id": "a", "facts": {"x": value}})


def events(*told):
    text = "".join(f"id: {n}\nevent: x\ndata: {json.dumps(one)}\n\n: still here\n\n" for n, one in told)
    return httpx.Response(200, text="retry: 1\n\n" + text, headers={"Content-Type": "text/event-stream"})


def test_following_goes_on_after_a_break(client):
    server = Server(
        state("submitted"),
        events((1, state("submitted")), (2, state("open"))),
        state("open"),
        httpx.ReadError("cut"),
        state("claimed"),
        events((3, state("claimed")), (4, state("resolved", RESOLUTION))),
    )
    told = [one.status for one in client(server).follow("a")]
    assert told == ["submitted", "open", "claimed", "resolved"]
    streams = [request for request in server.requests if request.url.path.endswith("/events")]
    assert [request.headers["Last-Event-ID"] for request in streams] == ["", "2", "2"]


def test_an_event_that_a_break_cut_off_is_forgotten(client):
    half = events((1, state("open"))).text.partition('"final"')[0]
    cut = httpx.Response(200, text=half, headers={"Content-Type": "text/event-stream"})
    whole = events((1, state("open")), (2, state("resolved", RESOLUTION)))
    server = Server(state("submitted"), cut, state("submitted"), whole)
    assert [one.status for one in client(server).follow("a")] == ["submitted", "open", "resolved"]


def test_an_event_counts_when_it_is_whole():
    reader = EventReader()
    assert [reader.feed(line) for line in ("id: 7", f"data: {json.dumps(state('open'))}")] == [None, None]
    assert reader.last_event_id == ""
    assert reader.feed("").status == "open" and reader.last_event_id == "7"


@pytest.mark.parametrize(("url", "token"), [("", "t"), ("localhost:8080", "t"), ("http://x", "")])
def test_what_is_missing_is_named(monkeypatch, url, token):
    for name in ("HITL_CONSOLE_URL", "HITL_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(DecisionsError, match="HITL_"):
        Decisions(url, token)


def test_the_client_needs_nothing_but_httpx():
    """Not even what the rest of this house is made of."""
    code = "import app.client, sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = set(done.stdout.split())
    heavy = {"confluent_kafka", "faust", "pydantic", "msgspec", "redis", "fastapi", "fastavro", "langgraph"}
    assert "httpx" in found and not found & heavy
