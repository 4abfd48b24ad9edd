"""Fitting the network to kept states, and hearing clips with it."""

import logging
import time
from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from training.corpus import Clip
from training.graph import Encoder
from training.network import Network
from training.relative import ClassMeans
from training.sampling import Batch, Options, Sampler, Stage
from training.states import States

_LOG = logging.getLogger("training")


def fit(
    clips: Sequence[Clip],
    versions: Sequence[States],
    encoder: Encoder,
    options: Options,
    *,
    seed: int,
    placed: Sequence[States] = (),
) -> Network:
    """Fit a network to clips, each heard in the versions that have it; the first one is as recorded.

    Args:
        clips: to fit to.
        versions: of their states.
        encoder: that they come from.
        options: how.
        seed: of all that is random.
        placed: versions that are like everyday recordings.
    """
    torch.manual_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    sampler = Sampler(clips, versions, options, seed, placed)
    sample = torch.cat([sampler.draw(options.stages[0]).states.flatten(0, 1) for _ in range(8)])
    sample = sample.chunk(2, dim=-1)[1]
    mean, deviation = sample.mean(dim=0), sample.std(dim=0) + 1e-4
    numbers = range(encoder.taps[0] + 1, encoder.taps[-1] + 1)
    network = Network(encoder.variables, numbers, options.shape, mean, deviation)
    network.to(device)
    for stage in options.stages:
        network = _run(network, sampler, stage, options)
    return network


def _run(network: Network, sampler: Sampler, stage: Stage, options: Options) -> Network:
    """One stage; gives the network with averaged weights.

    A rate that stays keeps the weights moving about in what fits, and their mean lies in its middle, which holds
    for other speakers too (Cha et al., SWAD: domain generalization by seeking flat minima, 2021).
    """
    started = time.monotonic()
    device = network.bias.device
    network.train()
    network.frozen = not stage.block_rate
    block = {id(parameter) for parameter in network.blocks.parameters()}
    upper = [parameter for parameter in network.parameters() if id(parameter) not in block]
    groups = [{"params": upper, "lr": stage.rate}]
    if stage.block_rate:
        groups.append({"params": list(network.blocks.parameters()), "lr": stage.block_rate})
    optimiser = torch.optim.AdamW(groups, weight_decay=options.decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: min(1, (step + 1) / options.warming))
    averaged = AveragedModel(network)
    means = ClassMeans(options.shape.units)
    losses = []
    for step in track(range(stage.steps), description="Fitting"):
        batch = sampler.draw(stage)
        # Without matrix units a CPU emulates bfloat16: a step took twice as long as in float32.
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            units = network(batch.states.to(device), batch.present.to(device))
        shares = batch.shares.to(device)
        mixed = shares * units + (1 - shares) * units.roll(1, 0)
        loss = _loss(network.classify(mixed), batch)
        if options.relative:
            means.add(units.detach(), batch)
            loss = loss + _loss(network.classify(means.moved(units, batch)) - network.usual, batch, grouped=True)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        if step >= (1 - options.averaging) * stage.steps:
            averaged.update_parameters(network)
        losses.append(float(loss.detach()))
        if (step + 1) % 200 == 0 or step + 1 == stage.steps:
            seconds = time.monotonic() - started
            _LOG.info("step %d: loss %.3f, %.0f s", step + 1, np.mean(losses[-200:]), seconds)
    fitted = cast("Network", averaged.module)
    fitted.eval()
    return fitted


def _loss(logits: Tensor, batch: Batch, *, grouped: bool = False) -> Tensor:
    """Cross entropy of logits (B, members, 9), by the weights of the clips; `grouped`: of those of groups."""
    device = logits.device
    logits = logits.masked_fill(~batch.allowed.to(device)[:, None], -1e4)
    losses = -(batch.wanted.to(device)[:, None] * torch.log_softmax(logits, -1)).sum(-1).mean(dim=1)
    weights = (batch.weights * (batch.groups >= 0) if grouped else batch.weights).to(device)
    return (weights * losses).sum() / len(losses)


def hear(network: Network, clips: Sequence[Clip], states: States) -> NDArray[np.float32]:
    """Logits (clips, 9) of the mean over all frames of each clip."""
    adaptor = network.to_adaptor()
    logits: NDArray[np.float32] = embed(network, clips, states) @ adaptor.head_weight.T + adaptor.head_bias
    return logits


def embed(network: Network, clips: Sequence[Clip], states: States) -> NDArray[np.float32]:
    """Embeddings (clips, D), the means over all frames of each clip."""
    device = network.bias.device
    rows = np.zeros((len(clips), network.shape.units), np.float32)
    with torch.inference_mode():
        for row, clip in enumerate(clips):
            frames = torch.from_numpy(np.array(states.of(clip))[None]).to(device).float()
            present = torch.ones(frames.shape[:2], dtype=torch.bool, device=device)
            rows[row] = network(frames, present)[0].cpu().numpy()
    return rows
