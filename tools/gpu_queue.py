"""The studies that want a GPU, one after the other, in pieces of a few minutes: each call resumes where the last one stopped.

    python tools/gpu_queue.py --list                  what there is, how far it is, and the command of each
    python tools/gpu_queue.py --minutes 9             work for nine minutes
    until python tools/gpu_queue.py --minutes 9; do [ $? = 75 ] || break; done

Exit status: 0 when everything is done, 75 when the time was up and something is left, 2 when only studies are left that failed.

Runs, weights and checkpoints stay in --work; the small tables of each study are copied into --out under the study's name.
--keep FILE carries the records of finished runs (no weights) from one machine to the next. It is read at the start and written
as runs end, so a machine that is taken away loses the runs in hand and nothing else; with it no run begins that would not end
in time. Neither nbdev nor fastcore nor nltk nor grad-cam is needed.
"""
import argparse, shlex, sys, tarfile, time
from dataclasses import dataclass, field, replace
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
    boxes: bool = False                                # say where its networks look, once they are trained

    def config(self):
        "The study"
        from kfr_nb.study import configure
        return configure(self.preset, **self.changes)


_tree_arms = ('ce', 'kfr', 'kfr_shuffled', 'kfr_free', 'kfr_free_shuffled')
# cross-entropy first, along a cosine; each loss joins at the paper's constant rate
_rate = dict(lr=1e-4, lr_end=1e-5, schedule='cosine', phase1=0.8)
QUEUE = [
    Piece('cifar100_sound', 'sound'),
    Piece('mini_imagenet_paper', 'paper_mini'),                                  # constant 1e-5, as the paper has it
    Piece('mini_imagenet_cosine', 'paper_mini', _rate),                          # converged before the loss joins
    Piece('cub200_ahsml_paper', 'ahsml_cub'),
    Piece('cars196_ahsml_paper', 'ahsml_cars'),
    Piece('cub200_boxes', 'paper_mini', dict(dataset='cub200', arms=_tree_arms, sweep=None, **_rate), boxes=True),
    Piece('tiny_imagenet_boxes', 'paper_mini',
        dict(dataset='tiny-imagenet', image_size=128, model='resnet34', arms=_tree_arms, sweep=None, **_rate), boxes=True),
]


def tiny(piece):
    "The same study on a handful of rendered images: everything is gone through, nothing is learnt"
    small = dict(dataset='shapes', model='resnet10', stem='standard', pretrained=False, freeze_bn=False, image_size=24, epochs=2,
        test_limit=72, compile=False, precision='no', feed='auto', seeds=(0,), sweep=None, eval_every=1)
    pairs = dict(arms=('ms', 'ms_star'), train_per_class=5, batch_size=48, per_class=4, embedding_dim=8)
    beside = dict(arms=('ce', 'kfr_free'), train_per_class=2, batch_size=24)
    return replace(piece, changes=piece.changes | small | (pairs if 'ahsml' in piece.preset else beside))


def with_backbone(piece, name):
    "The same study from another pretrained network; studies that start from nothing stay as they are"
    if not piece.config().base.model.pretrained: return piece
    return replace(piece, name=f'{piece.name}_{name.split(":")[-1]}', changes=piece.changes | dict(model=name))


def command(piece, work):
    "The `kfr study` that does the same"
    words = ['kfr', 'study', '--preset', piece.preset]
    for name, value in piece.changes.items():
        flag = '--' + name.replace('_', '-')
        if isinstance(value, bool): words.append(flag if value else flag.replace('--', '--no-', 1))
        elif isinstance(value, tuple): words += [flag, *map(str, value)]
        else: words += [flag, 'none' if value is None else f'{value:g}' if isinstance(value, float) else str(value)]
    return shlex.join([*words, '--out', str(Path(work)/piece.name)])


