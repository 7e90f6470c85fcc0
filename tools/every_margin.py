"""AHSML's margins on frozen features, by retrieval of unseen classes: the rate chosen on validation classes, then judged on test classes.

    python tools/every_margin.py cars196 --data DIR              about 50 minutes on two cores, and some for the features
    python tools/every_margin.py cars196 --data DIR --only-search
    python tools/every_margin.py cars196 --data DIR --publish    write the tables to nbs/studies/_results as well
    python tools/every_margin.py cub200 --data DIR               about 40 minutes
    python tools/every_margin.py cifar100 --data DIR             about 40 minutes: 50 classes with 100 images each, 50 unseen

The backbone is a frozen EfficientNet-Lite0; a linear layer of 512 numbers on its features is trained. Every image has four
views of each random kind.

1. Search. Four learning rates for each loss, with two seeds and 30 % label noise, judged on a fifth of the training classes.
2. Choice. One rate for a loss and its starred form, so that they differ in nothing else: the one with the highest mean of
   their Recall@1. Parts and settings of MS* take MS's rate, and so does Proxy Anchor, which is compared with MS.
3. Test. Other seeds, test classes, 30 % symmetric noise: MS, its parts and its filters, and MS and MS* also at other levels of
   noise, five seeds on Cars-196 and three on the others. With 30 % of other kinds of noise three, and on Cars-196 triplet and
   lifted structure, three.
4. Wrong labels. How many of them each network finds among its training images, and how many the untrained features find.

An interrupted run resumes with the same command.
"""
import argparse, shutil
from dataclasses import dataclass
from pathlib import Path
import pandas as pd, torch
from kfr_nb.core import atomic_path
from kfr_nb.models import build_network
from kfr_nb.noise import detection, label_suspicion
from kfr_nb.runs import labels_of, study_suspects
from kfr_nb.study.make import run_study
from kfr_nb.study.presets import StudyConfig
from kfr_nb.study.publish import publish
from kfr_nb.train import TrainConfig, feature_bank, load_run, open_data
from every_rival import complete

ROOT = Path(__file__).resolve().parent.parent
RATES = (3e-5, 1e-4, 3e-4, 1e-3)
NOISE = 0.3
FAMILIES = {                               # the losses that share a rate, and are judged in one study
    'triplet': ('triplet', 'triplet_star'),
    'lifted': ('lifted', 'lifted_star'),
    'ms': ('ms', 'ms_star', 'ms_divergence', 'ms_consistency', 'ms_star_max', 'ms_star_poincare', 'ms_star_folded', 'ms_oracle',
        'ms_prism', 'ms_star_prism', 'proxy_anchor')}
SEEDS, FEWER = (0, 1, 2, 3, 4), (0, 1, 2)
LEVELS = (0., 0.2, 0.3, 0.5, 0.7)          # of symmetric noise


@dataclass
class Plan:
    "What is measured on a data set"
    image_size:int
    families:tuple
    kinds:tuple                            # of noise besides, at 30 %
    tree:str|None = None                   # of the classes
    seeds:tuple = SEEDS
    without:tuple = ()                     # arms that are left out
    images:int|None = None                 # training images of each class; all by default
    judged:int|None = None                 # test images; all by default

    def searched(self): return tuple(arm for f in self.families for arm in (f, f'{f}_star'))+('proxy_anchor',)


PLANS = {
    'cars196': Plan(96, ('triplet', 'lifted', 'ms'), ('small-cluster',)),
    'cub200': Plan(128, ('ms',), ('small-cluster', 'tree'), 'cub200', FEWER, ('ms_star_max', 'ms_star_prism')),
    'cifar100': Plan(96, ('ms',), ('small-cluster', 'tree'), 'cifar100', FEWER,
        ('ms_star_max', 'ms_star_prism'), images=100, judged=3000)}


def base(dataset, data, **changes):
    "What all runs share"
    plan = PLANS[dataset]
    return TrainConfig.of(dataset=dataset, data=data, method='ms', protocol='retrieval', image_size=plan.image_size,
        train_per_class=plan.images, test_limit=plan.judged, model='timm:tf_efficientnet_lite0', pretrained=True, frozen=True,
        embedding_dim=512, batch_size=100, per_class=5, epochs=20, optimizer='adam', weight_decay=1e-5, noise=NOISE, eval_every=20,
        tree_name=plan.tree, save_seconds=60.).changed(**changes)


