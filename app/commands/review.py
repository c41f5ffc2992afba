"""``hitl review``: everything a reviewer can do, without a browser."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Sequence
from typing import Annotated

import msgspec
import typer

from app.commands.in_force import policy_to_act_by, policy_to_look_by
from app.commands.output import AsJson, console, print_json, print_line, print_remark, print_rows
from app.commands.review_page import print_page, print_reveal
from app.composition.parts import now, open_codec, open_desk, open_queue
from app.desk.desk import ReviewDesk
from app.domain.answers import Verdict
from app.domain.events import OverrideCategory
from app.domain.people import Profile
from app.domain.review import Review, ReviewState, locate
from app.errors import UsageError
from app.policy.compiled import CompiledPolicy
from app.policy.durations import format_duration
from app.review_queue.errors import StaleLease
from app.review_queue.values import PoolStats
from app.settings import Settings, load_settings

app = typer.Typer(
    help="Reviews: look, claim, decide, hand on.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


def _shaped(review_id: str | None) -> str | None:
    """What is no id is said before any service is asked."""
    if review_id is not None:
        locate(review_id)
    return review_id


ReviewId = Annotated[
    str, typer.Argument(help="Review id, as `hitl review list` prints it.", callback=_shaped)
]
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
    who: As = None,
    as_json: AsJson = False,
) -> None:
    """Reviews in the order of their queue: the most urgent first.

    Example: `hitl review list --pool finance --limit 10`
    """
    desk = _desk(policy_to_look_by)
    person = _person(desk, who, supervisor=True)
    rows, pools = [], [pool] if pool else desk.pools_of(person)
    for name in pools:
        found = desk.list(person, name, state, offset, limit, escalated=escalated, offered_to=offered_to)
        rows += [_row(review) for review in found]
    print_rows(rows, _COLUMNS, as_json=as_json, empty=f"no {state.value} reviews")
    if state is ReviewState.OPEN and not escalated and offered_to is None:
        _say_what_else([stats for stats in desk.stats(person) if stats.pool in pools])


@app.command()
def show(review_id: ReviewId, who: As = None, as_json: AsJson = False) -> None:
    """What a reviewer sees: the context package, the state, and the answer if there is one.

    Example: `hitl review show finance.4c0e61f4-5d2b-5a37-9a29-0d0a2d0f0b1e`
    """
    desk = _desk()
    seen = desk.look(_person(desk, who, supervisor=True), review_id)
    if as_json:
        print_json({"review": _row(seen.review), "package": seen.package, "answer": seen.answer})
        return
    print_page(_row(seen.review), seen.package, seen.answer)


@app.command()
def claim(
    review_id: Annotated[
        str | None, typer.Argument(help="A review; the most urgent one unless given.", callback=_shaped)
    ] = None,
    pool: Annotated[
        str | None, typer.Option(help="Take the most urgent one of this pool; of all yours unless given.")
    ] = None,
    who: As = None,
    supervisor: Supervisor = False,
    as_json: AsJson = False,
) -> None:
    """Take a review: nobody else can answer it while you hold the lease.

    Example: `hitl review claim --pool finance --as ann`
    """
    desk = _desk()
    person = _person(desk, who, supervisor)
    lease = desk.claim(person, review_id) if review_id else desk.claim_next(person, pool)
    if lease is None:
        if as_json:
            print_json(None)
        else:
            console.print(f"nothing for {person.name} in {pool or 'any pool'}")
        return
    _say(lease.review, as_json, f"claimed, epoch {lease.review.epoch}; see `hitl review show`")


@app.command()
def extend(review_id: ReviewId, who: As = None, epoch: Epoch = None, as_json: AsJson = False) -> None:
    """Keep working: the lease lasts from now again.

    Example: `hitl review extend finance.4c0e61f4-5d2b-5a37-9a29-0d0a2d0f0b1e --as ann`
    """
    desk = _desk()
    person = _person(desk, who)
    review = desk.extend(person, review_id, _held(desk, review_id, person, epoch))
    _say(review, as_json, "lease extended")


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
    desk = _desk()
    person = _person(desk, who)
    withheld = desk.reveal(person, review_id, _held(desk, review_id, person, epoch), action).withheld
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
    verdict = Verdict(
        action=action,
        changes=_json_object(changes),
        reasoning=reasoning,
        reason_code=reason_code,
        category=category,
        note=note,
        tags=tuple(tag or ()),
    )
    desk = _desk()
    person = _person(desk, who)
    held = _held(desk, review_id, person, epoch)
    bound_to = digest or desk.glance(person, review_id).review.digest
    decided = desk.decide(person, review_id, held, bound_to, verdict)
    if as_json:
        print_json({"review": _row(decided.review), "answer": decided.answer, "durable": decided.durable})
        return
    if decided.answer:
        console.print(f"{review_id}: decided, {decided.answer.action} by {decided.answer.reviewer}")
        if not decided.review.over:
            left = format_duration(decided.review.undo_until - decided.review.decided_at)
            console.print(f"you may take it back for {left}: hitl review undo {review_id}")
    else:
        console.print(f"{review_id}: your answer counts; {_outstanding(decided.review)}")


@app.command()
def undo(review_id: ReviewId, who: As = None, epoch: Epoch = None, as_json: AsJson = False) -> None:
    """Take your answer back, as long as the policy allows (`undo_window`); the review is yours again.

    Example: `hitl review undo finance.4c0e61f4-5d2b-5a37-9a29-0d0a2d0f0b1e --as ann`
    """
    desk = _desk()
    person = _person(desk, who)
    given = desk.glance(person, review_id).review.epoch if epoch is None else epoch
    undone = desk.undo(person, review_id, given)
    if as_json:
        print_json({"review": _row(undone.review), "answer": undone.answer, "durable": undone.durable})
        return
    console.print(
        f"{review_id}: taken back, it was {undone.answer.action}; yours again (epoch {undone.review.epoch})"
    )


@app.command()
def release(
    review_id: ReviewId, who: As = None, epoch: Epoch = None, reason: Why = "", as_json: AsJson = False
) -> None:
    """Give a review back unanswered.

    Example: `hitl review release finance.4c0e61f4-5d2b-5a37-9a29-0d0a2d0f0b1e --as ann`
    """
    desk = _desk()
    person = _person(desk, who)
    review = desk.release(person, review_id, _held(desk, review_id, person, epoch), reason)
    _say(review, as_json, "released")


@app.command()
def escalate(
    review_id: ReviewId, who: As = None, epoch: Epoch = None, reason: Why = "", as_json: AsJson = False
) -> None:
    """Hand a review to the pool's supervisors.

    Example: `hitl review escalate finance.4c0e61f4-5d2b-5a37-9a29-0d0a2d0f0b1e --reason "above my limit"`
    """
    desk = _desk()
    person = _person(desk, who)
    held = _held_or_open(desk, review_id, person, epoch)
    review = desk.escalate(person, review_id, held, reason)
    _say(review, as_json, f"escalated to tier {review.tier}")


@app.command()
def delegate(
    review_id: ReviewId,
    to: Annotated[str, typer.Option(help="Who shall take it.")],
    who: As = None,
    epoch: Epoch = None,
    reason: Why = "",
    as_json: AsJson = False,
) -> None:
    """Offer a review to one person of the pool.

    Example: `hitl review delegate finance.4c0e61f4-5d2b-5a37-9a29-0d0a2d0f0b1e --to bob`
    """
    desk = _desk()
    person = _person(desk, who)
    held = _held_or_open(desk, review_id, person, epoch)
    review = desk.delegate(person, review_id, to, held, reason)
    _say(review, as_json, f"offered to {to}")


@app.command()
def reassign(
    review_id: ReviewId,
    to: Annotated[str, typer.Option(help="Who shall have it.")],
    who: As = None,
    supervisor: Supervisor = False,
    reason: Why = "",
    as_json: AsJson = False,
) -> None:
    """As a lead, give a review to one person, also out of somebody's hands.

    Example: `hitl review reassign finance.4c0e61f4-5d2b-5a37-9a29-0d0a2d0f0b1e --to bob --as cleo`
    """
    desk = _desk()
    _say(desk.reassign(_person(desk, who, supervisor), review_id, to, reason), as_json, f"given to {to}")


@app.command()
def cancel(
    review_id: ReviewId,
    who: As = None,
    supervisor: Supervisor = False,
    reason: Why = "",
    as_json: AsJson = False,
) -> None:
    """As a lead or admin, withdraw a review that nobody needs any more. A blind check that ends so counts as
    an error of the AI, like one that nobody answered in time.

    Example: `hitl review cancel finance.4c0e61f4-5d2b-5a37-9a29-0d0a2d0f0b1e --reason "sent twice" --as root`
    """
    desk = _desk()
    _say(desk.cancel(_person(desk, who, supervisor), review_id, reason), as_json, "withdrawn")


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
    desk = _desk()
    person = _person(desk, who)
    review = desk.request_info(person, review_id, _held(desk, review_id, person, epoch), question)
    _say(review, as_json, "waits for information")


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
    desk = _desk()
    review = desk.answer_info(_person(desk, who), review_id, information)
    _say(review, as_json, "back in the queue")


def _desk(policy_of: Callable[[Settings], CompiledPolicy] = policy_to_act_by) -> ReviewDesk:
    settings = load_settings()
    policy = policy_of(settings)
    return open_desk(open_codec(settings), lambda: policy, open_queue(settings, policy))


def _person(desk: ReviewDesk, name: str | None, supervisor: bool = False) -> Profile:
    """Who acts. Where the policy names nobody, ``--supervisor`` is taken at its word."""
    profile = desk.person(name or getpass.getuser())
    if desk.directory.open_house and not supervisor:
        return msgspec.structs.replace(profile, supervises=frozenset())
    return profile


def _held(desk: ReviewDesk, review_id: str, person: Profile, epoch: int | None) -> int:
    """The epoch of this person's lease, or of the answer that this person has given (for a repeat)."""
    if epoch is not None:
        return epoch
    review = desk.glance(person, review_id).review
    if review.holder != person.name and review.state is not ReviewState.DECIDED:
        raise StaleLease(review_id, review)
    return review.epoch  # of a decided review: the queue says whose answer stands