@dataclass(frozen=True)
class State:
    "How far a piece is"
    wanted: int
    done: int
    begun: int                                         # runs, or first phases that runs share
    boxes: bool                                        # whether the maps are there that are wanted

    @property
    def finished(self): return self.done == self.wanted and self.boxes

    def __str__(self):
        if self.finished: return 'done'
        return f'{self.done} of {self.wanted} runs' + f', {self.begun} begun'*bool(self.begun) + ', maps still to be made'*(not self.boxes)


def state(piece, work):
    "How far a piece is"
    from kfr_nb.study import plan
    folder = Path(work)/piece.name
    keys = set(plan(piece.config())['key'])
    done = {k for k in keys if (folder/'runs'/k/'result.json').exists()}
    begun = [k for k in keys-done if (folder/'runs'/k/'config.json').exists()] + list(folder.glob('runs/trunks/*/config.json'))
    return State(len(keys), len(done), len(begun), not piece.boxes or (folder/'localization.csv').exists())


def missing_maps(folder):
    "Folders for the maps of finished runs that are not there; a run without weights was trained on another machine"
    from kfr_nb.runs.localize import _localized
    maps = [m for _, m in _localized(folder, 'gradcam', 'label', 'test', None)]
    maps = [m for m in maps if not ((m/'maps.npz').exists() and (m/'scores.json').exists())]
    lost = [m for m in maps if not (m.parents[1]/'weights.safetensors').exists()]
    if lost:
        raise ValueError(f'{len(lost)} runs of {folder.name} were trained on another machine and their weights are not here: '
            f'copy {folder}/runs from there, or delete those runs to train them again')
    return maps


def make_maps(piece, work, limit):
    "Where the networks of a piece look, run by run, until the time is up; the tables once all are there. True when done"
    from kfr_nb.runs import localize_run, study_box_curves, study_localization, write_localization
    from kfr_nb.study import write_table
    from kfr_nb.train import load_run
    folder = Path(work)/piece.name
    for maps in missing_maps(folder):
        if not limit.allows(): return False
        limit.begin(str(maps))
        write_localization(localize_run(load_run(maps.parents[1])), maps, given='label', split='test', limit=None)
        limit.end(str(maps))
    write_table(folder/'localization.csv', study_localization(folder))
    write_table(folder/'localization_curves.csv', study_box_curves(folder))
    return True


def publish_piece(piece, work, out):
    "Copy the small tables"
    from kfr_nb.core import atomic_path
    from kfr_nb.study import publish
    publish(Path(work)/piece.name, piece.name, out)
    for name in ('localization.csv', 'localization_curves.csv'):
        f = Path(work)/piece.name/name
        if f.exists():
            with atomic_path(Path(out)/f'{piece.name}_{name}') as tmp: tmp.write_bytes(f.read_bytes())


def work_on(piece, options, end):
    "Work on one piece until it is done or the time is up; True when done"
    from kfr_nb.study import Limit, run_study
    keep = (lambda key, record: save_records(options.work, options.keep)) if options.keep else (lambda key, record: None)
    def limit(): return Limit(max((end-time.monotonic())/60, 1e-6), whole=bool(options.keep))
    s = run_study(piece.preset, out=Path(options.work)/piece.name, jobs=options.jobs, progress=not options.quiet,
        command=command(piece, options.work), minutes=limit(), ended=keep, **piece.changes)
    done = not len(s.unfinished)
    if done and not len(s.failed) and not state(piece, options.work).boxes: done = make_maps(piece, options.work, limit())
    publish_piece(piece, options.work, options.out)
    if done and len(s.failed): raise RuntimeError(f'{len(s.failed)} runs failed, the first with: {next(iter(s.failed["error"]))}')
    return done


_of_runs, _of_studies = ('result.json', 'history.csv', 'noise.npz'), ('localization.csv', 'localization_curves.csv')

def save_records(work, file):
    "An archive of what finished runs left, without weights, maps and checkpoints"
    from kfr_nb.core import atomic_path
    work = Path(work)
    files = [r.parent/n for r in sorted(work.glob('*/runs/*/result.json')) for n in _of_runs]
    files = [f for f in files + [s/n for s in sorted(work.glob('*')) for n in _of_studies] if f.exists()]
    with atomic_path(file) as tmp, tarfile.open(tmp, 'w:gz') as t:
        for f in files: t.add(f, f.relative_to(work))
    return len(files)


