"""What others say of our signatures and our form: awkward messages, captured after a whole engine."""

import os
import shutil

import pytest

from bench import signatures

MESSAGES = 300


@pytest.mark.system
def test_three_verifiers_agree_with_every_signature() -> None:
    document = signatures.run(MESSAGES, seed=int(os.environ.get("PYTEST_SEED", "1")), seconds=60)
    assert document["finals"] == {"delivered": MESSAGES}
    assert document["captured"] == MESSAGES
    assert document["distinct"] == MESSAGES
    assert document["form_faults"] == []
    assert document["dkimpy_faults"] == []
    if document["opendkim_faults"] is None or document["mail_dkim_faults"] is None:
        missing = [name for name in ("opendkim", "perl") if shutil.which(name) is None]
        pytest.skip(f"not all verifiers are here ({missing}): apt-get install opendkim libmail-dkim-perl")
    assert document["opendkim_faults"] == []
    assert document["mail_dkim_faults"] == []
