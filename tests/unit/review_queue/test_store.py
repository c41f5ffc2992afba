import pytest
import redis

from app.review_queue.store import Script, is_outage, with_what_it_uses


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


def test_a_script_begins_with_what_it_uses_and_nothing_else():
    shared = """local A = 'a'
local B = 'b'

-- named by what the verb names
local function inner(x)
  local y = A .. x
  return y
end

local function outer(x) return inner(x) end

local function unused(x) return outer(B) end
"""
    text = with_what_it_uses("return outer(KEYS[1])\n", shared)
    assert [line for line in text.splitlines() if line.startswith("local")] == [
        "local A = 'a'",
        "local function inner(x)",
        "local function outer(x) return inner(x) end",
    ]
    assert text.endswith("return outer(KEYS[1])\n")
    enqueue = Script("enqueue").text
    assert "local REVIEW = 'review:'" in enqueue
    assert "local function step" not in enqueue
