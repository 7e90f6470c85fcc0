"""Makes the two discs of the home page, and the numbers beside them: heads as in the quickstart, trained twice as long, over seeds.

    python tools/home_figure.py               about eight minutes on one core; nothing is downloaded
    python tools/home_figure.py --seeds 1     a quick look; --to DIR writes there

Writes nbs/images/readme/discs.svg, which has no background and reads on light and on dark, and
nbs/studies/_results/home_heads.json, one record for each run.
"""
import argparse, json, re, tempfile
from pathlib import Path
import matplotlib
matplotlib.use('agg')
import matplotlib.pyplot as plt
from kfr_nb.knowledge import load_tree
from kfr_nb.train import TrainConfig, embed_run, fit
from kfr_nb.viz.atlas import class_tree_disc, fit_tree_means

ROOT = Path(__file__).resolve().parent.parent
ARMS = {'ce': dict(method='ce'), 'kfr_plus': dict(method='kfr_plus'), 'kfr_plus_shuffled': dict(method='kfr_plus', tree='shuffled')}
TITLES = {'ce': 'cross-entropy', 'kfr_plus': 'with the tree'}
METRICS = ['top1', 'mistake_severity', 'mahp', 'tree_correlation']
INK = '#7a828e'                                # at least 3.8 : 1 on white and on both sites' dark pages


def discs(embedded, tree, path):
    "Class means of two networks and the tree through them, as an SVG without a background"
    matplotlib.rcParams['svg.hashsalt'] = 'kfr_nb'
    fig, axes = plt.subplots(1, 2, figsize=(8.4, 4.5), layout='constrained')
    for ax, (arm, (z, y)) in zip(axes, embedded.items()):
        fitted = fit_tree_means(z, y, tree, steps=600, starts=2)
        class_tree_disc(fitted.points, None, tree, names=False, ax=ax)
        ax.set_title(TITLES[arm], fontsize=17, color=INK)
        for patch in ax.patches: patch.set_edgecolor(INK)
    fig.savefig(path, transparent=True, bbox_inches='tight', pad_inches=.03, metadata=dict(Date=None))
    path.write_text(lighter(path.read_text(encoding='utf-8')), encoding='utf-8')


def lighter(svg):
    "The same drawing in half the bytes: a hundredth of a point is enough, and so is every third point of an edge"
    def edge(m):
        points = re.findall(r'([ML]) ([-\d.]+) ([-\d.]+)', m[1])
        if len(points) <= 12 or re.search('[zCQ]', m[1]): return m[0]
        return ' d="' + ' '.join(' '.join(p) for p in [*points[:-1:3], points[-1]]) + '"'
    svg = re.sub(r' d="([^"]*)"', edge, svg)
    return re.sub(r'(?<!scale\()-?\b\d+\.\d{2,}', lambda m: f'{float(m[0]):.2f}'.rstrip('0').rstrip('.'), svg)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--seeds', type=int, default=5)
    p.add_argument('--to', type=Path, help='write both files into this folder')
    args = p.parse_args()
    pictures = args.to or ROOT/'nbs'/'images'/'readme'
    results = args.to or ROOT/'nbs'/'studies'/'_results'
    base = TrainConfig.of(dataset='cifar100-features', hidden=512, dropout=0.3, eval_every=20, method='ce')
    rows, shown = [], {}
    with tempfile.TemporaryDirectory() as work:
        for seed in range(args.seeds):
            for arm, own in ARMS.items():
                run = fit(base.changed(seed=seed, **own), out=Path(work)/f'{arm}-{seed}', progress=False)
                rows.append(dict(arm=arm, seed=seed, **{m: round(run.metrics[m], 5) for m in METRICS}))
                print(rows[-1], flush=True)
                if not seed and arm in TITLES:
                    found = embed_run(run)
                    shown[arm] = (found['z'], found['y'])
    for folder in (pictures, results): folder.mkdir(parents=True, exist_ok=True)
    discs(shown, load_tree('cifar100'), pictures/'discs.svg')
    lines = ',\n '.join(map(json.dumps, rows))
    (results/'home_heads.json').write_text(f'[{lines}]\n', encoding='utf-8')


if __name__ == '__main__': main()
