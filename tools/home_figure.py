"""Makes the two discs of the home page: heads as in the quickstart, trained twice as long, one seed.

    python tools/home_figure.py               about a minute on one core; nothing is downloaded
    python tools/home_figure.py --to DIR      writes there

Writes nbs/images/readme/discs.svg, which has no background and reads on light and on dark.
"""
import argparse, re, tempfile
from pathlib import Path
import matplotlib
matplotlib.use('agg')
import matplotlib.pyplot as plt
from kfr_nb.knowledge import load_tree
from kfr_nb.train import TrainConfig, embed_run, fit
from kfr_nb.viz.atlas import class_tree_disc, fit_tree_means

ROOT = Path(__file__).resolve().parent.parent
TITLES = {'ce': 'cross-entropy', 'kfr_plus': 'with the tree'}
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
    p.add_argument('--to', type=Path, default=ROOT/'nbs'/'images'/'readme', help='folder of the picture')
    args = p.parse_args()
    base = TrainConfig.of(dataset='cifar100-features', hidden=512, dropout=0.3, eval_every=20, method='ce')
    shown = {}
    with tempfile.TemporaryDirectory() as work:
        for arm in TITLES:
            found = embed_run(fit(base.changed(seed=0, method=arm), out=Path(work)/arm, progress=False))
            shown[arm] = (found['z'], found['y'])
    args.to.mkdir(parents=True, exist_ok=True)
    discs(shown, load_tree('cifar100'), args.to/'discs.svg')


if __name__ == '__main__': main()
