"""Training functions that jobs of the tests run: each does one thing a person's code may do."""

import hashlib
import os
import signal
import tempfile
import threading
import time
from pathlib import Path

import mlflow
import ray.train
import torch

import journeyman


def unaware(config):
    """Knows nothing of Journeyman: reports, checkpoints, and its own MLflow calls on every rank."""
    digest = hashlib.sha256(os.environ["TEST_TOKEN"].encode()).hexdigest()
    assert digest == config["token_sha256"], "the secret is not what was set"
    assert os.environ["GREETING"] == "hello"
    assert Path(os.environ["JOURNEYMAN_DATA_TRAIN"]).read_text() == "1,2,3\n"
    assert Path("loops.py").is_file()
    mlflow.set_experiment("another one")
    with mlflow.start_run(run_name="mine"):
        mlflow.log_params({"lr": 0.1, "deep": 3})
        for step in range(5):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        thread = threading.Thread(target=lambda: mlflow.MlflowClient().set_tag(run_id(), "from", "thread"))
        thread.start()
        thread.join()
    for epoch in range(3):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "epoch").write_text(str(epoch))
            ray.train.report(
                {"epoch": epoch, "accuracy": {"test": epoch / 10}},
                checkpoint=ray.train.Checkpoint.from_directory(folder),
            )
    print(f"rank {ray.train.get_context().get_world_rank()} says goodbye")


def run_id():
    return mlflow.active_run().info.run_id if mlflow.active_run() else os.environ["JOURNEYMAN_RUN_ID"]


def raises(config):
    if ray.train.get_context().get_world_rank() == 1:
        raise ValueError("no such column: price")
    ray.train.report({"epoch": 0})


def raises_at_length(config):
    """In another language than English, and more of it than a record has room for."""
    raise ValueError("内存不足" * 2000)


def dies_once(config):
    """Rank 1 is killed after the second of four epochs, the first time."""
    checkpoint = ray.train.get_checkpoint()
    first = 0
    if checkpoint:
        with checkpoint.as_directory() as folder:
            first = int((Path(folder) / "epoch").read_text()) + 1
    for epoch in range(first, 4):
        journeyman.log({"loss": 1 / (epoch + 1)}, step=epoch)
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "epoch").write_text(str(epoch))
            ray.train.report({"seen": float(epoch)}, checkpoint=ray.train.Checkpoint.from_directory(folder))
        if epoch == 1 and first == 0 and ray.train.get_context().get_world_rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL)


def counts(config):
    for step in range(3):
        journeyman.log({"count": step}, step=step)


def sleeps(config):
    ray.train.report({"awake": 1.0})
    time.sleep(600)


class Looping(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 4)

    def forward(self, x):
        if x.sum() > 2:  # Which way it goes depends on the data: nothing can export this.
            x = x + 1
        return self.linear(x)


def cannot_publish(config):
    journeyman.publish(Looping(), example=torch.rand(2, 4))


class Pair(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(10, 4)

    def forward(self, ids, weights):
        hidden = self.embed(ids).sum(1) * weights
        return {"score": hidden.sum(1, keepdim=True), "hidden": hidden}


def publishes_pair(config):
    """Several inputs, several outputs, published by one rank while the other is done already."""
    if ray.train.get_context().get_world_rank() == 0:
        return
    time.sleep(3)
    torch.manual_seed(0)
    journeyman.publish(Pair(), example={"ids": torch.tensor([[1, 2, 3]]), "weights": torch.rand(1, 4)})


def logs_model(config):
    """Publishes by MLflow's own means alone."""
    if ray.train.get_context().get_world_rank() == 0:
        import numpy as np
        from mlflow.models import infer_signature

        model, example = torch.nn.Linear(4, 2).eval(), np.random.rand(3, 4).astype("float32")
        signature = infer_signature(example, model(torch.from_numpy(example)).detach().numpy())
        mlflow.pytorch.log_model(model, name="net", input_example=example, signature=signature)


def fills_storage(config):
    """Checkpoints of a megabyte each until there is no room for another."""
    for epoch in range(16):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "weights").write_bytes(os.urandom(1_000_000))
            ray.train.report({"epoch": epoch}, checkpoint=ray.train.Checkpoint.from_directory(folder))


def publishes_large(config):
    journeyman.publish(torch.nn.Linear(1000, 1000), example=torch.rand(2, 1000))


def resumes_from_another_model(config):
    with tempfile.TemporaryDirectory() as folder:
        torch.save(torch.nn.Linear(4, 3).state_dict(), Path(folder) / "model.pt")
        torch.nn.Linear(5, 3).load_state_dict(torch.load(Path(folder) / "model.pt"))