def load_records(work, file):
    "Unpack such an archive where nothing is yet; files that are there stay"
    with tarfile.open(file) as t:
        members = [m for m in t.getmembers() if m.isfile() and not (Path(work)/m.name).exists()]
        t.extractall(work, members=members, filter='data')
    return len(members)


def read_options(argv):
    "The command line"
    p = argparse.ArgumentParser(description='Studies for a GPU, in pieces that resume where the last one stopped.')
    p.add_argument('--minutes', type=float, default=9., help='stop after so many minutes (default: 9)')
    p.add_argument('--list', action='store_true', help='show the studies, how far they are, and their commands')
    p.add_argument('--only', nargs='+', metavar='NAME', help='these studies alone')
    p.add_argument('--work', default='results/gpu', help='folder of the studies and their runs (default: results/gpu)')
    p.add_argument('--out', default='results/gpu_tables', help='folder for the small tables (default: results/gpu_tables)')
    p.add_argument('--keep', metavar='FILE', help='archive of the records of finished runs, read at the start and written as runs end (.tar.gz)')
    p.add_argument('--backbone', metavar='NAME',
        help="pretrained network instead of each study's own, such as timm:tf_efficientnet_lite0, whose weights come as a package")
    p.add_argument('--jobs', type=int, help='processes (default: one for each GPU)')
    p.add_argument('--tiny', action='store_true', help='go through everything on a few rendered images')
    p.add_argument('--quiet', action='store_true', help='no progress bar')
    options = p.parse_args(argv)
    if not options.minutes > 0: p.error(f'--minutes must be greater than 0, got {options.minutes:g}')
    queue = [with_backbone(q, options.backbone) if options.backbone else q for q in QUEUE]
    if unknown := set(options.only or ())-{q.name for q in queue}:
        p.error(f'no study {sorted(unknown)[0]!r}; there are {", ".join(q.name for q in queue)}')
    queue = [q for q in queue if not options.only or q.name in options.only]
    return options, [tiny(q) for q in queue] if options.tiny else queue


def work_through(queue, options):
    "Work on the queue until the time is up; what failed, by name"
    end, failed = time.monotonic()+60*options.minutes, {}
    for q in queue:
        if state(q, options.work).finished and (Path(options.out)/f'{q.name}_study.json').exists(): continue
        print(f'{q.name:<28}{state(q, options.work)}', flush=True)
        try: done = work_on(q, options, end)
        except (ValueError, OSError, RuntimeError, ModuleNotFoundError) as e:      # said, and the next study may begin
            failed[q.name], done = f'{type(e).__name__}: {" ".join(str(e).split())}', True
            print(f'{q.name} failed: {failed[q.name]}', file=sys.stderr)
        if not done or time.monotonic() >= end: break
    return failed


def main(argv=None):
    options, queue = read_options(argv)
    if options.list:
        for q in queue: print(f'{q.name:<28}{state(q, options.work)}\n    {command(q, options.work)}')
        return 0
    if options.keep and Path(options.keep).exists(): print(f'{load_records(options.work, options.keep)} records from {options.keep}')
    try: failed = work_through(queue, options)
    finally:
        if options.keep: print(f'{save_records(options.work, options.keep)} records in {options.keep}')
    states = {q.name: state(q, options.work) for q in queue}
    for name, s in states.items(): print(f'{name:<28}{s}' + (f'; failed: {failed[name]}' if name in failed else ''))
    rest = [name for name, s in states.items() if not s.finished]
    print(f'{len(queue)-len(rest)} of {len(queue)} studies done; tables: {options.out}/')
    if not rest: return 0
    return 2 if all(name in failed for name in rest) else UNFINISHED


if __name__ == '__main__': sys.exit(main())
