"""Policy texts that several tests start from."""

MINIMAL = """\
name: minimal
pools:
  reviewers: {title: Reviewers}
decision_types:
  expense.approval:
    question: Approve this expense report?
    pool: reviewers
    required_facts: [amount]
    consequence:
      financial: {score: facts.amount / 10000}
"""


def with_lines(*lines: str) -> str:
    """The minimal policy with more lines in its decision type, beginning at line 11."""
    return MINIMAL + "".join(f"    {line}\n" for line in lines)