def search_studies(dataset, data):
    "One study for each rate, judged on validation classes"
    for rate in RATES:
        shared = base(dataset, data, lr=rate, lr_end=rate/10, valid_fraction=0.2, judged_on='valid')
        yield rate, StudyConfig(f'{dataset}_margins_search_{rate:g}', shared, PLANS[dataset].searched(), seeds=(100, 101), baseline='ms', sweep=None)


def choose(found, families):
    "The rate of each family: the highest mean Recall@1 of the plain and the starred loss, from the tables of the search by rate"
    means = {rate: runs.groupby('arm')['recall@1'].mean() for rate, runs in found.items()}
    return {family: max(means, key=lambda rate: means[rate][family]+means[rate][f'{family}_star']) for family in families}


def test_studies(dataset, data, rates):
    "The studies on test classes"
    def shared(family): return base(dataset, data, lr=rates[family], lr_end=rates[family]/10)
    name, plan = f'{dataset}_margins', PLANS[dataset]
    arms = tuple(arm for arm in FAMILIES['ms'] if arm not in plan.without)
    yield StudyConfig(name, shared('ms'), arms, seeds=plan.seeds, baseline='ms', sweep=('ms', 'ms_star'), swept='noise', values=LEVELS)
    for family in plan.families:
        if family != 'ms':
            yield StudyConfig(f'{name}_{family}', shared(family), FAMILIES[family], seeds=FEWER, baseline=family, sweep=None)
    for kind in plan.kinds:
        other = shared('ms').changed(noise_kind=kind)
        part = {'small-cluster': 'clusters', 'tree': 'tree'}[kind]
        yield StudyConfig(f'{name}_{part}', other, ('ms', 'ms_star'), seeds=FEWER, baseline='ms', sweep=None)


@torch.no_grad()
def untrained_suspects(study, found, data):
    "How many wrong labels the features find before any training: one row for each level and seed"
    runs = [(row, load_run(study.out/'runs'/row['key'])) for row in found.query('arm=="ms"').to_dict('records')]
    config = runs[0][1].config.changed(data=data)
    images = open_data(config)
    z = feature_bank(config, build_network(config.model, images.num_classes)).features(images.train, 'plain')[:, 0].float()
    rows = []
    for row, run in runs:
        planted = labels_of(run)
        score = label_suspicion(z, planted['labels'], images.num_classes)['score']
        d = detection(score, planted['changed'])
        rows.append(row | d | dict(arm='untrained', label='Untrained features', key='', planted=d['at']))
    return pd.DataFrame(rows)[list(found)]


def write_suspects(study, data):
    "The table of wrong labels, in the folder of the study"
    found = study_suspects(study.out, data)
    table = pd.concat([untrained_suspects(study, found, data), found], ignore_index=True)
    with atomic_path(study.out/'suspects.csv') as part: table.to_csv(part, index=False)
    print(100*table.pivot_table(index='label', columns='noise', values='precision', sort=False).round(3))
    return table


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('dataset', choices=list(PLANS))
    p.add_argument('--data', help='folder of the images; $KFR_DATA or ./data by default')
    p.add_argument('--out', type=Path, default=Path('results/every_margin'))
    p.add_argument('--jobs', type=int, default=None)
    p.add_argument('--only-search', action='store_true')
    p.add_argument('--publish', action='store_true', help='write the tables to nbs/studies/_results')
    args = p.parse_args()
    command = f'python tools/every_margin.py {args.dataset} --data DIR'
    found = {rate: complete(run_study(s, args.out/s.name, args.jobs, command=f'{command} --only-search'))
        for rate, s in search_studies(args.dataset, args.data)}
    for r, s in found.items(): print(f'{r:g}', {a: round(100*v, 1) for a, v in s.runs.groupby('arm')['recall@1'].mean().items()})
    rates = choose({r: s.runs for r, s in found.items()}, PLANS[args.dataset].families)
    print('rates:', rates)
    if args.only_search: return
    made = [complete(run_study(s, args.out/s.name, args.jobs, command=command)) for s in test_studies(args.dataset, args.data, rates)]
    print('\n'.join(str(s.report) for s in made))
    with_ms = [s for s in made if s.config.baseline == 'ms']
    for s in with_ms: write_suspects(s, args.data)
    if args.publish:
        results = ROOT/'nbs'/'studies'/'_results'
        for s in [*found.values(), *made]: publish(s.out, s.config.name.replace('.', '_'), results, history=False)
        for s in with_ms: shutil.copyfile(s.out/'suspects.csv', results/f'{s.config.name}_suspects.csv')


if __name__ == '__main__': main()
