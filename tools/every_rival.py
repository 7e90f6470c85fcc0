"""Every way to use a tree, on the stored features of CIFAR-100: settings chosen on validation images, then judged on test images.

    python tools/every_rival.py 20                20 images per class; about half an hour on two cores
    python tools/every_rival.py 20 --only-search  the first half
    python tools/every_rival.py 20 --publish      write the tables to nbs/studies/_results as well
    python tools/every_rival.py 1 --settings-of 20   one image of each class, with the settings that 20 images found
    python tools/every_rival.py 20 --noise 0.3    the same settings, 30 % of the training labels made wrong
    python tools/every_rival.py all --dataset npz:cub200-features.npz --tree cub200 --name cub200 --embedding-dim 256
                                                  other features, here those of tools/make_features.py, all images

1. Search. Each method has three or four values of its main setting. Every value is tried with two seeds, judged on
   2,000 validation images.
2. Choice. Among the values whose validation accuracy is at most half a point below that of cross-entropy, the one with
   the highest validation mAHP; if there is none, the most accurate value.
3. Test. Five other seeds. Each one samples its own training and validation images. Each method also has its
   control, the same loss with a shuffled tree. Every run is judged under argmax, CRM and HiE.

An interrupted run resumes with the same command.
"""
import argparse
from dataclasses import dataclass
from pathlib import Path
import pandas as pd
from kfr_nb.study.make import run_study
from kfr_nb.study.presets import StudyConfig
from kfr_nb.study.publish import publish
from kfr_nb.train import TrainConfig

ROOT = Path(__file__).resolve().parent.parent
EPOCHS = {'1': 240, '5': 60, '20': 60, '100': 20, 'all': 30}
SLACK = 0.005                                  # accuracy that a setting may lose against cross-entropy
EARLY = dict(phase1=0.)
GRID = {                                       # method: the setting that is searched, its values, what else differs from the defaults
    'tree_prior': ('alpha', (1e-4, 1e-3, 1e-2), {}),
    'soft_labels': ('beta', (30., 20., 10.), EARLY),
    'hxe': ('depth_decay', (.1, .3, .6), EARLY),
    'cpcc': ('alpha', (.3, 1., 3.), {}),
    'haframe': ('alpha', (.2, .4, .8), {}),
    'hier_cos': ('alpha', (.1, .3, 1.), {}),
    'barz_denzler': ('alpha', (.3, .9, 1.), {}),
    'path_kl': ('alpha', (.3, 1., 3.), {}),
    'lca_alignment': ('ce_weight', (.3, .1, .03), {}),
    'kfr': ('alpha', (3., 10., 30., 100.), {}),
    'kfr_all': ('alpha', (10., 30., 100.), {}),
    'kfr_free': ('alpha', (3., 10., 30.), {}),
    'kfr_plus': ('alpha', (3., 10., 30.), {}),
    'kfr_as_published': ('alpha', (10., 30., 100.), {})}


@dataclass
class Subject:
    "Which features, and how many images of each class"
    images:str                                 # a key of EPOCHS
    dataset:str = 'cifar100-features'
    tree:str|None = None                       # the data set's own by default
    name:str = ''                              # before the names of the results
    embedding_dim:int = 128                    # of the head; HAFrame needs one less than there are classes

    def title(self, part=''): return f'{self.name}features_{self.images}{part}'

    def base(self):
        "What all runs share"
        images = None if self.images == 'all' else int(self.images)
        return TrainConfig.of(dataset=self.dataset, tree_name=self.tree, method='ce', valid_fraction=0.2, train_per_class=images,
            hidden=512, dropout=0.6, embedding_dim=self.embedding_dim, epochs=EPOCHS[self.images], eval_every=EPOCHS[self.images],
            batch_size=100 if self.images == '1' else 128, lr=0.002, save_seconds=60.)


def name_of(method, value):
    "Name of the variant of a method with one value of its setting"
    return f'{method}_{GRID[method][0]}_{value:g}'.replace('.', '_').replace('-', 'm')


def changes_of(method, value):
    "What a variant changes"
    setting, _, others = GRID[method]
    return dict(method=method, **{setting: value}, **others)


def search_study(subject):
    "Every value of every method, judged on validation images"
    variants = {name_of(m, v): changes_of(m, v) for m, (_, values, _) in GRID.items() for v in values}
    return StudyConfig(subject.title('_search'), subject.base().changed(judged_on='valid'), ('ce', 'probe', *variants),
        seeds=(100, 101), redraw=True, sweep=None, variants=variants)


