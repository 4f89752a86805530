"""What a fit through an Imitator decides: where it starts, choices, and the colours of hair and irises."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from facenn.fitting.critic import Critic, draw
from facenn.fitting.face import coarse
from facenn.fitting.kin import HAIR, IRISES, Relatives, hair_columns, rarity
from facenn.fitting.target import Target, irises_in
from facenn.losses import colour_loss
from facenn.schedule import quadratic_decay
from facenn.schema import ParameterSchema, Vector

COLOURING, COLOURING_RATE, FLOOR = 16, 0.1, 0.002  # steps of a colour, their learning rates from start to end
PULL = 0.02  # loss of such sliders as far from usual as can be: small differences shall not make hair red
RARE = 0.006  # loss that an option costs which a third of the people wear, about


@torch.no_grad()
def best_start(critic: Critic, target: Target, candidates: Vector, schema: ParameterSchema) -> Tensor:
    """(P,) the one of (N, P) people who looks most like one photo, with the hair of the one whose colours do.

    Args:
        critic: draws and compares.
        target: one photo.
        candidates: (N, P) people.
        schema: what the parameters mean.
    """
    vectors = torch.from_numpy(candidates).to(target.embedding)
    squares = critic.frozen.finder.square(target.landmarks)
    found = [critic.losses(target, vector[None], squares)[0] for vector in vectors]
    best = vectors[torch.cat([critic.total(terms) for terms in found]).argmin()].clone()
    columns = hair_columns(schema)
    best[columns] = vectors[torch.cat([terms["colour"] for terms in found]).argmin(), columns]
    return best


@torch.no_grad()
def decided(critic: Critic, target: Target, vector: Tensor, squares: Tensor, kin: Relatives, schema: ParameterSchema
            ) -> Tensor:
    """(P,) the same face with the best option of each choice, one after the other, the best hair, and irises.

    Args:
        critic: draws and compares.
        target: one photo.
        vector: (P,) parameters, choices as probabilities.
        squares: where the face is looked for in the pictures.
        kin: people like this one, whose hair and irises are tried as well; what few of them wear has to look better by
            a little. What is locked for them stays.
        schema: what the parameters mean.
    """
    outlined = replace(target, colour_weights=target.outline_weights)
    vector = torch.from_numpy(kin.lock.applied(schema.project(to_array(vector)))).to(vector)

    def best(tried: Tensor, *, by_colour: bool) -> Tensor:
        found = [critic.losses(outlined, one[None], squares)[0] for one in tried]
        totals = [terms["colour"] if by_colour else critic.total(terms) for terms in found]
        rare = torch.from_numpy(rarity(to_array(tried), kin.usual, schema)).to(vector)
        chosen: Tensor = tried[(torch.cat(totals) + RARE * rare).argmin()]
        return chosen

    # before its style: hair that reaches too far could hide in the wall's colour
    vector = _with_hair_colour(critic, target, vector, kin, schema)
    for choice in schema.choices:
        where = schema.slices[choice.name]
        if not kin.lock.held[where].any():
            tried = vector.repeat(len(choice.options), 1)
            tried[:, where] = torch.eye(len(choice.options)).to(vector)
            vector = best(tried, by_colour=choice.group == HAIR)
    return _with_irises(critic, target, _with_hair_colour(critic, target, vector, kin, schema), squares, kin, schema)


def decided_columns(schema: ParameterSchema) -> list[int]:
    """Numbers of the parameters that ``decided`` decides."""
    irises = [i for i, s in enumerate(schema.sliders) if s.group == IRISES]
    return sorted({*range(len(schema.sliders), schema.size), *hair_columns(schema), *irises})


def _with_hair_colour(critic: Critic, target: Target, vector: Tensor, kin: Relatives, schema: ParameterSchema
                      ) -> Tensor:
    """(P,) the same face with hair whose coarse colours are most like the photo's."""
    def loss_in(drawn: Tensor) -> Tensor:
        return colour_loss(coarse(drawn), target.colours, weights=target.hair_weights)

    return _fitted(critic, vector, _free(HAIR, schema, kin), kin, loss_in) if target.hair_weights.any() else vector


def _with_irises(critic: Critic, target: Target, vector: Tensor, squares: Tensor, kin: Relatives,
                 schema: ParameterSchema) -> Tensor:
    """(P,) the same face with irises of the photo's colour: a recognition network would make dark eyes olive."""
    def loss_in(drawn: Tensor) -> Tensor:
        return (irises_in(drawn, points) - target.irises).abs().mean(1)

    free = _free(IRISES, schema, kin)
    points = critic.frozen.finder.landmarks(draw(critic.imitator, vector[None]), squares)[0] if free else squares
    return _fitted(critic, vector, free, kin, loss_in)


def _free(group: str, schema: ParameterSchema, kin: Relatives) -> list[int]:
    """Numbers of a group's sliders that are not locked."""
    return [i for i, s in enumerate(schema.sliders) if s.group == group and not kin.lock.held[i]]


def _fitted(critic: Critic, vector: Tensor, sliders: Sequence[int], kin: Relatives,
            loss_in: Callable[[Tensor], Tensor]) -> Tensor:
    """(P,) the same face with some sliders moved until a loss of its picture is least.

    Starts at the best of the face's own and its relatives' sliders, and is pulled towards what is usual among them.
    """
    def loss_of(values: Tensor) -> Tensor:
        moved = vector.index_copy(0, torch.tensor(sliders, device=vector.device), values)
        return loss_in(draw(critic.imitator, moved[None])) + PULL * (values - usual).square().mean()

    if not sliders:
        return vector
    usual = torch.from_numpy(kin.usual[sliders]).to(vector)
    tried = torch.cat([vector[None, sliders], torch.from_numpy(kin.candidates[:, sliders]).to(vector)])
    values = tried[torch.cat([loss_of(one) for one in tried]).argmin()].clone().requires_grad_()
    optimizer = torch.optim.Adam([values])
    for done in range(COLOURING):
        optimizer.param_groups[0]["lr"] = quadratic_decay(done, COLOURING, COLOURING_RATE, FLOOR)
        optimizer.zero_grad()
        with torch.enable_grad():
            torch.autograd.backward(loss_of(values))
        optimizer.step()
        values.data.clamp_(0, 1)
    moved = vector.clone()
    moved[sliders] = values.detach()
    return moved


def to_array(vectors: Tensor) -> Vector:
    """Parameters off the device and the graph."""
    array: Vector = vectors.detach().cpu().numpy()
    return array
