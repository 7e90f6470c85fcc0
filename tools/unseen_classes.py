"""Classes that training has not seen: CIFAR-100 without 20 of its classes; each seed draws its own 20.

    python tools/unseen_classes.py --data DIR              from scratch, three seeds: about 70 minutes on two cores
    python tools/unseen_classes.py --features              stored features, every method, five seeds: about ten minutes
    python tools/unseen_classes.py --features --publish    write the tables to nbs/studies/_results as well

From scratch: the preset `converged` on 80 classes, a ResNet-10, cross-entropy until it has converged, then each loss at a low
rate, with the weights of the preset. On stored features: a head with 100 images per class, and all methods of `every_rival.py`
with the settings that it chose on all classes, and triplets, alone and with KFR. A network is judged

- by the test images of the 80 classes, as in every study;
- by the test images of the 20: by retrieval among them, and by the place in the tree where each image lands, which is
  that of the known class it is taken for: by the classifier, by the classifier under CRM, or by the nearest class mean.

An interrupted run resumes with the same command.
"""
import argparse, os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
import numpy as np, pandas as pd, torch
from kfr_nb.core import atomic_path, read_json, write_json
from kfr_nb.data import load_dataset
from kfr_nb.decisions import decide
from kfr_nb.knowledge import load_tree
from kfr_nb.metrics import nearest_class, placement
from kfr_nb.study.make import run_study
from kfr_nb.study.presets import StudyConfig, configure
from kfr_nb.study.publish import publish, write_table
from kfr_nb.train import embed_run, evaluate_run, load_run
from every_rival import ROOT, Subject, choose, complete, test_study

RESULTS = ROOT/'nbs'/'studies'/'_results'
UNSEEN = 20
METHODS = ('kfr', 'kfr_free', 'kfr_plus_late')
TRIPLETS = 3.                                  # weight of the triplets, as `table_two.py` chose
ARMS = ('ce', *(name for m in METHODS for name in (m, f'{m}_shuffled')))


@dataclass(frozen=True)
class Experiment:
    "What is trained, and for which seeds"
    name: str
    dataset: str
    seeds: tuple[int, ...]
    study: Callable[[int, Path], StudyConfig]  # of a seed, on the arrays of its known classes
    command: str


def from_scratch(seed, known):
    "The preset `converged`"
    return configure('converged', arms=ARMS, sweep=None, seeds=(seed,), dataset=f'npz:{known}', tree_name='cifar100')


def on_features(seed, known):
    "Every method with its settings from all classes, and triplets without a tree, alone and with KFR"
    chosen = choose(pd.read_csv(RESULTS/'features_100_search_runs.csv'))
    study = test_study(Subject('100', dataset=f'npz:{known}', tree='cifar100'), chosen)
    both = chosen['kfr_free']                  # the sum has the weights that KFR and triplets have alone
    return replace(study, arms=(*study.arms, 'triplet_l2', 'triplet_l2_kfr', 'triplet_l2_kfr_shuffled'), seeds=(seed,), redraw=False,
        weights=study.weights | dict(triplet_l2=TRIPLETS, triplet_l2_kfr=both), settings=study.settings | dict(triplets=TRIPLETS/both),
        name='features_unseen')


SCRATCH = Experiment('cifar100_unseen', 'cifar100', (0, 1, 2), from_scratch, 'python tools/unseen_classes.py --data DIR')
FEATURES = Experiment('features_unseen', 'cifar100-features', (0, 1, 2, 3, 4), on_features, 'python tools/unseen_classes.py --features')


def parts_of(dataset, data, folder, seed):
    "Array files of the known and of the unseen classes of a seed; written once"
    files = folder/f'known-{seed}.npz', folder/f'unseen-{seed}.npz'
    if all(f.exists() for f in files): return files
    folder.mkdir(parents=True, exist_ok=True)
    ds = load_dataset(dataset, data)
    out = np.random.default_rng(seed).permutation(ds.num_classes)[:UNSEEN]
    groups = sorted(set(range(ds.num_classes))-set(out.tolist())), sorted(out.tolist())
    for file, keep in zip(files, groups):
        arrays = {}
        for part in ('train', 'test'):
            images = getattr(ds, part)
            chosen = np.isin(images.labels.numpy(), keep)
            x = images.arrays.numpy()[chosen]
            arrays[f'x_{part}'] = x.transpose(0, 2, 3, 1) if x.ndim == 4 else x
            arrays[f'y_{part}'] = np.searchsorted(keep, images.labels.numpy()[chosen])
        with atomic_path(file) as part: np.savez(part.open('wb'), **arrays, classes=[ds.classes[c] for c in keep])
    return files


