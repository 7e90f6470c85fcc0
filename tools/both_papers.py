"""AHSML's margins and KFR's loss together, on the one recipe that beats its untrained features: Cars-196 at 30 % label noise.

    python tools/both_papers.py --data DIR              about 15 minutes on two cores, and some for the features
    python tools/both_papers.py --data DIR --publish    write the tables to nbs/studies/_results as well

The setting is that of `every_margin.py cars196`, whose rate for MS is taken. The tree is `cars196`: body, make, model.

1. Search. Four weights of KFR's term beside MS and beside MS*, with two seeds, judged on a fifth of the training classes.
2. Choice. For each of the two the weight with the highest mean Recall@1.
3. Test. Five other seeds, test classes: MS, its margins from learned similarity and from the tree, with and without the views,
   and KFR's term beside MS and MS*. Whatever reads the tree has its control with a shuffled tree.

An interrupted run resumes with the same command.
"""
import argparse
from pathlib import Path
from kfr_nb.study.make import run_study
from kfr_nb.study.presets import StudyConfig
from kfr_nb.study.publish import publish
from every_margin import SEEDS, base
from every_rival import ROOT, complete

NAME, RATE = 'cars196_together', 3e-4
WEIGHTS = (0.3, 1., 3., 10.)
MS_KFR = dict(method='ms_star_kfr', divergence=False, consistency=False)
BESIDE = {'ms_star_kfr_only': MS_KFR, 'ms_star_kfr': dict(method='ms_star_kfr')}
ARMS = ('ms', 'ms_divergence', 'ms_star_tree_only', 'ms_star_tree_only_shuffled', 'ms_star', 'ms_star_tree', 'ms_star_tree_shuffled',
    'ms_star_kfr_only', 'ms_star_kfr_only_shuffled', 'ms_star_kfr', 'ms_star_kfr_shuffled')


def shared(data, **changes):
    "What all runs share"
    return base('cars196', data, lr=RATE, lr_end=RATE/10, tree_name='cars196').changed(**changes)


def named(arm, weight): return f'{arm}_{weight:g}'


def search_study(data):
    "Every weight, judged on validation classes"
    variants = {named(a, w): dict(how, alpha=w) for a, how in BESIDE.items() for w in WEIGHTS}
    return StudyConfig(f'{NAME}_search', shared(data, valid_fraction=0.2, judged_on='valid'), ('ms', 'ms_star', *variants),
        seeds=(100, 101), baseline='ms', sweep=None, variants=variants)


def choose(runs):
    "The weight of KFR beside each loss: the highest mean Recall@1, from the table of the search"
    means = runs.groupby('arm')['recall@1'].mean()
    return {arm: max(WEIGHTS, key=lambda w: means[named(arm, w)]) for arm in BESIDE}


def test_study(data, weights):
    "The comparison on test classes"
    variants = {'ms_star_tree_only': dict(label='margins from the tree, one view', method='ms_star', consistency=False, margins='tree'),
        'ms_star_kfr_only': dict(MS_KFR, label='beside plain MS', alpha=weights['ms_star_kfr_only'])}
    return StudyConfig(NAME, shared(data), ARMS, seeds=SEEDS, baseline='ms', sweep=None, variants=variants,
        weights={'ms_star_kfr': weights['ms_star_kfr']})


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--data', help='folder of the images; $KFR_DATA or ./data by default')
    p.add_argument('--out', type=Path, default=Path('results/both_papers'))
    p.add_argument('--jobs', type=int, default=None)
    p.add_argument('--publish', action='store_true', help='write the tables to nbs/studies/_results')
    args = p.parse_args()
    command = 'python tools/both_papers.py --data DIR'
    found = complete(run_study(search_study(args.data), args.out/f'{NAME}_search', args.jobs, command=command))
    weights = choose(found.runs)
    print((100*found.runs.groupby('arm')['recall@1'].mean()).round(1).to_string())
    print('weights:', weights)
    made = complete(run_study(test_study(args.data, weights), args.out/NAME, args.jobs, command=command))
    print((100*made.runs.groupby('arm', sort=False)[['recall@1', 'map_r', 'mahp', 'tree_correlation']].mean()).round(1).to_string())
    if not args.publish: return
    results = ROOT/'nbs'/'studies'/'_results'
    for s in (found, made): publish(s.out, s.config.name, results, history=False)


if __name__ == '__main__': main()
