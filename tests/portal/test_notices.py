"""What one line says about what was done: read as a sentence that begins with the session's name."""

import pytest

from sessions_app.models import Operation, Step
from sessions_app.models.journal import StepState, Verb
from sessions_app.views.notices import notice_of


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            "Renewed: it now ends at 2026-11-29 19:58 UTC.",
            "was renewed: it now ends at 2026-11-29 19:58 UTC.",
        ),
        ("Renewed. The new end is not known yet.", "was renewed. The new end is not known yet."),
        (
            "The platform kept the end at 2026-11-29 19:58 UTC.",
            "ends as before. The platform kept the end at 2026-11-29 19:58 UTC.",
        ),
    ],
)
def test_a_renewal_is_told_as_a_sentence_about_the_session(message, said):
    operation = Operation(slug="a", verb=Verb.RENEW)
    step = Step(operation=operation, position=0, name="m31", state=StepState.DONE, message=message)
    assert notice_of(operation, [step], held=False).words == said
