"""The study: nine tasks, each in 24 configurations, put to every model that the run names."""

from design import configurations
from tasks import task

from robusttest import robust


def study(name):
    @robust(task(name), perturbations=configurations(name), variants=1)
    def test(): ...

    return test


test_topic = study("topic")
test_purpose = study("purpose")
test_mood = study("mood")
test_parcel = study("parcel")
test_total = study("total")
test_comparison = study("comparison")
test_calendar = study("calendar")
test_promise = study("promise")
test_parity = study("parity")
