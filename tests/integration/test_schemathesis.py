"""Requests that schemathesis makes of /openapi.json, sound and unsound ones: no 5xx, no status and no answer that the
description does not know, nothing accepted that it forbids."""

import re
import subprocess
import sys

import pytest

from server import ROOT, Server

TEMPLATE = ROOT / "tests/integration/templates/chatml.jinja"


@pytest.mark.timeout(3500)
def test_the_server_is_as_described(tmp_path):
    # Few tokens, because a schema cannot say what is expensive; and some requests mean more than a schema can say, so
    # that one which fits it may still be refused.
    with Server("--backend", "fake", "--fake-step-time", "0", "--max-total-tokens", "512", "--max-choices", "2",
                "--chat-template", str(TEMPLATE)) as server:
        ended = subprocess.run(
            [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "run",
             f"{server.url}/openapi.json", "--max-examples", "8", "--seed", "1", "--phases", "coverage,fuzzing", "--checks", "all", "--no-color",
             "--exclude-checks", "positive_data_acceptance,ignored_auth", "--request-timeout", "30",
             "--generation-database", "none"],
            cwd=tmp_path, capture_output=True, text=True, timeout=3400, check=False)
        assert ended.returncode == 0, ended.stdout[-6000:] + ended.stderr[-2000:]
        operations = sum(len(item) for item in server.http.get("/openapi.json").json()["paths"].values())
        tested = int(re.search(r"Tested: (\d+)", ended.stdout)[1])
        assert tested >= operations - 1, "all but the description itself, which it has read already"
        server.wait_until_free()
