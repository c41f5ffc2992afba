"""The API under a fuzzer that reads its description: no bug shows, and answers are as described."""

import logging

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import sampled_from
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from app.policy.console import Allowance

HEALTH = list(HealthCheck)
EXAMPLES = 15
"""For each operation. A run over night takes thousands; this many find what a change breaks at once."""


CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]


@pytest.fixture
def busy(make_house):
    """A console with work in it."""
    house = make_house(changes=Allowance(10**9, 1))
    house.identifiers = [house.ask("exp-1"), house.ask("exp-2", blind=True)]
    return house


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_no_request_brings_the_api_down(busy, mode, caplog):
    caplog.set_level(logging.CRITICAL)
    headers = busy.program("cleo").headers
    schema = schemathesis.openapi.from_asgi("/openapi.json", busy.app, headers={"Host": "localhost"})
    tried = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path.endswith("/events"):  # never end
            continue

        @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=HEALTH)
        @given(case=operation.as_strategy(generation_mode=mode), known=sampled_from([0, 1, None]))
        def try_it(case, known):
            nonlocal tried
            if known is not None and "review_id" in (case.path_parameters or {}):
                case.path_parameters["review_id"] = busy.identifiers[known]
            response = case.call(headers={"Authorization": headers["Authorization"], "Host": "localhost"})
            # What is replaced here, a made-up token or id, is not what is wrong with the request any more.
            as_made = known is None and "Authorization" not in (case.headers or {})
            case.validate_response(response, checks=CHECKS if as_made else CHECKS[:-1])
            tried += 1

        try_it()
    assert tried >= EXAMPLES
