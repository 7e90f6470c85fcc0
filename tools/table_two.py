"""The KFR paper's Table II on stored features of CIFAR-100: losses without a tree beside cross-entropy, and KFR.

    python tools/table_two.py               100 images per class; about ten minutes on two cores
    python tools/table_two.py --publish     write the tables to nbs/studies/_results as well

The setting is that of `every_rival.py 100`, and every loss is switched on after 80 % of the epochs. C²AM is missing: it
compares parts of images, which stored features no longer have.

1. Search. Four weights for each loss, with two seeds, judged on 2,000 validation images.
2. Choice. The weight with the highest mean accuracy, which is what the table compares.
3. Test. Five other seeds, each with its own training and validation images.

An interrupted run resumes with the same command.
"""
import argparse
from pathlib import Path
from kfr_nb.study.make import run_study
from kfr_nb.study.presets import StudyConfig
from kfr_nb.study.publish import publish
from every_rival import ROOT, Subject, complete

NAME = 'features_100_table2'
WEIGHTS = {'contrastive_l1': (0.1, 0.3, 1., 3.), 'contrastive_l2': (0.1, 0.3, 1., 3.), 'triplet_l1': (0.1, 0.3, 1., 3.),
    'triplet_l2': (0.1, 0.3, 1., 3.), 'infonce': (0.01, 0.03, 0.1, 0.3), 'kfr': (3., 10., 30., 100.)}


def named(method, weight): return f'{method}_{weight:g}'.replace('.', '_')


def search_study():
    "Every weight, judged on validation images"
    variants = {named(m, w): dict(method=m, alpha=w) for m, weights in WEIGHTS.items() for w in weights}
    return StudyConfig(f'{NAME}_search', Subject('100').base().changed(judged_on='valid'), ('ce', 'probe', *variants),
        seeds=(100, 101), redraw=True, sweep=None, variants=variants)


def choose(runs):
    "The weight of each loss with the highest mean accuracy, from the table of the search"
    means = runs.groupby('arm')['top1'].mean()
    return {m: max(weights, key=lambda w: means[named(m, w)]) for m, weights in WEIGHTS.items()}


def test_study(weights):
    "The chosen weights on test images"
    return StudyConfig(NAME, Subject('100').base(), ('ce', 'probe', *WEIGHTS, 'kfr_shuffled'), seeds=(0, 1, 2, 3, 4), redraw=True,
        sweep=None, weights=weights)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--out', type=Path, default=Path('results/table_two'))
    p.add_argument('--jobs', type=int, default=None)
    p.add_argument('--publish', action='store_true', help='write the tables to nbs/studies/_results')
    args = p.parse_args()
    command = 'python tools/table_two.py'
    found = complete(run_study(search_study(), args.out/f'{NAME}_search', args.jobs, command=command))
    print((100*found.runs.groupby('arm', sort=False)['top1'].mean()).round(1).to_string())
    weights = choose(found.runs)
    print('weights:', weights)
    made = complete(run_study(test_study(weights), args.out/NAME, args.jobs, command=command))
    print((100*made.runs.groupby('arm', sort=False)[['top1', 'mahp', 'tree_correlation']].mean()).round(1).to_string())
    if not args.publish: return
    results = ROOT/'nbs'/'studies'/'_results'
    for s in (found, made): publish(s.out, s.config.name, results, history=False)


if __name__ == '__main__': main()
