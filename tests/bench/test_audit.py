from dataclasses import replace

import numpy as np

from tfhealth.audit.fairness import AuditSettings
from tfhealth.audit.rates import RATES, view_rates
from tfhealth.bench import audit


def test_loop_over_draws_finds_the_rates_that_the_audit_finds_at_once(monkeypatch):
    """So that the bench compares two ways to the same numbers; float32 weights keep six digits."""
    monkeypatch.setattr(audit, "SETTINGS", replace(AuditSettings(), draws=3, permutations=10))
    answers = audit.made_up_answers(0)
    view = audit.views_of([answers])[0]
    prepared = audit.prepare(answers, view)
    drawn = iter(audit.rates_draw_by_draw(view, prepared, 3))
    assert len(prepared) == 5
    for comparison in prepared:
        audited = view.take(comparison.rows)
        at_once = [view_rates(audited.take(rows), comparison.weights[:, rows]) for rows in comparison.members]
        for draw in range(3):
            for group, rates in enumerate(next(drawn)):
                for name in RATES:
                    np.testing.assert_allclose(rates[name][0], at_once[group][name][draw], rtol=1e-4, atol=1e-5)
