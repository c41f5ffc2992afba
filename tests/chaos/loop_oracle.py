"""The judge of the whole loop: what was submitted and answered, against all topics and the queue."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from app.domain.events import (
    DecisionResolved,
    DecisionRouted,
    DecisionScored,
    ReviewDecided,
    ReviewKind,
    ReviewRequested,
)
from app.domain.resolution import DECIDING
from app.domain.review import review_id_of
from app.stream.codec import Codec
from app.stream.records import Incoming


@dataclass
class Verdict:
    """Violations by name, each with examples; empty means that every promise was kept."""

    counts: dict[str, int] = field(default_factory=dict)
    violations: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def ok(self) -> bool:
        return not self.violations

    def __str__(self) -> str:
        counts = ", ".join(f"{name} {number}" for name, number in self.counts.items())
        found = "; ".join(
            f"{name}: {len(ids)} ({', '.join(ids[:3])})" for name, ids in self.violations.items()
        )
        return f"{counts} | violations: {found or 'none'}"


def judge(
    codec: Codec,
    log: Iterable[Incoming],
    *,
    submitted: Iterable[str],
    repeated: Iterable[str],
    answered: Mapping[str, str],
    undecided: set[str],
) -> Verdict:
    """``undecided`` are the ids of all reviews that wait in the queue, in whatever state.

    Every submitted id: one scored, one routed, and one resolved or exactly one open deciding review.
    Every review that a route asks for: requested once, and either waiting or answered. Every accepted
    answer: published, and resolved once with that very action. Every repeat: one dead letter.
    """
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    asked: dict[str, list[str]] = {}
    requested: Counter[str] = Counter()
    published: dict[str, str] = {}
    resolutions: dict[str, tuple[str, str | None]] = {}
    letters: Counter[str] = Counter()
    for record in log:
        if record.topic == "deadletter":
            headers = dict(record.headers)
            if "dlq_reason" in headers:
                letters[f"{headers['dlq_reason'].decode()}:{(record.key or b'').decode()}"] += 1
            continue
        event = codec.decode(record.value)
        match event:
            case DecisionScored():
                seen["scored"][event.decision.decision_id] += 1
            case DecisionRouted(route=route):
                name = event.scored.decision.decision_id
                seen["routed"][name] += 1
                asked[name] = [review_id_of(route.pool, name, kind) for kind in route.review_kinds]
            case DecisionResolved(resolution=resolution):
                name = event.routed.scored.decision.decision_id
                seen["resolved"][name] += 1
                resolutions[name] = (resolution.action, resolution.review_id)
            case ReviewRequested(request=request):
                requested[request.review_id] += 1
            case ReviewDecided(answer=answer):
                published[answer.review_id] = answer.action
            case _:
                pass
    wanted = set(submitted)
    verdict = Verdict({name: found.total() for name, found in seen.items()})
    verdict.counts |= {"submitted": len(wanted), "reviews": requested.total(), "answers": len(answered)}
    verdict.counts["waiting"] = len(undecided)
    complain = verdict.violations
    for stage in ("scored", "routed"):
        for name in wanted:
            if seen[stage][name] != 1:
                complain[f"{stage} lost" if not seen[stage][name] else f"{stage} doubled"].append(name)
    for stage, found in seen.items():
        complain_if(complain, f"{stage} foreign", [name for name in found if name not in wanted])
    kinds = {kind.value for kind in DECIDING}
    for name in wanted:
        deciding = [r for r in asked.get(name, ()) if _kind_of(r, name) in kinds]
        waiting = [r for r in deciding if r in undecided]
        total = seen["resolved"][name] + len(waiting)
        if total != 1:
            complain["neither resolved nor open" if not total else "resolved or open twice"].append(name)
    for name, reviews in asked.items():
        for review in reviews:
            if requested[review] != 1:
                complain["review requested not once"].append(review)
            if (review in undecided) == (review in published):
                complain["review neither waits nor answered, or both"].append(f"{name} {review}")
    for review, action in answered.items():
        if published.get(review) != action:
            complain["accepted answer lost"].append(review)
    by_review = {review: action for action, review in resolutions.values() if review}
    for review, action in by_review.items():
        if review in answered and answered[review] != action:
            complain["resolved otherwise than answered"].append(review)
    expected = Counter(f"duplicate:{name}" for name in repeated)
    complain_if(complain, "dead letters", [k for k in letters | expected if letters[k] != expected[k]])
    return verdict


def complain_if(violations: dict[str, list[str]], name: str, ids: list[str]) -> None:
    """Note a violation if there is any."""
    if ids:
        violations[name].extend(ids)


def _kind_of(review_id: str, decision_id: str) -> str:
    pool = review_id.rpartition(".")[0]
    for kind in ReviewKind:
        if review_id_of(pool, decision_id, kind) == review_id:
            return kind.value
    return "?"