def train(experiment, data, out, seed, jobs=1):
    "The runs of a seed"
    known, _ = parts_of(experiment.dataset, data, out/'data', seed)
    return complete(run_study(experiment.study(seed, known), out/f'seed{seed}', jobs, command=experiment.command))


@torch.no_grad()
def judge(row, out):
    "How a run sees the images of unseen classes"
    torch.set_num_threads(1)
    seed = int(row['seed'])
    unseen, run = f'npz:{out/"data"/f"unseen-{seed}.npz"}', load_run(out/f'seed{seed}'/'runs'/row['key'])
    names = read_classes(out, seed)
    both = load_tree('cifar100').with_classes([*names['known'], *names['unseen']])
    K = len(names['known'])
    D = both.distances()[:K, K:]
    known_tree = load_tree('cifar100').with_classes(names['known'])
    new, old = embed_run(run, 'test', unseen), embed_run(run, 'train')
    taken = dict(classifier=new['logits'].argmax(1), crm=decide(new['logits'], known_tree, 'crm'), means=nearest_class(new['z'], old['z'], old['y']))
    found = {f'unseen_{k}': v for k, v in evaluate_run(run, 'test', unseen).items()}
    for rule, named in taken.items():
        p = placement(named, new['y'], D)
        found |= {f'{rule}_edges': p['distance'], f'{rule}_placement': p['placement']}
    return dict(arm=row['arm'], label=row['label'], seed=seed) | found | dict(best_edges=p['best'], chance_edges=p['chance'])


def read_classes(out, seed):
    "The names of the known and of the unseen classes"
    return {part: np.load(out/'data'/f'{part}-{seed}.npz')['classes'].tolist() for part in ('known', 'unseen')}


def joined(experiment, studies, out):
    "The studies of all seeds as one: its tables, in the folder of the results"
    runs = pd.concat([s.runs for s in studies], ignore_index=True).assign(cfg_dataset='npz:known-SEED.npz')
    write_table(out/'runs.csv', runs)
    record = read_json(studies[0].out/'study.json')
    record['study'] |= dict(name=experiment.name, seeds=[s.config.seeds[0] for s in studies])
    record['study']['base'] |= dict(dataset='npz:known-SEED.npz')
    write_json(out/'study.json', record)
    return runs


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--data', help='folder of the images; $KFR_DATA or ./data by default')
    p.add_argument('--features', action='store_true', help='stored features and every method, instead of networks from scratch')
    p.add_argument('--out', type=Path, default=Path('results/unseen_classes'))
    p.add_argument('--jobs', type=int, default=os.cpu_count(), help='processes that judge; training has one for each seed')
    p.add_argument('--publish', action='store_true', help='write the tables to nbs/studies/_results')
    args = p.parse_args()
    experiment = FEATURES if args.features else SCRATCH
    out = (args.out/experiment.name).absolute()
    for seed in experiment.seeds: parts_of(experiment.dataset, args.data, out/'data', seed)
    with ProcessPoolExecutor(len(experiment.seeds)) as pool: studies = list(pool.map(partial(train, experiment, args.data, out), experiment.seeds))
    runs = joined(experiment, studies, out)
    with ProcessPoolExecutor(args.jobs) as pool: rows = list(pool.map(partial(judge, out=out), runs.to_dict('records')))
    places = pd.DataFrame(rows)
    write_table(out/'places.csv', places)
    print(places.drop(columns='seed').groupby(['arm', 'label'], sort=False).mean().round(3).to_string())
    if not args.publish: return
    publish(out, experiment.name, RESULTS, history=False)
    write_table(RESULTS/f'{experiment.name}_places.csv', places)


if __name__ == '__main__': main()
