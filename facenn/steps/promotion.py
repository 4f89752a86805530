"""Whether an evaluated Imitator becomes its character's champion: better on renders that neither learned from."""

from dataclasses import dataclass

from facenn.arrays import Rows
from facenn.dataset import Faces
from facenn.evaluation import HeldOut, held_out
from facenn.exchange.renders import RendersFolder
from facenn.networks.checkpoints import load_imitator, schema_difference
from facenn.networks.imitator import Imitator
from facenn.schema import ParameterSchema
from facenn.steps.project import Project
from facenn.steps.record import SEEN_FILE, unseen
from facenn.steps.registry import model_name, shipped
from facenn.tracking import CHAMPION, Registered, fetch, mark, registered


@dataclass(frozen=True)
class Contest:
    """How an Imitator did against the champion.

    Attributes:
        champion: model and version, or the name of the shipped file; None where there was none.
        l1: of the champion, mean absolute error of RGB in [0, 1]; None where they could not be compared.
        psnr: of the champion.
        ssim: of the champion.
        challenger_l1: of the evaluated Imitator on the same renders.
        faces: how many renders they were compared on.
        promoted: whether the evaluated Imitator is the champion from now on.
        verdict: what happened, as a sentence.
    """

    champion: str | None
    l1: float | None
    psnr: float | None
    ssim: float | None
    challenger_l1: float | None
    faces: int
    promoted: bool
    verdict: str


def challenge(imitator: Imitator, folder: RendersFolder, rows: Rows, *, version: str, run_id: str, project: Project,
              promote: bool) -> Contest:
    """Compare an Imitator with the champion of its character, and make the better one champion.

    The champion is the registry's, or else the shipped one. Renders that it learned from are left out: the same faces
    can be held out by one training and learned by another, and an error on them would flatter. Which ones they were is
    known of registered Imitators; the shipped ones learned from renders of seeds 21 and 22.

    An Imitator of another resolution has its pictures enlarged, as a fit enlarges them. One of another schema cannot
    be compared: its place is taken, unless its schema is the newer one.

    Args:
        imitator: the challenger, of the folder's schema.
        folder: renders.
        rows: those that the challenger has not learned from.
        version: of the challenger in the registry.
        run_id: of its training; a version of another training is not the challenger.
        project: whose registry or shipped Imitators hold the champion; the better one is entered there.
        promote: False compares and changes nothing.
    """
    known = registered(project.tracking, model_name(folder.schema.character))
    own = next((m for m in known if (m.version, m.run_id) == (version, run_id)), None)
    reigning = next((m for m in known if CHAMPION in m.aliases), None)
    contest = _compare(imitator, folder, rows, own, reigning, project)
    if not contest.promoted:
        return contest
    if not promote or own is None:
        reason = "its version is not in this registry" if own is None else "evaluate.promote is off"
        return _unchanged(contest, f"{contest.verdict}; nothing changed, as {reason}")
    against = {} if contest.champion is None else {"champion_before": contest.champion}
    mark(project.tracking, own, {**against, "verdict": contest.verdict}, alias=CHAMPION)
    return contest


def _compare(imitator: Imitator, folder: RendersFolder, rows: Rows, own: Registered | None,
             reigning: Registered | None, project: Project) -> Contest:
    if reigning is not None and reigning == own:
        return _undecided(str(reigning), promoted=False, verdict=f"{reigning} is the champion already")
    file = shipped(folder.schema.character, project.pretrained)
    if reigning is None and not file.is_file():
        return _undecided(None, promoted=True, verdict=f"the first champion of {folder.schema.character}")
    name = file.name if reigning is None else str(reigning)
    champion, schema = load_imitator(
        file if reigning is None else fetch(project.tracking, reigning, project.fetched),
        device=next(imitator.parameters()).device)
    if difference := schema_difference(folder.schema, schema):
        return _other_schema(name, schema, folder.schema, difference)
    fresh = rows if reigning is None else unseen(folder, rows, _seen(project, reigning))
    if len(fresh) == 0:
        return _undecided(name, promoted=False, verdict=f"the champion {name} stays: it learned from every render "
                          "that is held out now, so the two cannot be compared fairly")
    faces = Faces(folder, resolution=max(imitator.resolution, champion.resolution))
    return _decided(name, held_out(imitator, faces, fresh), held_out(champion, faces, fresh))


def _decided(name: str, challenger: HeldOut, champion: HeldOut) -> Contest:
    better = challenger.l1 < champion.l1
    percent = 100 * abs(challenger.l1 / champion.l1 - 1)
    figures = (f"L1 {challenger.l1:.4f} against {champion.l1:.4f} on {champion.faces} renders, "
               f"{percent:.1f} % {'better' if better else 'worse'}")
    verdict = f"better than the champion {name}: {figures}" if better else f"the champion {name} stays: {figures}"
    return Contest(name, champion.l1, champion.psnr, champion.ssim, challenger.l1, champion.faces, better, verdict)


def _other_schema(name: str, theirs: ParameterSchema, ours: ParameterSchema, difference: str) -> Contest:
    newer = ours.version >= theirs.version
    outcome = "no champion yet for this schema" if newer else f"the champion {name} stays, its schema is newer"
    return _undecided(name, promoted=newer, verdict=f"{outcome}: {name} cannot be compared, {difference}")


def _undecided(champion: str | None, *, promoted: bool, verdict: str) -> Contest:
    return Contest(champion, None, None, None, None, 0, promoted, verdict)


def _unchanged(contest: Contest, verdict: str) -> Contest:
    return Contest(contest.champion, contest.l1, contest.psnr, contest.ssim, contest.challenger_l1, contest.faces,
                   False, verdict)


def _seen(project: Project, model: Registered) -> set[str]:
    file = fetch(project.tracking, model, project.fetched, beside=SEEN_FILE)
    return set(file.read_text(encoding="utf-8").split())
