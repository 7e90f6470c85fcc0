"""The studies that want a GPU, one after the other, in pieces of a few minutes: each call goes on where the last one stopped.

    python tools/gpu_queue.py --list                  what there is, how far it is, and the command of each
    python tools/gpu_queue.py --minutes 9             go on for nine minutes
    until python tools/gpu_queue.py --minutes 9; do [ $? = 75 ] || break; done

Exit status: 0 when everything is done, 75 when the time was up and something is left, 2 when only pieces are left that failed.

Runs, weights and checkpoints stay in --work; the small tables of each study are copied into --out under the study's name.
--keep FILE carries the records of finished runs (no weights) from one machine to the next: it is read at the start and written
at the end, so that on a bare machine only what had not finished is trained again. Neither nbdev nor fastcore nor nltk nor
grad-cam is needed; torch, torchvision, timm, accelerate, safetensors, pandas, seaborn and what they bring are.
"""
import argparse, shlex, sys, tarfile, time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
UNFINISHED = 75


@dataclass(frozen=True)
class Piece:
    "One study of the queue"
    name: str                                          # of its folder and of its published tables
    preset: str
    changes: dict = field(default_factory=dict)        # as `run_study` takes them
    weights: dict = field(default_factory=dict)        # weights α by method
    boxes: bool = False                                # say where its nets look, once they are trained


_tree_arms = ('ce', 'kfr', 'kfr_shuffled', 'kfr_free', 'kfr_free_shuffled')
_rate = dict(lr=1e-4, lr_end=1e-6, schedule='cosine')
QUEUE = [
    Piece('cifar100_sound', 'sound'),
    Piece('mini_imagenet_paper', 'paper_mini'),                                  # constant 1e-5, as the paper has it
    Piece('mini_imagenet_cosine', 'paper_mini', _rate),                          # a second, sensible rate
    Piece('cub200_ahsml_paper', 'ahsml_cub'),
    Piece('cars196_ahsml_paper', 'ahsml_cars'),
    Piece('cub200_boxes', 'paper_mini', dict(dataset='cub200', arms=_tree_arms, sweep=None, **_rate), boxes=True),
    Piece('tiny_imagenet_boxes', 'paper_mini',
        dict(dataset='tiny-imagenet', image_size=128, model='resnet34', arms=_tree_arms, sweep=None, **_rate), boxes=True),
]


def tiny(piece):
    "The same study on a handful of drawn pictures: everything is gone through, nothing is learnt"
    pairs = 'ahsml' in piece.preset
    small = dict(dataset='shapes', model='resnet10', stem='standard', pretrained=False, freeze_bn=False, image_size=24,
        epochs=2, test_limit=72, compile=False,
                 precision='no', feed='auto', seeds=(0,), sweep=None, eval_every=1)
    small |= dict(arms=('ms', 'ms_star'), train_per_class=5, batch_size=48, per_class=4,
        embedding_dim=8) if pairs else dict(arms=('ce', 'kfr_free'), train_per_class=2, batch_size=24)
    return Piece(piece.name, piece.preset, piece.changes | small, piece.weights, piece.boxes)


def with_backbone(piece, name):
    "The same study from another pretrained net; studies that start from nothing stay as they are"
    from kfr_nb.study import configure
    if not configure(piece.preset, **piece.changes).base.pretrained: return piece
    return Piece(f'{piece.name}_{name.split(":")[-1]}', piece.preset, piece.changes | dict(model=name), piece.weights, piece.boxes)


def command(piece, work):
    "The `kfr study` that does the same"
    words = ['kfr', 'study', '--preset', piece.preset]
    for k, v in piece.changes.items():
        flag = '--' + k.replace('_', '-')
        if isinstance(v, bool): words.append(flag if v else flag.replace('--', '--no-', 1))
        elif isinstance(v, (tuple, list)): words += [flag, *map(str, v)]
        else: words += [flag, 'none' if v is None else f'{v:g}' if isinstance(v, float) else str(v)]
    if piece.weights: words += ['--alpha', *(f'{k}={v:g}' for k, v in piece.weights.items())]
    return shlex.join([*words, '--out', str(Path(work)/piece.name)])


