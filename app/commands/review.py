"""``hitl review``: everything a reviewer can do, without a browser."""

from __future__ import annotations

import getpass
from typing import Annotated

import msgspec
import typer

from app.commands.output import console, print_json, print_rows
from app.commands.queue import AsJson, Desk, connect
from app.commands.review_page import print_page, print_reveal
from app.domain import context_package
from app.domain.events import OverrideCategory
from app.domain.review import Review, Reviewer, ReviewState
from app.errors import UsageError
from app.review_queue.errors import StaleLease
from app.review_queue.values import Verdict
from app.settings import load_settings

app = typer.Typer(
    help="Reviews: look, claim, decide, hand on.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

ReviewId = Annotated[str, typer.Argument(help="Review id, as `hitl review list` prints it.")]
As = Annotated[str | None, typer.Option("--as", help="Who you are; your login name unless given.")]
Supervisor = Annotated[bool, typer.Option("--supervisor", help="Act as a supervisor of the pool.")]
Epoch = Annotated[int | None, typer.Option(help="Epoch of your claim; the one you hold unless given.", min=1)]
Why = Annotated[str, typer.Option("--reason", help="Why, for whoever takes it next.")]

_COLUMNS = ("review_id", "decision_id", "kind", "state", "consequence_class", "due_in", "holder", "tier")


@app.command("list")
def list_reviews(
    pool: Annotated[str | None, typer.Option(help="Only this pool; all unless given.")] = None,
    state: Annotated[ReviewState, typer.Option(help="Which reviews.")] = ReviewState.OPEN,
    escalated: Annotated[bool, typer.Option(help="Open ones that wait for a supervisor.")] = False,
    offered_to: Annotated[str | None, typer.Option(help="Open ones delegated to this person.")] = None,
    offset: Annotated[int, typer.Option(min=0)] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    as_json: AsJson = False,
) -> None:
    """Reviews in the order of their queue: the most urgent first.

    Example: `hitl review list --pool finance --limit 10`
    """
    desk = connect(load_settings())
    rows = []
    for name in [pool] if pool else desk.queue.pools:
        found = desk.queue.list(name, state, offset, limit, escalated=escalated, offered_to=offered_to)
        rows += [_row(review, desk) for review in found]
    print_rows(rows, _COLUMNS, as_json=as_json, empty=f"no {state.value} reviews")


@app.command()
def show(review_id: ReviewId, as_json: AsJson = False) -> None:
    """What a reviewer sees: the context package, the state, and the answer if there is one.

    Example: `hitl review show finance.4c0e61f4-5d2b-5a37-9a29-0d0a2d0f0b1e`
    """
    desk = connect(load_settings())
    entry = desk.queue.get(review_id)
    package = msgspec.json.decode(desk.read_request(entry.record).request.package)
    if as_json:
        print_json({"review": _row(entry.review, desk), "package": package, "answer": entry.answer})
        return
    print_page(_row(entry.review, desk), package, entry.answer)


@app.command()
def claim(
    review_id: Annotated[
        str | None, typer.Argument(help="A review; the most urgent one unless given.")
    ] = None,
    pool: Annotated[str | None, typer.Option(help="Take the most urgent one of this pool.")] = None,
    who: As = None,
    supervisor: Supervisor = False,
    as_json: AsJson = False,
) -> None:
    """Take a review: nobody else can answer it while you hold the lease.

    Example: `hitl review claim --pool finance --as ann`
    """
    desk = connect(load_settings())
    person = _person(desk, who, supervisor)
    if review_id is None and pool is None:
        raise UsageError("which review?", hint="give a review id, or --pool to take the most urgent one")
    lease = desk.queue.claim(review_id, person) if review_id else desk.queue.claim_next(pool or "", person)
    if lease is None:
        if as_json:
            print_json(None)
        else:
            console.print(f"nothing for {person.name} in {pool}")
        return
    _say(lease.review, desk, as_json, f"claimed, epoch {lease.review.epoch}; see `hitl review show`")


@app.command()
def extend(review_id: ReviewId, who: As = None, epoch: Epoch = None, as_json: AsJson = False) -> None:
    """Keep working: the lease lasts from now again.

    Example: `hitl review extend finance.4c0e61f4-5d2b-5a37-9a29-0d0a2d0f0b1e --as ann`
    """
    desk = connect(load_settings())
    person = _person(desk, who)
    review = desk.queue.extend(review_id, person, _held(desk, review_id, person, epoch))
    _say(review, desk, as_json, "lease extended")


@app.command()
def reveal(
    review_id: ReviewId,
    action: Annotated[str, typer.Option(help="Your answer before you know what the AI recommends.")],
    who: As = None,
    epoch: Epoch = None,
    as_json: AsJson = False,
) -> None:
    """Blind reviews: give your first answer, then see what was withheld. `decide` may still differ.

    Example: `hitl review reveal finance.4c0e61f4-5d2b-5a37-9a29-0d0a2d0f0b1e --action reject`
    """
    desk = connect(load_settings())
    person = _person(desk, who)
    entry = desk.queue.get(review_id)
    event = desk.read_request(entry.record)
    _check_action(action, msgspec.json.decode(event.request.package))
    desk.queue.reveal(review_id, person, _held(desk, review_id, person, epoch), action)
    terms = desk.types.get(event.routed.scored.decision.decision_type)
    text = context_package.reveal(event.routed, terms, kind=event.request.kind).text if terms else "{}"
    withheld = msgspec.json.decode(text)
    if as_json:
        print_json({"first_action": action, "withheld": withheld})
    else:
        print_reveal(withheld)


@app.command()
def decide(
    review_id: ReviewId,
    action: Annotated[str, typer.Option(help="One of the available actions of the package.")],
    reasoning: Annotated[str, typer.Option(help="Why you agree or disagree.")],
    changes: Annotated[
        str | None, typer.Option(help="What to change, as a JSON object (for modify).")
    ] = None,
    reason_code: Annotated[str, typer.Option(help="A reason code of the policy, or other.")] = "",
    category: Annotated[OverrideCategory | None, typer.Option(help="Why the AI was overridden.")] = None,
    note: Annotated[str, typer.Option(help="Anything else.")] = "",
    tag: Annotated[
        list[str] | None, typer.Option(help="train_on_this, policy_issue, teaching_example.")
    ] = None,
    digest: Annotated[
        str | None, typer.Option(help="Digest of the package you saw; the one on file unless given.")
    ] = None,
    who: As = None,
    epoch: Epoch = None,
    as_json: AsJson = False,
) -> None:
    """Answer a review that you hold. Safe to repeat; a second, other answer is refused.

    Example: `hitl review decide finance.4c0e61f4-5d2b-5a37-9a29-0d0a2d0f0b1e --action approve
    --reasoning "receipt matches" --as ann`
    """
    desk = connect(load_settings())
    person = _person(desk, who)
    entry = desk.queue.get(review_id)
    _check_action(action, msgspec.json.decode(desk.read_request(entry.record).request.package))
    verdict = Verdict(
        action=action,
        changes=_json_object(changes),
        reasoning=reasoning,
        reason_code=reason_code,
        category=category,
        note=note,
        tags=tuple(tag or ()),
    )
    held = _held(desk, review_id, person, epoch)
    decided = desk.queue.decide(review_id, person, held, digest or entry.review.digest, verdict)
    if as_json:
        print_json(
            {"review": _row(decided.review, desk), "answer": decided.answer, "durable": decided.durable}
        )
        return
    if decided.answer:
        console.print(f"{review_id}: decided, {decided.answer.action} by {decided.answer.reviewer}")
    else:
        console.print(f"{review_id}: your answer counts; {_outstanding(decided.review)}")


@app.command()
def release(
    review_id: ReviewId, who: As = None, epoch: Epoch = None, reason: Why = "", as_json: AsJson = False
) -> None:
    """Give a review back unanswered.

    Example: `hitl review release finance.4c0e61f4-5d2b-5a37-9a29-0d0a2d0f0b1e --as ann`
    """
    desk = connect(load_settings())
    person = _person(desk, who)
    review = desk.queue.release(review_id, person, _held(desk, review_id, person, epoch), reason=reason)
    _say(review, desk, as_json, "released")


@app.command()
def escalate(
    review_id: ReviewId, who: As = None, epoch: Epoch = None, reason: Why = "", as_json: AsJson = False
) -> None:
    """Hand a review to the pool's supervisors.

    Example: `hitl review escalate finance.4c0e61f4-5d2b-5a37-9a29-0d0a2d0f0b1e --reason "above my limit"`
    """
    desk = connect(load_settings())
    person = _person(desk, who)
    held = _held_or_open(desk, review_id, person, epoch)
    review = desk.queue.escalate(review_id, person, held, reason=reason)
    _say(review, desk, as_json, f"escalated to tier {review.tier}")


@app.command()
def delegate(
    review_id: ReviewId,
    to: Annotated[str, typer.Option(help="Who shall take it.")],
    to_supervisor: Annotated[bool, typer.Option(help="That person is a supervisor.")] = False,
    who: As = None,
    epoch: Epoch = None,
    reason: Why = "",
    as_json: AsJson = False,
) -> None:
    """Offer a review to one person of the pool.

    Example: `hitl review delegate finance.4c0e61f4-5d2b-5a37-9a29-0d0a2d0f0b1e --to bob`
    """
    desk = connect(load_settings())
    person = _person(desk, who)
    held = _held_or_open(desk, review_id, person, epoch)
    receiver = desk.reviewer(to, to_supervisor)
    review = desk.queue.delegate(review_id, person, receiver, held, reason=reason)
    _say(review, desk, as_json, f"offered to {to}")


@app.command("request-info")
def request_info(
    review_id: ReviewId,
    question: Annotated[str, typer.Option(help="What you need to know.")],
    who: As = None,
    epoch: Epoch = None,
    as_json: AsJson = False,
) -> None:
    """Ask for information; the SLA clock stands still until it is there.

    Example: `hitl review request-info finance.4c0e61f4-5d2b-5a37-9a29-0d0a2d0f0b1e --question "Why now?"`
    """
    desk = connect(load_settings())
    person = _person(desk, who)
    review = desk.queue.request_info(review_id, person, _held(desk, review_id, person, epoch), question)
    _say(review, desk, as_json, "waits for information")


@app.command("answer-info")
def answer_info(
    review_id: ReviewId,
    information: Annotated[str, typer.Option(help="The answer to the question.")],
    who: As = None,
    as_json: AsJson = False,
) -> None:
    """Give the information; the review goes on with its deadline later by the pause.

    Example: `hitl review answer-info finance.4c0e61f4-5d2b-5a37-9a29-0d0a2d0f0b1e --information "Apollo"`
    """
    desk = connect(load_settings())
    review = desk.queue.answer_info(review_id, _person(desk, who), information)
    _say(review, desk, as_json, "back in the queue")


def _person(desk: Desk, name: str | None, supervisor: bool = False) -> Reviewer:
    return desk.reviewer(name or getpass.getuser(), supervisor)


def _held(desk: Desk, review_id: str, person: Reviewer, epoch: int | None) -> int:
    """The epoch of this person's lease, or of the answer that this person has given (for a repeat)."""
    if epoch is not None:
        return epoch
    entry = desk.queue.get(review_id)
    if entry.review.holder != person.name:
        if entry.review.state is ReviewState.DECIDED:
            return entry.review.epoch  # the queue says whose answer stands
        raise StaleLease(review_id, entry.review)
    return entry.review.epoch


def _held_or_open(desk: Desk, review_id: str, person: Reviewer, epoch: int | None) -> int | None:
    if epoch is None and desk.queue.get(review_id).review.state is not ReviewState.CLAIMED:
        return None
    return _held(desk, review_id, person, epoch)


def _check_action(action: str, package: dict[str, object]) -> None:
    actions = package.get("available_actions")
    if isinstance(actions, list) and action not in actions:
        raise UsageError(f"'{action}' is not an action of this review", hint=f"one of: {', '.join(actions)}")


def _json_object(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        msgspec.json.decode(text, type=dict[str, object])
    except msgspec.DecodeError as error:
        raise UsageError(
            f"--changes is not a JSON object: {error}", hint="""e.g. '{"amount": 900}'"""
        ) from error
    return text


def _outstanding(review: Review) -> str:
    if review.tie_break:
        return "the answers differ, a supervisor decides"
    return f"{len(review.votes)} of {review.approvals} answers are in"


def _row(review: Review, desk: Desk) -> dict[str, object]:
    row = msgspec.structs.asdict(review)
    row["pool"] = review.pool
    if review.deadline is None or review.state is ReviewState.DECIDED:
        row["due_in"] = None
    else:
        minutes = (review.deadline - (review.paused_at or desk.clock())) // 60_000
        sign, minutes = ("-" if minutes < 0 else ""), abs(minutes)
        row["due_in"] = f"{sign}{minutes // 60}:{minutes % 60:02d}"
    return row


def _say(review: Review, desk: Desk, as_json: bool, what: str) -> None:
    if as_json:
        print_json(_row(review, desk))
    else:
        console.print(f"{review.review_id}: {what}", markup=False, highlight=False, soft_wrap=True)
