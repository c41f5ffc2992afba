"""A console over the example policy, on a real store: what a browser or a program meets."""

import re
import secrets
from contextlib import contextmanager
from types import SimpleNamespace

import msgspec
import pytest
from argon2 import PasswordHasher
from starlette.testclient import TestClient

from app.agents.rule_book import RuleBook
from app.composition.parts import load_compiled_policy, open_rules
from app.console.accounts import Accounts
from app.console.app import create_console
from app.console.keys import ConsoleKeys
from app.console.limits import Limits
from app.console.parts import ConsoleParts, Place
from app.console.publishing import EventPublisher
from app.console.scopes import Scope
from app.console.sessions import Sessions
from app.console.submissions import Submissions
from app.console.terms import Pace
from app.desk.desk import ReviewDesk
from app.desk.following import Following
from app.domain import context_package
from app.domain.events import Arm, ConsequenceClass, ReviewKind, ReviewRequest, ReviewRequested
from app.domain.people import Directory, Profile, Role
from app.domain.review import review_id_of
from app.policy.console import Allowance
from app.review_queue.cases import CaseFile
from app.review_queue.values import NewReview
from app.review_queue.whereabouts import Tracker
from app.settings import load_settings
from app.stream.topics import Topic
from tests.integration.review_queue.conftest import (
    Desk as Store,
)
from tests.integration.review_queue.conftest import client, codec, routed  # noqa: F401

POOLS = frozenset({"finance", "finance-senior", "support", "people", "managers"})
FINANCE = frozenset({"finance"})
PEOPLE = (
    Profile(name="ann", title="Ann Ortega", pools=FINANCE),
    Profile(name="bob", pools=FINANCE, max_amount=1_000.0),
    Profile(name="cleo", pools=FINANCE, supervises=FINANCE),
    Profile(name="sam", pools=frozenset({"support"})),
    Profile(name="eve", roles=frozenset({Role.AUDITOR})),
    Profile(name="root", roles=frozenset({Role.ADMIN})),
)
PASSWORD = "correct horse battery"
URL = "http://127.0.0.1:8080"
ALL = frozenset(Scope)


class Topics:
    """Takes what is published, until it is out."""

    def __init__(self):
        self.events = []
        self.traces = []
        self.error = None

    @contextmanager
    def connect(self):
        yield self

    def write(self, topic, key, event, trace=""):
        if self.error:
            raise self.error
        self.events.append((topic, key, event))
        self.traces.append(trace)

    def flush(self):
        """Everything was stored when it was written."""