def state(piece, work):
    "Runs that are wanted, finished and begun, and whether the maps are there"
    from kfr_nb.study import configure, plan
    folder = Path(work)/piece.name/'runs'
    keys = set(plan(configure(piece.preset, weights=piece.weights, **piece.changes))['key'])
    done = {k for k in keys if (folder/k/'result.json').exists()}
    begun = {k for k in keys-done if (folder/k/'config.json').exists()}
    boxes = not piece.boxes or (Path(work)/piece.name/'localization.csv').exists()
    return len(keys), len(done), len(begun), boxes


def told(piece, work):
    "The state of a piece in one line"
    n, done, begun, boxes = state(piece, work)
    word = 'done' if done == n and boxes else f'{done} of {n} runs' + f', {begun} begun'*bool(begun) + ', maps still to be made'*(not boxes)
    return f'{piece.name:<28}{word}'


def make_maps(piece, work, end):
    "Where the piece's nets look, run by run, until the time is up; the tables once all are there. True when done"
    from kfr_nb.runs import _localized, localize_run, study_box_curves, study_localization, write_localization
    from kfr_nb.study import _write_csv
    from kfr_nb.train import load_run
    folder, longest, first, lost = Path(work)/piece.name, 0., True, 0
    for _, maps in _localized(folder, 'gradcam', 'label', 'test', None):
        if (maps/'maps.npz').exists() and (maps/'scores.json').exists(): continue
        if not (maps.parents[1]/'weights.safetensors').exists():
            lost += 1
            continue
        if not first and time.monotonic()+longest >= end: return False
        began, first = time.monotonic(), False
        write_localization(localize_run(load_run(maps.parents[1])), maps, given='label', split='test', limit=None)
        longest = max(longest, time.monotonic()-began)
    if lost:
        raise ValueError(f'{lost} runs of {piece.name} were trained on another machine and their weights are not here: copy {folder}/runs from there, or delete those runs to train them again')
    _write_csv(folder/'localization.csv', study_localization(folder))
    _write_csv(folder/'localization_curves.csv', study_box_curves(folder))
    return True


def publish_piece(piece, work, out):
    "Copy the small tables"
    from kfr_nb.core import atomic_path
    from kfr_nb.study import publish
    copies = publish(Path(work)/piece.name, piece.name, out)
    for n in ('localization.csv', 'localization_curves.csv'):
        f = Path(work)/piece.name/n
        if not f.exists(): continue
        with atomic_path(Path(out)/f'{piece.name}_{n}') as tmp: tmp.write_bytes(f.read_bytes())
        copies.append(Path(out)/f'{piece.name}_{n}')
    return copies


def go_on(piece, work, out, end, jobs=None, progress=True):
    "Work on one piece until it is done or the time is up; True when done"
    from kfr_nb.study import run_study
    minutes = max((end-time.monotonic())/60, 1e-6)
    s = run_study(piece.preset, out=Path(work)/piece.name, jobs=jobs, progress=progress, command=command(piece, work),
        minutes=minutes, weights=piece.weights, **piece.changes)
    done = not len(s.unfinished)
    if done and len(s.failed):
        publish_piece(piece, work, out)
        raise RuntimeError(f'{len(s.failed)} runs failed, the first with: {next(iter(s.failed["error"]))}')
    if done and piece.boxes and not (Path(work)/piece.name/'localization.csv').exists(): done = make_maps(piece, work, end)
    publish_piece(piece, work, out)
    return done


_of_runs, _of_studies = ('result.json', 'history.csv', 'noise.npz'), ('localization.csv', 'localization_curves.csv')

