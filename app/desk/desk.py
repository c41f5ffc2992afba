"""The one way in for everything that a person does to a review, whatever the entry.

Each method asks ``app.domain.authority`` first, then the queue. What the queue alone can know (who holds
the lease, who takes part in the decision already) it checks itself, in the call that changes the state.
"""

from __future__ import annotations

from app.desk.deciding import Deciding
from app.desk.handing_on import HandingOn
from app.desk.informing import Informing
from app.desk.looking import Looking
from app.desk.taking import Taking


class ReviewDesk(Taking, Looking, Deciding, HandingOn, Informing):
    """Takes and gives everything under the policy in force (``app.desk.authority``)."""
