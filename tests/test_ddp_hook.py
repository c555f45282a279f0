"""The communication hook in two processes over gloo: the steps of the lanes, bit for bit, and every bit counted."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import theory_sim as ts
from theory_sim import compressors
from theory_sim.rules.language import Round, Stage

torch = pytest.importorskip("torch", reason='needs torch: pip install "theory-sim[torch]"')
ddp = pytest.importorskip("theory_sim.wire.ddp")

WORKERS, STEPS = 2, 25


def slope(x: float, i: int, j: int) -> float:
    """Worker j has a quadratic of its own: of curvature j + 1, with its minimum at 1 - 2 j + 0.3 i."""
    return (j + 1.0) * (x - (1.0 - 2.0 * j + 0.3 * i))


# One model with two parameters of three numbers, each with these gradients.
PROBLEM = ts.Problem("two quadratics", slope, dim=3, start=(0.4, -0.2, 1.1))
METHODS = {
    "sign": ts.ef_sgd(0.1, up=compressors.l1_sign(), down=compressors.l1_sign(), schedule=ts.power(0.5)),
    "top": ts.ef_sgd(0.1, up=compressors.top_k(1), error_feedback=False),
    "drawn": ts.ef_sgd(0.1, up=compressors.qsgd(2), down=compressors.qsgd(4)),
    "adam": ts.efficient_adam(0.05, up=compressors.l1_sign(), down=compressors.identity(word=64)),
    "server": ts.comp_ams(0.05, up=compressors.top_k(2)),
}

RANK = """
import os, sys
from datetime import timedelta
import numpy as np
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

torch.set_num_threads(1)
sys.path.insert(0, sys.argv[3])
from tests.test_ddp_hook import METHODS, PROBLEM, STEPS, WORKERS
from theory_sim.engine import evaluate
from theory_sim.wire.ddp import ddp_hook

rank, folder = int(sys.argv[1]), sys.argv[2]
os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
dist.init_process_group(
    "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=WORKERS, timeout=timedelta(seconds=60)
)

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        start = torch.tensor(PROBLEM.start, dtype=torch.float64)
        self.one, self.two = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())

    def forward(self, t):
        return sum((one * gradient(one, t)).sum() for one in (self.one, self.two))

def gradient(x, t):
    point = x.detach().numpy()[None]
    all_workers = evaluate.gradients(PROBLEM, point, t=t, index=0, uniforms=np.zeros((0, 1)), workers=WORKERS)
    return torch.from_numpy(all_workers[rank, 0].copy())

out = {}
for name, method in METHODS.items():
    # The smallest buckets: torch rebuilds them after the first step, in the order in which gradients arrive.
    model = DistributedDataParallel(Net(), bucket_cap_mb=1e-5 if name == "sign" else 25)
    state = ddp_hook(model, method, entropy=7)
    optimizer, path = torch.optim.SGD(model.parameters(), lr=1.0), []
    for t in range(1, STEPS + 1):
        if t == 11 and name == "drawn":  # a checkpoint
            kept = state.state_dict()
            state = ddp_hook(model := DistributedDataParallel(model.module), method, entropy=7)
            state.load_state_dict(kept)
        optimizer.zero_grad()
        model(t).backward()
        optimizer.step()
        path.append([one.detach().numpy().copy() for one in model.module.parameters()])
    out |= {name: np.array(path), name + "_bits": state.bits, name + "_bytes": state.bytes_sent}
np.savez(f"{folder}/rank{rank}.npz", **out)
dist.destroy_process_group()
"""


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What two processes report: iterates (step, parameter, coordinate), bits and bytes by method."""
    folder, root = tmp_path_factory.mktemp("ddp"), str(Path(__file__).parents[1])
    for method in METHODS.values():  # so that the processes find the kernels compiled
        ts.simulate(PROBLEM, method, steps=1, workers=WORKERS)
    said = [folder / f"rank{rank}.txt" for rank in range(WORKERS)]
    processes = []
    for rank, path in enumerate(said):
        with path.open("w") as file:
            command = [sys.executable, "-W", "ignore", "-c", RANK, str(rank), str(folder), root]
            processes.append(subprocess.Popen(command, stderr=file))
    try:
        codes = [process.wait(timeout=200) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert codes == [0] * WORKERS, "\n".join(path.read_text() for path in said)
    return [dict(np.load(folder / f"rank{rank}.npz")) for rank in range(WORKERS)]


@pytest.mark.parametrize("name", METHODS)
def test_two_processes_take_the_steps_of_the_lanes(ranks: list[Any], name: str) -> None:
    """Parameter i has the stream of seed i.  Only + - * / and roots, so there is nothing to tolerate."""
    method = METHODS[name]
    lanes = ts.simulate(
        PROBLEM, method, steps=STEPS, workers=WORKERS, seeds=2, entropy=7, checkpoints=range(1, STEPS + 1)
    )
    expected = lanes.x.transpose("checkpoint", "seed", "coordinate").values
    for rank in ranks:
        assert (rank[name] == expected).all()
        # Two parameters, STEPS messages each.
        assert rank[name + "_bits"] == 2 * method.bits(PROBLEM.dim, STEPS)[0]
        assert rank[name + "_bytes"] == 2 * STEPS * -(-method.bits(PROBLEM.dim, 1)[0] // 8)
    assert np.ptp(expected[-1, 0]) > 0.0


def test_the_methods_differ_from_plain_gradients(ranks: list[Any]) -> None:
    plain = ts.simulate(PROBLEM, ts.sgd(0.1), steps=STEPS, workers=WORKERS).x_final.values
    assert all(not np.allclose(ranks[0][name][-1, 0], plain) for name in METHODS)


def scaled(mean: float, lr: float, x: float) -> float:
    return 0.5 * x - lr * mean


def plain(g: float) -> float:
    return g


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        (ts.adam(), "it sends no messages to a server"),
        (ts.onebit_adam(), "its first messages are others"),
        (ts.ef21(), "it needs a number from all coordinates or workers"),
        (
            ts.Optimizer(
                "shrinking", Round(Stage(plain, ("p",)), Stage(scaled, ("x",))), 0.1,
                up=compressors.identity(), down=compressors.identity(),
            ),
            "its step depends on the parameters",
        ),
    ],
)  # fmt: skip
def test_what_has_no_hook(method: ts.Optimizer, reason: str) -> None:
    with pytest.raises(ValueError, match=f"{method.name} has no hook, as {reason}; use a method such as"):
        ddp.DDPState(method, [])
    with pytest.raises(TypeError, match="must be a model in DistributedDataParallel"):
        ddp.ddp_hook(torch.nn.Linear(2, 2), ts.ef_sgd())