def _held_or_open(desk: ReviewDesk, review_id: str, person: Profile, epoch: int | None) -> int | None:
    if epoch is None and desk.glance(person, review_id).review.state is not ReviewState.CLAIMED:
        return None
    return _held(desk, review_id, person, epoch)


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


def _row(review: Review) -> dict[str, object]:
    row = msgspec.structs.asdict(review)
    row["pool"] = review.pool
    if review.deadline is None or review.state is ReviewState.DECIDED:
        row["due_in"] = None
    else:
        minutes = (review.deadline - (review.paused_at or now())) // 60_000
        sign, minutes = ("-" if minutes < 0 else ""), abs(minutes)
        row["due_in"] = f"{sign}{minutes // 60}:{minutes % 60:02d}"
    return row


def _say_what_else(pools: Sequence[PoolStats]) -> None:
    """Undecided reviews that are no part of the list: what is late is mostly among them."""
    elsewhere = {
        "only for supervisors (--escalated)": sum(pool.supervisor for pool in pools),
        "claimed (--state claimed)": sum(pool.claimed for pool in pools),
        "waiting for information (--state waiting)": sum(pool.waiting for pool in pools),
    }
    said = ", ".join(f"{count:,} {where}" for where, count in elsewhere.items() if count)
    if said:
        print_remark(f"undecided as well: {said}")


def _say(review: Review, as_json: bool, what: str) -> None:
    if as_json:
        print_json(_row(review))
    else:
        print_line(f"{review.review_id}: {what}")