def save_records(work, file):
    "An archive of what finished runs left, without weights, maps and checkpoints"
    from kfr_nb.core import atomic_path
    work = Path(work)
    keep = [r.parent/n for r in sorted(work.glob('*/runs/*/result.json')) for n in _of_runs] + [f.parent/n
        for f in sorted(work.glob('*/runs')) for n in _of_studies]
    keep = [f for f in keep if f.exists()]
    with atomic_path(file) as tmp, tarfile.open(tmp, 'w:gz') as t:
        for f in keep: t.add(f, f.relative_to(work))
    return len(keep)


def load_records(work, file):
    "Unpack such an archive where nothing is yet; files that are there stay"
    with tarfile.open(file) as t:
        members = [m for m in t.getmembers() if m.isfile() and not (Path(work)/m.name).exists()]
        t.extractall(work, members=members, filter='data')
    return len(members)


def main(argv=None):
    p = argparse.ArgumentParser(description='Studies for a GPU, in pieces that go on where the last one stopped.')
    p.add_argument('--minutes', type=float, default=9., help='stop after so many minutes (default: 9)')
    p.add_argument('--list', action='store_true', help='show the studies, how far they are, and their commands')
    p.add_argument('--only', nargs='+', metavar='NAME', help='these studies alone')
    p.add_argument('--work', default='results/gpu', help='folder of the studies and their runs (default: results/gpu)')
    p.add_argument('--out', default='results/gpu_tables', help='folder for the small tables (default: results/gpu_tables)')
    p.add_argument('--keep', metavar='FILE',
        help='archive of the records of finished runs, read at the start and written at the end (.tar.gz)')
    p.add_argument('--backbone', metavar='NAME',
        help="pretrained net in place of each study's own, such as timm:tf_efficientnet_lite0, whose weights come as a package")
    p.add_argument('--jobs', type=int, help='processes (default: one on a GPU)')
    p.add_argument('--tiny', action='store_true', help='go through everything on a few drawn pictures')
    p.add_argument('--quiet', action='store_true', help='no progress bar')
    a = p.parse_args(argv)
    if not a.minutes > 0: p.error(f'--minutes must be greater than 0, got {a.minutes:g}')
    queue = [with_backbone(q, a.backbone) if a.backbone else q for q in QUEUE]
    queue = [tiny(q) for q in queue] if a.tiny else queue
    if unknown := set(a.only or ())-{q.name for q in queue}:
        p.error(f'no study {sorted(unknown)[0]!r}; there are {", ".join(q.name for q in queue)}')
    queue = [q for q in queue if not a.only or q.name in a.only]
    if a.list:
        for q in queue: print(f'{told(q, a.work)}\n    {command(q, a.work)}')
        return 0
    end, failed = time.monotonic()+60*a.minutes, {}
    if a.keep and Path(a.keep).exists(): print(f'{load_records(a.work, a.keep)} records from {a.keep}')
    for i, q in enumerate(queue):
        n, done, _, boxes = state(q, a.work)
        if done == n and boxes and (Path(a.out)/f'{q.name}_study.json').exists(): continue
        print(told(q, a.work), flush=True)
        try: finished = go_on(q, a.work, a.out, end, a.jobs, not a.quiet)
        except (ValueError, OSError, RuntimeError, ModuleNotFoundError) as e:      # said, and the next study may go on
            failed[q.name] = f'{type(e).__name__}: {" ".join(str(e).split())}'
            print(f'{q.name} failed: {failed[q.name]}', file=sys.stderr)
            finished = True
        if not finished or time.monotonic() >= end: break
    if a.keep: print(f'{save_records(a.work, a.keep)} records in {a.keep}')
    rest = []
    for q in queue:
        n, done, _, boxes = state(q, a.work)
        if done < n or not boxes: rest.append(q)
        print(told(q, a.work) + (f'; failed: {failed[q.name]}' if q.name in failed else ''))
    print(f'{len(queue)-len(rest)} of {len(queue)} studies done; tables: {a.out}/')
    if not rest: return 0
    return 2 if all(q.name in failed for q in rest) else UNFINISHED


if __name__ == '__main__': sys.exit(main())
