"""The streams on which learning is judged: frozen before anything was tuned on them.

A scenario is a stream of decisions of one learning key, its reviewers and its target. Scores fall into
the 94 bins of ``app/domain/learning/bins.py``; given the bin, a recommendation is wrong with a fixed
probability, until the scenario changes. ``TUNING`` may be looked at as often as one likes; ``SCORING`` has
other worlds, other changes and other seeds, and is scored once the rule is settled.

``TABLE`` is the stream of the table in docs/learning.md, recovered from three of its numbers: .706 of the
scores are at least .9, and the top .918 and .862 of them are wrong at .03 and .025 (the oracle and the
bound). Its change, by 1.3 in log-odds, leaves an oracle .517 of the traffic (.519 in the table).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log

TUNING_SEED, SCORING_SEED = 20_251, 77_003
DECISIONS, CHANGE_AT = 30_000, 15_000


@dataclass(frozen=True)
class World:
    """Scores are Beta(a, b) on [0, 1]; P(wrong | score) = sigmoid(-(slope logit(score) + intercept))."""

    a: float
    b: float
    slope: float = 1.0
    intercept: float = 0.0
    hidden_from: float = 2.0
    """From this score up, errors are at least ``hidden_error`` likely: the AI is confidently wrong there."""
    hidden_error: float = 0.0

    def worse(self, log_odds: float) -> World:
        """Every error is more likely by so much in log-odds; less likely where it is negative."""
        return replace(self, intercept=self.intercept - log_odds)


@dataclass(frozen=True)
class Reviewers:
    """What people answer. A wrong recommendation is caught with ``sensitivity``; ``anchoring`` is the share
    of catches lost where it is shown; a right one is changed with ``false_override``. Answers come
    ``delay`` decisions later in the mean (exponential). ``gold_rate`` of the reviews are seeded known-wrong
    items, by which the catch rate is measured; without them people are taken to catch everything."""

    sensitivity: float = 1.0
    false_override: float = 0.0
    anchoring: float = 0.0
    delay: float = 0.0
    gold_rate: float = 0.0


CLEAN = Reviewers()
NOISY = Reviewers(sensitivity=0.8, false_override=0.03, gold_rate=0.03)
LATE = Reviewers(delay=300.0)
ANCHORED = Reviewers(anchoring=0.5)
EVERYTHING = Reviewers(sensitivity=0.8, false_override=0.03, anchoring=0.5, delay=300.0, gold_rate=0.03)
REVIEWERS = {"clean": CLEAN, "noisy": NOISY, "late": LATE, "anchored": ANCHORED, "all of it": EVERYTHING}


@dataclass(frozen=True)
class Scenario:
    """One setting: from ``change_at`` on, over ``ramp`` decisions, ``world`` gives way to ``after``."""

    name: str
    world: World
    alpha: float
    delta: float = 0.10
    reviewers: Reviewers = CLEAN
    after: World | None = None
    change_at: int = CHANGE_AT
    ramp: int = 0
    decisions: int = DECISIONS
    kind: str = "stationary"


def edge(alpha: float) -> World:
    """No score tells anything, and everything is wrong a little more often than allowed: nothing may run."""
    p = 1.05 * alpha
    return World(6.0, 0.6, slope=0.0, intercept=log((1 - p) / p))


TABLE = World(6.65, 0.593, intercept=0.763)
SHAPES = {
    "underconfident": TABLE,
    "calibrated": World(6.0, 0.45),
    "overconfident": World(8.0, 0.6, slope=0.8, intercept=-0.2),
    "peaked": World(40.0, 4.0, slope=1.6, intercept=0.3),
    "low skill": World(3.0, 1.2, slope=0.7, intercept=0.4),
}
SCORING_SHAPES = {
    "underconfident": World(5.0, 0.8, slope=1.3, intercept=0.4),
    "calibrated": World(9.0, 0.7),
    "overconfident": World(12.0, 0.5, slope=0.75, intercept=-0.1),
    "peaked": World(60.0, 5.0, slope=1.3, intercept=0.2),
    "low skill": World(4.0, 1.5, slope=0.5, intercept=0.8),
}
ALPHAS = (0.01, 0.02, 0.05)


def stationary(shapes: dict[str, World], people: str) -> list[Scenario]:
    """Every shape at every alpha with clean reviewers; the shape ``people`` with all the other reviewers."""
    found = [
        Scenario(name, world, alpha)
        for alpha in ALPHAS
        for name, world in [*shapes.items(), ("just above alpha", edge(alpha))]
    ]
    found += [
        Scenario(f"{people}, {who}", shapes[people], alpha, reviewers=reviewers)
        for alpha in ALPHAS
        for who, reviewers in REVIEWERS.items()
        if reviewers != CLEAN
    ]
    found += [
        Scenario(f"just above alpha, {who}", edge(0.02), 0.02, reviewers=reviewers)
        for who, reviewers in REVIEWERS.items()
        if reviewers != CLEAN
    ]
    return found


def changing(world: World, alpha: float, shift: float, hidden: tuple[float, float]) -> list[Scenario]:
    """One world that changes in six ways, and two of them with reviewers as they are."""

    def to(name: str, after: World, ramp: int = 0, reviewers: Reviewers = CLEAN) -> Scenario:
        return Scenario(name, world, alpha, after=after, ramp=ramp, reviewers=reviewers, kind="change")

    confidently_wrong = replace(world, hidden_from=hidden[0], hidden_error=hidden[1])
    mix = replace(world, a=world.a * 0.6, b=world.b * 1.3)
    return [
        to("abrupt", world.worse(shift)),
        to("gradual", world.worse(shift), ramp=8_000),
        to("confidently wrong", confidently_wrong),
        to("slightly worse", world.worse(shift * 0.4)),
        to("improvement", world.worse(-0.8 * shift)),
        to("mix shift", mix),
        to("abrupt, all of it", world.worse(shift), reviewers=EVERYTHING),
        to("confidently wrong, all of it", confidently_wrong, reviewers=EVERYTHING),
    ]


TABLE_STATIONARY = Scenario("table", TABLE, 0.03)
TABLE_CHANGE = Scenario("table, abrupt", TABLE, 0.03, after=TABLE.worse(1.3), kind="change")

TUNING: list[Scenario] = [
    TABLE_STATIONARY,
    TABLE_CHANGE,
    *stationary(SHAPES, "underconfident"),
    *changing(TABLE, 0.03, 1.3, (0.9, 0.08)),
]
SCORING: list[Scenario] = [
    *stationary(SCORING_SHAPES, "calibrated"),
    *changing(SCORING_SHAPES["underconfident"], 0.02, 1.1, (0.93, 0.07)),
    *changing(SCORING_SHAPES["calibrated"], 0.05, 1.0, (0.9, 0.12)),
    *changing(World(7.0, 0.5, intercept=0.9), 0.01, 1.2, (0.95, 0.04)),
]


@dataclass(frozen=True)
class SmallTypes:
    """Many decision types with little traffic each: ``types`` keys, the i-th with decisions ~ 1/(i+1)^.7."""

    name: str
    worlds: tuple[World, ...]
    """Type i lives in world i modulo their number."""
    alpha: float
    delta: float = 0.10
    types: int = 40
    decisions: int = 60_000


SMALL_TUNING = SmallTypes("40 small types", (TABLE, TABLE.worse(0.5), TABLE.worse(-0.5)), 0.03)
SMALL_SCORING = SmallTypes(
    "60 small types",
    (SCORING_SHAPES["underconfident"], SCORING_SHAPES["calibrated"], TABLE, SHAPES["overconfident"]),
    0.05,
    types=60,
)