class House:
    """The console and everything around it."""

    def __init__(self, store, codec, folder, url=URL, pace=None, **terms):  # noqa: F811
        self.store, self.codec, self.clock = store, codec, store.clock
        base = load_compiled_policy(load_settings({}))
        self.policy = msgspec.structs.replace(
            base,
            directory=Directory({person.name: person for person in PEOPLE}, POOLS),
            console=msgspec.structs.replace(base.console, **{"changes": Allowance(10_000, 1)} | terms),
        )
        self.queue = store.queue_on(store.client)
        self.queue.follow(store.terms, self.policy.pool_names)
        self.desk = ReviewDesk(
            self.queue, lambda: self.policy, lambda r: codec.decode_as(r, ReviewRequested), self.clock
        )
        self.cases = CaseFile(store.client, store.keys, memory=10**12, length=5, clock=self.clock)
        self.topics = Topics()
        self.broker_up, self.unheard = True, ""
        keys = ConsoleKeys(store.prefix)
        self.accounts = Accounts(
            folder / "accounts.json",
            self.clock,
            secrets.token_bytes,
            PasswordHasher(time_cost=1, memory_cost=8, parallelism=1),
        )
        self.sessions = Sessions(
            store.client, keys, lambda: self.policy.console, self.clock, secrets.token_bytes
        )
        self.parts = ConsoleParts(
            settings=load_settings({}),
            policy_in_force=lambda: self.policy,
            place=Place(url),
            desk=self.desk,
            cases=self.cases,
            client=store.client,
            queue_keys=store.keys,
            keys=keys,
            accounts=self.accounts,
            sessions=self.sessions,
            limits=Limits(store.client, keys, self.clock),
            submissions=Submissions(store.client, keys, lambda: 10**10),
            following=Following(Tracker(store.client, store.keys, self.cases), self.cases),
            clock=self.clock,
            draw=secrets.token_bytes,
            publisher=EventPublisher(self.topics.connect, timer=lambda: self.clock() / 1000),
            broker_answers=lambda: self.broker_up,
            unheard=lambda: self.unheard,
            pace=pace or Pace(),
        )
        self.book = RuleBook(codec, lambda *_: True)
        rules = open_rules(
            msgspec.structs.replace(self.parts.settings, topic_prefix=store.prefix),
            lambda: self.policy,
            store.client,
            self.book,
            lambda key, event: self.parts.publisher.publish(Topic.RULES_CHANGED, key, event),
            lambda _type: (),
            clock=self.clock,
        )
        self.parts = msgspec.structs.replace(self.parts, rules=rules)
        self.app = create_console(self.parts)
        self.url = url

    # --- callers ----------------------------------------------------------------------------------

    def browser(self, **options):
        """A browser that has not signed in."""
        return TestClient(self.app, base_url=self.url, follow_redirects=False, **options)

    def signed_in(self, name="ann"):
        """A browser with a session, and its CSRF token as a header."""
        browser = self.browser()
        if self.accounts.account(name) is None:
            self.accounts.set_password(name, PASSWORD, new=True)
        assert sign_in(browser, name).status_code == 303
        session = self.sessions.find(browser.cookies[self.cookie])
        browser.headers["X-CSRF-Token"] = session.csrf
        return browser

    def program(self, owner="ann", scopes=ALL, **options):
        """A caller with a token."""
        _, secret = self.accounts.create_token(owner, frozenset(scopes), **options)
        program = self.browser()
        program.headers["Authorization"] = f"Bearer {secret}"
        return program

    @property
    def cookie(self):
        return "__Host-hitl" if self.parts.place.secure else "hitl"

    # --- work -------------------------------------------------------------------------------------

    def ask(self, decision="exp-1", *, kind=ReviewKind.DECIDE, pool="finance", blind=False, **more):
        """Enqueue a review with its real package; its id."""
        event = routed(decision, at=self.clock(), subject=more.pop("subject", "emp-3"))
        facts = msgspec.json.encode({"amount": 1240.5} | more.pop("facts", {})).decode()
        submitted = msgspec.structs.replace(event.scored.decision, facts=facts)
        scored = msgspec.structs.replace(event.scored, decision=submitted)
        kinds = more.pop("kinds", event.route.review_kinds)
        arm = Arm.BLIND if blind else Arm.SHOWN
        route = msgspec.structs.replace(event.route, arm=arm, pool=pool, review_kinds=kinds)
        event = msgspec.structs.replace(event, scored=scored, route=route)
        package = context_package.build(event, self.policy.terms["expense.approval"], [], [], kind=kind)
        request = ReviewRequest(
            review_id=review_id_of(pool, decision, kind),
            kind=kind,
            pool=pool,
            sla_class="standard",
            consequence_class=more.pop("harm", ConsequenceClass.LOW),
            requested_at=self.clock(),
            deadline=self.clock() + more.pop("due", 3_600_000),
            approvals=more.pop("approvals", 1),
            ladder=more.pop("ladder", []),
            blind=context_package.is_blind(event, kind),
            package=package.text,
            package_digest=package.digest,
        )
        assert not more
        record = self.codec.encode(ReviewRequested(routed=event, request=request))
        self.cases.remember([event])
        return self.queue.enqueue(NewReview(decision, request, record)).review_id

    def claimed(self, caller, review_id):
        """Claim by API; the review as claimed."""
        answer = caller.post(f"/v1/reviews/{review_id}/claim")
        assert answer.status_code == 200, answer.text
        return answer.json()["review"]

    def answer(self, review, **changes):
        """The body of an answer to a claimed review."""
        body = {"epoch": review["epoch"], "digest": review["digest"], "action": "approve"}
        return body | {"reasoning": "the receipt matches"} | changes


def sign_in(browser, name="ann", password=PASSWORD, next="/", **headers):  # noqa: A002
    """As a person does: load the form, fill it in."""
    page = browser.get("/sign-in")
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    form = {"name": name, "password": password, "next": next, "csrf_token": token[1] if token else ""}
    if "Cookie" in headers:  # in addition to what the browser has
        headers["Cookie"] += "".join(f"; {name}={value}" for name, value in browser.cookies.items())
    return browser.post("/sign-in", data=form, headers=headers)


@pytest.fixture
def make_house(client, store_url, codec, tmp_path):  # noqa: F811
    """``make_house(url=..., session_idle=...)``: a console with an address and terms of its own."""
    return lambda **options: House(Store(client, store_url), codec, tmp_path, **options)


@pytest.fixture
def house(make_house):
    return make_house()


@pytest.fixture
def waits(monkeypatch):
    """Seconds that each sign-in had to wait; nobody does."""
    waited = []

    async def sleep(seconds):
        waited.append(seconds)

    monkeypatch.setattr("app.console.tries.asyncio", SimpleNamespace(sleep=sleep))
    return waited
