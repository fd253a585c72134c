"""Ways to run members: by threads, and by joblib on workers of its own or of another engine."""

import distributed
import joblib
import numpy as np
import pytest
import theanets
from theanets.trainer.sweeps import pool

from .test_run import DATA, OPTIONS, alone, assert_same, build


def test_the_way_is_chosen_by_mode_and_cores(monkeypatch):
    monkeypatch.setattr(pool, "cores", lambda: 5)
    assert pool.choose(None)[0] == 1 and "FAST_COMPILE" in pool.choose(None)[1]
    theanets.set_mode("XLA")
    try:
        assert pool.choose(None) == (5, "a thread for each of 5 cores")
        assert pool.choose(np.int64(3))[0] == 3
        seen = []
        pool.run(lambda task, stop: seen.append(pool.choose(None)[0]), [1, 2], 2, lambda result: False)
        assert seen == [1, 1]
        with monkeypatch.context() as patch:
            patch.setattr("theanets.modes.plan", lambda devices=None: devices and "plan")
            assert pool.choose(None, [None, 2])[0] == 1 and pool.choose(None, [None])[0] == 5
            patch.setattr("theanets.xla.processes.count", lambda: 2)
            assert pool.choose(None)[0] == 1
            with pytest.raises(theanets.util.ConfigurationError, match="jobs=2: several processes"):
                pool.choose(2)
    finally:
        theanets.set_mode(None)
    with joblib.parallel_config("threading", n_jobs=2):
        assert not isinstance(pool.choose(None)[0], int)
    assert isinstance(pool.choose(None)[0], int)


@pytest.mark.parametrize("way", ["active", "given"])
def test_members_by_joblib(way):
    grid = dict(rng=range(2), learning_rate=[0.1, -1])
    context = joblib.parallel_config("threading", n_jobs=2)
    if way == "given":
        result = theanets.sweep(build, *DATA, grid=grid, jobs=context, **OPTIONS)
    else:
        with context:
            result = theanets.sweep(build, *DATA, grid=grid, **OPTIONS)
    assert [member.error is None for member in result] == [True, False] * 2
    for member in result.members[::2]:
        assert_same(member, alone(member.settings))
    # the context has ended.
    assert type(joblib.parallel.get_active_backend()[0]).__name__ == "LokyBackend"


def test_members_on_a_dask_cluster():
    with (
        distributed.LocalCluster(1, threads_per_worker=2, processes=False, dashboard_address=None) as cluster,
        distributed.Client(cluster),
    ):
        context = joblib.parallel_config(backend="dask")
        result = theanets.sweep(build, *DATA, grid=dict(rng=range(3)), jobs=context, **OPTIONS)
    for member in result:
        assert_same(member, alone(member.settings))
