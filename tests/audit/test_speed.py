import time

import pytest
from threadpoolctl import threadpool_limits

from tfhealth.bench.audit import audit, made_up_answers


@pytest.mark.slow
def test_twenty_artifacts_by_five_features_with_1000_draws_take_under_a_minute():
    """Processor seconds of one core: the same whether or not the machine has other work. sex x age makes it five."""
    models = [made_up_answers(seed) for seed in range(21)]
    with threadpool_limits(1):  # waiting threads would count
        start = time.process_time()
        prepared, changes = audit(models)
        seconds = time.process_time() - start
    print(f"{seconds:.1f} processor seconds")
    assert len(changes) == 20
    assert len(prepared) == 5
    assert seconds < 60