def choose(runs):
    "The value of each method that the rule takes, from the table of the search"
    means = runs.groupby('arm')[['top1', 'mahp']].mean()
    floor = means.loc['ce', 'top1']-SLACK
    chosen = {}
    for method, (_, values, _) in GRID.items():
        tried = means.loc[[name_of(method, v) for v in values]]
        accurate = tried[tried['top1'] >= floor]
        best = accurate['mahp'].idxmax() if len(accurate) else tried['top1'].idxmax()
        chosen[method] = next(v for v in values if name_of(method, v) == best)
    return chosen


NOISY = ('tree_prior', 'soft_labels', 'haframe', 'path_kl', 'lca_alignment', 'kfr', 'kfr_free', 'kfr_plus')


def test_name(subject, noise, kind):
    "Name of the results"
    return subject.title(f'_noise_{100*noise:g}_{kind}' if noise else '')


def test_study(subject, chosen, noise=0., kind='symmetric'):
    "The chosen values, with their controls, judged on test images; with label noise fewer methods, and training labels only"
    if noise: chosen = {m: chosen[m] for m in NOISY}
    names = {m: f'{m}_early' if GRID[m][2] else m for m in chosen}
    arms = [name for m in names.values() for name in (m, f'{m}_shuffled')]
    weights = {m: v for m, v in chosen.items() if GRID[m][0] == 'alpha'}
    settings = {GRID[m][0]: v for m, v in chosen.items() if m not in weights}
    variants = {name: dict(method=m, **GRID[m][2]) for m, name in names.items() if GRID[m][2]}
    shared = subject.base().changed(noise=noise, noise_kind=kind)
    return StudyConfig(test_name(subject, noise, kind), shared, ('ce', 'probe', *arms), seeds=(0, 1, 2, 3, 4), redraw=True,
        sweep=None, weights=weights, settings=settings, variants=variants)


def complete(study):
    "The study; the reasons where runs have failed or are missing, because a choice among the others would be no fair one"
    if len(study.failed):
        first = study.failed.iloc[0]
        raise SystemExit(f"{len(study.failed)} runs failed, the first of them {first['arm']}, seed {first['seed']}: {first['error']}")
    if len(study.unfinished): raise SystemExit(f'{len(study.unfinished)} runs are not finished: the same command resumes them')
    return study


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('images', choices=list(EPOCHS), help='training images per class')
    p.add_argument('--dataset', default='cifar100-features', help="features: 'cifar100-features' or npz:FILE")
    p.add_argument('--tree', help="tree by name or file; the data set's own by default")
    p.add_argument('--name', default='', help='before the names of the results')
    p.add_argument('--embedding-dim', type=int, default=128, help='dimensions of the head; at least one less than the classes')
    p.add_argument('--out', type=Path, default=Path('results/every_rival'))
    p.add_argument('--jobs', type=int, default=None)
    p.add_argument('--settings-of', choices=list(EPOCHS),
        help='take the settings that the search with so many images has found: from its stored table, or by the search')
    p.add_argument('--noise', type=float, default=0., help='fraction of the training labels that is made wrong')
    p.add_argument('--noise-kind', choices=('symmetric', 'tree'), default='symmetric')
    p.add_argument('--only-search', action='store_true')
    p.add_argument('--publish', action='store_true', help='write the tables to nbs/studies/_results')
    args = p.parse_args()
    results = ROOT/'nbs'/'studies'/'_results'
    name = args.name and f'{args.name}_'
    subject = Subject(args.images, args.dataset, args.tree, name, args.embedding_dim)
    searched = Subject(args.settings_of or args.images, args.dataset, args.tree, name, args.embedding_dim)
    wide = args.embedding_dim if args.embedding_dim != 128 else ''
    options = [('--dataset', args.dataset if name else ''), ('--tree', args.tree), ('--name', args.name), ('--embedding-dim', wide)]
    own = ''.join(f' {option} {value}' for option, value in options if value)
    stored = results/f'{searched.title("_search")}_runs.csv'
    found = None
    if args.settings_of and stored.exists(): chosen = choose(pd.read_csv(stored))
    else:
        found = complete(run_study(search_study(searched), args.out/searched.title('_search'), args.jobs,
            command=f'python tools/every_rival.py {searched.images}{own}'))
        chosen = choose(found.runs)
    print('\n'.join(f'{m}: {GRID[m][0]} = {v:g}' for m, v in chosen.items()))
    if args.only_search: return
    if args.settings_of: own += f' --settings-of {args.settings_of}'
    if args.noise: own += f' --noise {args.noise:g} --noise-kind {args.noise_kind}'
    title = test_name(subject, args.noise, args.noise_kind)
    study = complete(run_study(test_study(subject, chosen, args.noise, args.noise_kind), args.out/title, args.jobs,
        command=f'python tools/every_rival.py {args.images}{own}'))
    print(study.report)
    if args.publish:
        if found: publish(found.out, searched.title('_search'), results, history=False)
        publish(study.out, title, results, history=False)


if __name__ == '__main__': main()
