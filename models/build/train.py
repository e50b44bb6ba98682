"""Trains the network on rendered patches. Ctrl-C ends it, the same command goes on from the last checkpoint.

    train.py --patches DIR --run DIR [--count 1600] [--steps 1500]

Needs the environment of requirements-train.txt. Writes RUN/checkpoint.pt (resumes), RUN/weights.npz (the averaged weights,
what build_skin_net.py reads) and RUN/log.tsv. Validation patches come from seeds of their own; no photograph is read.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from skin_net import shards
from skin_net.batches import Batches
from skin_net.network import SkinNet, parameters

TRAIN_FIRST, CHECK_FIRST, CHECK_COUNT = 100_000, 200_000, 50
EMA = 0.998
MASKS = [0, 2, 3, 4]
WEIGHT = {0: 1.0, 2: 2.0, 3: 2.0, 4: 0.7}


def loss_of(logits, maps, known):
    """Binary cross-entropy and soft Dice for each mask, weighted cross-entropy for the centres, where the truth is known."""
    total = 0
    for nth in MASKS:
        x, t, k = logits[:, nth], maps[:, nth], known[:, nth]
        entropy = (F.binary_cross_entropy_with_logits(x, t, reduction="none") * k).sum() / k.sum()
        p = torch.sigmoid(x) * k
        dice = 1 - (2 * (p * t).sum() + 50) / (p.sum() + (t * k).sum() + 50)
        total = total + WEIGHT[nth] * (entropy + 0.3 * dice)
    x, t, k = logits[:, 1], maps[:, 1], known[:, 1]
    entropy = F.binary_cross_entropy_with_logits(x, t, reduction="none") * (1 + 5 * t) * k
    return total + 2 * entropy.sum() / k.sum()


def agreement(logits):
    """How far two captures of one scene differ in the mean of each map over cells of 32 px; they stand in pairs."""
    mean = F.avg_pool2d(torch.sigmoid(logits), 32)
    one, two = mean[0::2], mean[1::2]
    return ((one - two).abs() / (one + two + 0.05)).mean()


class Average:
    """The exponential average of weights and statistics: what is kept."""

    def __init__(self, net):
        self.values = {name: value.clone() for name, value in net.state_dict().items()}

    @torch.no_grad()
    def add(self, net, step):
        rate = min(EMA, (1 + step) / (10 + step))
        for name, value in net.state_dict().items():
            if value.dtype.is_floating_point:
                self.values[name].lerp_(value, 1 - rate)
            else:
                self.values[name].copy_(value)


@torch.no_grad()
def check(average, data, device_batch=8):
    """Pixel F1 at 0.5 of each map on whole validation patches."""
    net = SkinNet()
    net.load_state_dict(average.values)
    net.eval()
    hit, found, true = np.zeros(5), np.zeros(5), np.zeros(5)
    for images, maps, known in data.whole(device_batch):
        p = (torch.sigmoid(net(images)) > 0.5) & known
        t = (maps > 0.5) & known
        hit += (p & t).sum((0, 2, 3)).numpy()
        found += p.sum((0, 2, 3)).numpy()
        true += t.sum((0, 2, 3)).numpy()
    return 2 * hit / np.maximum(1, found + true)


def save(run, net, average, optimiser, step, seconds):
    part = run / "checkpoint.part"
    torch.save({"net": net.state_dict(), "average": average.values, "optimiser": optimiser.state_dict(), "step": step, "seconds": seconds}, part)
    part.rename(run / "checkpoint.pt")
    np.savez(run / "weights.npz", **{k: v.numpy() for k, v in average.values.items() if "num_batches" not in k})


def main():
    parser = argparse.ArgumentParser(description="train the skin network")
    parser.add_argument("--patches", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1_600)
    parser.add_argument("--steps", type=int, default=1_500)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--every", type=int, default=250, help="steps between two validations")
    parser.add_argument("--start", type=Path, help="weights.npz of an earlier run to begin with")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    arguments.run.mkdir(parents=True, exist_ok=True)
    data = Batches(shards.make(arguments.patches, TRAIN_FIRST, arguments.count, arguments.threads))
    held = Batches(shards.make(arguments.patches, CHECK_FIRST, CHECK_COUNT, arguments.threads))
    net = SkinNet()
    if arguments.start:
        with np.load(arguments.start) as earlier:
            net.load_state_dict({name: torch.from_numpy(earlier[name]) for name in earlier.files}, strict=False)
    net = net.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-4)
    average, first, spent = Average(net), 0, 0.0
    if (arguments.run / "checkpoint.pt").exists():
        kept = torch.load(arguments.run / "checkpoint.pt")
        net.load_state_dict(kept["net"])
        average.values, first, spent = kept["average"], kept["step"], kept["seconds"]
        optimiser.load_state_dict(kept["optimiser"])
    print(f"{parameters(net)} parameters, {len(data)} patches, from step {first} of {arguments.steps}", flush=True)
    cpu, started = time.process_time(), time.monotonic()
    losses = []
    for step in range(first, arguments.steps):
        rate = float(3e-3 * min(1, (step + 1) / 50) * 0.5 * (1 + np.cos(np.pi * step / arguments.steps)) + 1e-5)
        for group in optimiser.param_groups:
            group["lr"] = rate
        images, maps, known = data.batch(step)
        net.train()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = net(images.contiguous(memory_format=torch.channels_last))
        loss = loss_of(logits, maps, known) + 0.5 * agreement(logits)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimiser.step()
        average.add(net, step)
        losses.append(loss.item())
        done = step + 1
        if done % 25 == 0:
            left = (time.monotonic() - started) / (done - first) * (arguments.steps - done) / 60
            print(f"step {done} of {arguments.steps}, loss {np.mean(losses[-25:]):.3f}, about {left:.0f} min left", flush=True)
        if done % arguments.every == 0 or done == arguments.steps:
            seconds = spent + time.process_time() - cpu
            figures = check(average, held)
            save(arguments.run, net, average, optimiser, done, spent + time.process_time() - cpu)
            line = f"{done}\t{seconds:.0f}\t{np.mean(losses[-100:]):.4f}\t" + "\t".join(f"{f:.4f}" for f in figures)
            with open(arguments.run / "log.tsv", "a", encoding="utf-8") as log:
                log.write(line + "\n")
            print("step, CPU s, loss, pixel F1 of pore, centre, wrinkle, spot, shine: " + line, flush=True)
        elif done % 50 == 0:
            save(arguments.run, net, average, optimiser, done, spent + time.process_time() - cpu)


if __name__ == "__main__":
    main()
