"""AHSML's margins on frozen features, by retrieval of unseen classes: the rate chosen on validation classes, then judged on test classes.

    python tools/every_margin.py cars196 --data DIR              about 20 minutes on two cores, and some for the features
    python tools/every_margin.py cars196 --data DIR --only-search
    python tools/every_margin.py cars196 --data DIR --publish    write the tables to nbs/studies/_results as well

The backbone is a frozen EfficientNet-Lite0; a linear layer of 512 numbers on its features is trained. Every image has four
views of each random kind.

1. Search. Four learning rates for each loss, with two seeds and 30 % label noise, judged on a fifth of the training classes.
2. Choice. One rate for a loss and its starred form, so that they differ in nothing else: the one with the highest mean of
   their Recall@1. Parts and settings of MS* take MS's rate, and so does Proxy Anchor, which is compared with MS.
3. Test. Other seeds, test classes, 30 % symmetric noise: five for MS, its parts and its filters, three for triplet and lifted
   structure. MS and MS* also without noise and with 50 %, five seeds, and with 30 % in small clusters, three.

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
RATES = (3e-5, 1e-4, 3e-4, 1e-3)
NOISE = 0.3
LEVELS = (0., 0.3, 0.5)
SEARCHED = ('triplet', 'triplet_star', 'lifted', 'lifted_star', 'ms', 'ms_star', 'proxy_anchor')
FAMILIES = {                               # the losses that share a rate, and are judged in one study
    'triplet': ('triplet', 'triplet_star'),
    'lifted': ('lifted', 'lifted_star'),
    'ms': ('ms', 'ms_star', 'ms_divergence', 'ms_consistency', 'ms_star_max', 'ms_star_poincare', 'ms_star_folded', 'ms_oracle',
        'ms_prism', 'ms_star_prism', 'proxy_anchor')}
SEEDS, FEWER = (0, 1, 2, 3, 4), (0, 1, 2)


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
    "The rate of each family: the highest mean Recall@1 of the plain and the starred loss, from the tables of the search by rate"
    means = {rate: runs.groupby('arm')['recall@1'].mean() for rate, runs in found.items()}
    return {family: max(means, key=lambda rate: means[rate][family]+means[rate][f'{family}_star']) for family in FAMILIES}


def test_studies(dataset, data, rates):
    "The studies on test classes"
    def shared(family): return base(dataset, data, lr=rates[family], lr_end=rates[family]/10)
    name = f'{dataset}_margins'
    yield StudyConfig(name, shared('ms'), FAMILIES['ms'], seeds=SEEDS, baseline='ms', sweep=('ms', 'ms_star'), swept='noise', values=LEVELS)
    for family in ('lifted', 'triplet'):
        yield StudyConfig(f'{name}_{family}', shared(family), FAMILIES[family], seeds=FEWER, baseline=family, sweep=None)
    clusters = shared('ms').changed(noise_kind='small-cluster')
    yield StudyConfig(f'{name}_clusters', clusters, ('ms', 'ms_star'), seeds=FEWER, baseline='ms', sweep=None)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('dataset', choices=list(SIZES))
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
    rates = choose({r: s.runs for r, s in found.items()})
    print('rates:', rates)
    if args.only_search: return
    made = [complete(run_study(s, args.out/s.name, args.jobs, command=command)) for s in test_studies(args.dataset, args.data, rates)]
    print('\n'.join(str(s.report) for s in made))
    if args.publish:
        for s in [*found.values(), *made]: publish(s.out, s.config.name.replace('.', '_'), ROOT/'nbs'/'studies'/'_results', history=False)


if __name__ == '__main__': main()
