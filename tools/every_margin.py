"""AHSML's margins on frozen features, by retrieval of unseen classes: the rate chosen on validation classes, then judged on test classes.

    python tools/every_margin.py cars196 --data DIR              about 20 minutes on two cores, and some for the features
    python tools/every_margin.py cars196 --data DIR --only-search
    python tools/every_margin.py cars196 --data DIR --publish    write the tables to nbs/studies/_results as well

The backbone is a frozen EfficientNet-Lite0; a linear layer of 512 numbers on its features is trained. Every image has four
views of each random kind.

1. Search. Three learning rates for each loss, with two seeds and 30 % label noise, judged on a fifth of the training classes.
2. Choice. One rate for all: the highest mean Recall@1 over the losses, so that a loss and its starred form differ in nothing else.
3. Test. Five other seeds, test classes. All losses with 30 % symmetric noise; MS and MS* also without noise, with 50 and 70 %,
   and with 30 % in small clusters.

An interrupted run resumes with the same command.
"""
import argparse
from pathlib import Path
from kfr_nb.study.make import run_study
from kfr_nb.study.presets import StudyConfig
from kfr_nb.study.publish import publish
from kfr_nb.train import TrainConfig
from every_rival import complete

ROOT = Path(__file__).resolve().parent.parent
SIZES = {'cars196': 96, 'cub200': 128}
RATES = (1e-4, 3e-4, 1e-3)
NOISE = 0.3
LEVELS = (0., 0.3, 0.5, 0.7)
SEARCHED = ('triplet', 'triplet_star', 'lifted', 'lifted_star', 'ms', 'ms_star', 'proxy_anchor')
JUDGED = (*SEARCHED, 'ms_divergence', 'ms_consistency', 'ms_star_max', 'ms_star_poincare', 'ms_star_folded', 'ms_oracle', 'ms_prism', 'ms_star_prism')


def base(dataset, data, **changes):
    "What all runs share"
    return TrainConfig.of(dataset=dataset, data=data, method='ms', protocol='retrieval', image_size=SIZES[dataset],
        model='timm:tf_efficientnet_lite0', pretrained=True, frozen=True, embedding_dim=512, batch_size=100, per_class=5,
        epochs=20, optimizer='adam', weight_decay=1e-5, noise=NOISE, eval_every=20, save_seconds=60.).changed(**changes)


def search_studies(dataset, data):
    "One study for each rate, judged on validation classes"
    for rate in RATES:
        shared = base(dataset, data, lr=rate, lr_end=rate/10, valid_fraction=0.2, judged_on='valid')
        yield rate, StudyConfig(f'{dataset}_margins_search_{rate:g}', shared, SEARCHED, seeds=(100, 101), baseline='ms', sweep=None)


def choose(found):
    "The rate with the highest mean Recall@1 over the losses, from the tables of the search by rate"
    return max(found, key=lambda rate: found[rate].groupby('arm')['recall@1'].mean().mean())


def test_studies(dataset, data, rate):
    "The studies on test classes, by the ends of their names"
    shared = base(dataset, data, lr=rate, lr_end=rate/10)
    seeds = (0, 1, 2, 3, 4)
    yield 'margins', StudyConfig(f'{dataset}_margins', shared, JUDGED, seeds=seeds, baseline='ms',
        sweep=('ms', 'ms_star'), swept='noise', values=LEVELS)
    yield 'margins_clusters', StudyConfig(f'{dataset}_margins_clusters', shared.changed(noise_kind='small-cluster'),
        ('ms', 'ms_star'), seeds=seeds, baseline='ms', sweep=None)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('dataset', choices=list(SIZES))
    p.add_argument('--data', required=True, help='folder of the images')
    p.add_argument('--out', type=Path, default=Path('results/every_margin'))
    p.add_argument('--jobs', type=int, default=None)
    p.add_argument('--only-search', action='store_true')
    p.add_argument('--publish', action='store_true', help='write the tables to nbs/studies/_results')
    args = p.parse_args()
    command = f'python tools/every_margin.py {args.dataset} --data DIR'
    found = {rate: complete(run_study(s, args.out/s.name, args.jobs, command=f'{command} --only-search'))
        for rate, s in search_studies(args.dataset, args.data)}
    rate = choose({r: s.runs for r, s in found.items()})
    for r, s in found.items(): print(f'{r:g}', {a: round(100*v, 1) for a, v in s.runs.groupby('arm')['recall@1'].mean().items()})
    print(f'rate: {rate:g}')
    if args.only_search: return
    made = [complete(run_study(s, args.out/s.name, args.jobs, command=command)) for _, s in test_studies(args.dataset, args.data, rate)]
    print('\n'.join(str(s.report) for s in made))
    if args.publish:
        for s in [*found.values(), *made]: publish(s.out, s.config.name, ROOT/'nbs'/'studies'/'_results', history=False)


if __name__ == '__main__': main()
