"""What `hitl demo --retrain` reports, as typed values. Shares are in [0, 1]; nothing but ``elapsed_s``
depends on the machine."""

from __future__ import annotations

from app.demo.report import Part, Share


class Version(Part, frozen=True):
    """A version of the model: what it learned from, and how good it is on answers set aside for testing."""

    name: str
    facts: int
    """How many facts it sees."""
    trained_on: int
    log_loss: float
    """On the test part of the training set, weighted, in nats; lower is better."""


class TrainingSet(Part, frozen=True):
    """What people's answers became."""

    rows: int
    decisions: int
    changed: int
    """Decisions whose recommendation a person, or a later truth, called wrong."""
    train: int
    test: int
    largest_weight: float


class Stretch(Part, frozen=True):
    """A number of decisions in a row under one version in charge."""

    decisions: int
    automated: Share
    error: Share
    """Of what ran alone, against what lenders really did."""
    human_work: float
    """Answers of people per decision."""


class Certified(Part, frozen=True):
    """The evidence of a version's learning key at one moment."""

    threshold: float
    automates: bool
    certified: float | None
    labels: int
    errors: int
    labels_needed: int
    reason: str


class Step(Part, frozen=True):
    """The last decision of a stride, and what ran alone in it and would have in the shadow."""

    decisions: int
    automated: float
    in_shadow: float | None


class Chapter(Part, frozen=True):
    """The whole loop: answers, training set, a new version, shadow, certificate, takeover."""

    seed: int
    alpha: float
    delta: float
    answered: int
    """Decisions of the stream that taught."""
    training_set: TrainingSet
    first: Version
    second: Version
    held_out: int
    """Applications that neither version has seen, from which the rest is drawn with replacement."""
    shadowed: int
    """Decisions that the new version accompanied as a shadow."""
    first_certified_after: int | None
    """Decisions until the version in charge ran anything alone; ``None``: never."""
    second_certified_after: int | None
    """Decisions until the shadow would have."""
    before: Stretch
    after: Stretch
    evidence_first: Certified
    evidence_second: Certified
    steps: list[Step]
    simulated: list[str]
    elapsed_s: float
