import pytest
import redis

from app.review_queue.store import is_outage


@pytest.mark.parametrize(
    "error",
    [
        redis.ConnectionError("gone"),
        redis.TimeoutError("slow"),
        redis.ResponseError("BUSY Redis is busy running a script."),
        redis.ResponseError("NOPERM this user has no permissions"),
        redis.ResponseError("OOM command not allowed"),
        redis.ResponseError("MOVED 3999 127.0.0.1:6381"),
        redis.exceptions.NoScriptError("No matching script"),
        OSError("reset"),
    ],
    ids=str,
)
def test_a_store_in_trouble_is_waited_out(error):
    assert is_outage(error)


@pytest.mark.parametrize(
    "error",
    [
        redis.ResponseError("WRONGTYPE Operation against a key"),
        redis.ResponseError("ERR Error running script (call to f_1): user_script:3: attempt to index"),
        ValueError("ours"),
    ],
    ids=str,
)
def test_a_bug_of_ours_is_no_outage(error):
    assert not is_outage(error)
